"""FSD50K: ``FSD50K.<dev|eval>_audio/<clip>.wav`` and ``FSD50K.ground_truth/<dev|eval>.csv``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from .layout import read_table

CORPUS = "FSD50K (FSD50K.dev_audio/, FSD50K.eval_audio/, FSD50K.ground_truth/)"
# Longer than the 30 s they should have (Fonseca to the authors of HEAR): left out of train.
TOO_LONG = (
    *("83298", "83299", "121351", "121426", "121471", "121472"),
    *("124796", "124797", "124800", "124834", "124858", "397150"),
)
SPLITS = {"train": "train", "val": "valid"}


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the corpus in `source`, in its own splits."""
    return tuple(
        Clip(
            source / f"FSD50K.{part}_audio" / f"{row['fname']}.wav",
            row["fname"],
            tuple(row["labels"].split(",")),
            SPLITS[row["split"]] if part == "dev" else "test",
        )
        for part, columns in (
            ("dev", ("fname", "labels", "split")),
            ("eval", ("fname", "labels")),
        )
        for row in read_table(source / "FSD50K.ground_truth" / f"{part}.csv", columns, CORPUS)
        if part == "eval" or row["fname"] not in TOO_LONG
    )
