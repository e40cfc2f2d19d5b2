"""The protocols ``xares`` and ``xares-fixed``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from embedded_tasks import make_kfold, make_multilabel, make_pitch
from made_up_rows import blobs
from sklearn.metrics.pairwise import cosine_similarity

from benchmark.errors import UserError
from benchmark.protocols.registry import protocol
from benchmark.protocols.result import FoldResult
from benchmark.protocols.scenes.xares_fits import cosine, knn_votes
from benchmark.protocols.xares import XaresOptions


def run(name: str, embeddings: Path, work: Path, **options: Any) -> tuple[FoldResult, ...]:
    return protocol(name).evaluate(embeddings, work, XaresOptions(**options), lambda p, what: None)


@pytest.mark.parametrize("head", ["mlp", "knn"])
@pytest.mark.parametrize("name", ["xares", "xares-fixed"])
def test_heads_learn(tmp_path: Path, name: str, head: str) -> None:
    embeddings = make_kfold(tmp_path / "embeddings")
    results = run(name, embeddings, tmp_path / "work", head=head, learning_rate=2e-2)
    assert [one.fold for one in results] == ["fold00", "fold01", "fold02"]
    assert {one.seed for one in results} == {42}
    assert np.mean([one.scores["top1_acc"] for one in results]) > 0.6


def test_released_cross_validation_chooses_by_the_tested_fold(tmp_path: Path) -> None:
    embeddings = make_kfold(tmp_path / "embeddings")
    released = run("xares", embeddings, tmp_path / "a", learning_rate=2e-2)
    fixed = run("xares-fixed", embeddings, tmp_path / "b", learning_rate=2e-2)
    assert all(one.training["validation_score"] == one.scores["top1_acc"] for one in released)
    assert any(one.training["validation_score"] != one.scores["top1_acc"] for one in fixed)


def test_given_splits_are_evaluated_alike(tmp_path: Path) -> None:
    embeddings = make_pitch(tmp_path / "embeddings", rows=200)
    first = run("xares", embeddings, tmp_path / "a")
    second = run("xares-fixed", embeddings, tmp_path / "b")
    assert [one.scores for one in first] == [one.scores for one in second]


def test_several_labels(tmp_path: Path) -> None:
    embeddings = make_multilabel(tmp_path / "embeddings")
    assert run("xares", embeddings, tmp_path / "a", learning_rate=2e-2)[0].scores["mAP"] > 0.5
    with pytest.raises(UserError, match="one label a clip"):
        run("xares", embeddings, tmp_path / "b", head="knn")


def test_too_few_neighbours_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="fewer than the 500 neighbours"):
        run("xares", make_kfold(tmp_path / "e"), tmp_path / "a", head="knn", neighbours=500)


def test_fixed_votes_are_of_cosine_neighbours() -> None:
    x, y = blobs(60, 3, 8)
    test = blobs(20, 3, 8, seed=1)[0]
    x *= np.linspace(0.1, 30, 60)[:, None].astype(np.float32)  # clips of very different loudness
    similarity = cosine_similarity(test, x)
    nearest = np.argsort(-similarity, axis=1)[:, :10]
    weights = np.exp(np.take_along_axis(similarity, nearest, axis=1) / 0.07)
    expected = np.stack([((y[nearest] == label) * weights).sum(axis=1) for label in range(3)], 1)
    votes = knn_votes(*map(torch.tensor, (test, x, np.eye(3, dtype=np.float32)[y])), 10, False)
    np.testing.assert_allclose(votes, expected / weights.sum(axis=1)[:, None], atol=1e-4)
    released = knn_votes(*map(torch.tensor, (test, x, np.eye(3, dtype=np.float32)[y])), 10, True)
    assert not torch.equal(votes, released)


def test_released_votes_are_those_of_the_release() -> None:
    """Numbers that ``xares.trainer.KNN`` of xares 0.1.3 gave for these arrays."""
    test = torch.tensor([[1.0, 2.0, 0.5], [0.3, -1.0, 2.0]])
    train = torch.tensor([[1.0, 0.2, 0.1], [4.0, 8.0, 2.5], [0.2, -1.0, 1.5], [0.1, 0.9, -0.4]])
    multi_hot = torch.eye(3)[torch.tensor([0, 1, 2, 1])]
    votes = knn_votes(test, train, multi_hot, 3, over_clips=True)
    expected = torch.tensor([[5.2944018e-09, 1.0, 0.0], [0.00099669525, 0.27388269, 0.7251206]])
    torch.testing.assert_close(votes, expected, rtol=1e-5, atol=1e-7)


def test_the_rate_falls_to_a_tenth() -> None:
    rates = [cosine(1e-3, epoch, 10) for epoch in range(11)]
    assert rates[0] == 1e-3
    assert rates[5] == pytest.approx(5.5e-4)
    assert rates[10] == pytest.approx(1e-4)
    assert rates == sorted(rates, reverse=True)
