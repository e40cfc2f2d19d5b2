"""VoxForge: every upload unpacked in the folder of its language, as ``<language>/<upload>/``.

An upload is called ``<user>-<date>-<code>`` and has its sound in ``wav/`` or ``flac/``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from .layout import audio_files

CORPUS = "VoxForge (<language>/<upload>/wav/ for de, en, es, fr, it, ru)"
LANGUAGES = ("de", "en", "es", "fr", "it", "ru")


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the six languages in `source`; those of one upload stay together."""
    clips = []
    for language in LANGUAGES:
        for path in audio_files(source / language, "*/*/*.[fw]*[cv]", CORPUS):
            upload = f"{language}_{path.parent.parent.name}"
            clips.append(Clip(path, f"{upload}_{path.stem}", (language,), "train", group=upload))
    return tuple(clips)
