"""Every record's primary score as a row of one table that a reader sorts and filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmark.records.comparability import ComparableGroup
from benchmark.reports.formats import Table
from benchmark.reports.html.published_rows import published_of
from benchmark.reports.scores import metric_title, score_summary, score_text

FILTERS = ("domain", "task", "model", "protocol")
OTHER_SETTING = "≠"


@dataclass(frozen=True)
class ScoreRow:
    """One record: what filters know it by, its score with interval, and what was published.

    Attributes
    ----------
    half
        Half width of the 95 % interval; "" where there is none.
    level
        Whether it is the best of its task or not significantly below it.
    """

    domain: str
    task: str
    model: str
    protocol: str
    metric: str
    score: str
    value: float | None
    half: str
    over: str
    level: bool
    published: str
    published_value: float | None


def score_rows(
    groups: Sequence[ComparableGroup], summaries: Sequence[Table]
) -> tuple[list[ScoreRow], list[str]]:
    """A row for each record, and notes on published values that are not comparable.

    Parameters
    ----------
    summaries
        For each group its table of models x tasks.
    """
    rows: list[ScoreRow] = []
    notes: dict[str, None] = {}
    for group, table in zip(groups, summaries, strict=True):
        level = {
            (row.label, column.name)
            for row in table.rows
            for column, cell in zip(table.columns, row.cells, strict=True)
            if cell.best
        }
        for (row, task), record in group.records.items():
            summary = score_summary(record, record.primary_metric)
            if summary is None:
                continue
            model, name = group.rows[row], group.tasks[task]
            beside = published_of(record)
            for each in beside:
                if each.reason:
                    notes[f"{OTHER_SETTING} {each.source}: {each.reason}."] = None
            rows.append(
                ScoreRow(
                    record.task.domain or "-",
                    name,
                    model,
                    group.title,
                    metric_title(record.primary_metric),
                    score_text(summary, record, record.primary_metric, interval=False),
                    summary.mean,
                    "" if summary.ci95 is None else f"{summary.ci95:.3f}",
                    f"{summary.n} {summary.over}" if summary.n > 1 else "1 split",
                    (model, name) in level,
                    "; ".join(
                        f"{each.text}{' ' + OTHER_SETTING if each.reason else ''} ({each.source})"
                        for each in beside
                    ),
                    float(beside[0].text) if beside else None,
                )
            )
    return rows, list(notes)


def choices(rows: Iterable[ScoreRow]) -> Mapping[str, list[str]]:
    """What each of `FILTERS` can be."""
    found = list(rows)
    return {name: sorted({getattr(row, name) for row in found}) for name in FILTERS}
