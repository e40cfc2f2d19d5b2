"""Comparable groups: records put where their numbers may be compared, and the names of their rows.

What may share a table, a column and a row is read off the fields of the unit of work
(`benchmark.records.work_unit`, where the rule is written down); demo tasks have groups of their
own.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmark.records.json_form import canonical
from benchmark.records.record import Record
from benchmark.records.work_unit import Part, layers_text, part_of

DEMO_NOTE = (
    "Demo tasks are synthesised, small and easy: their numbers show that everything runs and say "
    "nothing about real tasks."
)
RANDOM_NOTE = "Rows with random weights say nothing about the published models."
_DOMAINS = ("speech", "environment", "music")
_NOT_RESAMPLED = "none"


class RowKey(NamedTuple):
    """What makes a row: the model as it is run, and what resampled its audio."""

    model: str
    resampler: str


class TaskKey(NamedTuple):
    """What makes a column: the task's folder, and the content that was embedded."""

    folder: str
    content: str


@dataclass(frozen=True)
class ComparableGroup:
    """Records that may be compared, at most one for each row and column.

    Attributes
    ----------
    rows, tasks
        Short names in the order of rows and columns.
    replaced
        How many records were left out for a newer one of the same row and column.
    """

    protocol: str
    version: int
    options: Mapping[str, Any]
    seeds: tuple[int, ...]
    device: str
    demo: bool
    rows: Mapping[RowKey, str]
    tasks: Mapping[TaskKey, str]
    records: Mapping[tuple[RowKey, TaskKey], Record]
    replaced: int

    @property
    def title(self) -> str:
        """What all its numbers share, in words."""
        demo = "Demo tasks: " if self.demo else ""
        return demo + ", ".join(f"{name} {value}" for name, value in self._shared())

    @property
    def slug(self) -> str:
        """The title as the name of a folder."""
        parts = ["demo"] if self.demo else []
        parts += [self._shared()[0][1], *(f"{name}-{value}" for name, value in self._shared()[1:])]
        return re.sub(r"[^A-Za-z0-9_.-]+", "_", "-".join(parts))

    def _shared(self) -> list[tuple[str, Any]]:
        version = "" if self.version == 1 else f" version {self.version}"
        shared = [("protocol", f"{self.protocol}{version}"), *self.options.items()]
        if len(self.seeds) > 1:
            shared.append(("seeds", " ".join(map(str, self.seeds))))
        return [*shared, *([] if self.device == "cpu" else [("trained on", self.device)])]

    def __contains__(self, record: Record) -> bool:
        return record in self.records.values()

    def of_task(self, task: TaskKey) -> list[Record]:
        """Records of a task in the order of the rows."""
        return [self.records[row, task] for row in self.rows if (row, task) in self.records]

    def of_row(self, row: RowKey) -> list[Record]:
        """Records of a row in the order of the tasks."""
        return [self.records[row, task] for task in self.tasks if (row, task) in self.records]


def comparable_groups(records: Iterable[Record]) -> list[ComparableGroup]:
    """Records put where they may be compared: real tasks first, then demo tasks."""
    groups: dict[tuple[bool, str], list[Record]] = defaultdict(list)
    for record in records:
        groups[record.task.demo, canonical(part_of(record.unit, Part.TABLE))].append(record)
    return [_group(group) for _, group in sorted(groups.items())]


def notes_on(records: Sequence[Record]) -> list[str]:
    """What must be said under a table of these records."""
    notes = [DEMO_NOTE] if any(record.task.demo for record in records) else []
    if any(record.random_weights for record in records):
        notes.append(RANDOM_NOTE)
    for task, note in sorted({_not_published(r) for r in records if r.task.published is False}):
        notes.append(f"{task} is not the published task of this name: {note}.")
    limits = sorted({limit for record in records if (limit := record.unit.embedding.limit)})
    for limit in limits:
        notes.append(f"Of tasks marked so, only the first {limit} clips of each split were taken.")
    return [*notes, *_notes_on_differences(records)]


def _notes_on_differences(records: Sequence[Record]) -> list[str]:
    """What differs though it may stand in one table (`Part.NOTE` and provenance)."""
    notes = []
    if len(engines := _several(record.unit.engine for record in records)) > 1:
        notes.append(
            f"Made by the engines {_listed(engines)}, which give the same numbers on one machine."
        )
    if len(threads := _several(record.unit.threads for record in records)) > 1:
        notes.append(
            f"Trained with {_listed(threads)} threads: their number moves last digits, and with "
            "them single runs."
        )
    processors = {str(record.machine.get("evaluation", {}).get("cpu", "")) for record in records}
    if len(processors := processors - {""}) > 1:
        notes.append(
            f"Trained on several processors ({_listed(processors)}), which move last digits, and "
            "with them single runs."
        )
    if several := _of_several((r.unit.model.module, r.unit.model.code) for r in records):
        notes.append(f"Embedded by several versions of the code of {_listed(several)}.")
    # Tasks have metrics, and so code, of their own.
    if several := _of_several((r.unit.embedding.task, r.unit.code) for r in records):
        notes.append(
            f"{_listed(several)}: evaluated by several versions of the code of one version of the "
            "protocol."
        )
    return notes


def _several(values: Iterable[Any]) -> set[Any]:
    return {value for value in values if value not in (None, "")}


def _of_several(pairs: Iterable[tuple[str, Any]]) -> set[str]:
    """Those first members of pairs that come with several second ones."""
    firsts = [first for first, _ in set(pairs)]
    return {first for first in firsts if firsts.count(first) > 1}


def _listed(values: Iterable[Any]) -> str:
    texts = sorted(map(str, values))
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))


def _not_published(record: Record) -> tuple[str, str]:
    return record.unit.embedding.task, record.task.published_note or "its counts or labels differ"


def rows_of(records: Iterable[Record]) -> dict[RowKey, list[Record]]:
    """Records by row, oldest first; what nothing resampled is in every row of its model."""
    ordered = sorted(records, key=lambda record: record.date)
    ways: dict[str, set[str]] = defaultdict(set)
    for record in ordered:
        ways[_model_key(record)].add(_resampler(record))
    rows: dict[RowKey, list[Record]] = defaultdict(list)
    for record in ordered:
        model = _model_key(record)
        resamplers = ways[model] - {_NOT_RESAMPLED}
        # Audio that nothing resampled came to every row of the model in the same way.
        of_all = _resampler(record) == _NOT_RESAMPLED and resamplers
        for resampler in resamplers if of_all else {_resampler(record)}:
            rows[RowKey(model, resampler)].append(record)
    return dict(rows)


def names_of_rows(rows: Mapping[RowKey, Sequence[Record]]) -> dict[RowKey, str]:
    """Short names that tell the rows apart, in the order of the names."""
    examples = {
        row: [each for each in records if _resampler(each) == row.resampler][-1]
        for row, records in rows.items()
    }
    models = _names_of_models(examples)
    names = {key: name + _mark(examples[key]) for key, name in models.items()}
    order = sorted(
        names, key=lambda key: (models[key], layers_order(examples[key]), names[key], key)
    )
    return {key: names[key] for key in order}


def _group(group: Sequence[Record]) -> ComparableGroup:
    rows = rows_of(group)
    records = {
        (row, _task_key(record)): record for row, of_row in rows.items() for record in of_row
    }
    kept = {id(record) for record in records.values()}
    tasks = {task: record for (_, task), record in records.items()}
    names = _task_names(tasks)
    first = group[0].unit
    return ComparableGroup(
        protocol=first.protocol,
        version=first.version,
        options=first.options,
        seeds=first.seeds,
        device=first.device,
        demo=group[0].task.demo,
        rows=names_of_rows(rows),
        tasks={
            key: names[key]
            for key in sorted(names, key=lambda key: (*_domain(tasks[key]), names[key], key))
        },
        records=records,
        replaced=len(group) - len(kept),
    )


def _model_key(record: Record) -> str:
    fields = part_of(record.unit, Part.ROW)
    del fields["embedding.resampler"]  # in the other half of the key
    return canonical(fields)


def _task_key(record: Record) -> TaskKey:
    fields = part_of(record.unit, Part.COLUMN)
    if record.unit.layers:  # they stand in for the scene embedding, in other rows of its column
        fields["embedding.representation"] = "scene"
    return TaskKey(fields.pop("embedding.task"), canonical(fields))


def _resampler(record: Record) -> str:
    """Its name without the rate it started from, which is the task's."""
    return record.unit.embedding.resampler.partition(" from ")[0]


def _domain(record: Record) -> tuple[int, str]:
    domain = record.task.domain
    return (_DOMAINS.index(domain) if domain in _DOMAINS else len(_DOMAINS), domain)


def _names_of_models(rows: Mapping[RowKey, Record]) -> dict[RowKey, str]:
    return _distinct_names(
        rows,
        [
            lambda record: record.name or record.module.rpartition(".")[2],
            lambda record: record.module.rpartition(".")[0],
            lambda record: " ".join(f"{k}={v}" for k, v in sorted(_options(record).items())),
            lambda record: "compiled" if record.unit.model.compiled else "",
            lambda record: record.unit.model.device,
            _resampler,
            lambda record: str(record.weights.get("file", "")),
            lambda record: record.unit.model.weights[:8],
        ],
    )


def layers_order(record: Record) -> tuple[float, ...]:
    """Sorts a model's rows: its own embedding, single layers, several of them, weighted ones."""
    layers = record.unit.layers
    numbers = [int(number) for number in layers.split("+") if number.isdigit()]
    return (0.0,) if not layers else (len(numbers) or math.inf, *numbers)


def _options(record: Record) -> Mapping[str, Any]:
    return record.unit.model.options


def _mark(record: Record) -> str:
    """What a row says of itself wherever it stands."""
    model = record.unit.model
    marks = [] if model.dtype == "float32" else [model.dtype]
    marks += ["TF32"] if model.tf32 else []
    marks += ["random weights"] if record.random_weights else []
    return layers_text(record.unit.layers) + (f" ({', '.join(marks)})" if marks else "")


def _task_names(tasks: Mapping[TaskKey, Record]) -> dict[TaskKey, str]:
    names = _distinct_names(
        tasks,
        [
            lambda record: record.task.name,
            lambda record: record.task.mode,
            lambda record: record.task.version,
            lambda record: record.unit.embedding.task_hash[:8],
            lambda record: record.unit.embedding.representation,
        ],
    )
    return {key: names[key] + _task_mark(record) for key, record in tasks.items()}


def _task_mark(record: Record) -> str:
    limit = record.unit.embedding.limit
    marks = [f"{limit} clips"] if limit else []
    marks += ["not the published"] if record.task.published is False else []
    return f" ({', '.join(marks)})" if marks else ""


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
