"""Accuracy in which every class counts the same, however many rows it has."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.metrics.registry import Metric


def balanced_accuracy(prediction: npt.NDArray[Any], target: npt.NDArray[Any]) -> float:
    """Mean over classes of the share of a class's rows that are predicted as it.

    Classes without rows are left out, as in scikit-learn's balanced_accuracy_score (Brodersen et
    al., "The balanced accuracy and its posterior distribution", 2010).

    Parameters
    ----------
    prediction, target
        (n, labels); the largest prediction, the first of equals, is the predicted class.
    """
    actual = np.argmax(target, axis=1)
    hits = np.argmax(prediction, axis=1) == actual
    rows = np.bincount(actual)
    there = rows > 0
    return float(np.mean(np.bincount(actual, weights=hits)[there] / rows[there]))


METRICS = (Metric("balanced_accuracy", "scene", balanced_accuracy),)
