"""The metrics there are: what a task may name in `evaluation` of its task_metadata.json.

A metric is declared as a `Metric` in the tuple ``METRICS`` of a file of this package; another
package gives one by an entry point of the group ``hear_plugins.metrics``. Direction, bounds and the
value of what is undefined are read from here by training, ranking, tables and leaderboards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmark.errors import UserError
from benchmark.registry import Registry


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes
    ----------
    name
        As in the task's `evaluation` list.
    kind
        "scene": computed of prediction and target, both (n, labels) arrays; "event": of two
        `EventTable`, estimated and reference.
    compute
        Returns the value, or `{suffix: value}` with "" first, the metric itself; the other
        suffixes are `parts`. NaN where it is not defined.
    higher_is_better
        The direction, for the parts too.
    bounds
        Lowest and highest value; None where there is none.
    undefined
        What an undefined value counts as in means and rankings: the worst, or where there is no
        worst, what a model that tells nothing gets.
    label_mask
        Whether `compute` takes a third array, (n, labels) bool, true where a label is known.
    parts
        Suffixes of the names of further values.
    of_clips
        Of a scene metric that is a mean over clips: the score of each, (n,), from prediction and
        target; what compares models by it is then fast.
    """

    name: str
    kind: Literal["scene", "event"]
    compute: Callable[..., float | Mapping[str, float]]
    higher_is_better: bool = True
    bounds: tuple[float | None, float | None] = (0.0, 1.0)
    undefined: float = 0.0
    label_mask: bool = False
    parts: tuple[str, ...] = ()
    of_clips: Callable[[Any, Any], Any] | None = None

    def values(self, *compared: Any) -> dict[str, float]:
        """All values by full name, the metric itself first."""
        computed = self.compute(*compared)
        by_suffix = computed if isinstance(computed, Mapping) else {"": computed}
        return {self.name + suffix: value for suffix, value in by_suffix.items()}

    def value(self, *compared: Any) -> float:
        """The metric itself, which selects epochs and hyperparameters."""
        return next(iter(self.values(*compared).values()))

    def defined(self, value: float | None) -> float:
        """The value as it counts in means and rankings."""
        return self.undefined if value is None or math.isnan(value) else value

    @property
    def is_share(self) -> bool:
        """Whether it is between 0 and 1: then per cent and means over tasks make sense."""
        return self.bounds == (0.0, 1.0)

    @property
    def arrow(self) -> str:
        """The mark in a table's head of what is better when lower."""
        return "" if self.higher_is_better else "↓"


METRICS_REGISTRY: Registry[Metric] = Registry(
    "metric", Metric, "benchmark.metrics", "METRICS", "hear_plugins.metrics"
)


def metric(name: str) -> Metric:
    """The metric of that name, or the one that it is a part of (``segment_1s_er_error_rate``).

    Raises
    ------
    UserError
        There is none, with a near name.
    """
    if name not in METRICS_REGISTRY.names():
        for one in METRICS_REGISTRY.all(on_failure=lambda line: None):
            if name in (one.name + part for part in one.parts):
                return one
    return METRICS_REGISTRY.get(name)


def metrics_named(names: Sequence[str], kind: str) -> list[Metric]:
    """Metrics of a task of a kind ("scene" or "event").

    Raises
    ------
    UserError
        Naming a metric that does not exist or is not for this kind of task.
    """
    where = "`evaluation` of task_metadata.json"
    if not isinstance(names, Sequence) or isinstance(names, str) or not names:
        raise UserError(f"{where} must be a list of metrics, not {names!r:.60}")
    found = []
    for name in names:
        if not isinstance(name, str):
            raise UserError(f"{where} must be a list of names of metrics, not {name!r:.60}")
        found.append(METRICS_REGISTRY.get(name))
        if found[-1].kind != kind:
            raise UserError(
                f"{where}: {name!r} is a metric of {found[-1].kind} tasks, but this is a {kind}"
                " task"
            )
    return found
