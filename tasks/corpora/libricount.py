"""LibriCount: ``test/<number of speakers>_<clip>.wav``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from ..folder import TaskError
from .layout import audio_files

CORPUS = "LibriCount10-0dB"


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the corpus in `source`."""
    return tuple(
        Clip(path, path.stem, (_count(path),))
        for path in audio_files(source, "test/**/*.wav", CORPUS)
    )


def _count(path: Path) -> int:
    count = path.name.split("_")[0]
    if not count.isdecimal():
        raise TaskError(f"{path}: expected <number of speakers>_<clip>.wav")
    return int(count)
