"""Scores as they are shown: what is undefined or at chance is counted, marked and said."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from benchmark.errors import UserError
from benchmark.metrics.registry import Metric, metric
from benchmark.records.comparability import ComparableGroup, RowKey, TaskKey
from benchmark.records.record import Record
from benchmark.records.statistics import ScoreSummary, summarise

UNDEFINED_MARK = "†"
CHANCE_MARK = "‡"
CHANCE_NOTE = (
    f"{CHANCE_MARK} not clearly above what a model that hears nothing scores. Where the scale of "
    "the embeddings is the cause, the protocol hear-standardized helps."
)


@dataclass(frozen=True)
class Direction:
    """What a table must know of a metric; a name that nobody declares is compared in no way."""

    known: bool
    higher_is_better: bool
    is_share: bool

    @property
    def averaged(self) -> bool:
        """Whether means over tasks may contain it."""
        return self.is_share and self.higher_is_better


def declared_metric(name: str) -> Metric | None:
    """The metric of that name, or that it is a part of; None if none is installed."""
    try:
        return metric(name)
    except UserError:
        return None


def direction(name: str) -> Direction:
    found = declared_metric(name)
    if found is None:
        return Direction(known=False, higher_is_better=True, is_share=False)
    return Direction(True, found.higher_is_better, found.is_share)


def metric_title(name: str) -> str:
    """The metric's name, marked if lower is better."""
    found = declared_metric(name)
    return f"{name} {found.arrow}".strip() if found else name


def score_summary(record: Record, name: str) -> ScoreSummary | None:
    """A metric over folds and seeds, undefined scores counted as its worst; None if there is none.

    The mean is None where a score is undefined and nobody declares what is the worst.
    """
    if not any(score.metric == name for score in record.scores):
        return None
    found = declared_metric(name)
    return summarise(record.scores, name, None if found is None else found.undefined)


def goodness(record: Record) -> float:
    """The primary metric, more is better; what is not defined counts as the worst."""
    chosen = metric(record.primary_metric)
    mean = summarise(record.scores, record.primary_metric, chosen.undefined).mean
    value = chosen.undefined if mean is None else mean
    return value if chosen.higher_is_better else -value


def summary_at(
    group: ComparableGroup, row: RowKey, task: TaskKey, name: str
) -> ScoreSummary | None:
    """The summary of a cell, if there is a record."""
    record = group.records.get((row, task))
    return score_summary(record, name) if record else None


def score_text(summary: ScoreSummary | None, record: Record, name: str, interval: bool) -> str:
    """A score with its marks; with `interval` also half width and standard deviation."""
    if summary is None:
        return ""
    if summary.mean is None:
        return "not defined"
    text = f"{summary.mean:.3f}"
    if interval and summary.std is not None:
        text += f" ± {summary.ci95:.3f} ({summary.std:.3f})"
    text += UNDEFINED_MARK if summary.undefined else ""
    return text + (CHANCE_MARK if is_at_chance(record, name, summary) else "")


def is_at_chance(record: Record, name: str, summary: ScoreSummary) -> bool:
    """Whether a share is less than two standard errors of a proportion above its chance."""
    chance, clips = record.chance.get(name), record.task.test_clips
    if chance is None or summary.mean is None or not direction(name).averaged:
        return False
    error = math.sqrt(chance * (1 - chance) / clips) if clips else 0.0
    return summary.mean <= chance + 2 * error


def undefined_notes(
    records: Iterable[tuple[str, str, Record]], names: Iterable[str] | None = None
) -> list[str]:
    """A note for each undefined score: rows and tasks by name, metrics `names` or the primary."""
    notes = []
    wanted = None if names is None else list(names)
    for row, task, record in records:
        for name in [record.primary_metric] if wanted is None else wanted:
            summary, declared = score_summary(record, name), declared_metric(name)
            if summary is None or not summary.undefined:
                continue
            total = sum(score.metric == name for score in record.scores)
            counted = f"; counted as {declared.undefined:g}, the worst" if declared else ""
            notes.append(
                f"{UNDEFINED_MARK} {row}, {task}: {name} is not defined on {summary.undefined} of"
                f" {total} {'splits' if total == 1 else 'folds'}{counted}."
            )
    return notes
