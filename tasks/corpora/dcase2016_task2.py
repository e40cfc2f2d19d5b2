"""DCASE 2016 task 2: the archives of the development and of the public test set.

``dcase2016_task2_train_dev/dcase2016_task2_dev/`` and ``dcase2016_task2_test_public/``, each with
``annotation/<name>.txt`` (start and end in s, label; tabs) and ``sound/<name>.wav``. The single
events of the training set are not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip, Event
from ..folder import TaskError
from .layout import audio_files, read_lines
from .pandas_csv import through_csv

CORPUS = "both archives of DCASE 2016 task 2 (train_dev, test_public)"
FOLDERS = ("dcase2016_task2_train_dev/dcase2016_task2_dev", "dcase2016_task2_test_public")


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the corpus in `source`, all in ``train``, from which the other splits are drawn."""
    return tuple(
        Clip(
            source / folder / "sound" / f"{path.stem}.wav",
            path.stem,
            tuple(_events(path)),
            split="train",
        )
        for folder in FOLDERS
        for path in audio_files(source / folder, "annotation/*.txt", CORPUS)
    )


def _events(path: Path) -> list[Event]:
    events = []
    for number, line in enumerate(read_lines(path, CORPUS), start=1):
        try:
            start, end, label = line.split("\t")
            times = (through_csv(float(start) * 1000), through_csv(float(end) * 1000))
        except ValueError:
            raise TaskError(
                f"{path}: line {number} is {line!r}; expected start and end in s and a label,"
                " with tabs"
            ) from None
        events.append(Event(label, *times))
    return events
