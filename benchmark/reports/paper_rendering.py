"""A published table with our scores: as rows of a table, and as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from benchmark.records.published import Published
from benchmark.records.published_sources import SOURCES, Source
from benchmark.reports.formats import Cell, Column, Row, Table
from benchmark.reports.level import Candidate, level_with_best, of_interval
from benchmark.reports.paper_layouts import Key, Layout
from benchmark.reports.paper_scores import OwnScore, OwnScores, own_metric
from benchmark.reports.scores import UNDEFINED_MARK, direction, metric_title

Place = tuple[int, str]  # number of a line, and what our model in it is called
# Why there is no score of ours, or no published one; the marks stand at a row, a column or a cell.
LEGEND = {
    "n": "no model of this package, or one with another embedding",
    "w": "its published weights are not on this machine",
    "c": "its data are not on this machine",
    "s": "the data here are others than the paper's",
    "r": "not run",
    "x": "run in another way, and left out (see below)",
    "a": "ours is averaged where no column is missing",
    "p": "no value is printed, or none is legible",
}


@dataclass(frozen=True)
class Line:
    """A row of the published table with ours, or a model of ours that the table does not have.

    Attributes
    ----------
    model
        As published; "" for a model of ours alone.
    published
        Printed entries by column.
    own
        Our scores of that model, by what it is called here.
    mark
        Why there are none at all.
    why
        By column, why there is none.
    """

    section: str
    model: str
    published: Mapping[Key, Published]
    own: Mapping[str, OwnScores]
    mark: str = ""
    why: Mapping[Key, str] = field(default_factory=dict)

    def mark_at(self, key: Key, marks: Collection[str]) -> str:
        """Those of the marks that the column has."""
        return "".join(mark for mark in self.why.get(key, "") if mark in marks)


_CSV_HEAD = (
    "section,model,task,metric,unit,published,published_spread,own_model,ours,ours_ci95,runs,over,"
    "difference,difference_ci95,level_with_best_of_ours,why_not"
)


@dataclass(frozen=True)
class Print:
    """How a column prints values: as the paper does, or `rounded` to other decimals."""

    percent: bool
    decimals: int
    rounded: bool

    @property
    def unit(self) -> float:
        return 100.0 if self.percent else 1.0

    def text(self, value: float, half_width: float | None, sign: str = "") -> str:
        text = f"{self.unit * value:{sign}.{self.decimals}f}"
        return text if half_width is None else f"{text} ± {self.exact(half_width, 0)}"

    def exact(self, value: float | None, more: int = 3) -> str:
        """A value with `more` decimals than the paper prints; "" for None."""
        return "" if value is None else f"{self.unit * value:.{self.decimals + more}f}"

    def published(self, entry: Published | None) -> str:
        if entry is None or entry.value is None:
            return ""
        text = self.exact(entry.value, 0) if self.rounded else entry.text
        return text + (f" ± {entry.spread}" if entry.spread else "")

    def own(self, score: OwnScore) -> str:
        mark = UNDEFINED_MARK if score.summary.undefined else ""
        return self.text(score.value, score.summary.ci95) + mark


@dataclass(frozen=True)
class PaperTable:
    """A published table with our scores.

    Attributes
    ----------
    columns
        How each column prints values.
    marks
        By column, why ours are missing in it.
    level
        By column, which of our scores are level with the best of ours, by line and name.
    """

    layout: Layout
    columns: Mapping[Key, Print]
    lines: tuple[Line, ...]
    marks: Mapping[Key, str]
    level: Mapping[Key, Collection[Place]]
    notes: tuple[str, ...]

    @property
    def source(self) -> Source:
        return SOURCES[self.layout.source]

    @property
    def has_own(self) -> bool:
        return any(line.own for line in self.lines)

    def table(self) -> Table:
        """The printed rows; beneath those that have some, our scores and the differences."""
        printed_best = self._printed_best()
        return Table(
            name=self.layout.name,
            title=self.layout.title,
            corner="Model",
            columns=tuple(
                Column(
                    self.layout.heads.get(task, task),
                    self.layout.metric_heads.get(name, metric_title(name)),
                    mark=self.marks.get((task, name), ""),
                )
                for task, name in self.columns
            ),
            rows=tuple(
                row
                for number, line in enumerate(self.lines)
                for row in self._rows(number, line, printed_best)
            ),
            notes=self.notes,
        )

    def csv(self) -> str:
        """A line for each published value and each score of ours, in the unit of the paper."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(_CSV_HEAD.split(","))
        for number, line in enumerate(self.lines):
            for key, form in self.columns.items():
                owns = {name: scores[key] for name, scores in line.own.items() if key in scores}
                if not owns and not line.model:
                    continue
                entry = line.published.get(key)
                about = [line.section, line.model, *key, "per cent" if form.percent else ""]
                about += [entry.text, entry.spread] if entry else ["", ""]
                for name, own in owns.items():
                    gap = self.difference(entry, own) or (None, None)
                    summary = own.summary
                    writer.writerow(
                        [*about, name, form.exact(own.value), form.exact(summary.ci95)]
                        + [summary.n, summary.over, *map(form.exact, gap)]
                        + [(number, name) in self.level[key], ""]
                    )
                if not owns:
                    marks = line.mark + self.marks.get(key, "") + line.why.get(key, "")
                    why = "; ".join(LEGEND[mark] for mark in dict.fromkeys(marks))
                    writer.writerow([*about, *[""] * 8, why])
        return out.getvalue()

    def difference(
        self, entry: Published | None, own: OwnScore
    ) -> tuple[float, float | None] | None:
        """Ours less the published value, and the half width of its 95 % interval."""
        if entry is None or entry.value is None:
            return None
        half = own.summary.ci95
        if half is not None and self.source.spread == "ci95" and entry.spread:
            half = math.hypot(half, float(entry.spread) / self.columns[entry.key].unit)
        return own.value - entry.value, half

    def _rows(self, number: int, line: Line, printed_best: Mapping[Key, set[int]]) -> list[Row]:
        rows = []
        if line.model:
            cells = (
                Cell(
                    form.published(line.published.get(key)),
                    number in printed_best[key],
                    mark=line.mark_at(key, "p" if line.own else LEGEND),
                )
                for key, form in self.columns.items()
            )
            rows.append(Row(line.model, tuple(cells), line.section, line.mark))
        for name, scores in line.own.items():
            of = f" ({name})" if len(line.own) > 1 else ""
            label = f"{line.model}: ours{of}" if line.model else name
            rows.append(Row(label, self._own_cells(number, name), line.section))
            if line.model:
                gaps = (self._difference_text(line, scores, key) for key in self.columns)
                label = f"{line.model}: difference{of}"
                rows.append(Row(label, tuple(map(Cell, gaps)), line.section))
        return rows

    def _own_cells(self, number: int, name: str) -> tuple[Cell, ...]:
        line = self.lines[number]
        scores = line.own[name]
        return tuple(
            Cell(form.own(scores[key]), (number, name) in self.level[key])
            if key in scores
            else Cell(mark=line.mark_at(key, set(LEGEND) - {"p"}))
            for key, form in self.columns.items()
        )

    def _difference_text(self, line: Line, scores: OwnScores, key: Key) -> str:
        gap = self.difference(line.published.get(key), scores[key]) if key in scores else None
        return self.columns[key].text(*gap, sign="+") if gap else ""

    def _printed_best(self) -> dict[Key, set[int]]:
        """Numbers of the lines whose printed value is level with the best of its section."""
        best: dict[Key, set[int]] = {key: set() for key in self.columns}
        for section in dict.fromkeys(line.section for line in self.lines):
            numbers = [n for n, line in enumerate(self.lines) if line.section == section]
            for key, form in self.columns.items():
                entries = [self.lines[number].published.get(key) for number in numbers]
                level = level_with_best(
                    [self._printed_candidate(entry) for entry in entries],
                    lower=lower_is_better(key),
                    decimals=form.decimals + (2 if form.percent else 0),
                )
                best[key] |= {numbers[place] for place in level.best}
        return best

    def _printed_candidate(self, entry: Published | None) -> Candidate:
        if entry is None or self.source.spread != "ci95" or not entry.spread:
            return Candidate(entry.value if entry else None)
        half = float(entry.spread) / self.columns[entry.key].unit
        return of_interval(entry.value, half, self.source.runs)


_CSV_HEAD = (
    "section,model,task,metric,unit,published,published_spread,own_model,ours,ours_ci95,runs,over,"
    "difference,difference_ci95,level_with_best_of_ours,why_none_of_ours"
)


def lower_is_better(key: Key) -> bool:
    """The direction of a published column."""
    return not direction(own_metric(key[1])).higher_is_better
