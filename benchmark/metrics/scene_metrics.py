"""HEAR's metrics of scene tasks, equal to hear-eval-kit's to the last bit.

Source: hear-eval-kit 2021.1.3, `heareval/score.py`, which asks scikit-learn, scipy and sed_eval.
Those are not called here: at one validation in three epochs, scikit-learn's checks of its input
cost as much as the training of a few hundred clips. The operations that round are the same, in the
same order, and the tests compare the two.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from benchmark.metrics.registry import Metric

Array = npt.NDArray[Any]


def accuracy(prediction: Array, target: Array, octave: int | None = None) -> float:
    """Share of rows whose largest prediction is at the largest target; the first of equals counts.

    Parameters
    ----------
    prediction, target
        (n, labels).
    octave
        Compare indices modulo this. The kit takes 12 of the label's INDEX, which is the chroma
        only where index and pitch differ by a constant (ChromaAccuracy).
    """
    return int(is_right(prediction, target, octave).sum()) / len(target)


def is_right(prediction: Array, target: Array, octave: int | None = None) -> npt.NDArray[np.bool_]:
    """(n,) whether each row counts in `accuracy`."""
    predicted, expected = np.argmax(prediction, axis=1), np.argmax(target, axis=1)
    if octave:
        predicted, expected = predicted % octave, expected % octave
    right: npt.NDArray[np.bool_] = predicted == expected
    return right


def mean_average_precision(
    prediction: Array, target: Array, label_mask: Array | None = None
) -> float:
    """Average precision of each label, averaged; 0 for a label that never occurs.

    NaN where a prediction is NaN, where the kit fails.
    """
    return float(np.mean(_by_label(_average_precision, prediction, target, label_mask)))


def area_under_roc(prediction: Array, target: Array, label_mask: Array | None = None) -> float:
    """Area under the ROC curve of each label, averaged; NaN if a label has only one side."""
    return float(np.mean(_by_label(_auc, prediction, target, label_mask)))


def d_prime(prediction: Array, target: Array, label_mask: Array | None = None) -> float:
    """sqrt(2) times the normal quantile of each label's area under the curve, averaged.

    Returned as NumPy's float64, as the kit's is: of its scores the only one that it does not
    round to float32 when it is logged.
    """
    each = ndtri(_by_label(_auc, prediction, target, label_mask)) * np.sqrt(2.0)
    with np.errstate(invalid="ignore"):  # a perfect label is +inf, a perfectly wrong one -inf
        return np.float64(np.mean(each))


def _by_label(
    of_counts: Callable[[Array, Array], float],
    prediction: Array,
    target: Array,
    label_mask: Array | None,
) -> npt.NDArray[np.float64]:
    """A score of every label from its true and false positives at each distinct threshold."""
    if label_mask is not None:
        each = [
            _by_label(of_counts, prediction[rows, label, None], target[rows, label, None], None)
            for label, rows in enumerate(label_mask.T)
            if rows.any()
        ]
        return np.concatenate(each) if each else np.full(1, np.nan)
    if np.isnan(prediction).any():
        return np.full(prediction.shape[1], np.nan)
    order = np.argsort(-prediction, axis=0)
    sorted_prediction = np.take_along_axis(prediction, order, axis=0)
    hits = np.cumsum(np.take_along_axis(target == 1, order, axis=0), axis=0, dtype=np.float64)
    values = np.empty(prediction.shape[1])
    for label in range(prediction.shape[1]):
        change = np.flatnonzero(np.diff(sorted_prediction[:, label]))
        last = np.append(change, len(prediction) - 1)
        true = hits[last, label]
        values[label] = of_counts(true, 1 + last.astype(np.float64) - true)
    return values


def _average_precision(true: Array, false: Array) -> float:
    # scikit-learn: no positives make every recall 1, so only its last step to 0 counts, at 0.
    recall = true / true[-1] if true[-1] else np.ones_like(true)
    precision = true / (true + false)
    # Summed from the lowest threshold up, as scikit-learn does; the order decides the last bits.
    steps = np.diff(np.append(recall[::-1], 0.0))
    return max(0.0, -float(np.sum(steps * precision[::-1])))


def _auc(true: Array, false: Array) -> float:
    if not true[-1] or not false[-1]:
        return float("nan")
    if len(true) > 2:
        # scikit-learn drops points on a straight line before it sums (roc_curve).
        corner = np.diff(false, 2).astype(bool) | np.diff(true, 2).astype(bool)
        kept = np.concatenate([[True], corner, [True]])
        true, false = true[kept], false[kept]
    x = np.append(0.0, false) / false[-1]
    y = np.append(0.0, true) / true[-1]
    return float((np.diff(x) * (y[1:] + y[:-1]) / 2.0).sum())


METRICS = (
    Metric("top1_acc", "scene", accuracy, of_clips=is_right),
    Metric("pitch_acc", "scene", accuracy, of_clips=is_right),
    Metric(
        "chroma_acc",
        "scene",
        partial(accuracy, octave=12),
        of_clips=partial(is_right, octave=12),
    ),
    Metric("mAP", "scene", mean_average_precision, label_mask=True),
    # The least area is as undefined as none; a model that knows nothing has a d' of 0.
    Metric("d_prime", "scene", d_prime, bounds=(None, None), label_mask=True),
    Metric("aucroc", "scene", area_under_roc, label_mask=True),
)
