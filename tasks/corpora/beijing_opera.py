"""Beijing opera percussion instruments: ``<id>__<author>__<instrument>-<take>.wav``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from ..folder import TaskError
from .layout import audio_files

CORPUS = "the instruments of Beijing opera (beijing_opera_percussion_instrument_1.0/)"


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the corpus in `source`."""
    clips = []
    for path in audio_files(source, "*.wav", CORPUS):
        parts = path.stem.split("__")[-1].split("-")
        if len(parts) < 2:
            raise TaskError(f"{path}: expected <id>__<author>__<instrument>-<take>.wav")
        clips.append(Clip(path, path.stem, (parts[-2],)))
    return tuple(clips)
