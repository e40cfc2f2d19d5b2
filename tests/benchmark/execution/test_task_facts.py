"""What a record says of its task: what chance scores, and whether it is the published one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmark.execution.task_facts import chance_scores, published_status
from tasks.entries import ENTRIES


def write_task(
    folder: Path, metadata: Mapping[str, Any], splits: Mapping[str, Mapping[str, Sequence[Any]]]
) -> Path:
    folder.mkdir()
    (folder / "task_metadata.json").write_text(json.dumps({**metadata, "splits": list(splits)}))
    labels = {str(label) for items in splits.values() for of in items.values() for label in of}
    rows = [f"{i},{label}\n" for i, label in enumerate(sorted(labels))]
    (folder / "labelvocabulary.csv").write_text("idx,label\n" + "".join(rows))
    for split, items in splits.items():
        (folder / f"{split}.json").write_text(json.dumps(items))
    return folder


def clips(*labels: Sequence[Any]) -> dict[str, Sequence[Any]]:
    return {f"{i}.wav": of_clip for i, of_clip in enumerate(labels)}


def scene(metrics: Sequence[str], split_mode: str = "trainvaltest") -> dict[str, Any]:
    return {
        "task_name": "mine",
        "version": "v1",
        "mode": "full",
        "embedding_type": "scene",
        "evaluation": list(metrics),
        "split_mode": split_mode,
    }


def test_chance_of_accuracies_is_the_most_frequent_label(tmp_path: Path) -> None:
    splits = {
        "train": clips(["c"]),
        "valid": clips(["c"]),
        "test": clips(["a"], ["a"], ["a"], ["b"]),
    }
    metadata = scene(["top1_acc", "balanced_accuracy", "d_prime"])
    chance, clips_tested = chance_scores(write_task(tmp_path / "t", metadata, splits))
    assert chance == {"top1_acc": 0.75, "balanced_accuracy": 0.5}
    assert clips_tested == 4


def test_chance_over_folds_is_their_mean(tmp_path: Path) -> None:
    splits = {
        "fold00": clips([1], [1]),
        "fold01": clips([1], [2]),
        "fold02": clips([1], [2], [2], [2]),
    }
    metadata = scene(["top1_acc"], "new_split_kfold")
    chance, clips_tested = chance_scores(write_task(tmp_path / "t", metadata, splits))
    assert chance["top1_acc"] == pytest.approx((1 + 0.5 + 0.75) / 3)
    assert clips_tested == 8


def test_chance_of_map_is_the_mean_share_of_a_label_s_clips(tmp_path: Path) -> None:
    splits = {"train": clips(), "valid": clips(), "test": clips(["a", "b"], ["a"], [], [])}
    folder = write_task(tmp_path / "t", scene(["mAP", "aucroc"]), splits)
    assert chance_scores(folder) == ({"mAP": 0.375, "aucroc": 0.5}, 4)
    (folder / "test_known_labels.json").write_text("{}")
    assert chance_scores(folder) == ({}, None)


def test_events_have_no_chance(tmp_path: Path) -> None:
    metadata = {**scene(["event_onset_200ms_fms"]), "embedding_type": "event"}
    assert chance_scores(write_task(tmp_path / "t", metadata, {"test": {}})) == ({}, None)


def test_a_fake_of_a_published_task_is_told(tmp_path: Path) -> None:
    """100 clips of 10 classes laid out as ESC-50 stood among published values."""
    config, _ = ENTRIES["esc50"].mode_config("full")
    splits = {f"fold0{fold}": clips(*([f"class {i % 10}"] for i in range(20))) for fold in range(5)}
    metadata = {**config, "task_name": "esc50", "mode": "full"}
    published, note = published_status(write_task(tmp_path / "t", metadata, splits))
    assert published is False
    assert "100 clips, expected 2000" in note


def test_tasks_of_other_names_are_their_owner_s(tmp_path: Path) -> None:
    mine = write_task(tmp_path / "t", scene(["top1_acc"]), {"test": clips(["a"])})
    assert published_status(mine) == (None, "")
