"""HEAR's scores against what the kit computes them with: equal floats, not close ones."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmark.errors import UserError
from benchmark.metrics.hear_scores import SCORES, scores_named


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
    chance = np.random.default_rng(seed)
    prediction = chance.random((rows, labels), dtype=np.float32)
    if levels:  # many equal predictions, as a saturated head makes them
        prediction = np.round(prediction * levels).astype(np.float32) / np.float32(levels)
    if one_hot:
        target = np.eye(labels, dtype=np.float32)[chance.integers(labels, size=rows)]
    else:
        target = (chance.random((rows, labels)) < 0.3).astype(np.float32)
    for name in ("mAP", "aucroc", "d_prime"):
        ours = SCORES[name].primary(prediction, target)
        theirs = of_sklearn(name, prediction, target)
        assert ours == theirs or (math.isnan(ours) and math.isnan(theirs)), name


def test_many_labels_and_rows_too() -> None:
    chance = np.random.default_rng(0)
    prediction = chance.random((3000, 40), dtype=np.float32)
    target = (prediction + chance.normal(0, 0.5, prediction.shape) > 0.8).astype(np.float32)
    for name in ("mAP", "aucroc", "d_prime"):
        assert SCORES[name].primary(prediction, target) == of_sklearn(name, prediction, target)


def test_accuracies() -> None:
    prediction = np.array([[0.1, 0.9], [0.5, 0.5], [0.2, 0.8]], np.float32)
    target = np.array([[0, 1], [1, 0], [1, 0]], np.float32)
    # The first of two equal predictions counts.
    assert SCORES["top1_acc"].primary(prediction, target) == 2 / 3
    assert SCORES["pitch_acc"].primary(prediction, target) == 2 / 3
    octave_off = np.eye(25, dtype=np.float32)[[12, 13, 3]], np.eye(25, dtype=np.float32)[[0, 1, 4]]
    assert SCORES["chroma_acc"].primary(*octave_off) == 2 / 3
    assert SCORES["pitch_acc"].primary(*octave_off) == 0.0


def test_a_prediction_that_is_nan_makes_ranking_scores_nan() -> None:
    prediction = np.array([[np.nan, 1.0], [0.0, 1.0]], np.float32)
    assert math.isnan(SCORES["mAP"].primary(prediction, np.eye(2, dtype=np.float32)))


def test_event_scores_are_in_the_tables_under_the_kits_names() -> None:
    assert not SCORES["segment_1s_er"].maximize
    assert all(score.maximize for name, score in SCORES.items() if name != "segment_1s_er")
    assert [score.name for score in scores_named(["event_onset_50ms_fms"], "event")] == [
        "event_onset_50ms_fms"
    ]


@pytest.mark.parametrize(
    ("names", "kind", "said"),
    [
        (["top1acc"], "scene", "did you mean 'top1_acc'"),
        (["mAP"], "event", "is for scene tasks"),
        ([], "scene", "names no score"),
    ],
)
def test_wrong_scores_are_named(names: list[str], kind: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        scores_named(names, kind)
