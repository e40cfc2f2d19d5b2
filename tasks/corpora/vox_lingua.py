"""VoxLingua107's development set: ``<language>/<clip>.wav``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from .layout import audio_files

CORPUS = "the development set of VoxLingua107 (dev/)"
LANGUAGES = 10


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the 10 most frequent languages in `source`.

    Of languages with equally many clips the first by name is taken; hear-preprocess leaves it to
    the order of files on disk.
    """
    paths = audio_files(source, "**/*.wav", CORPUS)
    counts = Counter(path.parent.name for path in paths)
    chosen = sorted(counts, key=lambda language: (-counts[language], language))[:LANGUAGES]
    return tuple(
        Clip(path, path.stem, (path.parent.name,)) for path in paths if path.parent.name in chosen
    )
