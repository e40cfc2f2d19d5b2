"""hear-eval-kit as an engine: every kind of task, its defects, and what it leaves behind."""

from __future__ import annotations

import json
import math
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import kit
from benchmark.errors import UserError
from benchmark.hear_protocol import SCORES_FILE, HearOptions, folds
from benchmark.kit import evaluate_with_kit

QUICK = HearOptions(grid="faster", grid_points=1, threads=1)
SIZE, HOP_MS = 8, 50.0


def write_embeddings(
    folder: Path,
    splits: dict[str, list[tuple[np.ndarray, list[Any]]]],
    labels: int,
    frames: dict[str, list[tuple[str, float]]] | None = None,
    events: dict[str, Any] | None = None,
    **metadata: Any,
) -> Path:
    """A folder of embeddings in hear-eval-kit's own format; rows are (embedding, labels)."""
    folder.mkdir(parents=True)
    kind = "event" if events else "scene"
    named = {"task_name": "tiny", "version": "v1", "mode": "small", "splits": list(splits)}
    task = {**named, "embedding_type": kind, "prediction_type": "multilabel", **metadata}
    # A few epochs are enough to learn these.
    task.setdefault("evaluation_params", {})["task_specific_param_grid"] = {"lr": [0.03]}
    (folder / "task_metadata.json").write_text(json.dumps(task))
    vocabulary = "".join(f"{index},{index}\n" for index in range(labels))
    (folder / "labelvocabulary.csv").write_text("idx,label\n" + vocabulary)
    for split, rows in splits.items():
        np.stack([row for row, _ in rows]).astype(np.float32).tofile(
            folder / f"{split}.embeddings.npy"
        )
        (folder / f"{split}.embedding-dimensions.json").write_text(json.dumps([len(rows), SIZE]))
        (folder / f"{split}.target-labels.pkl").write_bytes(pickle.dumps([y for _, y in rows]))
        if frames and events:
            (folder / f"{split}.filename-timestamps.json").write_text(json.dumps(frames[split]))
            (folder / f"{split}.json").write_text(json.dumps(events[split]))
    return folder


def scenes(folder: Path, mode: str, splits: list[str], signal: float = 4.0, **more: Any) -> Path:
    """A scene task whose label shows in its own embedding dimension, `signal` times the noise."""
    rng = np.random.default_rng(0)
    rows = {
        split: [
            (rng.standard_normal(SIZE) + signal * np.eye(SIZE)[label], [label])
            for label in np.arange(60) % 3
        ]
        for split in splits
    }
    return write_embeddings(folder, rows, labels=3, split_mode=mode, **more)


def sounds(folder: Path, mode: str, splits: list[str], signal: float = 4.0, **more: Any) -> Path:
    """An event task: sounds of 400 ms, one a second, of alternating labels."""
    rng = np.random.default_rng(0)
    rows, frames, events = {}, {}, {}
    for split in splits:
        files = [f"{split}-{index}.wav" for index in range(3)]
        notes = [
            {"label": str(second % 2), "start": 1000.0 * second + 200, "end": 1000.0 * second + 600}
            for second in range(6)
        ]
        events[split] = dict.fromkeys(files, notes)
        times = np.arange(0, 6000, HOP_MS)
        active = [[n["label"] for n in notes if n["start"] <= t <= n["end"]] for t in times]
        frames[split] = [(file, t) for file in files for t in times.tolist()]
        rows[split] = [
            (rng.standard_normal(SIZE) + signal * sum((np.eye(SIZE)[int(y)] for y in ys), 0), ys)
            for _ in files
            for ys in active
        ]
    return write_embeddings(folder, rows, 2, frames, events, split_mode=mode, **more)


FIVE = [f"fold{index:02d}" for index in range(5)]
THREE = ["train", "valid", "test"]
KINDS: dict[str, Callable[..., Path]] = {
    "multiclass": lambda folder, **more: scenes(
        folder,
        "new_split_kfold",
        FIVE[:3],
        prediction_type="multiclass",
        evaluation=["top1_acc", "chroma_acc", "mAP", "d_prime", "aucroc"],
        **more,
    ),
    "multilabel": lambda folder, **more: scenes(
        folder, "trainvaltest", THREE, evaluation=["mAP", "d_prime"], **more
    ),
    "dcase": lambda folder, **more: sounds(
        folder, "trainvaltest", THREE, evaluation=["event_onset_200ms_fms", "segment_1s_er"], **more
    ),
    "maestro": lambda folder, **more: sounds(
        folder,
        "new_split_kfold",
        FIVE[:3],
        evaluation=["event_onset_50ms_fms", "event_onset_offset_50ms_20perc_fms"],
        use_scoring_for_early_stopping=False,
        evaluation_params={
            "event_postprocessing_grid": {"median_filter_ms": [150], "min_duration": [50]}
        },
        **more,
    ),
}


def nothing(part: float, what: str) -> None:
    pass


def content(folder: Path) -> dict[str, tuple[int, int]]:
    return {p.name: (p.stat().st_mtime_ns, p.stat().st_size) for p in folder.iterdir()}
