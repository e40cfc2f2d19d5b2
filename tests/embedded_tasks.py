"""Small folders of embeddings, one for each kind of task, in which labels can be heard through."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

HOP_MS = 50.0
MAESTRO_EXTRAS = {
    "use_scoring_for_early_stopping": False,
    "evaluation_params": {
        "event_postprocessing_grid": {"median_filter_ms": [150], "min_duration": [50]},
        "task_specific_param_grid": {"max_epochs": [50], "check_val_every_n_epoch": [1]},
    },
}


def make_kfold(path: Path, rows: int = 40, size: int = 24) -> Path:
    """Multiclass scenes in three folds, integer labels."""
    splits = {f"fold0{fold}": rows + 2 * fold for fold in range(3)}
    scores = ["top1_acc", "mAP", "d_prime", "aucroc"]
    return _scenes(path, "kfold", "new_split_kfold", "multiclass", splits, scores, [0, 1, 2], size)


def make_pitch(path: Path, rows: int = 1100, size: int = 16) -> Path:
    """Multiclass scenes in given splits; training takes more than one batch."""
    splits = {"train": rows, "valid": 60, "test": 70}
    labels = list(range(30))
    scores = ["pitch_acc", "chroma_acc"]
    return _scenes(path, "pitch", "trainvaltest", "multiclass", splits, scores, labels, size)


def make_multilabel(path: Path, rows: int = 150, size: int = 20) -> Path:
    """Multilabel scenes, some without any label."""
    splits = {"train": rows, "valid": 50, "test": 50}
    labels = ["bark", "rain", "engine", "wind"]
    scores = ["mAP", "d_prime", "aucroc", "top1_acc"]
    return _scenes(path, "multilabel", "trainvaltest", "multilabel", splits, scores, labels, size)


def make_dcase(path: Path, clips: int = 4, seconds: float = 10.0, size: int = 24) -> Path:
    """Events scored at every check, named so that the kit applies its exceptions for DCASE."""
    splits = {"train": clips, "valid": 2, "test": 2}
    scores = ["event_onset_200ms_fms", "segment_1s_er"]
    labels = ["knock", "speech", "drawer"]
    return _events(path, "dcase2016_task2", "trainvaltest", splits, scores, labels, seconds, size)


def make_maestro(path: Path, clips: int = 2, seconds: float = 12.0, size: int = 24) -> Path:
    """Notes in three folds, judged by their loss."""
    splits = {f"fold0{fold}": clips for fold in range(3)}
    scores = ["event_onset_50ms_fms", "event_onset_offset_50ms_20perc_fms"]
    labels = list(range(60, 72))
    return _events(
        path, "notes", "new_split_kfold", splits, scores, labels, seconds, size, MAESTRO_EXTRAS
    )


def make_error_rate(path: Path, clips: int = 3, seconds: float = 10.0, size: int = 16) -> Path:
    """Events judged by a score of which less is better."""
    splits = {"train": clips, "valid": 2, "test": 2}
    scores = ["segment_1s_er", "event_onset_200ms_fms"]
    return _events(path, "er", "trainvaltest", splits, scores, ["a", "b"], seconds, size)


def make_silent(path: Path, clips: int = 3, seconds: float = 10.0, size: int = 8) -> Path:
    """Events too short to be kept: the first validation score is not a number."""
    splits = {"train": clips, "valid": 1, "test": 1}
    grid = {"median_filter_ms": [0, 100], "min_duration": [1e9]}
    extras = {"evaluation_params": {"event_postprocessing_grid": grid}}
    scores = ["event_onset_200ms_fms", "segment_1s_er"]
    return _events(path, "silent", "trainvaltest", splits, scores, ["a"], seconds, size, extras)


def make_easy(path: Path, rows: int = 60, size: int = 12) -> Path:
    """Judged by d', which the kit does not round and which soon is infinite."""
    splits = {"train": rows, "valid": 12, "test": 60}
    scores = ["d_prime", "top1_acc"]
    return _scenes(path, "easy", "trainvaltest", "multiclass", splits, scores, ["x", "y"], size)


MAKERS = {
    "kfold": make_kfold,
    "pitch": make_pitch,
    "multilabel": make_multilabel,
    "dcase": make_dcase,
    "maestro": make_maestro,
    "error_rate": make_error_rate,
    "silent": make_silent,
    "easy": make_easy,
}


def _scenes(
    path: Path,
    name: str,
    split_mode: str,
    prediction_type: str,
    splits: Mapping[str, int],
    scores: Sequence[str],
    labels: Sequence[Any],
    size: int,
) -> Path:
    metadata = _metadata(name, split_mode, "scene", prediction_type, splits, scores)
    chance, directions = _start(path, metadata, labels, size)
    for split, rows in splits.items():
        if prediction_type == "multiclass":
            chosen = np.eye(len(labels))[chance.permutation(np.arange(rows) % len(labels))]
        else:
            chosen = chance.random((rows, len(labels))) < 0.3
        row_labels = [[labels[i] for i in np.flatnonzero(row)] for row in chosen]
        _write_split(path, split, chosen @ directions, row_labels, chance)
        clips = {f"{split}-{row}.wav": row_labels[row] for row in range(rows)}
        (path / f"{split}.json").write_text(json.dumps(clips))
    return path


def _events(
    path: Path,
    name: str,
    split_mode: str,
    splits: Mapping[str, int],
    scores: Sequence[str],
    labels: Sequence[Any],
    seconds: float,
    size: int,
    extras: Mapping[str, Any] | None = None,
) -> Path:
    metadata = _metadata(name, split_mode, "event", "multilabel", splits, scores) | (extras or {})
    chance, directions = _start(path, metadata, labels, size)
    times = np.arange(int(seconds * 1000 / HOP_MS)) * HOP_MS
    for split, clips in splits.items():
        frames, frame_labels, rows, events = [], [], [], {}
        for clip in range(clips):
            file = f"{split}-{clip}.wav"
            starts = np.sort(chance.uniform(0, seconds * 1000 - 400, int(seconds)))
            events[file] = [
                {
                    "label": labels[chance.integers(len(labels))],
                    "start": float(start),
                    "end": float(start + chance.uniform(200, 1500)),
                }
                for start in starts
            ]
            active = np.zeros((len(times), len(labels)))
            for event in events[file]:
                inside = (times >= event["start"]) & (times <= event["end"])
                active[inside, labels.index(event["label"])] = 1
            frames.append(active @ directions)
            frame_labels += [[labels[i] for i in np.flatnonzero(row)] for row in active]
            rows += [[file, float(time)] for time in times]
        _write_split(path, split, np.concatenate(frames), frame_labels, chance)
        (path / f"{split}.filename-timestamps.json").write_text(json.dumps(rows))
        (path / f"{split}.json").write_text(json.dumps(events))
    return path


def _metadata(
    name: str,
    split_mode: str,
    embedding_type: str,
    prediction_type: str,
    splits: Mapping[str, int],
    scores: Sequence[str],
) -> dict[str, Any]:
    return {
        "task_name": name,
        "version": "v1",
        "split_mode": split_mode,
        "embedding_type": embedding_type,
        "prediction_type": prediction_type,
        "evaluation": list(scores),
        "splits": list(splits),
    }


def _start(
    path: Path, metadata: Mapping[str, Any], labels: Sequence[Any], size: int
) -> tuple[np.random.Generator, np.ndarray]:
    path.mkdir(parents=True)
    (path / "task_metadata.json").write_text(json.dumps(metadata))
    lines = ["idx,label", *(f"{index},{label}" for index, label in enumerate(labels))]
    (path / "labelvocabulary.csv").write_text("\n".join(lines) + "\n")
    chance = np.random.default_rng(sum(map(ord, metadata["task_name"])))
    return chance, chance.normal(size=(len(labels), size))


def _write_split(
    path: Path, split: str, clean: np.ndarray, labels: list[Any], chance: np.random.Generator
) -> None:
    rows = (clean + chance.normal(0, 1.5, clean.shape)).astype(np.float32)
    rows.tofile(path / f"{split}.embeddings.npy")
    (path / f"{split}.embedding-dimensions.json").write_text(json.dumps(rows.shape))
    with (path / f"{split}.target-labels.pkl").open("wb") as file:
        pickle.dump(labels, file)
