"""Two models compared from kept predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.metrics.registry import metric
from benchmark.reports.comparison import (
    Comparison,
    compare_predictions,
    holm_adjusted,
    read_predictions,
)

CLIPS, LABELS = 60, 3


def keep(
    folder: Path,
    skill: float,
    seeds: int = 1,
    folds: int = 2,
    shuffled: bool = False,
    seed: int = 0,
) -> Path:
    """Predictions that are right as often as `skill`."""
    chance = np.random.default_rng(seed)
    for number in range(seeds):
        place = folder / f"seed-{number}" if seeds > 1 else folder
        place.mkdir(parents=True, exist_ok=True)
        for fold in range(folds):
            target = np.eye(LABELS, dtype=np.uint8)[np.arange(CLIPS) % LABELS]
            right = chance.random(CLIPS) < skill
            prediction = np.where(right[:, None], target, np.roll(target, 1, axis=1)) + 0.1
            clip = np.array([f"{fold}-{row}.wav" for row in range(CLIPS)])
            order = chance.permutation(CLIPS) if shuffled else np.arange(CLIPS)
            np.savez(
                place / f"fold{fold}.predictions.npz",
                prediction=prediction[order].astype(np.float32),
                target=target[order],
                clip=clip[order],
            )
    return folder


def test_the_difference_is_that_of_the_means(tmp_path: Path) -> None:
    a, b = keep(tmp_path / "a", 0.9), keep(tmp_path / "b", 0.5, shuffled=True, seed=1)
    found = compare_predictions(a, b, "top1_acc", resamples=300)
    for folder, mean in ((a, found.a), (b, found.b)):
        of_folds = [
            (one["prediction"].argmax(axis=1) == one["target"].argmax(axis=1)).mean()
            for one in read_predictions(folder)[0].values()
        ]
        assert mean == pytest.approx(np.mean(of_folds))
    assert found.difference.value == pytest.approx(found.a - found.b)
    assert found.difference.low > 0
    assert found.p_permutation == pytest.approx(1 / 301)
    assert (found.seeds, found.clips, found.groups) == ((1, 1), 2 * CLIPS, None)


def test_equal_models_are_not_told_apart(tmp_path: Path) -> None:
    a, b = keep(tmp_path / "a", 0.7, seeds=3), keep(tmp_path / "b", 0.7, seeds=4, seed=6)
    found = compare_predictions(a, b, "mAP", resamples=200)
    assert found.seeds == (3, 4)
    assert found.p_permutation is None
    assert found.difference.low < 0 < found.difference.high
    assert found.p_value == found.difference.p_value > 0.05


def test_groups_are_drawn_as_a_whole(tmp_path: Path) -> None:
    a, b = keep(tmp_path / "a", 0.8), keep(tmp_path / "b", 0.7, seed=2)
    groups = {f"{fold}-{row}.wav": f"{fold}-{row // 10}" for fold in (0, 1) for row in range(CLIPS)}
    assert compare_predictions(a, b, "top1_acc", groups=groups, resamples=50).groups == 12
    del groups["1-3.wav"]
    with pytest.raises(UserError, match=r"1-3.wav has no group"):
        compare_predictions(a, b, "top1_acc", groups=groups, resamples=50)


def test_several_tasks_are_corrected_together(tmp_path: Path) -> None:
    a, b = keep(tmp_path / "a", 0.9), keep(tmp_path / "b", 0.6, seed=1)
    one = compare_predictions(a, b, "top1_acc", resamples=200)
    same: Comparison = compare_predictions(a, a, "top1_acc", resamples=50)
    adjusted = holm_adjusted({"esc10": one, "pitch": same})
    assert adjusted["esc10"] == pytest.approx(2 * one.p_value)
    assert adjusted["pitch"] == 1


def test_a_mean_over_clips_counts_every_fold_alike(tmp_path: Path) -> None:
    """Folds of different sizes: the score is the mean of the folds' means."""
    folders = {}
    for name, skills in {"a": (0.9, 0.2), "b": (0.5, 0.5)}.items():
        folders[name] = keep(tmp_path / name, skills[0], folds=1)
        short = keep(tmp_path / f"{name}1", skills[1], folds=2, seed=3)
        with np.load(short / "fold1.predictions.npz") as arrays:
            few = {key: value[:9] for key, value in arrays.items()}
        np.savez(folders[name] / "fold1.predictions.npz", **few)
    found = compare_predictions(folders["a"], folders["b"], "top1_acc", resamples=50)
    assert metric("top1_acc").of_clips is not None
    for name, value in (("a", found.a), ("b", found.b)):
        each = [
            metric("top1_acc").value(fold["prediction"], fold["target"])
            for fold in read_predictions(folders[name])[0].values()
        ]
        assert value == pytest.approx(np.mean(each))


def test_tables_compare_by_no_more_than_they_can_in_seconds(tmp_path: Path) -> None:
    a, b = keep(tmp_path / "a", 0.9), keep(tmp_path / "b", 0.5)
    with pytest.raises(UserError, match="720 predicted numbers, more than 700"):
        compare_predictions(a, b, "mAP", resamples=20, at_most=700)
    compare_predictions(a, b, "top1_acc", resamples=20, at_most=700)


def other_clips(folder: Path) -> Path:
    keep(folder, 0.5)
    path = folder / "fold1.predictions.npz"
    with np.load(path) as arrays:
        content = dict(arrays)
    np.savez(path, **content | {"clip": np.array([f"x{row}" for row in range(CLIPS)])})
    return folder


@pytest.mark.parametrize(
    ("make", "metric", "said"),
    [
        (lambda path: path, "top1_acc", "no predictions"),
        (lambda path: keep(path, 0.5, folds=1), "top1_acc", "not the clips"),
        (other_clips, "top1_acc", "fold fold1 has not the clips"),
        (lambda path: keep(path, 0.5), "segment_1s_er", "metric of events"),
        (lambda path: keep(path, 0.5), "top1", "top1_acc"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    tmp_path: Path, make: Any, metric: str, said: str
) -> None:
    a = keep(tmp_path / "a", 0.5)
    b = make(tmp_path / "b")
    with pytest.raises(UserError, match=said):
        compare_predictions(a, b, metric, resamples=20)
