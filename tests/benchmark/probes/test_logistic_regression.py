"""Logistic regression against scikit-learn's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from made_up_rows import blobs
from sklearn import linear_model

from benchmark.errors import UserError
from benchmark.probes.logistic_regression import fit_logistic_regression


@pytest.mark.parametrize("labels", [2, 5])
@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_probabilities_are_scikit_learns(labels: int, scale: float) -> None:
    x, y = blobs(8 * labels, labels, 40, noise=3)
    test = blobs(50, labels, 40, seed=1, noise=3)[0] * scale
    x = x.astype(np.float64) * scale
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = linear_model.LogisticRegression(max_iter=100, random_state=42).fit(x, y)
    found = fit_logistic_regression(x, y)
    np.testing.assert_allclose(
        found.probabilities(test, labels), expected.predict_proba(test), atol=1e-6
    )


def test_a_label_that_did_not_occur_is_never_predicted() -> None:
    x, y = blobs(20, 2, 4)
    found = fit_logistic_regression(x, 2 * y).probabilities(x, 4)
    assert found.shape == (20, 4)
    assert not found[:, [1, 3]].any()
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_one_label_alone_is_one_line() -> None:
    with pytest.raises(UserError, match="two labels, not of 1"):
        fit_logistic_regression(np.ones((3, 2)), np.zeros(3, int))
