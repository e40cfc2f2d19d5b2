"""Beehive states: the four archives ``Hive<number>_<date>.rar``, each extracted to its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from .layout import audio_files

CORPUS = "the folders Hive1_12_06_2018, Hive1_31_05_2018, Hive3_14_07_2017, Hive3_28_07_2017"


def read(
    source: Path, config: Mapping[str, Any], mode: str, *, train: str = "Hive1", test: str = "Hive3"
) -> tuple[Clip, ...]:
    """Clips of the corpus.

    Parameters
    ----------
    source, config, mode
        The corpus's folder; of the task.
    train, test
        Names of the hives for training and for testing.
    """
    return tuple(
        Clip(path, path.stem, ("NOQUEEN" if "NO" in path.name else "QUEEN",), split)
        for hive, split in ((train, "train"), (test, "test"))
        for path in audio_files(source, f"{hive}_*/**/*.wav", CORPUS)
    )
