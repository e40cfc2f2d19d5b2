"""Balanced accuracy against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from benchmark.metrics.registry import metric, metrics_named


@given(seed=st.integers(0, 10_000), rows=st.integers(1, 60), labels=st.integers(2, 6))
def test_it_is_scikit_learns(seed: int, rows: int, labels: int) -> None:
    rng = np.random.default_rng(seed)
    actual = rng.integers(labels, size=rows)
    prediction = rng.random((rows, labels), dtype=np.float32)
    wrong = ~np.isin(prediction.argmax(axis=1), actual)  # scikit-learn warns of such classes
    prediction[wrong, :] = np.eye(labels, dtype=np.float32)[actual[0]]
    found = metric("balanced_accuracy").value(prediction, np.eye(labels, dtype=np.float32)[actual])
    assert found == pytest.approx(balanced_accuracy_score(actual, prediction.argmax(axis=1)))


def test_rare_classes_count_as_much_as_common_ones() -> None:
    target = np.eye(2, dtype=np.float32)[[0, 0, 0, 1]]
    always_the_first = np.eye(2, dtype=np.float32)[[0, 0, 0, 0]]
    assert metric("top1_acc").value(always_the_first, target) == 0.75
    assert metric("balanced_accuracy").value(always_the_first, target) == 0.5


def test_a_task_may_name_it() -> None:
    (found,) = metrics_named(["balanced_accuracy"], "scene")
    assert found.higher_is_better and found.is_share
