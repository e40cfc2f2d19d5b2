"""Task folders: exact bytes, round trips, and what is refused."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from task_fixtures import (
    EVENT_CONFIG,
    EVENT_ITEMS,
    SCENE_CONFIG,
    SCENE_ITEMS,
    audio_at_rate,
    make_task,
)

from tasks.audio import write_wav
from tasks.corpus import metadata_of
from tasks.folder import TaskError, read_task, resolve_tasks, write_task

LABELS = st.one_of(
    st.sampled_from(["NA", "nan", "null", "None", "true", "1.0", 'a,"b"', " x ", "ä"]),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
)


def test_bytes_are_those_of_hear_preprocess(tmp_path: Path) -> None:
    config = {
        "task_name": "digits",
        "version": "1.0.9",
        "embedding_type": "scene",
        "prediction_type": "multiclass",
        "split_mode": "new_split_kfold",
        "nfolds": 3,
        "sample_duration": 0.56,
        "evaluation": ["top1_acc"],
        "default_mode": "full",
        "max_task_duration_by_fold": None,
    }
    items = {
        "fold00": {"b.wav": [10], "a.wav": [2]},
        "fold01": {"c.wav": [2]},
        "fold02": {"d.wav": [10]},
    }
    write_task(tmp_path, metadata_of(config, "full"), items)
    assert (tmp_path / "fold00.json").read_bytes() == (
        b'{\n "a.wav": [\n  2\n ],\n "b.wav": [\n  10\n ]\n}'
    )
    assert (tmp_path / "labelvocabulary.csv").read_bytes() == b"idx,label\n0,2\n1,10\n"
    assert (tmp_path / "task_metadata.json").read_bytes() == (
        b'{\n "task_name": "digits",\n "version": "1.0.9",\n "embedding_type": "scene",\n'
        b' "prediction_type": "multiclass",\n "split_mode": "new_split_kfold",\n "nfolds": 3,\n'
        b' "sample_duration": 0.56,\n "evaluation": [\n  "top1_acc"\n ],\n'
        b' "default_mode": "full",\n "max_task_duration_by_fold": null,\n'
        b' "tmp_dir": "_workdir",\n "mode": "full",\n'
        b' "splits": [\n  "fold00",\n  "fold01",\n  "fold02"\n ]\n}'
    )


def test_event_bytes(tmp_path: Path) -> None:
    write_task(tmp_path, metadata_of(EVENT_CONFIG, "full"), EVENT_ITEMS)
    assert (tmp_path / "test.json").read_bytes() == (
        b'{\n "d.wav": [\n  {\n   "label": "cat",\n   "start": 1.5,\n   "end": 100.0\n  }\n ]\n}'
    )


def test_read_task(tmp_path: Path) -> None:
    task = read_task(make_task(tmp_path))
    assert (task.name, task.version, task.mode) == ("mini", "v1", "full")
    assert (task.embedding_type, task.prediction_type) == ("scene", "multiclass")
    assert (task.metadata["split_mode"], task.splits) == (
        "trainvaltest",
        ("train", "valid", "test"),
    )
    assert (task.sample_duration, task.evaluation) == (0.1, ("top1_acc",))
    assert task.labels == ("cat", "dog")
    assert (task.rates(), task.best_rate()) == ((8000,), 8000)
    assert task.items("train") == SCENE_ITEMS["train"]
    assert task.audio_path("train", "a.wav", 8000).is_file()


@given(st.lists(LABELS, min_size=3, max_size=6, unique=True))
def test_labels_survive(labels: list[str]) -> None:
    items = {
        "train": {f"{i}.wav": [label] for i, label in enumerate(labels)},
        "valid": {"v.wav": [labels[0]]},
        "test": {"t.wav": [labels[-1]]},
    }
    with tempfile.TemporaryDirectory() as folder:
        task = read_task(make_task(Path(folder), items=items))
        assert task.labels == tuple(sorted(labels))
        assert {split: task.items(split) for split in task.splits} == items


def _set(key: str, value: Any) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        file = path / "task_metadata.json"
        metadata = json.loads(file.read_text())
        if value is None:
            del metadata[key]
        else:
            metadata[key] = value
        file.write_text(json.dumps(metadata))

    return edit


def _put(name: str, text: str) -> Callable[[Path], None]:
    return lambda path: (path / name).write_text(text) and None  # type: ignore[func-returns-value]


def _drop(name: str) -> Callable[[Path], None]:
    return lambda path: (path / name).unlink()


EVENT = '{"c.wav": [{"label": "cat", "start": %s, "end": %s}]}'


@pytest.mark.parametrize(
    ("config", "spoil", "file", "said"),
    [
        (SCENE_CONFIG, _set("split_mode", None), "task_metadata.json", "split_mode is missing"),
        (SCENE_CONFIG, _set("embedding_type", "scenes"), "task_metadata.json", "'scenes'"),
        (SCENE_CONFIG, _set("prediction_type", "both"), "task_metadata.json", "prediction_type"),
        (EVENT_CONFIG, _set("prediction_type", "multiclass"), "task_metadata.json", "multilabel"),
        (SCENE_CONFIG, _set("splits", ["train", "test"]), "task_metadata.json", "splits"),
        (SCENE_CONFIG, _set("split_mode", "presplit_kfold"), "task_metadata.json", "fold00"),
        (SCENE_CONFIG, _set("sample_duration", "1 s"), "task_metadata.json", "'1 s'"),
        (SCENE_CONFIG, _set("sample_duration", True), "task_metadata.json", "sample_duration"),
        (SCENE_CONFIG, _set("evaluation", ["top 1 acc"]), "task_metadata.json", "top1_acc"),
        (EVENT_CONFIG, _set("evaluation", [1]), "task_metadata.json", "event_onset_200ms_fms"),
        (SCENE_CONFIG, _set("evaluation_params", [1]), "task_metadata.json", "evaluation_params"),
        (SCENE_CONFIG, _put("task_metadata.json", "{'a'}"), "task_metadata.json", "not JSON"),
        (SCENE_CONFIG, _put("task_metadata.json", "[]"), "task_metadata.json", "object"),
        (SCENE_CONFIG, _drop("valid.json"), "valid.json", "missing"),
        (SCENE_CONFIG, _put("valid.json", '{"c.wav": '), "valid.json", "not JSON"),
        (SCENE_CONFIG, _put("valid.json", "{}"), "valid.json", "list of labels"),
        (SCENE_CONFIG, _put("valid.json", '{"c.wav": "cat"}'), "valid.json", "c.wav"),
        (SCENE_CONFIG, _put("valid.json", '{"c.wav": ["cta"]}'), "valid.json", "mean cat?"),
        (SCENE_CONFIG, _put("valid.json", '{"c.wav": ["cat", "dog"]}'), "valid.json", "2 labels"),
        (SCENE_CONFIG, _put("valid.json", '{"../c.wav": ["cat"]}'), "valid.json", "../c.wav"),
        (SCENE_CONFIG, _put("valid.json", '{"a.wav": ["cat"]}'), "valid/a.wav", "missing"),
        (EVENT_CONFIG, _put("valid.json", '{"c.wav": ["cat"]}'), "valid.json", "c.wav"),
        (EVENT_CONFIG, _put("valid.json", EVENT % (9, 1)), "valid.json", "start <= end"),
        (EVENT_CONFIG, _put("valid.json", EVENT % (-1, 1)), "valid.json", "0 <= start"),
        (EVENT_CONFIG, _put("valid.json", EVENT % ("NaN", 1)), "valid.json", "0 <= start"),
        (SCENE_CONFIG, _drop("labelvocabulary.csv"), "labelvocabulary.csv", "missing"),
        (SCENE_CONFIG, _put("labelvocabulary.csv", "label\n"), "labelvocabulary.csv", "idx,label"),
        (SCENE_CONFIG, _put("labelvocabulary.csv", "idx,label\n"), "labelvocabulary.csv", "no la"),
        (
            SCENE_CONFIG,
            _put("labelvocabulary.csv", "idx,label\n0,cat\n2,dog\n"),
            "labelvocabulary.csv",
            "line 3",
        ),
        (
            SCENE_CONFIG,
            _put("labelvocabulary.csv", "idx,label\n0,cat\n1,cat\n"),
            "labelvocabulary.csv",
            "twice",
        ),
        (SCENE_CONFIG, _drop("8000/test/d.wav"), "test/d.wav", "audio is missing"),
    ],
)
def test_faults_are_named(
    tmp_path: Path, config: dict[str, Any], spoil: Callable[[Path], None], file: str, said: str
) -> None:
    path = make_task(tmp_path, config, EVENT_ITEMS if config is EVENT_CONFIG else SCENE_ITEMS)
    spoil(path)
    with pytest.raises(TaskError) as error:
        read_task(path)
    assert file in str(error.value)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_clip_in_two_splits(tmp_path: Path) -> None:
    items = {**SCENE_ITEMS, "test": {"a.wav": ["dog"]}}
    with pytest.raises(TaskError, match=r"test.json: a.wav is in train.json too"):
        read_task(make_task(tmp_path, items=items))


def test_resolve_tasks(tmp_path: Path) -> None:
    one = make_task(tmp_path)
    other = make_task(tmp_path, {**SCENE_CONFIG, "version": "v2"})
    events = make_task(tmp_path, EVENT_CONFIG, EVENT_ITEMS)
    (tmp_path / "stray.txt").write_text("not a task")
    assert [task.path for task in resolve_tasks(tmp_path)] == [one, other, events]
    assert [task.path for task in resolve_tasks(tmp_path, ["mini"])] == [one, other]
    names = ["mini_events", "mini-v2-full", "mini_events"]
    assert [task.path for task in resolve_tasks(tmp_path, names)] == [events, other]
    with pytest.raises(TaskError, match=r"no task 'mini_event' \(did you mean mini_events"):
        resolve_tasks(tmp_path, ["mini_event"])
    with pytest.raises(TaskError, match="no such folder"):
        resolve_tasks(tmp_path / "nowhere")


def test_a_broken_neighbour_does_not_matter(tmp_path: Path) -> None:
    make_task(tmp_path)
    broken = make_task(tmp_path, EVENT_CONFIG, EVENT_ITEMS)
    (broken / "task_metadata.json").write_text("{")
    assert len(resolve_tasks(tmp_path, ["mini"])) == 1
    with pytest.raises(TaskError, match="not JSON"):
        resolve_tasks(tmp_path, [broken.name])


def test_hash_is_of_content(tmp_path: Path) -> None:
    task = read_task(make_task(tmp_path / "here"))
    before = task.hash()
    assert read_task(make_task(tmp_path / "there")).hash() == before
    audio = audio_at_rate(task, "train", "a.wav", 16000)
    assert read_task(task.path).hash() == before
    write_wav(task.audio_path("test", "d.wav", 8000), -audio[:800], 8000)
    assert read_task(task.path).hash() != before
