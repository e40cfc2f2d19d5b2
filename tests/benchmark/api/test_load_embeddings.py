"""What a run left on disk, read back as arrays."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from embedded_tasks import make_dcase, make_kfold, make_multilabel
from tiny_task import make_task

import benchmark as hb
from benchmark.embeddings.extract import embed
from benchmark.embeddings.store import write_info
from benchmark.models.hear_module import ModelSpec, load_model


def finished(make: Callable[[Path], Path], folder: Path) -> Path:
    path = make(folder / "task")
    write_info(path, {"module": "hear_plugins.logmel"})
    return path


@pytest.mark.parametrize("memory_map", [False, True])
def test_arrays_of_scenes(tmp_path: Path, memory_map: bool) -> None:
    model = load_model(ModelSpec("tiny_hear"))
    path = embed(model, make_task(tmp_path), tmp_path / "out").path
    with pytest.raises(ValueError):
        np.load(path / "fold01.embeddings.npy")
    loaded = hb.load_embeddings(path, memory_map=memory_map)
    assert list(loaded.splits) == ["fold00", "fold01", "fold02"]
    assert loaded.vocabulary == ("a", "b") and loaded.info["module"] == "tiny_hear"
    split = loaded.splits["fold01"]
    assert split.embeddings.shape == (7, 3) and split.embeddings.dtype == np.float32
    assert split.embeddings.tobytes() == (path / "fold01.embeddings.npy").read_bytes()
    labels = json.loads((path / "fold01.json").read_text())
    assert [[label] for label in split.labels] == [labels[name] for name in split.files]
    assert split.times is None
    assert len(set(split.files)) == 7


def test_labels_of_several_kinds(tmp_path: Path) -> None:
    split = hb.load_embeddings(finished(make_multilabel, tmp_path)).splits["test"]
    assert {len(labels) for labels in split.labels} > {0, 1}
    frames = hb.load_embeddings(finished(make_dcase, tmp_path / "events")).splits["test"]
    assert frames.times is not None
    assert len(frames.times) == len(frames.files) == len(frames.labels) == len(frames.embeddings)
    assert frames.times[:3].tolist() == [0.0, 50.0, 100.0]


def test_bad_folders_are_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(hb.UserError, match="no complete embeddings"):
        hb.load_embeddings(tmp_path)
    path = finished(make_kfold, tmp_path)
    with (path / "fold01.embeddings.npy").open("ab") as file:
        file.write(b"more")
    with pytest.raises(hb.UserError, match="fold01.embeddings.npy: 4036 bytes are not 42 x 24"):
        hb.load_embeddings(path)
