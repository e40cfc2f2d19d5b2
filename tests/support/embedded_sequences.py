"""A small scene task embedded as sequences: what tells a clip's label is in a few of its steps."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
from embedded_tasks import GIVEN, scene

from benchmark.embeddings.dataset import read_embedded_task
from benchmark.studies.synthetic import make_scene_embeddings

SIZE = 8


def make_sequences(path: Path, several_labels: bool = False, steps: int = 6) -> Path:
    """Three labels; one of a clip's 3 to `steps` steps tells of each, the rest is noise."""
    kind, metric = ("multilabel", "mAP") if several_labels else ("multiclass", "top1_acc")
    splits = {"train": 150, "valid": 45, "test": 60}
    make_scene_embeddings(path, scene("sequences", GIVEN, kind, [metric]), splits, "abc", SIZE)
    task = read_embedded_task(path)
    chance = np.random.default_rng(0)
    directions = 6 * np.eye(3, SIZE)
    for split in splits:
        labels = json.loads((path / f"{split}.json").read_text())
        rows, row_labels, x = [], [], []
        for clip in task.row_names(split)["clip"].tolist():
            count = int(chance.integers(3, steps + 1))
            frames = chance.standard_normal((count, SIZE))
            for label in labels[clip]:
                frames[chance.integers(count)] += directions["abc".index(label)]
            rows += [[clip, 50.0 * step] for step in range(count)]
            row_labels += [labels[clip]] * count
            x.append(frames)
        (path / f"{split}.filename-timestamps.json").write_text(json.dumps(rows))
        (path / f"{split}.target-labels.pkl").write_bytes(pickle.dumps(row_labels))
        np.concatenate(x).astype(np.float32).tofile(path / f"{split}.embeddings.npy")
        (path / f"{split}.embedding-dimensions.json").write_text(json.dumps([len(rows), SIZE]))
    return path


def as_sequences(embeddings: Path, steps: int = 3) -> Path:
    """The same scene task, in place, every clip as some steps that differ by a little noise."""
    task = read_embedded_task(embeddings)
    chance = np.random.default_rng(0)
    for split in task.metadata["splits"]:
        labels = json.loads((embeddings / f"{split}.json").read_text())
        clips = task.row_names(split)["clip"].tolist()
        path = embeddings / f"{split}.embeddings.npy"
        x = np.fromfile(path, np.float32).reshape(-1, task.size).repeat(steps, axis=0)
        (x + 0.01 * chance.standard_normal(x.shape)).astype(np.float32).tofile(path)
        rows = [[clip, 50.0 * step] for clip in clips for step in range(steps)]
        (embeddings / f"{split}.filename-timestamps.json").write_text(json.dumps(rows))
        (embeddings / f"{split}.embedding-dimensions.json").write_text(
            json.dumps([len(rows), task.size])
        )
        (embeddings / f"{split}.target-labels.pkl").write_bytes(
            pickle.dumps([labels[clip] for clip, _ in rows])
        )
    return embeddings
