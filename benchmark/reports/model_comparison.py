"""Tables that tell models apart: two by their predictions, more by their ranks over tasks."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.errors import UserError
from benchmark.metrics.registry import metric
from benchmark.records.comparability import (
    ComparableGroup,
    RowKey,
    comparable_groups,
    notes_on,
)
from benchmark.records.record import Record
from benchmark.records.significance import LEVEL, RankComparison, compare_ranks
from benchmark.reports.comparison import RESAMPLES, Comparison, compare_predictions, holm_adjusted
from benchmark.reports.formats import Cell, Column, Row, Table
from benchmark.reports.scores import goodness
from tasks.folder import TaskError, read_groups

ALL_MODELS = "all"
PAIR_COLUMNS = (
    "task",
    "metric",
    "model",
    "other_model",
    "score",
    "other_score",
    "difference",
    "low",
    "high",
    "p_permutation",
    "p",
    "p_holm",
    "seeds",
    "other_seeds",
    "clips",
    "groups",
)


@dataclass(frozen=True)
class PairComparison:
    """Two models in one comparable group.

    Attributes
    ----------
    a, b
        What tables call them.
    tasks
        By name, those that were compared.
    left_out
        Why a task was not, a line each.
    notes
        What must be said of the records.
    """

    group: ComparableGroup
    a: str
    b: str
    tasks: Mapping[str, Comparison]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """What its files are called."""
        return "-".join(re.sub(r"[^A-Za-z0-9_.]+", "_", one) for one in (self.a, self.b))

    def table(self) -> Table:
        """A row a task."""
        adjusted = holm_adjusted(self.tasks)
        rows = [
            Row(
                f"{task} {one.metric}",
                (
                    Cell(f"{one.a:.3f}"),
                    Cell(f"{one.b:.3f}"),
                    Cell(f"{one.difference.value:+.3f}"),
                    Cell(f"{one.difference.low:+.3f}"),
                    Cell(f"{one.difference.high:+.3f}"),
                    Cell("" if one.p_permutation is None else f"{one.p_permutation:.3g}"),
                    Cell(f"{adjusted[task]:.3g}"),
                ),
            )
            for task, one in self.tasks.items()
        ]
        interval = f"{100 * LEVEL:g} %"
        columns = (
            Column(self.a),
            Column(self.b),
            Column("A - B"),
            Column("low", interval),
            Column("high", interval),
            Column("p", "permut."),
            Column("p", "Holm"),
        )
        title = f"A: {self.a}, B: {self.b}, {self.group.title}"
        left_out = (f"Not compared: {line}" for line in self.left_out)
        return Table(
            self.name,
            title,
            "Task",
            columns,
            tuple(rows),
            (*self._verdicts(adjusted), *self._method(), *left_out, *self.notes),
        )

    def rows(self) -> list[list[object]]:
        """The values of `PAIR_COLUMNS` for each task, numbers unrounded."""
        adjusted = holm_adjusted(self.tasks)
        return [
            [task, one.metric, self.a, self.b, one.a, one.b]
            + [one.difference.value, one.difference.low, one.difference.high]
            + [one.p_permutation, one.p_value, adjusted[task], *one.seeds, one.clips, one.groups]
            for task, one in self.tasks.items()
        ]

    def csv(self) -> str:
        """A line a task, numbers unrounded."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(PAIR_COLUMNS)
        writer.writerows(self.rows())
        return out.getvalue()

    def _verdicts(self, adjusted: Mapping[str, float]) -> list[str]:
        better: dict[str, list[str]] = {self.a: [], self.b: []}
        alike = []
        for task, one in self.tasks.items():
            if adjusted[task] >= 1 - LEVEL:
                alike.append(task)
                continue
            a_is_better = (one.difference.value > 0) == metric(one.metric).higher_is_better
            better[self.a if a_is_better else self.b].append(task)
        lines = [f"{name} is better on {', '.join(on)}." for name, on in better.items() if on]
        return lines + ([f"Not told apart on {', '.join(alike)}."] if alike else [])

    def _method(self) -> list[str]:
        seeds = max(min(one.seeds) for one in self.tasks.values())
        over = "clips and seeds" if seeds > 1 else "clips; other seeds may move it further"
        lines = [f"Interval: paired bootstrap over {over}."]
        if grouped := [
            f"{task} {one.groups} of {one.clips} clips"
            for task, one in self.tasks.items()
            if one.groups is not None
        ]:
            lines.append(f"Clips of one group are drawn together; groups: {', '.join(grouped)}.")
        if seeds > 1:
            lines.append(
                "p permut. is about these trainings. p Holm is the bootstrap's over clips and"
                f" seeds, corrected for {len(self.tasks)} tasks."
            )
        else:
            lines.append(f"p Holm is p permut. corrected for {len(self.tasks)} tasks.")
        return lines


def chosen_groups(
    records: Iterable[Record], protocol: str = "", tasks: Collection[str] = ()
) -> list[ComparableGroup]:
    """Comparable groups of some records.

    Parameters
    ----------
    protocol
        Only of this one; all if empty.
    tasks
        Only these, by name or by name of the folder; all if empty.

    Raises
    ------
    UserError
        There is no record of the protocol or of a task.
    """
    found = list(records)
    _check_there("protocol", [protocol] if protocol else [], {r.unit.protocol for r in found})
    found = [record for record in found if protocol in ("", record.unit.protocol)]
    _check_there("task", tasks, {name for record in found for name in _task_names(record)})
    return comparable_groups(
        record for record in found if not tasks or set(tasks) & _task_names(record)
    )


def row_named(group: ComparableGroup, name: str) -> RowKey | None:
    """The row of a model; None if the group has none.

    Parameters
    ----------
    name
        As tables call it, its module, ``<module>-<key>``, or what the user calls it.

    Raises
    ------
    UserError
        Several rows have that name.
    """
    found = [row for row, shown in group.rows.items() if shown == name] or [
        row for row in group.rows if any(record.is_called(name) for record in group.of_row(row))
    ]
    if len(found) > 1:
        shown = ", ".join(group.rows[row] for row in found)
        raise UserError(
            f"{name} is {len(found)} models under {group.title}: {shown}; give one of these names,"
            " or <module>-<key>"
        )
    return found[0] if found else None


def require_models(groups: Sequence[ComparableGroup], names: Iterable[str]) -> None:
    """Raise `UserError` if a model is in no group."""
    for name in names:
        if all(row_named(group, name) is None for group in groups):
            there = sorted({shown for group in groups for shown in group.rows.values()})
            raise UserError(f"no record of the model {name!r}; there are {', '.join(there)}")


def compare_two(
    group: ComparableGroup,
    rows: tuple[RowKey, RowKey],
    evaluations: Path,
    embeddings: Path | None,
    *,
    resamples: int = RESAMPLES,
    on_task: Callable[[str], None] = lambda task: None,
) -> PairComparison:
    """Two models on all tasks of a group, as far as they can be compared.

    Parameters
    ----------
    evaluations
        Folder under which the predictions were kept.
    embeddings
        Folder under which the embeddings are, beside which stands what clips belong together; None
        to draw each clip alone.
    resamples
        See `compare_predictions`.
    on_task
        Called with the name of each task before it is compared.

    Raises
    ------
    UserError
        Both rows are one.
    """
    a, b = (group.rows[row] for row in rows)
    if rows[0] == rows[1]:
        raise UserError(f"both names are those of {a}; name two models")
    compared: dict[str, Comparison] = {}
    left_out = []
    used = []
    for task, name in group.tasks.items():
        first, second = (group.records.get((row, task)) for row in rows)
        if first is None or second is None:
            if first or second:
                left_out.append(f"{name}: only {a if first else b} has a score")
            continue
        if first.primary_metric != second.primary_metric:
            left_out.append(f"{name}: the primary metrics differ")
            continue
        try:
            if metric(first.primary_metric).kind != "scene":
                left_out.append(f"{name}: events are not compared clip by clip")
                continue
            on_task(name)
            groups = {} if embeddings is None else _groups(embeddings, first, second)
            compared[name] = compare_predictions(
                evaluations / first.unit.folder,
                evaluations / second.unit.folder,
                first.primary_metric,
                groups=groups or None,
                resamples=resamples,
            )
        except (UserError, TaskError) as error:
            left_out.append(f"{name}: {error}")
        else:
            used += [first, second]
    return PairComparison(group, a, b, compared, tuple(left_out), tuple(notes_on(used)))


@dataclass(frozen=True)
class Ranking:
    """Many models in one comparable group, by their ranks.

    Attributes
    ----------
    tasks
        Names of those that all of the models have.
    """

    group: ComparableGroup
    tasks: tuple[str, ...]
    found: RankComparison
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"Ranks, {self.group.title}"

    def table(self) -> Table:
        """Mean ranks, and letters that models which are not told apart share."""
        letters = {
            name: "".join(
                chr(ord("a") + place % 26)
                for place, clique in enumerate(self.found.cliques)
                if name in clique
            )
            for name in self.found.mean_ranks
        }
        return Table(
            "ranks",
            self.title,
            "Model",
            (Column("mean rank"), Column("alike")),
            tuple(
                Row(name, (Cell(f"{rank:.2f}"), Cell(letters[name])))
                for name, rank in self.found.mean_ranks.items()
            ),
            (
                f"Over {len(self.tasks)} tasks: {', '.join(self.tasks)}.",
                f"Friedman's p of no difference between the models: {self.found.p_value:.3g}.",
                f"Nemenyi's critical difference at {100 * LEVEL:g} %:"
                f" {self.found.critical_difference:.2f}; models that share a letter are not told"
                " apart.",
                *self.notes,
            ),
        )

    def json(self) -> str:
        """The numbers, unrounded."""
        content = {"tasks": self.tasks, "level": LEVEL, **dataclasses.asdict(self.found)}
        return json.dumps(content, indent=1) + "\n"


def rank_models(group: ComparableGroup, rows: Sequence[RowKey]) -> Ranking:
    """Friedman's test and Nemenyi's over the tasks that all of the models have.

    Raises
    ------
    UserError
        There are fewer than three models or two such tasks, or a score is not finite.
    """
    tasks = [task for task in group.tasks if all((row, task) in group.records for row in rows)]
    names = [group.rows[row] for row in rows]
    if len(rows) < 3 or len(tasks) < 2:
        raise UserError(
            f"{group.title}: {len(tasks)} tasks have a score of all {len(rows)} models"
            f" ({', '.join(names)}); ranks take 2 tasks and 3 models"
        )
    scores = np.array([[goodness(group.records[row, task]) for row in rows] for task in tasks])
    try:
        found = compare_ranks(scores, names)
    except ValueError as error:
        raise UserError(f"{group.title}: {error}") from None
    notes = notes_on([group.records[row, task] for row in rows for task in tasks])
    return Ranking(group, tuple(group.tasks[task] for task in tasks), found, tuple(notes))


@dataclass(frozen=True)
class ModelComparisons:
    """Models told apart in each comparable group.

    Attributes
    ----------
    made
        Two models by their predictions, more by their ranks.
    left_out
        Why others were not, a line each.
    """

    made: tuple[PairComparison | Ranking, ...]
    left_out: tuple[str, ...]


def compare_models(
    records: Iterable[Record],
    models: Sequence[str],
    out: Path,
    *,
    protocol: str = "",
    tasks: Collection[str] = (),
    resamples: int = RESAMPLES,
    grouped: bool = True,
    on_task: Callable[[str], None] = lambda task: None,
) -> ModelComparisons:
    """Tell models apart, in every group of records that may be compared.

    Parameters
    ----------
    models
        Names as `row_named` takes them, or `ALL_MODELS` alone.
    out
        Folder of the run, which has the predictions and what clips belong together.
    protocol, tasks
        See `chosen_groups`.
    grouped
        Draw clips that belong together as one.
    resamples, on_task
        See `compare_two`.

    Raises
    ------
    UserError
        There is no record of a model, task or protocol, or nothing can be compared.
    """
    groups = chosen_groups(records, protocol, tasks)
    names = list(dict.fromkeys(models))
    is_all = names == [ALL_MODELS]
    if is_all:
        rows_by_group = [list(group.rows) for group in groups]
    else:
        require_models(groups, names)
        of_groups = [[row_named(group, name) for name in names] for group in groups]
        rows_by_group = [[row for row in rows if row is not None] for rows in of_groups]
    if len(names) < 2 and all(len(rows) < 2 for rows in rows_by_group):
        raise UserError("one model cannot be compared; name at least two that have records")
    made: list[PairComparison | Ranking] = []
    left_out: list[str] = []
    for group, rows in zip(groups, rows_by_group, strict=True):
        if len(rows) == 2 and (len(names) == 2 or is_all):
            pair = compare_two(
                group,
                (rows[0], rows[1]),
                out / "evaluations",
                out / "embeddings" if grouped else None,
                resamples=resamples,
                on_task=on_task,
            )
            if pair.tasks:
                made.append(pair)
            else:  # no table says why
                left_out += pair.left_out
            continue
        try:
            made.append(rank_models(group, list(dict.fromkeys(rows))))
        except UserError as error:
            left_out.append(str(error))
    if not made:
        raise UserError(
            f"{', '.join(names)}: nothing to compare under one protocol with the same settings;"
            " two models take a scene task with kept predictions, more take two common tasks"
            + "".join(f"; {line}" for line in left_out)
        )
    return ModelComparisons(tuple(made), tuple(left_out))


def _task_names(record: Record) -> set[str]:
    return {record.task.name, record.unit.embedding.task}


def _groups(embeddings: Path, *records: Record) -> dict[str, str]:
    """Groups of a task's clips from the first of the embeddings that have them."""
    found = (read_groups(embeddings / record.unit.embedding.folder) for record in records)
    return next(filter(None, found), {})


def _check_there(what: str, wanted: Iterable[str], there: Collection[str]) -> None:
    for name in wanted:
        if name not in there:
            known = ", ".join(sorted(there)) or "none"
            raise UserError(f"no record of the {what} {name!r}; there are {known}")
