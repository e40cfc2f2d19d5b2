"""Free Spoken Digit Dataset: ``recordings/<digit>_<speaker>_<take>.wav``, 8 kHz.

HEAR took it from TensorFlow Datasets, whose file names decide HEAR's folds. ``hear_names.csv``
(columns ``hear_file``, ``fsdd_file``) in the corpus folder tells them. Mode ``all`` takes every
recording under its own name instead (3,000 of 6 speakers in v1.0.10).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from ..folder import TaskError

NAMES_FILE = "hear_names.csv"


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the corpus in `source`."""
    recordings = source / "recordings"
    if not recordings.is_dir():
        raise TaskError(f"{source}: no folder recordings; expected the repository of FSDD")
    if mode == "all":
        names = {path.name: path.name for path in recordings.glob("*.wav")}
    else:
        names = _hear_names(source / NAMES_FILE)
    clips = []
    for own_name, name in sorted(names.items()):
        digit = own_name.split("_")[0]
        if len(digit) != 1 or not digit.isdecimal():
            raise TaskError(f"{recordings / own_name}: expected <digit>_<speaker>_<take>.wav")
        clips.append(Clip(recordings / own_name, Path(name).stem, (int(digit),)))
    return tuple(clips)


def _hear_names(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row["fsdd_file"]: row["hear_file"] for row in csv.DictReader(file)}
    except FileNotFoundError:
        raise TaskError(
            f"{path}: missing; HEAR's folds are drawn over the names in it (columns hear_file,"
            " fsdd_file); pass mode all to take every recording under its own name"
        ) from None
    except KeyError as error:
        raise TaskError(f"{path}: no column {error}; expected hear_file,fsdd_file") from None
