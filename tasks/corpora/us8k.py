"""UrbanSound8K: ``audio/fold<1 to 10>/<clip>.wav`` and ``metadata/UrbanSound8K.csv``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from .layout import read_table

CORPUS = "UrbanSound8K (UrbanSound8K/)"


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the corpus in `source`, in its authors' folds."""
    columns = ("slice_file_name", "fold", "class")
    return tuple(
        Clip(
            source / "audio" / f"fold{row['fold']}" / row["slice_file_name"],
            Path(row["slice_file_name"]).stem,
            (row["class"],),
            split=f"fold{int(row['fold']) - 1:02d}",
            origin=row["slice_file_name"].split("-")[0],  # the recording it was cut from
        )
        for row in read_table(source / "metadata" / "UrbanSound8K.csv", columns, CORPUS)
    )
