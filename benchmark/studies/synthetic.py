"""Folders of synthetic embeddings in which labels can be heard through noise, of any size.

For tests and for measuring engines; the files are those of `benchmark.embeddings.store`.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.folder import METADATA_FILE, VOCABULARY_FILE

HOP_MS = 50.0
NOISE = 1.5


def make_scene_embeddings(
    path: Path,
    metadata: Mapping[str, Any],
    rows: Mapping[str, int],
    labels: Sequence[Any],
    size: int,
) -> Path:
    """Embeddings of a scene task.

    Parameters
    ----------
    path
        Folder to be made.
    metadata
        As in `task_metadata.json`, but for version and splits, which are added.
    rows
        Clips in each split.
    labels
        Vocabulary; multiclass clips take them in turn, multilabel clips each with a chance of 0.3.
    size
        Length of an embedding.
    """
    rng, directions = _start(path, metadata, list(rows), labels, size)
    for split, count in rows.items():
        if metadata["prediction_type"] == "multiclass":
            active = np.eye(len(labels), dtype=np.float32)
            active = active[rng.permutation(np.arange(count) % len(labels))]
        else:
            active = (rng.random((count, len(labels))) < 0.3).astype(np.float32)
        row_labels = _labels_of(active, labels)
        _write_split(path, split, [active], directions, row_labels, rng)
        clips = {f"{split}-{row}.wav": row_labels[row] for row in range(count)}
        (path / f"{split}.json").write_text(json.dumps(clips), encoding="utf-8")
    return path


def make_event_embeddings(
    path: Path,
    metadata: Mapping[str, Any],
    clips: Mapping[str, int],
    labels: Sequence[Any],
    size: int,
    seconds: float,
    events: int,
) -> Path:
    """Embeddings of an event task.

    Parameters
    ----------
    path, metadata, labels, size
        See `make_scene_embeddings`.
    clips
        Clips in each split.
    seconds, events
        Length of a clip, and how many events begin in it.
    """
    rng, directions = _start(path, metadata, list(clips), labels, size)
    times = np.arange(int(seconds * 1000 / HOP_MS)) * HOP_MS
    for split, count in clips.items():
        actives, frame_labels, rows, truth = [], [], [], {}
        for clip in range(count):
            file = f"{split}-{clip}.wav"
            starts = np.sort(rng.uniform(0, seconds * 1000 - 400, events))
            ends = starts + rng.uniform(200, 1500, events)
            chosen = rng.integers(len(labels), size=events)
            active = np.zeros((len(times), len(labels)), np.float32)
            for start, end, label in zip(starts, ends, chosen, strict=True):
                active[
                    np.searchsorted(times, start) : np.searchsorted(times, end, "right"), label
                ] = 1
            truth[file] = [
                {"label": labels[label], "start": float(start), "end": float(end)}
                for start, end, label in zip(starts, ends, chosen, strict=True)
            ]
            actives.append(active)
            frame_labels += _labels_of(active, labels)
            rows += [[file, float(time)] for time in times]
        _write_split(path, split, actives, directions, frame_labels, rng)
        timestamps = path / f"{split}.filename-timestamps.json"
        timestamps.write_text(json.dumps(rows), encoding="utf-8")
        (path / f"{split}.json").write_text(json.dumps(truth), encoding="utf-8")
    return path


def _start(
    path: Path,
    metadata: Mapping[str, Any],
    splits: list[str],
    labels: Sequence[Any],
    size: int,
) -> tuple[np.random.Generator, npt.NDArray[np.float32]]:
    path.mkdir(parents=True)
    content = {"version": "v1", **metadata, "splits": splits}
    (path / METADATA_FILE).write_text(json.dumps(content), encoding="utf-8")
    lines = ["idx,label", *(f"{index},{label}" for index, label in enumerate(labels)), ""]
    (path / VOCABULARY_FILE).write_text("\n".join(lines), encoding="utf-8")
    rng = np.random.default_rng(sum(map(ord, metadata["task_name"])))
    return rng, rng.standard_normal((len(labels), size), np.float32)


def _labels_of(active: npt.NDArray[np.float32], labels: Sequence[Any]) -> list[list[Any]]:
    return [[labels[index] for index in np.flatnonzero(row).tolist()] for row in active]


def _write_split(
    path: Path,
    split: str,
    actives: Sequence[npt.NDArray[np.float32]],
    directions: npt.NDArray[np.float32],
    labels: list[Any],
    rng: np.random.Generator,
) -> None:
    with (path / f"{split}.embeddings.npy").open("wb") as file:
        for active in actives:
            part = active @ directions  # one clip at a time: all may be more than memory holds
            (part + NOISE * rng.standard_normal(part.shape, np.float32)).tofile(file)
    shape = [len(labels), directions.shape[1]]
    (path / f"{split}.embedding-dimensions.json").write_text(json.dumps(shape), encoding="utf-8")
    with (path / f"{split}.target-labels.pkl").open("wb") as file:
        pickle.dump(labels, file)
