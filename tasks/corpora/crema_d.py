"""CREMA-D: ``AudioWAV/<speaker>_<sentence>_<emotion>_<level>.wav`` and its table of names.

HEAR took it from TensorFlow Datasets, whose names decide HEAR's folds: TFDS reads the names from
``processedResults/summaryTable.csv`` without four that have no file, and splits them by speaker.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..corpus import Clip
from ..folder import TaskError
from .layout import read_table
from .tfds import tfds_stems

CORPUS = "the repository of CREMA-D"
EMOTIONS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
WITHOUT_FILE = ("1040_ITH_SAD_XX", "1006_TIE_NEU_XX", "1013_WSI_DIS_XX", "1017_IWW_FEA_XX")
# Shards of each split in TFDS, which follow from its 1.65 GiB.
SHARDS = {"train": 16, "validation": 2, "test": 4}


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the corpus in `source`."""
    path = source / "processedResults" / "summaryTable.csv"
    names = [row["FileName"] for row in read_table(path, ("FileName",), CORPUS)]
    names = [name for name in names if name and name not in WITHOUT_FILE]
    split_of = _splits({_parts(path, name)[0] for name in names})
    clips = []
    for split, shards in SHARDS.items():
        keys = [name for name in names if split_of[name.split("_")[0]] == split]
        clips += [
            Clip(
                source / "AudioWAV" / f"{name}.wav",
                stem,
                (_parts(path, name)[2],),
                origin=_parts(path, name)[0],
            )
            for name, stem in tfds_stems("crema_d", split, keys, shards).items()
        ]
    return tuple(clips)


def _parts(path: Path, name: str) -> list[str]:
    parts = name.split("_")
    if len(parts) != 4 or parts[2] not in EMOTIONS:
        raise TaskError(f"{path}: {name!r}; expected <speaker>_<sentence>_<emotion>_<level>")
    return parts


def _splits(speakers: set[str]) -> dict[str, str]:
    """TFDS's split of every speaker: 70 % train, 10 % validation, 20 % test."""
    shuffled = sorted(speakers)
    np.random.RandomState(0).shuffle(shuffled)
    ends = (int(0.7 * len(shuffled)), int((0.7 + 0.1) * len(shuffled)))
    return {
        speaker: "train" if i < ends[0] else "validation" if i < ends[1] else "test"
        for i, speaker in enumerate(shuffled)
    }
