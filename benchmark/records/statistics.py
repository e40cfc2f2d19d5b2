"""Scores over folds and seeds, summarised: mean, standard deviation and interval."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from scipy.special import stdtrit

from benchmark.records.json_form import Extended


@dataclass(frozen=True)
class Score:
    """One value of one metric, never per cent; None where it is not defined."""

    fold: str
    seed: int
    metric: str
    value: Extended | None


@dataclass(frozen=True)
class ScoreSummary:
    """One metric over folds and seeds.

    Attributes
    ----------
    mean
        Of each seed's mean over its folds; None if undefined scores are in it.
    std, ci95
        Standard deviation (ddof 1) and half width of the 95 % Student t interval: over seeds where
        there are several, else over folds. Folds share training data: an interval over them is
        narrower than one over experiments. None for a single value or an infinite one.
    n
        How many seeds, or folds.
    over
        "seeds", "folds" or "split", where there is one test split and one seed.
    undefined
        How many scores are not defined.
    """

    mean: float | None
    std: float | None
    ci95: float | None
    n: int
    over: str
    undefined: int


def summarise(
    scores: Iterable[Score], metric: str, undefined_as: float | None = None
) -> ScoreSummary:
    """One metric's summary.

    Parameters
    ----------
    undefined_as
        What a score that is not defined counts as, such as the worst value that there is; without
        it, a mean with such a score is not defined either.
    """
    by_seed: dict[int, list[float | None]] = defaultdict(list)
    undefined = 0
    for score in scores:
        if score.metric == metric:
            undefined += score.value is None
            by_seed[score.seed].append(undefined_as if score.value is None else score.value)
    if len(by_seed) > 1:
        over, values = "seeds", [_mean(each) for each in by_seed.values()]
    else:
        values = next(iter(by_seed.values()), [])
        over = "folds" if len(values) > 1 else "split"
    return ScoreSummary(*mean_and_interval(values), n=len(values), over=over, undefined=undefined)


def summarise_all(
    scores: Sequence[Score], undefined_as: Mapping[str, float] | None = None
) -> dict[str, ScoreSummary]:
    """Every metric's summary, in the order in which metrics come first."""
    metrics = dict.fromkeys(score.metric for score in scores)
    return {
        metric: summarise(scores, metric, (undefined_as or {}).get(metric)) for metric in metrics
    }


def mean_and_interval(
    values: Sequence[float | None],
) -> tuple[float | None, float | None, float | None]:
    """Mean, standard deviation (ddof 1) and half width of the 95 % t interval, where defined."""
    mean, n = _mean(values), len(values)
    if mean is None or n == 1 or not math.isfinite(mean):
        return mean, None, None
    std = math.sqrt(
        math.fsum((value - mean) ** 2 for value in values if value is not None) / (n - 1)
    )
    return mean, std, float(stdtrit(n - 1, 0.975)) * std / math.sqrt(n)


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    opposed = {math.inf, -math.inf} <= set(defined)
    return fmean(defined) if defined and len(defined) == len(values) and not opposed else None
