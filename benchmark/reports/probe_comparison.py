"""Does the probe decide the ranking? Models ranked under every protocol on the same tasks.

Where two protocols rank the same models on the same task, Kendall's tau-b tells how far they agree:
1 is the same order, -1 the reverse, 0 none. A model's mean rank under a protocol is over tasks.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from itertools import combinations
from typing import TypeVar

from scipy import stats

from benchmark.errors import UserError
from benchmark.records.comparability import RowKey, TaskKey, comparable_groups
from benchmark.records.json_form import canonical
from benchmark.records.record import Record
from benchmark.reports.formats import Cell, Column, Row, Table, markdown
from benchmark.reports.scores import goodness

Key = TypeVar("Key", RowKey, TaskKey)

MIN_MODELS = 3  # two models are in the same order or the reverse: that is no correlation
_STEP, _LANE, _TOP, _LEFT = 220, 26, 60, 20  # px
_COLOURS = ("#2a78d6", "#e06c00", "#0f9d76", "#c2417c", "#8a63d2", "#a08000", "#4a9fb5", "#7d7d7d")


@dataclass(frozen=True)
class ProbeComparison:
    """Models under several probes.

    Attributes
    ----------
    probes
        Names of the protocols, with their options where a protocol is there with several.
    models
        Names of the models that all probes have measured on a common task.
    mean_ranks
        By probe and model over `tasks`; 1 is the best, ties share the mean of their ranks.
    correlations
        By pair of probes and task, Kendall's tau-b; NaN where a probe tells no models apart.
    tasks
        Tasks on which all of the models have a score under all of the probes.
    left_out
        Why a probe, a task or a model is not in it, a line each.
    """

    probes: tuple[str, ...]
    models: tuple[str, ...]
    mean_ranks: Mapping[str, Mapping[str, float]]
    correlations: Mapping[tuple[str, str], Mapping[str, float]]
    tasks: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    def mean_correlation(self, first: str, second: str) -> float:
        """Mean of a pair's tau-b over tasks where it is defined; NaN if nowhere."""
        if first == second:
            return 1.0
        pair = (first, second) if (first, second) in self.correlations else (second, first)
        known = [value for value in self.correlations[pair].values() if not math.isnan(value)]
        return sum(known) / len(known) if known else math.nan

    def tables(self) -> tuple[Table, Table]:
        """Mean ranks of the models, and how far each two probes agree."""
        columns = tuple(map(Column, self.probes))
        ranks = Table(
            "ranks",
            f"Mean rank over {len(self.tasks)} tasks: {', '.join(self.tasks)}",
            "model",
            columns,
            tuple(
                Row(model, tuple(Cell(f"{self.mean_ranks[one][model]:.2f}") for one in self.probes))
                for model in self._by_first_probe()
            ),
        )
        correlations = Table(
            "correlations",
            "Kendall's tau-b of the rankings by two probes, mean over tasks",
            "probe",
            columns,
            tuple(
                Row(probe, tuple(self._correlation_cell(probe, other) for other in self.probes))
                for probe in self.probes
            ),
            self.left_out,
        )
        return ranks, correlations

    def to_markdown(self) -> str:
        """Both tables."""
        return "\n".join(map(markdown, self.tables()))

    def _correlation_cell(self, probe: str, other: str) -> Cell:
        value = self.mean_correlation(probe, other)
        return Cell("" if math.isnan(value) else f"{value:.2f}")

    def to_csv(self) -> str:
        """One line for every pair of probes and task."""
        lines = ["probe,other_probe,task,kendall_tau_b"]
        for (first, second), by_task in self.correlations.items():
            lines += [
                f'"{first}","{second}",{task},{"" if math.isnan(value) else f"{value:.6f}"}'
                for task, value in by_task.items()
            ]
        return "\n".join(lines) + "\n"

    def to_svg(self) -> str:
        """A line a model from probe to probe, at the height of its mean rank; the best on top."""
        models = self._by_first_probe()
        parts = []
        for column, probe in enumerate(self.probes):
            x = _LEFT + _STEP * column
            parts.append(f'<text x="{x}" y="{_TOP - 30}">{escape(probe)}</text>')
        for number, model in enumerate(models):
            colour = _COLOURS[number % len(_COLOURS)]
            points = [
                (_LEFT + _STEP * column, _TOP + _LANE * (self.mean_ranks[probe][model] - 1))
                for column, probe in enumerate(self.probes)
            ]
            path = "L".join(f"{x:g} {y:g}" for x, y in points)
            x, y = points[-1]
            parts.append(
                f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
                f'<text x="{x + 10:g}" y="{y + 4:g}" fill="{colour}">{escape(model)}</text>'
            )
        width, height = _LEFT + _STEP * len(self.probes) + 200, _TOP + _LANE * len(models)
        return (
            '<svg xmlns="http://www.w3.org/2000/svg"'
            f' viewBox="0 0 {width} {height}" width="{width}" role="img" font-size="13"'
            ' fill="currentColor" aria-label="Mean rank of models by probe">'
            f"{''.join(parts)}</svg>\n"
        )

    def _by_first_probe(self) -> list[str]:
        return sorted(self.models, key=lambda model: self.mean_ranks[self.probes[0]][model])


def compare_probes(records: Iterable[Record]) -> ProbeComparison:
    """Rankings of the models that all probes have measured.

    Parameters
    ----------
    records
        Of several protocols, or of one with several options.

    Raises
    ------
    UserError
        There are fewer than two probes, or no three models that all of them have on one task.
    """
    groups = [group for group in comparable_groups(records) if not group.demo]
    names = {row: name for group in groups for row, name in group.rows.items()}
    task_names: dict[TaskKey, str] = {}
    found: dict[str, dict[tuple[TaskKey, RowKey], float]] = {}
    alike = Counter(group.protocol for group in groups)
    for group in groups:
        title = group.title if alike[group.protocol] > 1 else f"protocol {group.protocol}"
        for (row, column), record in group.records.items():
            # One task is one task, whatever its clips are embedded as.
            content = json.loads(column.content)
            representation = content.pop("embedding.representation")
            probe = title + (f", {representation}" if ":" in representation else "")
            task = TaskKey(column.folder, canonical(content))
            task_names.setdefault(task, record.task.name)
            found.setdefault(probe, {})[task, row] = goodness(record)
    scores = {probe: of for probe, of in found.items() if _models_on_one_task(of) >= MIN_MODELS}
    if len(scores) < 2:
        raise UserError(
            f"{len(scores)} of {len(found)} protocols have measured {MIN_MODELS} models or more on"
            " one task (demo tasks do not count): comparing probes takes at least two; evaluate the"
            " same embeddings with another --protocol"
        )
    tasks = _common([{task for task, _ in one} for one in scores.values()])
    models = _common(
        [{row for key, row in one if key == task} for one in scores.values() for task in tasks]
    )
    if not tasks or len(models) < MIN_MODELS:
        raise UserError(
            f"{len(models)} models on {len(tasks)} tasks have been measured under all of"
            f" {', '.join(scores)}; rankings are compared of at least {MIN_MODELS} on one task:"
            " choose by --protocols and --tasks"
        )
    ranks = {
        probe: {
            task: dict(zip(models, stats.rankdata([-of[task, row] for row in models]), strict=True))
            for task in tasks
        }
        for probe, of in scores.items()
    }
    mean_ranks = {
        probe: {
            names[row]: float(sum(by_task[task][row] for task in tasks) / len(tasks))
            for row in models
        }
        for probe, by_task in ranks.items()
    }
    correlations = {
        (first, second): {
            task_names[task]: float(
                stats.kendalltau(
                    [ranks[first][task][row] for row in models],
                    [ranks[second][task][row] for row in models],
                ).statistic
            )
            for task in tasks
        }
        for first, second in combinations(scores, 2)
    }
    left_out = [
        f"{probe}: fewer than {MIN_MODELS} models on any task" for probe in found.keys() - scores
    ] + [
        f"{names[row]} has not been measured under all probes on all of these tasks"
        for row in sorted({row for one in scores.values() for _, row in one} - set(models))
    ]
    return ProbeComparison(
        tuple(scores),
        tuple(names[row] for row in models),
        mean_ranks,
        correlations,
        tuple(task_names[task] for task in tasks),
        tuple(left_out),
    )


def _common(sets: Iterable[set[Key]]) -> list[Key]:
    each = list(sets)
    return sorted(set.intersection(*each)) if each else []


def _models_on_one_task(scores: Iterable[tuple[TaskKey, RowKey]]) -> int:
    return max(Counter(task for task, _ in scores).values())
