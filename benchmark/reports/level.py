"""Which scores of a column are not significantly below its best: those are printed bold alike.

Every other score is compared with the best one, p by the first of these that there is: the kept
predictions (`benchmark.reports.comparison`), the intervals of both over folds or seeds (Welch's t
test), the printed digits. The p of the first two are Holm's over the column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit

from benchmark.records.record import Record
from benchmark.records.significance import LEVEL, holm
from benchmark.records.statistics import ScoreSummary
from benchmark.reports.comparison import KeptPredictions

PREDICTIONS, INTERVALS, DIGITS = "predictions", "intervals", "digits"
_WORDS = {
    PREDICTIONS: "by the kept predictions",
    INTERVALS: "by intervals over folds or seeds (no predictions to compare)",
    DIGITS: "by the printed digits (no intervals either)",
}


@dataclass(frozen=True)
class Candidate:
    """One score of a column; None if there is none or it may not be the best."""

    value: float | None
    standard_error: float | None = None
    degrees_of_freedom: float = math.inf


@dataclass(frozen=True)
class Gap:
    """How far two scores are apart, and how that was found."""

    value: float
    standard_error: float | None
    degrees_of_freedom: float
    p_value: float
    way: str


@dataclass(frozen=True)
class Level:
    """Numbers of the scores that share the first place, and how that was found."""

    best: frozenset[int] = frozenset()
    ways: frozenset[str] = frozenset()


# Gap between the scores of two numbers by their predictions; None where that cannot be.
Compared = Callable[[int, int], Gap | None]


def candidate(summary: ScoreSummary | None, ranked: bool = True) -> Candidate:
    """A score with what its interval says of its error."""
    if summary is None or summary.mean is None or not ranked:
        return Candidate(None)
    if summary.std is None:
        return Candidate(summary.mean)
    return Candidate(summary.mean, summary.std / math.sqrt(summary.n), summary.n - 1)


def of_interval(value: float | None, half_width: float | None, runs: int) -> Candidate:
    """A score of which a 95 % interval over runs was printed."""
    if half_width is None:
        return Candidate(value)
    return Candidate(value, half_width / float(stdtrit(runs - 1, 0.975)), runs - 1)


def level_with_best(
    candidates: Sequence[Candidate],
    *,
    lower: bool = False,
    decimals: int = 3,
    compared: Compared = lambda best, other: None,
) -> Level:
    """The best score and those that are not significantly below it.

    None where there are less than two scores, or all of them are alike to `decimals`.
    """
    goodness = {
        number: -one.value if lower else one.value
        for number, one in enumerate(candidates)
        if one.value is not None
    }
    if len({round(value, decimals) for value in goodness.values()}) < 2:
        return Level()
    best = max(goodness, key=lambda number: goodness[number])
    gaps = {
        other: compared(best, other) or gap(candidates[best], candidates[other], decimals)
        for other in goodness
        if other != best
    }
    return Level(frozenset({best} | not_below(gaps)), frozenset(each.way for each in gaps.values()))


def not_below(gaps: Mapping[int, Gap]) -> set[int]:
    """Numbers of those that are not significantly apart from the best, by Holm's p."""
    tested = {str(n): each.p_value for n, each in gaps.items() if each.way != DIGITS}
    adjusted = holm(tested)
    return {
        number
        for number, each in gaps.items()
        if adjusted.get(str(number), each.p_value) >= 1 - LEVEL
    }


def gap(a: Candidate, b: Candidate, decimals: int = 3) -> Gap:
    """Two scores by their intervals, or where one has none by the printed digits."""
    if a.value is None or b.value is None:
        raise ValueError("a score that is missing is compared with nothing")
    difference = a.value - b.value
    if a.standard_error is None or b.standard_error is None or not math.isfinite(difference):
        alike = round(a.value, decimals) == round(b.value, decimals)
        return Gap(difference, None, math.inf, float(alike), DIGITS)
    parts = [(one.standard_error or 0.0, one.degrees_of_freedom) for one in (a, b)]
    return _gap(difference, parts, INTERVALS)


def mean_gap(gaps: Sequence[Gap], weights: Sequence[float]) -> Gap | None:
    """The gap between two means of scores, from those of the scores; None if one has no error."""
    if any(each.standard_error is None for each in gaps):
        return None
    parts = [
        (weight * (each.standard_error or 0.0), each.degrees_of_freedom)
        for weight, each in zip(weights, gaps, strict=True)
    ]
    value = sum(weight * each.value for weight, each in zip(weights, gaps, strict=True))
    ways = {each.way for each in gaps}
    return _gap(value, parts, INTERVALS if INTERVALS in ways else PREDICTIONS)


def by_predictions(
    records: Sequence[Record | None], metric_name: str, kept: KeptPredictions
) -> Compared:
    """Compares the records of a column, all of one task, by the predictions that were kept."""

    def compared(best: int, other: int) -> Gap | None:
        a, b = records[best], records[other]
        found = kept.compare(a, b, metric_name) if a and b else None
        if found is None:
            return None
        over = found.difference
        error, freedom = over.standard_error, over.degrees_of_freedom
        return Gap(over.value, error, freedom, found.p_value, PREDICTIONS)

    return compared


def note_on(ways: Mapping[str, Collection[str]], bold: str = "Bold (*)") -> list[str]:
    """What bold means in a table, a line; `ways` by name of the column."""
    start = f"{bold}: the best, and what is not significantly below it ({100 * LEVEL:g} %, Holm"
    found = [way for way in _WORDS if any(way in of_column for of_column in ways.values())]
    if len(found) < 2:
        return [f"{start}), {_WORDS[way]}." for way in found]
    texts = (
        f"{', '.join(name for name, of in ways.items() if way in of)} {_WORDS[way]}"
        for way in found
    )
    return [f"{start}): {'; '.join(texts)}."]


def _gap(difference: float, parts: Iterable[tuple[float, float]], way: str) -> Gap:
    """From independent errors and their degrees of freedom (Welch and Satterthwaite)."""
    squares = [(error**2, freedom) for error, freedom in parts]
    variance = sum(square for square, _ in squares)
    if not variance:
        return Gap(difference, 0.0, math.inf, float(abs(difference) < 1e-12), way)
    freedom = variance**2 / sum(square**2 / freedom for square, freedom in squares)
    error = math.sqrt(variance)
    p_value = float(2 * stdtr(freedom, -abs(difference) / error))
    return Gap(difference, error, freedom, p_value, way)
