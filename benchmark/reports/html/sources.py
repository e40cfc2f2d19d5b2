"""What stands beside the records of a run, found for the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from benchmark.errors import UserError
from benchmark.records.record import Record
from tasks.folder import TaskError, TaskFolder, open_task

Curve = tuple[tuple[int, float], ...]  # (epoch, validation score)
CURVE_SUFFIX = ".run.json"


# Some embeddings (n, size) of a task, and the labels of each.
Sample = tuple[npt.NDArray[Any], Sequence[Sequence[str]]]


@dataclass(frozen=True)
class Sources:
    """Folders of a run, and what only others can read.

    Attributes
    ----------
    out
        Folder of the run.
    tasks_dir
        Folder of tasks, for their audio; None for none.
    sample
        Some embeddings of a folder of embeddings; raises `UserError` where there are none.
    card
        Facts of a model by their names, such as its paper; empty of one that is not ours.
    """

    out: Path
    tasks_dir: Path | None
    sample: Callable[[Path], Sample]
    card: Callable[[str], Mapping[str, str]]

    def evaluation(self, record: Record) -> Path:
        """Folder in which its evaluation kept what it predicted."""
        return self.out / "evaluations" / record.unit.folder

    def embeddings(self, record: Record) -> Path:
        """Folder of its embeddings."""
        return self.out / "embeddings" / record.unit.embedding.folder

    def labels(self, records: Sequence[Record]) -> tuple[str, ...] | None:
        """Vocabulary of a task, from the first of its embeddings that are there."""
        for record in records:
            try:
                return open_task(self.embeddings(record)).labels
            except TaskError:
                continue
        return None

    def task(self, record: Record) -> TaskFolder | None:
        """The task's folder, if it is there."""
        if self.tasks_dir is None:
            return None
        try:
            return open_task(self.tasks_dir / record.unit.embedding.task)
        except TaskError:
            return None

    def curves(self, record: Record) -> list[Curve]:
        """Learning curves of the head that was chosen, one for each fold and seed that kept one."""
        chosen = record.trainings[0].hparams if record.trainings else {}
        found = []
        for path in sorted(self.evaluation(record).rglob(f"*{CURVE_SUFFIX}")):
            try:
                run: Any = json.loads(path.read_text(encoding="utf-8"))
                if run["hparams"] == chosen and run.get("curve"):
                    found.append(tuple((int(epoch), float(score)) for epoch, score in run["curve"]))
            except (OSError, ValueError, TypeError, KeyError):
                continue  # a run that cannot be read has no curve
        return found


def read_roll_paths(sources: Sources, record: Record, split: str) -> tuple[Path, Path]:
    """Files of the true events of a split and of those that an evaluation predicted.

    Raises
    ------
    UserError
        One is not there.
    """
    folder = sources.evaluation(record)
    predicted = next(iter(sorted(folder.rglob(f"{split}.events.json"))), None)
    truth = sources.embeddings(record) / f"{split}.json"
    if predicted is None or not truth.is_file():
        raise UserError(f"{folder}: no events of {split} were kept")
    return truth, predicted
