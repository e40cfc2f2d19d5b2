"""Boards: result records put where their numbers may be compared, and the names of their rows.

Records share a board only if they share protocol, engine and settings; built-in demo tasks have
boards of their own. So no cell, row or mean ever mixes what is not comparable.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmark.records.record import Record, Spread, summarise

DEMO_NOTE = (
    "Demo tasks are synthesised, small and easy: their numbers show that everything runs and say "
    "nothing about real tasks."
)
RANDOM_NOTE = "Rows with random weights say nothing about the published models."
_DOMAINS = ("speech", "environment", "music")


class ModelKey(NamedTuple):
    """What makes a row: the model with its options and weights.

    `resampler` is empty unless one task's audio came to the model in more than one way.
    """

    model: str
    resampler: str


class TaskKey(NamedTuple):
    """What makes a column: the task's folder and the hash of its content."""

    folder: str
    hash: str


@dataclass(frozen=True)
class Board:
    """Records that may be compared, at most one for each model and task.

    Attributes
    ----------
    models, tasks : short names in the order of rows and columns
    replaced : how many records were left out for a newer one of the same job
    """

    protocol: str
    engine: str
    settings: Mapping[str, Any]
    demo: bool
    models: Mapping[ModelKey, str]
    tasks: Mapping[TaskKey, str]
    records: Mapping[tuple[ModelKey, TaskKey], Record]
    replaced: int

    @property
    def title(self) -> str:
        """What all its numbers share, in words."""
        settings = "".join(f", {key} {value}" for key, value in self.settings.items())
        demo = "Demo tasks: " if self.demo else ""
        return f"{demo}protocol {self.protocol}, engine {self.engine}{settings}"

    @property
    def slug(self) -> str:
        """The title as the name of a folder."""
        parts = ["demo"] if self.demo else []
        parts += [self.protocol, self.engine, *(f"{k}-{v}" for k, v in self.settings.items())]
        return re.sub(r"[^A-Za-z0-9_.-]+", "_", "-".join(parts))

    def of_task(self, task: TaskKey) -> list[Record]:
        """Records of a task in the order of the models."""
        return [self.records[model, task] for model in self.models if (model, task) in self.records]

    def of_model(self, model: ModelKey) -> list[Record]:
        """Records of a model in the order of the tasks."""
        return [self.records[model, task] for task in self.tasks if (model, task) in self.records]

    def spread(self, model: ModelKey, task: TaskKey, metric: str) -> Spread | None:
        """A score, if there is one."""
        record = self.records.get((model, task))
        return summarise(record).get(metric) if record else None


def boards(records: Iterable[Record]) -> list[Board]:
    """Records put where they may be compared: real tasks first, then demo tasks."""
    groups: dict[tuple[bool, str, str, str], list[Record]] = defaultdict(list)
    for record in records:
        settings = json.dumps(record.settings, sort_keys=True)
        groups[record.demo, record.protocol, record.engine, settings].append(record)
    return [_board(group) for _, group in sorted(groups.items())]


def notes_on(records: Sequence[Record]) -> list[str]:
    """What must be said under a table of these records."""
    notes = [DEMO_NOTE] if any(record.demo for record in records) else []
    if any(record.random_weights for record in records):
        notes.append(RANDOM_NOTE)
    return notes


def _board(group: Sequence[Record]) -> Board:
    ways: dict[tuple[str, TaskKey], set[str]] = defaultdict(set)
    for record in group:
        ways[record.model, _task_key(record)].add(_resampler(record))
    several = {model for (model, _), resamplers in ways.items() if len(resamplers) > 1}
    records: dict[tuple[ModelKey, TaskKey], Record] = {}
    for record in sorted(group, key=lambda record: record.date):
        model = ModelKey(record.model, _resampler(record) if record.model in several else "")
        records[model, _task_key(record)] = record
    models = _model_names({model: record for (model, _), record in records.items()})
    tasks = {task: record for (_, task), record in records.items()}
    names = _task_names(tasks)
    return Board(
        protocol=group[0].protocol,
        engine=group[0].engine,
        settings=group[0].settings,
        demo=group[0].demo,
        models={key: models[key] for key in sorted(models, key=lambda key: (models[key], key))},
        tasks={
            key: names[key]
            for key in sorted(names, key=lambda key: (*_domain(tasks[key]), names[key], key))
        },
        records=records,
        replaced=len(group) - len(records),
    )


def _task_key(record: Record) -> TaskKey:
    return TaskKey(record.task_folder, record.task_hash)


def _resampler(record: Record) -> str:
    """Its name without the rate it started from, which is the task's."""
    return record.resampler.partition(" from ")[0]


def _domain(record: Record) -> tuple[int, str]:
    known = record.domain in _DOMAINS
    return (_DOMAINS.index(record.domain) if known else len(_DOMAINS), record.domain)


def _model_names(models: Mapping[ModelKey, Record]) -> dict[ModelKey, str]:
    names = _distinct_names(
        models,
        [
            lambda record: record.module.rpartition(".")[2],
            lambda record: record.module.rpartition(".")[0],
            lambda record: " ".join(f"{k}={v}" for k, v in sorted(record.options.items())),
            lambda record: str(record.weights.get("file", "")),
            _resampler,
            lambda record: record.model.rpartition("-")[2],
        ],
    )
    return {
        key: names[key] + (" (random weights)" if record.random_weights else "")
        for key, record in models.items()
    }


def _task_names(tasks: Mapping[TaskKey, Record]) -> dict[TaskKey, str]:
    return _distinct_names(
        tasks,
        [
            lambda record: record.task,
            lambda record: record.task_mode,
            lambda record: record.task_version,
            lambda record: record.task_hash[:8],
        ],
    )


def _distinct_names(
    records: Mapping[Any, Record], facets: Sequence[Callable[[Record], str]]
) -> dict[Any, str]:
    """Names from the first facet, and for as long as some are alike from those that differ."""
    names = {key: facets[0](record) for key, record in records.items()}
    for facet in facets[1:]:
        alike: dict[str, list[Any]] = defaultdict(list)
        for key, name in names.items():
            alike[name].append(key)
        for keys in alike.values():
            if len({facet(records[key]) for key in keys}) > 1:
                names |= {key: f"{names[key]} {facet(records[key])}".strip() for key in keys}
    return names
