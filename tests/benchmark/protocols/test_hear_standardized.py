"""The protocol ``hear-standardized``: which clips the statistics are of."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embedded_tasks import make_kfold, make_pitch
from sklearn.preprocessing import StandardScaler

from benchmark.embeddings.dataset import read_embedded_task
from benchmark.errors import UserError
from benchmark.protocols.hear.folds import folds
from benchmark.protocols.hear.options import HearOptions, StandardizedOptions
from benchmark.protocols.registry import protocol
from benchmark.protocols.result import FoldResult

FAST: dict[str, Any] = {"grid": "faster", "grid_points": 2, "threads": 1}


def run(name: str, embeddings: Path, work: Path, options: Any) -> tuple[FoldResult, ...]:
    return protocol(name).evaluate(embeddings, work, options, lambda part, what: None)


def scaled_by_hand(embeddings: Path, to: Path, train: tuple[str, ...]) -> Path:
    """A copy in which scikit-learn's scaler of some splits is applied to all."""
    shutil.copytree(embeddings, to)
    task = read_embedded_task(embeddings)

    def read(split: str) -> Any:
        return np.fromfile(embeddings / f"{split}.embeddings.npy", np.float32).reshape(
            -1, task.size
        )

    scaler = StandardScaler().fit(np.concatenate([read(split) for split in train]).astype(float))
    for split in task.metadata["splits"]:
        x = (read(split) - scaler.mean_.astype(np.float32)) * (1 / scaler.scale_).astype(np.float32)
        x.tofile(to / f"{split}.embeddings.npy")
    return to


@pytest.mark.parametrize("make", [make_kfold, lambda path: make_pitch(path, 200)])
def test_statistics_of_the_training_splits_scale_all_splits_of_a_fold(
    tmp_path: Path, make: Any
) -> None:
    embeddings = make(tmp_path / "e")
    for path in embeddings.glob("*.embeddings.npy"):
        (np.fromfile(path, np.float32) * 50 + 400).tofile(path)
    all_folds = folds(read_embedded_task(embeddings).metadata)
    by_train = StandardizedOptions(**FAST, statistics="train")
    found = run("hear-standardized", embeddings, tmp_path / "a", by_train)
    assert [one.fold for one in found] == [fold.name for fold in all_folds]
    of_first = scaled_by_hand(embeddings, tmp_path / "scaled", all_folds[0].train)
    expected = run("hear", of_first, tmp_path / "b", HearOptions(**FAST))
    assert found[0].scores == pytest.approx(dict(expected[0].scores), abs=0.02)
    assert found[0].training["validation_score"] == pytest.approx(
        expected[0].training["validation_score"], abs=0.02
    )
    by_split = run("hear-standardized", embeddings, tmp_path / "c", StandardizedOptions(**FAST))
    assert [one.scores for one in by_split] != [one.scores for one in found]


def test_a_number_that_is_constant_in_training_says_nothing(tmp_path: Path) -> None:
    embeddings = make_pitch(tmp_path / "e", 200)
    spoilt = tmp_path / "spoilt"
    shutil.copytree(embeddings, spoilt)
    for split in ("train", "valid", "test"):
        path = spoilt / f"{split}.embeddings.npy"
        x = np.fromfile(path, np.float32).reshape(-1, 16)
        x[:, 3] = 7 if split == "train" else 1e12
        x.tofile(path)
        without = np.fromfile(embeddings / path.name, np.float32).reshape(-1, 16)
        without[:, 3] = 7
        without.tofile(embeddings / path.name)
    by_train = StandardizedOptions(**FAST, statistics="train")
    (one,) = run("hear-standardized", spoilt, tmp_path / "a", by_train)
    (other,) = run("hear-standardized", embeddings, tmp_path / "b", by_train)
    assert one.scores == other.scores


def test_the_choice_is_recorded_and_the_default_leaves_keys_as_they_were() -> None:
    assert StandardizedOptions().settings() == HearOptions().settings()
    assert StandardizedOptions(statistics="train").settings()["statistics"] == "train"


def test_hear_eval_kit_has_no_such_scaling() -> None:
    options = StandardizedOptions(engine="kit", statistics="train")
    with pytest.raises(UserError, match="does not have embeddings standardised by the training"):
        protocol("hear-standardized").check(options)
