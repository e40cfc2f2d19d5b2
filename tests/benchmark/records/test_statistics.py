"""Scores over folds and seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmark.records.statistics import Score, mean_and_interval, summarise, summarise_all


def of_folds(values: Sequence[float | None], seed: int = 42, metric: str = "mAP") -> list[Score]:
    return [Score(f"fold{i}", seed, metric, value) for i, value in enumerate(values)]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12))
def test_mean_and_interval_are_those_of_numpy_and_scipy(values: list[float]) -> None:
    mean, std, ci95 = mean_and_interval(values)
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    low, high = stats.t.interval(0.95, len(values) - 1, loc=0.0, scale=max(error, 1e-300))
    assert mean == pytest.approx(np.mean(values), abs=1e-12)
    assert std == pytest.approx(np.std(values, ddof=1), abs=1e-12)
    assert ci95 == pytest.approx((high - low) / 2, abs=1e-12)


def test_one_seed_is_summarised_over_its_folds() -> None:
    summary = summarise(of_folds([0.2, 0.4]), "mAP")
    assert (summary.over, summary.n) == ("folds", 2)
    assert summary.mean == pytest.approx(0.3)
    single = summarise(of_folds([0.5]), "mAP")
    assert (single.over, single.mean, single.std, single.ci95) == ("split", 0.5, None, None)


def test_seeds_are_summarised_over_the_means_of_their_folds() -> None:
    scores = of_folds([0.1, 0.3], seed=0) + of_folds([0.5, 0.9], seed=1)
    summary = summarise(scores, "mAP")
    assert (summary.over, summary.n) == ("seeds", 2)
    assert summary.mean == pytest.approx(0.45)
    assert summary.std == pytest.approx(np.std([0.2, 0.7], ddof=1))


def test_undefined_scores_are_not_dropped() -> None:
    scores = of_folds([0.8, None])
    assert summarise(scores, "mAP").mean is None
    counted = summarise(scores, "mAP", undefined_as=0.0)
    assert (counted.undefined, counted.n) == (1, 2)
    assert counted.mean == pytest.approx(0.4)
    assert summarise(scores, "no such metric").mean is None


def test_infinite_scores_are_kept() -> None:
    summary = summarise(of_folds([2.0, math.inf]), "mAP")
    assert (summary.mean, summary.std, summary.ci95) == (math.inf, None, None)
    assert summarise(of_folds([-math.inf, math.inf]), "mAP").mean is None


def test_all_metrics_in_the_order_in_which_they_come() -> None:
    scores = [*of_folds([0.5], metric="top1_acc"), *of_folds([None], metric="mAP")]
    found = summarise_all(scores, {"mAP": 0.0})
    assert {name: each.mean for name, each in found.items()} == {"top1_acc": 0.5, "mAP": 0.0}
    assert list(found) == ["top1_acc", "mAP"]
