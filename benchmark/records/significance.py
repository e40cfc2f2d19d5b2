"""Statistics that decide whether one model is better than another.

Two kinds of chance are kept apart: which clips are in the test set, and which seeds a probe was
trained from. Scores are taken per clip and per seed, and both models are judged on the same clips.

Sources: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13; Owen, "The
pigeonhole bootstrap" (2007), for crossed seeds and clips; Holm (1979); Demsar, "Statistical
comparisons of classifiers over multiple data sets" (2006), for Friedman and Nemenyi.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

Array = npt.NDArray[Any]
# Value of a metric for every seed, (seeds,), on the clips of the given row numbers.
ValuesOn = Callable[[Array], Array]

RESAMPLES = 2000
PERMUTATIONS = 10_000
LEVEL = 0.95
_COUNTS_HELD = 1 << 22  # numbers of one block of resamples


@dataclass(frozen=True)
class Difference:
    """How much better A is than B.

    Attributes
    ----------
    value
        Mean over the seeds of A less the mean over the seeds of B, on all clips.
    low, high
        Confidence interval of `level`.
    standard_error, degrees_of_freedom
        The interval is ``value +- t(degrees_of_freedom) * standard_error``.
    p_value
        Two-sided, of no difference, from the same t.
    level
        Such as 0.95.
    """

    value: float
    low: float
    high: float
    standard_error: float
    degrees_of_freedom: float
    p_value: float
    level: float


def difference_of_means(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    groups: Sequence[Any] | Array | None = None,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Difference:
    """Paired bootstrap of a score that is a mean over clips, such as accuracy.

    See `difference_of_metric` for what is resampled.

    Parameters
    ----------
    a, b
        Score of every clip, (clips,) or (seeds, clips); the clips are the same, in one order, but
        the numbers of seeds may differ.
    groups
        (clips,) what belongs together, such as clips of one recording: it is drawn as a whole.
    resamples, level, seed
        Number of bootstrap samples, confidence and seed of the draws.

    Raises
    ------
    ValueError
        Shapes do not fit, a score is not finite, or there are fewer than two clips or groups.
    """
    a, b = _by_seed(a), _by_seed(b)
    units = _units(groups, a.shape[1])
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"A has {a.shape[1]} clips and B has {b.shape[1]}: expected the same")
    sizes = np.bincount(units)
    sums = [np.stack([np.bincount(units, row) for row in side], axis=1) for side in (a, b)]
    drawn: tuple[list[Array], list[Array]] = [], []
    for counts in _resampled_counts(len(sizes), resamples, seed):
        clips = counts @ sizes
        for side, of_side in zip(drawn, sums, strict=True):
            side.append((counts @ of_side) / clips[:, None])
    values = a.mean(axis=1), b.mean(axis=1)
    return _difference(
        *values, np.concatenate(drawn[0]), np.concatenate(drawn[1]), len(sizes), level
    )


def difference_of_metric(
    a: ValuesOn,
    b: ValuesOn,
    clips: int,
    *,
    groups: Sequence[Any] | Array | None = None,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Difference:
    """Paired bootstrap of a metric of a whole test set, such as mAP.

    Clips (or groups) are drawn with replacement, the same for A and B. Seeds of A and of B are
    drawn independently of each other; as the score is a mean over seeds, that level needs no
    drawing. Seeds and clips are crossed, and what is due to both at once would count twice, so
    its part is taken out again. With one seed the interval is about that one training.

    Parameters
    ----------
    a, b
        Give the metric of every seed, (seeds,), on the clips of the given row numbers, of which
        some occur several times.
    clips
        Number of clips.
    groups, resamples, level, seed
        See `difference_of_means`.

    Raises
    ------
    ValueError
        A metric is not finite on all clips, or there are fewer than two clips or groups. Resamples
        on which it is not finite are left out; if that is more than one in ten, also.
    """
    units = _units(groups, clips)
    n_units = int(units.max()) + 1
    everything = np.arange(clips)
    whole = np.asarray(a(everything), float), np.asarray(b(everything), float)
    if not all(np.isfinite(values).all() for values in whole):
        raise ValueError("the metric is not defined on all clips: there is nothing to compare")
    drawn: tuple[list[Array], list[Array]] = [], []
    for counts in _resampled_counts(n_units, resamples, seed):
        for count in counts:
            rows = np.repeat(everything, count[units])
            pair = a(rows), b(rows)
            if all(np.isfinite(values).all() for values in pair):
                for side, values in zip(drawn, pair, strict=True):
                    side.append(values)
    if len(drawn[0]) < 0.9 * resamples:
        raise ValueError(
            f"the metric is defined on {len(drawn[0])} of {resamples} resamples only: there are"
            " too few clips of some label"
        )
    return _difference(*whole, np.array(drawn[0]), np.array(drawn[1]), n_units, level)


def _difference(
    a: Array, b: Array, drawn_a: Array, drawn_b: Array, n_units: int, level: float
) -> Difference:
    """From the values by seed (seeds,) and on resampled clips (resamples, seeds)."""
    value = float(a.mean() - b.mean())
    # A bootstrap of n units understates a variance by (n - 1) / n.
    over_clips = (drawn_a.mean(axis=1) - drawn_b.mean(axis=1)).var() * n_units / (n_units - 1)
    parts = [(over_clips, n_units - 1)]
    of_both = 0.0
    for whole, drawn in ((a, drawn_a), (b, drawn_b)):
        if (seeds := len(whole)) > 1:
            over_seeds = whole.var(ddof=1) / seeds
            parts.append((over_seeds, seeds - 1))
            # Drawn clips spread the seeds twice as much where seed and clip act together.
            of_both += max(0.0, drawn.var(axis=1, ddof=1).mean() / seeds - over_seeds)
    total = sum(part for part, _ in parts)
    variance = max(total - of_both, over_clips, total - over_clips)
    if variance <= (1e-12 * max(1.0, abs(value))) ** 2:
        return Difference(value, value, value, 0.0, math.inf, float(abs(value) < 1e-12), level)
    # Welch and Satterthwaite: few seeds make the interval wide only where seeds matter.
    freedom = total**2 / sum(part**2 / df for part, df in parts)
    error = math.sqrt(variance)
    reach = float(stdtrit(freedom, (1 + level) / 2)) * error
    p_value = float(2 * stdtr(freedom, -abs(value) / error))
    return Difference(value, value - reach, value + reach, error, float(freedom), p_value, level)


def permutation_test(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    groups: Sequence[Any] | Array | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> float:
    """Two-sided p of no difference between the means over clips of two trained models.

    In every permutation the scores of A and B are exchanged in half of the clips (or groups). The
    trainings are taken as they are: the test says nothing about other seeds.

    Parameters
    ----------
    a, b, groups
        See `difference_of_means`; of several seeds the mean of each clip is taken.

    Returns
    -------
    float
        Never below 1 / (permutations + 1).
    """
    a, b = _by_seed(a), _by_seed(b)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"A has {a.shape[1]} clips and B has {b.shape[1]}: expected the same")
    units = _units(groups, a.shape[1])
    per_unit = np.bincount(units, a.mean(axis=0) - b.mean(axis=0))
    observed = abs(per_unit.sum())
    chance = np.random.default_rng(seed)
    extreme = 0
    for count in _blocks(permutations, len(per_unit)):
        signs = chance.integers(0, 2, (count, len(per_unit)), np.int8) * np.int8(2) - np.int8(1)
        extreme += int((np.abs(signs @ per_unit) >= observed - 1e-12).sum())
    return (extreme + 1) / (permutations + 1)


def permutation_test_of_metric(
    difference: Callable[[Array], float],
    clips: int,
    *,
    groups: Sequence[Any] | Array | None = None,
    permutations: int = RESAMPLES,
    seed: int = 0,
) -> float:
    """As `permutation_test`, of a metric of a whole test set.

    Parameters
    ----------
    difference
        Gives the metric of A less that of B after their predictions were exchanged in the clips
        where the given (clips,) bool is true.
    clips
        Number of clips.
    """
    units = _units(groups, clips)
    observed = abs(difference(np.zeros(clips, np.bool_)))
    chance = np.random.default_rng(seed)
    drawn = [
        abs(difference(chance.integers(0, 2, int(units.max()) + 1).astype(np.bool_)[units]))
        for _ in range(permutations)
    ]
    # What is not defined after an exchange counts as extreme: that can only make p larger.
    extreme = sum(not value < observed - 1e-12 for value in drawn)
    return (extreme + 1) / (permutations + 1)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p of several tests, adjusted so that one at 0.05 is wrong in 5 % of cases in all of them."""
    ordered = sorted(p_values, key=lambda name: p_values[name])
    adjusted: dict[str, float] = {}
    largest = 0.0
    for place, name in enumerate(ordered):
        largest = max(largest, min(1.0, (len(ordered) - place) * p_values[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


@dataclass(frozen=True)
class RankComparison:
    """Many models on many tasks, by their ranks.

    Attributes
    ----------
    mean_ranks
        By model, 1 the best; ties share the mean of their ranks.
    p_value
        Friedman's, of no difference between any of the models.
    critical_difference
        Nemenyi's: models whose mean ranks differ by less are not told apart.
    cliques
        Largest sets of models that are not told apart, best first; those of one model are left
        out.
    """

    mean_ranks: dict[str, float]
    p_value: float
    critical_difference: float
    cliques: tuple[tuple[str, ...], ...]


def compare_ranks(
    scores: npt.ArrayLike,
    models: Sequence[str],
    *,
    higher_is_better: Sequence[bool] | None = None,
    level: float = LEVEL,
) -> RankComparison:
    """Friedman's test and Nemenyi's critical difference.

    Parameters
    ----------
    scores
        (tasks, models), without gaps.
    models
        Names.
    higher_is_better
        By task; all True if None.

    Raises
    ------
    ValueError
        There are fewer than three models or two tasks, or a score is missing.
    """
    from scipy import stats  # takes a second to import, which every table would wait for

    table = np.asarray(scores, float)
    if table.ndim != 2 or table.shape[1] != len(models):
        raise ValueError(f"scores are {table.shape}: expected (tasks, {len(models)} models)")
    n_tasks, n_models = table.shape
    if n_models < 3 or n_tasks < 2:
        raise ValueError(
            f"{n_models} models on {n_tasks} tasks: Friedman's test takes at least 3 on 2"
        )
    if not np.isfinite(table).all():
        task, model = np.argwhere(~np.isfinite(table))[0]
        raise ValueError(f"{models[model]} has no score on task {task}: all models need all tasks")
    signs = np.ones(n_tasks) if higher_is_better is None else np.where(higher_is_better, 1, -1)
    ranks = stats.rankdata(-table * signs[:, None], axis=1)
    mean_ranks = ranks.mean(axis=0)
    p_value = 1.0 if np.ptp(ranks, axis=1).max() == 0 else stats.friedmanchisquare(*ranks.T).pvalue
    quantile = stats.studentized_range.ppf(level, n_models, math.inf) / math.sqrt(2)
    critical = float(quantile * math.sqrt(n_models * (n_models + 1) / (6 * n_tasks)))
    order = np.argsort(mean_ranks, kind="stable")
    ends = [int((mean_ranks[order] < mean_ranks[first] + critical).sum()) for first in order]
    cliques = [
        tuple(models[n] for n in order[start:end])
        for start, end in enumerate(ends)
        if end - start > 1 and (start == 0 or end > ends[start - 1])
    ]
    by_model = {models[n]: float(mean_ranks[n]) for n in order}
    return RankComparison(by_model, float(p_value), critical, tuple(cliques))


def _by_seed(scores: npt.ArrayLike) -> Array:
    array = np.atleast_2d(np.asarray(scores, np.float64))
    if array.ndim != 2 or not np.isfinite(array).all():
        raise ValueError(
            f"scores {array.shape}: expected finite numbers, (clips) or (seeds, clips)"
        )
    return array


def _units(groups: Sequence[Any] | Array | None, clips: int) -> Array:
    """(clips,) number of what each clip is drawn with."""
    units: Array = np.arange(clips)
    if groups is not None:
        if len(groups) != clips:
            raise ValueError(f"{len(groups)} groups for {clips} clips: expected one for each clip")
        units = np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
    if not clips or (count := int(units.max()) + 1) < 2:
        what = "groups of clips" if groups is not None else "clips"
        raise ValueError(f"{clips and count} {what}: expected at least two to compare on")
    return units


def _resampled_counts(n_units: int, resamples: int, seed: int) -> Any:
    """How often each unit is drawn, in blocks (count, units)."""
    chance = np.random.default_rng(seed)
    for count in _blocks(resamples, n_units):
        drawn = chance.integers(0, n_units, (count, n_units))
        places = drawn + n_units * np.arange(count)[:, None]
        yield np.bincount(places.ravel(), minlength=count * n_units).reshape(count, n_units)


def _blocks(total: int, width: int) -> list[int]:
    size = max(1, _COUNTS_HELD // width)
    return [min(size, total - start) for start in range(0, total, size)]
