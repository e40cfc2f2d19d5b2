"""Small tasks and corpora that the tests of tasks/ make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.audio import TaskAudio, write_wav
from tasks.corpus import metadata_of
from tasks.folder import TaskFolder, folder_name, write_task
from tasks.resampling import Samples

SCENE_CONFIG: dict[str, Any] = {
    "task_name": "mini",
    "version": "v1",
    "embedding_type": "scene",
    "prediction_type": "multiclass",
    "split_mode": "trainvaltest",
    "sample_duration": 0.1,
    "evaluation": ["top1_acc"],
    "default_mode": "full",
}
EVENT_CONFIG = {
    **SCENE_CONFIG,
    "task_name": "mini_events",
    "embedding_type": "event",
    "prediction_type": "multilabel",
    "evaluation": ["event_onset_200ms_fms"],
}
SCENE_ITEMS: dict[str, dict[str, list[Any]]] = {
    "train": {"a.wav": ["cat"], "b.wav": ["dog"]},
    "valid": {"c.wav": ["cat"]},
    "test": {"d.wav": ["dog"]},
}
EVENT_ITEMS: dict[str, dict[str, list[Any]]] = {
    "train": {"a.wav": [{"label": "cat", "start": 10.0, "end": 50.0}], "b.wav": []},
    "valid": {"c.wav": [{"label": "cat", "start": 0.0, "end": 0.0}]},
    "test": {"d.wav": [{"label": "cat", "start": 1.5, "end": 100.0}]},
}


def make_task(
    tasks_dir: Path,
    config: Mapping[str, Any] = SCENE_CONFIG,
    items: Mapping[str, Mapping[str, Sequence[Any]]] = SCENE_ITEMS,
    rate: int = 8000,
) -> Path:
    """A complete task folder with 0.1 s of noise in every file."""
    metadata = metadata_of(config, "full")
    path = tasks_dir / folder_name(metadata)
    write_task(path, metadata, items)
    rng = np.random.default_rng(0)
    for split in metadata["splits"]:
        (path / str(rate) / split).mkdir(parents=True)
        for filename in items[split]:
            noise = rng.uniform(-0.5, 0.5, rate // 10).astype(np.float32)
            write_wav(path / str(rate) / split / filename, noise, rate)
    return path


def audio_at_rate(
    task: TaskFolder, split: str, filename: str, rate: int, keep_dir: Path | None = None
) -> Samples:
    """One clip of a task at one rate (Hz)."""
    return TaskAudio(task, keep_dir).at_rates(split, filename, [rate])[rate]
