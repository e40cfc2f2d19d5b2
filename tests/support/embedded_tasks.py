"""A small folder of embeddings of every kind of task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.studies.synthetic import make_event_embeddings, make_scene_embeddings

KFOLD = "new_split_kfold"
GIVEN = "trainvaltest"


def make_kfold(path: Path, rows: int = 40) -> Path:
    """Multiclass scenes in three folds, integer labels."""
    scores = ["top1_acc", "mAP", "d_prime", "aucroc"]
    splits = {f"fold0{fold}": rows + 2 * fold for fold in range(3)}
    metadata = scene("kfold", KFOLD, "multiclass", scores)
    return make_scene_embeddings(path, metadata, splits, [0, 1, 2], 24)


def make_pitch(path: Path, rows: int = 1100) -> Path:
    """Multiclass scenes in given splits; training takes more than one batch."""
    metadata = scene("pitch", GIVEN, "multiclass", ["pitch_acc", "chroma_acc"])
    splits = {"train": rows, "valid": 60, "test": 70}
    return make_scene_embeddings(path, metadata, splits, list(range(30)), 16)


def make_multilabel(path: Path) -> Path:
    """Multilabel scenes, some without any label."""
    metadata = scene("multilabel", GIVEN, "multilabel", ["mAP", "d_prime", "aucroc", "top1_acc"])
    splits = {"train": 150, "valid": 50, "test": 50}
    return make_scene_embeddings(path, metadata, splits, ["bark", "rain", "engine", "wind"], 20)


def make_easy(path: Path) -> Path:
    """Judged by d', which the kit does not round and which soon is infinite."""
    metadata = scene("easy", GIVEN, "multiclass", ["d_prime", "top1_acc"])
    splits = {"train": 60, "valid": 12, "test": 60}
    return make_scene_embeddings(path, metadata, splits, ["x", "y"], 12)


def make_dcase(path: Path) -> Path:
    """Events scored at every check, named so that the kit applies its exceptions for DCASE."""
    scores = ["event_onset_200ms_fms", "segment_1s_er"]
    return events(path, "dcase2016_task2", scores, ["knock", "speech", "drawer"], 4)


def make_error_rate(path: Path) -> Path:
    """Events judged by a score of which less is better."""
    return events(path, "er", ["segment_1s_er", "event_onset_200ms_fms"], ["a", "b"], 3)


def make_silent(path: Path) -> Path:
    """Events too short to be kept: the first validation score is not a number."""
    grid = {"median_filter_ms": [0, 100], "min_duration": [1e6]}
    extras = {"evaluation_params": {"event_postprocessing_grid": grid}}
    return events(
        path, "silent", ["event_onset_200ms_fms", "segment_1s_er"], ["a"], 3, extras=extras
    )


def make_maestro(path: Path) -> Path:
    """Notes in three folds, judged by their loss."""
    extras = {
        "use_scoring_for_early_stopping": False,
        "split_mode": KFOLD,
        "evaluation_params": {
            "event_postprocessing_grid": {"median_filter_ms": [150], "min_duration": [50]},
            "task_specific_param_grid": {"max_epochs": [50], "check_val_every_n_epoch": [1]},
        },
    }
    scores = ["event_onset_50ms_fms", "event_onset_offset_50ms_20perc_fms"]
    splits = {f"fold0{fold}": 2 for fold in range(3)}
    return events(path, "notes", scores, list(range(60, 72)), 2, extras=extras, splits=splits)


MAKERS = {
    "kfold": make_kfold,
    "pitch": make_pitch,
    "multilabel": make_multilabel,
    "easy": make_easy,
    "dcase": make_dcase,
    "error_rate": make_error_rate,
    "silent": make_silent,
    "maestro": make_maestro,
}


def scene(name: str, mode: str, prediction_type: str, scores: Sequence[str]) -> dict[str, Any]:
    return {
        "task_name": name,
        "split_mode": mode,
        "embedding_type": "scene",
        "prediction_type": prediction_type,
        "evaluation": scores,
    }


def events(
    path: Path,
    name: str,
    scores: Sequence[str],
    labels: Sequence[Any],
    clips: int,
    extras: Mapping[str, Any] | None = None,
    splits: Mapping[str, int] | None = None,
) -> Path:
    metadata = scene(name, GIVEN, "multilabel", scores)
    metadata |= {"embedding_type": "event", **(extras or {})}
    splits = splits or {"train": clips, "valid": 2, "test": 2}
    return make_event_embeddings(path, metadata, splits, labels, 24, seconds=10, events=10)
