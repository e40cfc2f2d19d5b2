"""The protocol knn against scikit-learn's neighbours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embedded_tasks import GIVEN, make_dcase, make_kfold, make_multilabel, scene
from sklearn.metrics import average_precision_score
from sklearn.neighbors import KNeighborsClassifier

from benchmark.embeddings.dataset import EmbeddedTask, read_embedded_task
from benchmark.errors import UserError
from benchmark.protocols.hear.folds import folds
from benchmark.protocols.knn import KnnOptions
from benchmark.protocols.registry import protocol
from benchmark.studies.synthetic import make_scene_embeddings
from tasks.folder import known_labels_file


def quiet(part: float, what: str) -> None:
    pass


def arrays(task: EmbeddedTask, splits: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings and multi-hot labels, read without the code under test's nearest neighbours."""
    import torch

    from benchmark.embeddings.dataset import TaskRows

    rows = TaskRows(task, True, torch.device("cpu")).of(*splits)
    x = np.concatenate([x.numpy() for x, _ in rows.batches(64)])
    return x, rows.multi_hot.numpy()


def weights_of(vote: str) -> Any:
    return "uniform" if vote == "majority" else lambda d: np.exp((1 - d) / 0.07)


@pytest.mark.parametrize("vote", ["majority", "weighted"])
@pytest.mark.parametrize("k", [1, 4, 10])
def test_classes_are_those_of_scikit_learn(tmp_path: Path, vote: str, k: int) -> None:
    folder = make_kfold(tmp_path / "embeddings")
    task = read_embedded_task(folder)
    options = KnnOptions(k=k, vote=vote, threads=1)
    results = protocol("knn").evaluate(folder, tmp_path / "work", options, quiet)
    assert [one.fold for one in results] == [fold.name for fold in folds(task.metadata)]
    for fold, result in zip(folds(task.metadata), results, strict=True):
        x, y = arrays(task, fold.train)
        theirs = KNeighborsClassifier(k, weights=weights_of(vote), metric="cosine")
        theirs.fit(x, y.argmax(axis=1))
        x_test, y_test = arrays(task, (fold.test,))
        assert result.scores["top1_acc"] == theirs.score(x_test, y_test.argmax(axis=1))
        assert result.seed == 0


@pytest.mark.parametrize("vote", ["majority", "weighted"])
def test_multilabel_scores_are_means_of_the_neighbours_labels(tmp_path: Path, vote: str) -> None:
    folder = make_multilabel(tmp_path / "embeddings")
    task = read_embedded_task(folder)
    options = KnnOptions(vote=vote, threads=1)
    (result,) = protocol("knn").evaluate(folder, tmp_path / "work", options, quiet)
    x, y = arrays(task, ("train",))
    theirs = KNeighborsClassifier(10, weights=weights_of(vote), metric="cosine").fit(x, y)
    x_test, y_test = arrays(task, ("test",))
    shares = np.stack([each[:, 1] for each in theirs.predict_proba(x_test)], axis=1)
    expected = average_precision_score(y_test, shares.astype(np.float32), average="macro")
    assert result.scores["mAP"] == pytest.approx(expected, abs=1e-3)


def test_labels_that_are_not_known_do_not_vote(tmp_path: Path) -> None:
    sizes = {"train": 60, "valid": 20, "test": 30}
    labels = ["bark", "rain", "engine"]
    folder = tmp_path / "part"
    make_scene_embeddings(folder, scene("part", GIVEN, "multilabel", ("mAP",)), sizes, labels, 16)
    options = KnnOptions(k=5, threads=1)
    whole = protocol("knn").evaluate(folder, tmp_path / "work", options, quiet)
    for split in sizes:
        clips = json.loads((folder / f"{split}.json").read_text())
        everything = dict.fromkeys(clips, labels)
        (folder / known_labels_file(split)).write_text(json.dumps(everything))
    masked = protocol("knn").evaluate(folder, tmp_path / "work", options, quiet)
    assert masked[0].scores == whole[0].scores
    for split in sizes:
        clips = json.loads((folder / f"{split}.json").read_text())
        half = {clip: labels[:2] if n % 2 else labels[1:] for n, clip in enumerate(clips)}
        (folder / known_labels_file(split)).write_text(json.dumps(half))
    part = protocol("knn").evaluate(folder, tmp_path / "work", options, quiet)
    assert 0 < part[0].scores["mAP"] <= 1
    assert part[0].scores != whole[0].scores


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    knn = protocol("knn")
    events = make_dcase(tmp_path / "events")
    with pytest.raises(UserError, match="expected a scene task, but this is an event task"):
        knn.evaluate(events, tmp_path / "work", KnnOptions(), quiet)
    folder = make_kfold(tmp_path / "embeddings")
    with pytest.raises(UserError, match="k is 100000, but there are .* choose a smaller k"):
        knn.evaluate(folder, tmp_path / "work", KnnOptions(k=100_000), quiet)
    with pytest.raises(ValueError, match="unknown vote 'all': choose one of majority, weighted"):
        KnnOptions(vote="all")
