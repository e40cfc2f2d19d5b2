"""CKA against its definition, its invariances and what it must be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from embedded_tasks import make_kfold, make_pitch

from benchmark.errors import UserError
from benchmark.metrics.cka import (
    Similarities,
    batch_bounds,
    minibatch_cka,
    unbiased_hsic,
)
from benchmark.probes.similarity import similarities_on_task

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 7))
Y = X @ RNG.standard_normal((7, 100)) + RNG.standard_normal((60, 100))


def whole_cka(x: np.ndarray, y: np.ndarray) -> float:
    """The biased estimate of all clips at once (Kornblith et al., section 3)."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    of_both, of_x, of_y = (np.square(a.T @ b).sum() for a, b in ((x, y), (x, x), (y, y)))
    return float(of_both / np.sqrt(of_x * of_y))


def cka(x: np.ndarray, y: np.ndarray) -> float:
    return float(minibatch_cka([({"x": x}, {"y": y})]).matrix[0, 0])


def test_rotation_shift_and_scale_change_nothing() -> None:
    turn = np.linalg.qr(RNG.standard_normal((7, 7)))[0]
    assert cka(X, 3 * X @ turn + 5) == pytest.approx(1)
    assert cka(X, Y) == pytest.approx(cka(Y, X @ turn))
    assert np.isnan(cka(X, np.ones((60, 2))))


def test_one_number_a_clip_is_the_squared_correlation() -> None:
    """In closed form; the estimate is unbiased, so it is met but for 1 / clips."""
    x = RNG.standard_normal((3000, 1))
    y = x + RNG.standard_normal((3000, 1))
    assert cka(x, y) == pytest.approx(np.corrcoef(x[:, 0], y[:, 0])[0, 1] ** 2, abs=2e-3)


def test_unbiased_hsic_is_its_u_statistic() -> None:
    """Over all ordered choices of four different clips (Gretton et al., 2005)."""
    x, y = RNG.standard_normal((2, 7, 3))
    k, m = x @ x.T, y @ y.T
    from itertools import permutations

    terms = [
        k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in permutations(range(7), 4)
    ]
    assert unbiased_hsic(k, m) == pytest.approx(np.mean(terms))


def test_unrelated_representations_are_near_zero_where_the_biased_estimate_is_not() -> None:
    x, y = RNG.standard_normal((2, 400, 300))
    parts = [({"x": x[a:b]}, {"y": y[a:b]}) for a, b in batch_bounds(400, 50)]
    assert abs(minibatch_cka(parts).matrix[0, 0]) < 0.02
    assert whole_cka(x[:50], y[:50]) > 0.5


def test_minibatches_agree_with_all_clips() -> None:
    x = RNG.standard_normal((4000, 6))
    y = x @ RNG.standard_normal((6, 5)) + RNG.standard_normal((4000, 5))
    parts = [({"x": x[a:b]}, {"x": x[a:b], "y": y[a:b]}) for a, b in batch_bounds(4000, 100)]
    found = minibatch_cka(parts)
    assert found.rows == ("x",)
    assert found.matrix[0] == pytest.approx([1, whole_cka(x, y)], abs=0.02)


def test_what_is_alike_lies_side_by_side() -> None:
    names = ("a1", "b1", "a2", "b2")
    matrix = np.array(
        [[1, 0.1, 0.9, 0.2], [0.1, 1, 0.2, 0.8], [0.9, 0.2, 1, 0.1], [0.2, 0.8, 0.1, 1]]
    )
    ordered = Similarities(names, names, matrix).ordered()
    assert [{name[0] for name in ordered.rows[part]} for part in (slice(2), slice(2, 4))] in (
        [{"a"}, {"b"}],
        [{"b"}, {"a"}],
    )
    places = [names.index(name) for name in ordered.rows]
    np.testing.assert_array_equal(ordered.matrix, matrix[np.ix_(places, places)])
    assert ordered.to_csv().startswith("," + ",".join(ordered.rows))


def test_models_on_a_task(tmp_path: Path) -> None:
    one, other = make_kfold(tmp_path / "one"), make_kfold(tmp_path / "other")
    for split in ("fold00", "fold01", "fold02"):
        path = other / f"{split}.embeddings.npy"
        (2 * np.fromfile(path, np.float32)).tofile(path)
    found = similarities_on_task({"one": one, "other": other}, batch=30)
    assert found.matrix == pytest.approx(np.ones((2, 2)))
    part = similarities_on_task({"one": one}, split="fold01")
    assert part.rows == ("one",)


def test_other_clips_are_one_line(tmp_path: Path) -> None:
    one, other = make_kfold(tmp_path / "one"), make_kfold(tmp_path / "other", rows=20)
    with pytest.raises(UserError, match="are not those of"):
        similarities_on_task({"one": one, "other": other})
    with pytest.raises(UserError, match="are not those of"):
        similarities_on_task({"one": one, "other": make_pitch(tmp_path / "pitch", rows=40)})
    with pytest.raises(UserError, match="no split 'test'"):
        similarities_on_task({"one": one}, split="test")


def test_a_last_batch_that_is_too_small_goes_to_the_one_before() -> None:
    assert batch_bounds(10, 4) == [(0, 4), (4, 10)]
    assert batch_bounds(12, 4) == [(0, 4), (4, 8), (8, 12)]
    assert batch_bounds(3, 4) == [(0, 3)]
