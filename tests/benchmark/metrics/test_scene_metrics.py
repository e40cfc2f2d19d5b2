"""HEAR's scores against what the kit computes them with: equal floats, not close ones."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmark.errors import UserError
from benchmark.metrics.registry import METRICS_REGISTRY, metric, metrics_named


def of_sklearn(name: str, prediction: np.ndarray, target: np.ndarray) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name == "mAP":
            return average_precision_score(target, prediction, average="macro")
        if name == "aucroc":
            return roc_auc_score(target, prediction, average="macro")
        auc = roc_auc_score(target, prediction, average=None)
        return np.mean(stats.norm().ppf(auc) * np.sqrt(2.0))


@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(2, 300),
    labels=st.integers(2, 9),
    levels=st.sampled_from([2, 7, 50, 0]),
    one_hot=st.booleans(),
)
def test_ranking_scores_are_those_of_scikit_learn(
    seed: int, rows: int, labels: int, levels: int, one_hot: bool
) -> None:
    rng = np.random.default_rng(seed)
    prediction = rng.random((rows, labels), dtype=np.float32)
    if levels:  # many equal predictions, as a saturated head makes them
        prediction = np.round(prediction * levels).astype(np.float32) / np.float32(levels)
    if one_hot:
        target = np.eye(labels, dtype=np.float32)[rng.integers(labels, size=rows)]
    else:
        target = (rng.random((rows, labels)) < 0.3).astype(np.float32)
    for name in ("mAP", "aucroc", "d_prime"):
        ours = metric(name).value(prediction, target)
        theirs = of_sklearn(name, prediction, target)
        assert ours == theirs or (math.isnan(ours) and math.isnan(theirs)), name


def test_many_labels_and_rows_too() -> None:
    rng = np.random.default_rng(0)
    prediction = rng.random((3000, 40), dtype=np.float32)
    target = (prediction + rng.normal(0, 0.5, prediction.shape) > 0.8).astype(np.float32)
    for name in ("mAP", "aucroc", "d_prime"):
        assert metric(name).value(prediction, target) == of_sklearn(name, prediction, target)


def test_accuracies() -> None:
    prediction = np.array([[0.1, 0.9], [0.5, 0.5], [0.2, 0.8]], np.float32)
    target = np.array([[0, 1], [1, 0], [1, 0]], np.float32)
    # The first of two equal predictions counts.
    assert metric("top1_acc").value(prediction, target) == 2 / 3
    assert metric("pitch_acc").value(prediction, target) == 2 / 3
    octave_off = np.eye(25, dtype=np.float32)[[12, 13, 3]], np.eye(25, dtype=np.float32)[[0, 1, 4]]
    assert metric("chroma_acc").value(*octave_off) == 2 / 3
    assert metric("pitch_acc").value(*octave_off) == 0.0


def test_a_prediction_that_is_nan_makes_ranking_scores_nan() -> None:
    prediction = np.array([[np.nan, 1.0], [0.0, 1.0]], np.float32)
    assert math.isnan(metric("mAP").value(prediction, np.eye(2, dtype=np.float32)))


def test_event_metrics_have_the_kits_names() -> None:
    lower = [one.name for one in METRICS_REGISTRY.all() if not one.higher_is_better]
    assert lower == ["segment_1s_er"]
    (found,) = metrics_named(["event_onset_50ms_fms"], "event")
    assert found.name == "event_onset_50ms_fms"


def test_parts_have_the_direction_of_their_metric() -> None:
    for name, parent in (
        ("segment_1s_er_error_rate", "segment_1s_er"),
        ("event_onset_200ms_fms_precision", "event_onset_200ms_fms"),
        ("event_onset_offset_50ms_20perc_fms_f_measure", "event_onset_offset_50ms_20perc_fms"),
    ):
        assert metric(name) is metric(parent)
    assert metric("segment_1s_er_error_rate").arrow == "↓"
    with pytest.raises(UserError, match="unknown metric 'segment_1s_er_precision'"):
        metric("segment_1s_er_precision")


def test_what_is_undefined_counts_as_the_worst() -> None:
    assert metric("event_onset_200ms_fms").defined(math.nan) == 0.0
    assert metric("segment_1s_er").defined(None) == 1.0
    assert metric("d_prime").defined(math.inf) == math.inf
    assert not metric("d_prime").is_share and metric("aucroc").is_share


@pytest.mark.parametrize(
    ("names", "kind", "said"),
    [
        (["top1acc"], "scene", "did you mean 'top1_acc'"),
        (["mAP"], "event", "is a metric of scene tasks"),
        ([], "scene", "must be a list of metrics"),
        ("mAP", "scene", "must be a list of metrics"),
        ([["mAP"]], "scene", "names of metrics"),
    ],
)
def test_wrong_metrics_are_named(names: Any, kind: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        metrics_named(names, kind)
