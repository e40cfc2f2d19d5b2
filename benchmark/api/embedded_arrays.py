"""Clips in memory written as a folder of embeddings, which any protocol evaluates."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.api.example_splits import Splits
from benchmark.api.labelled_clips import LabelledClips
from benchmark.embeddings.store import EmbeddingStore, final_order
from tasks.corpora.custom import EVALUATION, KINDS
from tasks.entry import DCASE_PARAMS
from tasks.folder import open_task, write_task

TASK_NAME = "arrays"
SUFFIX = ".wav"  # as files of tasks are called, though there is no audio


def task_metadata(clips: LabelledClips, splits: Splits, metrics: Sequence[str]) -> dict[str, Any]:
    """``task_metadata.json`` of clips; metrics are by their kind where none are given."""
    embedding_type, prediction_type = KINDS[clips.kind]
    metadata: dict[str, Any] = {
        "task_name": TASK_NAME,
        "version": "v1",
        "mode": "full",
        "embedding_type": embedding_type,
        "prediction_type": prediction_type,
        "split_mode": splits.mode,
        "sample_duration": None,
        "evaluation": list(metrics or EVALUATION[clips.kind]),
        "splits": list(splits.names),
    }
    if clips.kind == "event":
        metadata["evaluation_params"] = DCASE_PARAMS
    return metadata


def write_embedded(
    folder: Path, clips: LabelledClips, splits: Splits, metadata: dict[str, Any]
) -> Path:
    """Write clips as `benchmark.embeddings.store` has them; the folder of the embeddings."""
    items: dict[str, dict[str, list[Any]]] = {split: {} for split in splits.names}
    for number, split in enumerate(splits.of_examples):
        items[split][f"{number:08d}{SUFFIX}"] = clips.items[number]
    write_task(folder / "task", metadata, items)
    task = open_task(folder / "task")
    path = folder / "embeddings"
    sequences = clips.times is not None
    store = EmbeddingStore(path, task, clips.embeddings[0].shape[1], sequences=sequences)
    with closing(store):
        for split, names in final_order(task).items():
            numbers = [number_of(name) for name in names]
            rows = np.concatenate([clips.embeddings[number] for number in numbers])
            times = None if clips.times is None else [clips.times[number] for number in numbers]
            store.append(split, rows, times, {})
            store.finish_split(split)
        store.finish({"task_name": TASK_NAME})
    return path


def number_of(name: str) -> int:
    """The example that a file name of `write_embedded` stands for."""
    return int(name.removesuffix(SUFFIX))
