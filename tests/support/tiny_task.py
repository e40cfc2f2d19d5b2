"""Small task folders for tests: noise of given lengths, labels and events drawn at random."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np

from tasks.audio import write_wav
from tasks.folder import TaskFolder, read_task, write_task

FOLDS = ("fold00", "fold01", "fold02")


def make_task(
    folder: Path,
    kind: str = "scene",
    clips: int = 7,
    seconds: tuple[float, ...] = (0.5,),
    rate: int = 16000,
    name: str = "tiny",
) -> TaskFolder:
    """Three folds of `clips` clips; lengths are taken in turn, events last up to half a clip."""
    draw = random.Random(name)
    items: dict[str, dict[str, Any]] = {fold: {} for fold in FOLDS}
    path = folder / f"{name}-v1-small"
    for fold in FOLDS:
        (path / str(rate) / fold).mkdir(parents=True)
        for i in range(clips):
            length = seconds[i % len(seconds)]
            noise = np.random.default_rng(draw.randrange(10**6)).uniform(
                -0.5, 0.5, int(length * rate)
            )
            write_wav(path / str(rate) / fold / f"{fold}_{i}.wav", noise.astype(np.float32), rate)
            items[fold][f"{fold}_{i}.wav"] = (
                [draw.choice("ab")] if kind == "scene" else _events(draw, 1000 * length)
            )
    metadata = {
        "task_name": name,
        "version": "v1",
        "mode": "small",
        "embedding_type": kind,
        "prediction_type": "multiclass" if kind == "scene" else "multilabel",
        "split_mode": "new_split_kfold",
        "sample_duration": seconds[0] if len(seconds) == 1 else None,
        "evaluation": ["top1_acc" if kind == "scene" else "event_onset_200ms_fms"],
        "splits": list(FOLDS),
    }
    write_task(path, metadata, items)
    return read_task(path)


def _events(draw: random.Random, length_ms: float) -> list[dict[str, Any]]:
    starts = [draw.uniform(0, length_ms / 2) for _ in range(4)]
    return [
        {"label": label, "start": start, "end": start + draw.uniform(0, length_ms / 2)}
        for label, start in zip("aabc", starts, strict=True)
    ]
