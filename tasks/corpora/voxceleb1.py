"""VoxCeleb1: ``wav/<speaker>/<video>/<utterance>.wav`` and ``iden_split.txt`` beside ``wav/``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from ..folder import TaskError
from .layout import read_lines

CORPUS = "VoxCeleb1 (wav/, iden_split.txt)"
SPLITS = {"1": "train", "2": "valid", "3": "test"}


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the corpus in `source`, in the split for identification."""
    path = source / "iden_split.txt"
    clips = []
    for number, line in enumerate(read_lines(path, CORPUS), start=1):
        split, _, file = line.partition(" ")
        if split not in SPLITS or file.count("/") != 2:
            raise TaskError(
                f"{path}: line {number} is {line!r}; expected 1, 2 or 3 and"
                " <speaker>/<video>/<utterance>.wav"
            )
        stem = file.removesuffix(".wav").replace("/", "_")
        speaker, video, _ = file.split("/")
        clips.append(Clip(source / "wav" / file, stem, (speaker,), SPLITS[split], origin=video))
    return tuple(clips)
