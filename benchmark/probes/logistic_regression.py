"""L2 logistic regression, the problem that scikit-learn's LogisticRegression solves by default.

Written here because scikit-learn is no dependency of evaluations. Loss, penalty (none on the
intercept), starting point, solver and its tolerances are scikit-learn's (`lbfgs`, C = 1), so the
solution is the same but for rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax

from benchmark.errors import UserError

Array = npt.NDArray[Any]
_MAX_LINE_SEARCH, _GRADIENT_TOLERANCE = 50, 1e-4
_VALUE_TOLERANCE = 64 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class LogisticRegression:
    """A fitted regression.

    Attributes
    ----------
    classes
        (classes,) int64, those that occurred in training, sorted.
    weight, intercept
        (classes, size) and (classes,) float64; of two classes those of the second alone, in one
        row.
    """

    classes: Array
    weight: Array
    intercept: Array

    def probabilities(self, x: Array, labels: int) -> Array:
        """(n, labels) float64 of (n, size); 0 for classes that did not occur in training."""
        logits = np.asarray(x, np.float64) @ self.weight.T + self.intercept
        if len(self.classes) == 2:
            second = expit(logits[:, 0])
            known = np.stack([1 - second, second], axis=1)
        else:
            known = softmax(logits, axis=1)
        found = np.zeros((len(known), labels))
        found[:, self.classes] = known
        return found


def fit_logistic_regression(
    x: Array, y: Array, *, c: float = 1.0, max_iterations: int = 100
) -> LogisticRegression:
    """Fit to (n, size) embeddings with the labels (n,).

    Parameters
    ----------
    c
        Inverse strength of the penalty.
    max_iterations
        Of L-BFGS; the result is taken whether it has converged or not, as scikit-learn does.

    Raises
    ------
    UserError
        There are fewer than two classes.
    """
    x = np.asarray(x, np.float64)
    classes, index = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise UserError(f"logistic regression needs clips of two labels, not of {len(classes)}")
    n, size = x.shape
    rows = 1 if len(classes) == 2 else len(classes)
    penalty = 1 / (c * n)
    wanted = np.eye(len(classes))[index] if rows > 1 else index.astype(np.float64)[:, None]

    def loss(flat: Array) -> tuple[float, Array]:
        weight, intercept = flat[:-rows].reshape(rows, size), flat[-rows:]
        logits = x @ weight.T + intercept
        if rows > 1:
            value = -np.sum(wanted * log_softmax(logits, axis=1)) / n
            of_logits = (softmax(logits, axis=1) - wanted) / n
        else:
            value = np.sum(np.logaddexp(0, logits) - wanted * logits) / n
            of_logits = (expit(logits) - wanted) / n
        value += penalty / 2 * np.sum(weight * weight)
        gradient = of_logits.T @ x + penalty * weight
        return float(value), np.concatenate([gradient.ravel(), of_logits.sum(axis=0)])

    found = minimize(
        loss,
        np.zeros(rows * (size + 1)),
        jac=True,
        method="L-BFGS-B",
        options={
            "maxiter": max_iterations,
            "maxls": _MAX_LINE_SEARCH,
            "gtol": _GRADIENT_TOLERANCE,
            "ftol": _VALUE_TOLERANCE,
        },
    ).x
    return LogisticRegression(classes, found[:-rows].reshape(rows, size), found[-rows:])
