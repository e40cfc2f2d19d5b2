"""Scene tasks embedded as sequences: what is stored, and that it lies beside the usual."""

from __future__ import annotations

import json
import pickle
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import tiny_hear
import torch
from tiny_task import FOLDS, make_task

from benchmark.embeddings.batching import BATCH_SAMPLES
from benchmark.embeddings.dataset import read_embedded_task
from benchmark.embeddings.extract import Embeddings, embed
from benchmark.embeddings.representation import parse_representation, representation_of
from benchmark.embeddings.store import final_order
from benchmark.errors import UserError
from benchmark.models.hear_module import LoadedModel, ModelSpec, load_model
from benchmark.protocols.scenes.sequence_fits import SequenceTask
from tasks.folder import TaskFolder, read_task

pytestmark = pytest.mark.filterwarnings("ignore:nothing the user can act on")


def tiny(**options: Any) -> LoadedModel:
    return load_model(ModelSpec("tiny_hear", options=options))


def data(made: Embeddings) -> dict[str, bytes]:
    """All files but the one with dates and seconds."""
    files = sorted(made.path.iterdir())
    return {path.name: path.read_bytes() for path in files if path.name != "embedding.json"}


def expected(task: TaskFolder, split: str, representation: str) -> tuple[list[Any], np.ndarray]:
    """[clip, ms] of every row, and the rows, each clip embedded by itself."""
    model = tiny_hear.load_model()
    names: list[Any] = []
    rows = []
    for name in final_order(task)[split]:
        audio, rate = soundfile.read(task.audio_path(split, name, 16000), dtype="float32")
        if representation == "timestamps":
            with torch.no_grad():
                found, times = tiny_hear.get_timestamp_embeddings(torch.tensor(audio[None]), model)
            rows.append(found[0].numpy())
            names += [[name, ms] for ms in times[0].tolist()]
            continue
        for second in range(len(audio) // rate):
            window = torch.tensor(audio[None, second * rate : (second + 1) * rate])
            with torch.no_grad():
                rows.append(tiny_hear.get_scene_embeddings(window, model).numpy())
            names.append([name, 1000 * second + 500])
    return names, np.concatenate(rows)


@pytest.mark.parametrize("representation", ["timestamps", "windows:1"])
@pytest.mark.parametrize("seconds", [(2.5,), (2.5, 1.0, 1.7)])
def test_every_row_has_its_time_and_the_labels_of_its_clip(
    tmp_path: Path, representation: str, seconds: tuple[float, ...]
) -> None:
    task = make_task(tmp_path, seconds=seconds)
    made = embed(tiny(), task, tmp_path / "out", representation=representation)
    assert made.info["unit"]["representation"] == representation
    assert made.info["embedding_type"] == "scene"
    assert made.info["hop_ms"] == (50.0 if representation == "timestamps" else 1000.0)
    for split in FOLDS:
        names, rows = expected(task, split, representation)
        shape = json.loads((made.path / f"{split}.embedding-dimensions.json").read_text())
        found = np.fromfile(made.path / f"{split}.embeddings.npy", np.float32).reshape(shape)
        np.testing.assert_allclose(found, rows, rtol=1e-5, atol=1e-7)
        assert json.loads((made.path / f"{split}.filename-timestamps.json").read_text()) == names
        labels = pickle.loads((made.path / f"{split}.target-labels.pkl").read_bytes())
        assert labels == [task.items(split)[name] for name, _ in names]
    examples = SequenceTask(made.path).examples(*FOLDS)
    steps = [len(list(rows)) for split in FOLDS for _, rows in groupby(clips_of(made, split))]
    assert examples.lengths.tolist() == steps and examples.count == 7 * len(FOLDS)


def clips_of(made: Embeddings, split: str) -> list[str]:
    rows = json.loads((made.path / f"{split}.filename-timestamps.json").read_text())
    return [name for name, _ in rows]


def test_representations_lie_side_by_side(tmp_path: Path) -> None:
    task = make_task(tmp_path, seconds=(2.0,))
    before = embed(tiny(), task, tmp_path / "out")
    content = data(before)
    kinds = ("timestamps", "windows:1", "windows:2")
    made = [embed(tiny(), task, tmp_path / "out", representation=kind) for kind in kinds]
    assert len({before.path, *(one.path for one in made)}) == 4
    assert {one.path.parent for one in made} == {before.path.parent}
    after = embed(tiny(), task, tmp_path / "out")
    assert after.info == before.info and data(after) == content
    assert not list(before.path.glob("*timestamps*")), "a scene has no times"


def test_the_usual_representation_is_that_of_the_task(tmp_path: Path) -> None:
    for kind, usual in (("scene", "scene"), ("event", "timestamps")):
        task = make_task(tmp_path / kind, kind)
        implied = embed(tiny(), task, tmp_path / "out")
        named = embed(tiny(), task, tmp_path / "out", representation=usual)
        assert named.path == implied.path and named.info == implied.info


@pytest.mark.parametrize("representation", ["timestamps", "windows:1"])
def test_interrupted_it_ends_with_the_same_bits(
    tmp_path: Path, representation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.embeddings.store.SYNC_SECONDS", 0.0)
    task = make_task(tmp_path, clips=5, seconds=(2.0, 2.0, 1.5))
    settings: dict[str, Any] = {"representation": representation, "batch_clips": 2}
    whole = embed(tiny(), task, tmp_path / "whole", **settings)
    spent = []
    for calls in (1, 2, 5, 20):
        model = tiny()
        model.model.fault, model.model.after = "interrupt", calls
        try:
            made = embed(model, task, tmp_path / "out", **settings)
        except KeyboardInterrupt:
            made = None
        spent += model.model.batches[:calls]
    assert made is not None and data(made) == data(whole)
    windows = {2.0: 2, 1.5: 1} if representation == "windows:1" else {2.0: 1, 1.5: 1}
    sounds = len(FOLDS) * (4 * windows[2.0] + windows[1.5])
    assert sounds <= sum(spent) < 2 * sounds, "what was safe is not embedded again"


def test_partly_known_labels_are_those_of_the_rows_clips(tmp_path: Path) -> None:
    task = make_task(tmp_path, seconds=(2.0,))
    metadata = {**task.metadata, "prediction_type": "multilabel", "evaluation": ["mAP"]}
    (task.path / "task_metadata.json").write_text(json.dumps(metadata))
    for split in FOLDS:
        known = {name: ["a", "b"] if i % 2 else ["a"] for i, name in enumerate(task.items(split))}
        known = {name: sorted({*known[name], *task.items(split)[name]}) for name in known}
        (task.path / f"{split}_known_labels.json").write_text(json.dumps(known))
    task = read_task(task.path)
    made = embed(tiny(), task, tmp_path / "out", representation="windows:1")
    for split in FOLDS:
        known = task.known_labels(split) or {}
        mask = read_embedded_task(made.path).label_mask(split)
        assert mask.tolist() == [
            [label in known[name] for label in "ab"] for name in clips_of(made, split)
        ]
    examples = SequenceTask(made.path).examples(*FOLDS)
    assert examples.label_mask is not None and len(examples.label_mask) == examples.count


@pytest.mark.parametrize("seconds", [(1.5,), (2.0, 1.5)])
def test_windows_longer_than_the_clip_are_one_line(
    tmp_path: Path, seconds: tuple[float, ...]
) -> None:
    task = make_task(tmp_path, seconds=seconds)
    with pytest.raises(UserError, match=r"clips of 1.5 s are shorter than windows of 2 s") as found:
        embed(tiny(), task, tmp_path / "out", representation="windows:2")
    assert "\n" not in str(found.value)


def test_a_long_clip_fills_a_batch_with_its_windows(tmp_path: Path) -> None:
    task = make_task(tmp_path, clips=2, seconds=(BATCH_SAMPLES / 16000 - 0.5,))
    model = tiny()
    embed(model, task, tmp_path / "out", representation="windows:10")
    assert model.model.batches == [8] * 2 * len(FOLDS)


def test_event_tasks_are_timestamps_only(tmp_path: Path) -> None:
    task = make_task(tmp_path, "event")
    with pytest.raises(UserError, match="event tasks are embedded as timestamps only"):
        embed(tiny(), task, tmp_path / "out", representation="windows:1")


@pytest.mark.parametrize("text", ["layer", "windows", "windows:0", "windows:1.5", "windows:", ""])
def test_other_representations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="windows:SECONDS"):
        parse_representation(text)
    with pytest.raises(UserError, match="cannot be made"):
        representation_of("scene", text)
