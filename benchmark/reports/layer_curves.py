"""Scores of a model against its layers, as in Figures 2 to 4 of Niizumi et al. (arXiv:2205.08138).

A table has the layers below each other, and what was made of several; a drawing has a panel a model
and a line a task, with the 95 % interval where there are several runs. The score of the model's own
scene embedding, where there is one of the same protocol, is a dotted line.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from textwrap import fill
from typing import Any

from benchmark.records.comparability import ComparableGroup, RowKey, TaskKey, comparable_groups
from benchmark.records.json_form import canonical
from benchmark.records.record import Record
from benchmark.records.statistics import ScoreSummary
from benchmark.records.work_unit import layers_text
from benchmark.reports.comparison import KeptPredictions
from benchmark.reports.formats import Column, Row, Table
from benchmark.reports.level import note_on
from benchmark.reports.matplotlib_files import as_files, new_figure
from benchmark.reports.scores import direction, metric_title, summary_at
from benchmark.reports.tables import score_column

_COLOURS = ("#2a78d6", "#e06c00", "#0f9d76", "#c2417c", "#8a63d2", "#a08000", "#4a9fb5", "#7d7d7d")
_MARKERS = "osD^v<>P"
_PANEL = (5.0, 3.8)  # inches


@dataclass(frozen=True)
class LayerCurves:
    """A model's layers under one protocol.

    Attributes
    ----------
    group
        The records that share its protocol.
    model
        Its name there.
    rows
        By selection of layers, in the order of the table; "" is the model's scene embedding.
    """

    group: ComparableGroup
    model: str
    rows: Mapping[str, RowKey]

    @property
    def tasks(self) -> dict[TaskKey, str]:
        """Those on which layers were evaluated, and their names."""
        return {
            task: name
            for task, name in self.group.tasks.items()
            if any(row and (key, task) in self.group.records for row, key in self.rows.items())
        }

    def metric(self, task: TaskKey) -> str:
        """The primary metric of a task."""
        return self.group.of_task(task)[0].primary_metric

    def summary(self, layers: str, task: TaskKey) -> ScoreSummary | None:
        """Its score, if there is a record."""
        return summary_at(self.group, self.rows[layers], task, self.metric(task))

    def curve(self, task: TaskKey) -> list[tuple[int, float, float]]:
        """Layer, mean, and half width of the interval (0 of a single run), where there is one."""
        return [
            (int(layers), summary.mean, summary.ci95 or 0.0)
            for layers in self.rows
            if layers.isdigit()
            and (summary := self.summary(layers, task)) is not None
            and summary.mean is not None
        ]

    def mean_curve(self) -> list[tuple[int, float]]:
        """The mean over tasks, of layers that have all; none of metrics that are not averaged."""
        tasks = [task for task in self.tasks if direction(self.metric(task)).averaged]
        by_layer: dict[int, list[float]] = {}
        for task in tasks:
            for layer, mean, _ in self.curve(task):
                by_layer.setdefault(layer, []).append(mean)
        return [
            (layer, fmean(means))
            for layer, means in sorted(by_layer.items())
            if len(tasks) > 1 and len(means) == len(tasks)
        ]

    def table(self, kept: KeptPredictions) -> Table:
        """Layers x tasks; those level with the best of a task are marked."""
        columns, cells, ways = [], [], {}
        for task, name in self.tasks.items():
            metric = self.metric(task)
            columns.append(Column(name, metric_title(metric)))
            records = [self.group.records.get((key, task)) for key in self.rows.values()]
            of_task, level = score_column(records, metric, kept, interval=True)
            cells.append(of_task)
            ways[name] = level.ways
        return Table(
            "layers",
            f"{self.model}, {self.group.title}",
            "Layers",
            tuple(columns),
            tuple(
                Row(layers or "scene embedding", tuple(column[place] for column in cells))
                for place, layers in enumerate(self.rows)
            ),
            (
                "Layers are counted from 1. a+b: embeddings of both, one after the other. weighted:"
                " their mean with learned weights.",
                *note_on(ways),
            ),
        )


def layer_curves(records: Iterable[Record]) -> list[LayerCurves]:
    """Of every model and protocol that has records of layers."""
    found = []
    for group in comparable_groups(records):
        models: dict[RowKey, dict[str, RowKey]] = {}
        for row in group.rows:
            fields: dict[str, Any] = json.loads(row.model)
            layers = fields.pop("layers")
            models.setdefault(RowKey(canonical(fields), row.resampler), {})[layers] = row
        for rows in models.values():
            if any(rows):
                layers, row = next(iter(rows.items()))
                # Rows come with the model's own embedding first: that is shown last.
                last = {"": rows[""]} if "" in rows else {}
                name = group.rows[row].replace(layers_text(layers), "", 1)
                found.append(LayerCurves(group, name, {**{k: rows[k] for k in rows if k}, **last}))
    return found


def curves_csv(curves: Iterable[LayerCurves]) -> str:
    """A line for every model, layer and task."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["protocol", "model", "layers", "task", "metric", "mean", "ci95", "n", "over"])
    for each in curves:
        for layers in each.rows:
            for task, name in each.tasks.items():
                if (summary := each.summary(layers, task)) is not None:
                    writer.writerow(
                        [each.group.title, each.model, layers or "scene", name, each.metric(task)]
                        + [summary.mean, summary.ci95, summary.n, summary.over]
                    )
    return out.getvalue()


def draw_curves(curves: Sequence[LayerCurves]) -> dict[str, bytes]:
    """A panel a model, a line a task.

    Returns
    -------
    dict
        "png" and "svg".

    Raises
    ------
    UserError
        matplotlib is not installed.
    """
    across = min(3, len(curves))
    down = -(-len(curves) // across)
    figure = new_figure(_PANEL[0] * across, _PANEL[1] * down + 0.6)
    panels = figure.subplots(down, across, squeeze=False).flat
    tasks = dict.fromkeys(name for each in curves for name in each.tasks.values())
    styles = {name: (_COLOURS[n % 8], _MARKERS[n // 8 % 8]) for n, name in enumerate(tasks)}
    for axes in list(panels)[len(curves) :]:
        axes.remove()
    lines: dict[str, Any] = {}
    for axes, each in zip(figure.axes, curves, strict=True):
        for task, name in each.tasks.items():
            colour, marker = styles[name]
            points = each.curve(task)
            if points:
                layers, means, halves = zip(*points, strict=True)
                label = f"{name}, {metric_title(each.metric(task))}"
                lines[label] = axes.errorbar(
                    layers, means, halves, color=colour, marker=marker, markersize=4, capsize=2
                )
            own = each.summary("", task) if "" in each.rows else None
            if own is not None and own.mean is not None:
                lines["scene embedding"] = axes.axhline(own.mean, color=colour, linestyle=":")
        if mean := each.mean_curve():
            (lines["mean of tasks"],) = axes.plot(*zip(*mean, strict=True), "k--", linewidth=1.5)
        axes.set(title=each.model, xlabel="layer")
        axes.locator_params(axis="x", integer=True)
        axes.grid(alpha=0.3)
    figure.supylabel("score")
    figure.suptitle(fill(curves[0].group.title, 80 * across), fontsize=8)
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=3, fontsize=8)
    return as_files(figure)
