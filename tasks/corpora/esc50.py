"""ESC-50: ``audio/<fold>-<clip>-<take>-<class>.wav`` and ``meta/esc50.csv``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from .layout import read_table

CORPUS = "ESC-50 (ESC-50-master/)"


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the corpus in `source`, in its author's folds."""
    rows = read_table(source / "meta" / "esc50.csv", ("filename", "fold", "category"), CORPUS)
    return tuple(
        Clip(
            source / "audio" / row["filename"],
            Path(row["filename"]).stem,
            (row["category"],),
            split=f"fold{int(row['fold']) - 1:02d}",
            origin=row["filename"].split("-")[1],  # the recording it was cut from
        )
        for row in rows
    )
