"""Published scores of a task, and those that may stand beside a record of ours."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache

from benchmark.records.published import Published, load_published, why_not_comparable
from benchmark.records.published_models import same_model
from benchmark.records.published_sources import SOURCES
from benchmark.records.record import Record
from benchmark.reports.formats import Cell, Column, Row, Table


@dataclass(frozen=True)
class Beside:
    """A published score of a record's model; `reason` tells why the two are not comparable."""

    text: str
    source: str
    reason: str


@cache
def _by_folder() -> dict[str, tuple[Published, ...]]:
    found: dict[str, list[Published]] = defaultdict(list)
    for entry in load_published():
        for folder in SOURCES[entry.source].folders.get(entry.task, ()):
            if entry.value is not None:
                found[folder].append(entry)
    return {folder: tuple(entries) for folder, entries in found.items()}


def published_of(record: Record) -> list[Beside]:
    """Published values of a record's primary metric by the same model, each once."""
    found = {}
    for entry in _by_folder().get(record.unit.embedding.task, ()):
        source = SOURCES[entry.source]
        same = same_model(record, source)
        if same and entry.model in same.names and entry.own_metric == record.primary_metric:
            setting = source.setting(entry.section, entry.metric)
            reason = why_not_comparable(record, source, setting)
            if len(source.folders[entry.task]) > 1:
                reason = reason or "the published score is a mean over two tasks"
            found[entry.source, entry.value] = Beside(_text(entry), entry.source, reason)
    return list(found.values())


def published_of_task(record: Record) -> Table | None:
    """All published scores of the task of a record; None if there are none."""
    entries = _by_folder().get(record.unit.embedding.task, ())
    if not entries:
        return None
    return Table(
        "published",
        f"Published scores on {record.task.name}",
        "Model",
        (Column("score"), Column("metric"), Column("source"), Column("table")),
        tuple(
            Row(
                each.model,
                tuple(map(Cell, (_text(each), each.metric, each.source, each.table))),
            )
            for each in sorted(entries, key=lambda each: (each.metric, -(each.value or 0.0)))
        ),
        (
            "As printed, with each source's own protocol; fractions here. Which of our models is"
            " which of these stands in the table of scores.",
        ),
    )


def _text(entry: Published) -> str:
    return f"{entry.value:.3f}"
