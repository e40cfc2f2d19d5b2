"""A task cut to a few clips, for smoke runs."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from typing import Any

from tasks.folder import TaskFolder


@dataclass(frozen=True)
class LimitedTask(TaskFolder):
    """As if a task had only some clips of every split, drawn at random but always the same.

    The audio and the task's hash remain those of the whole task.

    Attributes
    ----------
    limit
        Most clips of a split.
    """

    limit: int = 0

    def items(self, split: str) -> dict[str, list[Any]]:
        return self._some(super().items(split))

    def known_labels(self, split: str) -> dict[str, list[Any]] | None:
        known = super().known_labels(split)
        return None if known is None else {name: known[name] for name in self.items(split)}

    def hash(self) -> str:
        return TaskFolder(**_values(self)).hash()

    def _some(self, items: dict[str, list[Any]]) -> dict[str, list[Any]]:
        names = list(items)
        # At random, because files are often in the order of their labels.
        chosen = set(random.Random(0).sample(names, min(self.limit, len(names))))
        return {name: items[name] for name in names if name in chosen}


def limit_task(task: TaskFolder, limit: int | None) -> TaskFolder:
    """`task` with at most `limit` clips of every split; as it is where that is None."""
    if limit is None:
        return task
    return LimitedTask(**_values(task), limit=limit)


def _values(task: TaskFolder) -> dict[str, Any]:
    return {each.name: getattr(task, each.name) for each in fields(TaskFolder)}
