"""Whether a task is the published one: refused or marked when prepared, told of any folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import raw_corpora
from task_fixtures import SCENE_CONFIG, make_task

from tasks.audio import write_wav
from tasks.corpus import arrange, metadata_of
from tasks.demo import make_demo_tasks
from tasks.entries import DEMO_ENTRIES, ENTRIES
from tasks.folder import TaskError, TaskFolder, open_task, read_task, vocabulary, write_task
from tasks.hear_entries import ESC50, HEAR_ENTRIES
from tasks.prepare import prepare, read_corpus
from tasks.published import differences, published_faults, unknown_of_published
from tasks.verify import verify_task


def _fake_esc50(folder: Path) -> Path:
    """100 clips of 10 classes, laid out as ESC-50."""
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for number in range(100):
        fold, target = number % 5 + 1, number // 10
        name = f"{fold}-{number}-A-{target}.wav"
        (folder / "audio").mkdir(parents=True, exist_ok=True)
        write_wav(folder / "audio" / name, np.zeros(441, np.float32), 44100, sync=False)
        rows.append(f"{name},{fold},{target},{ESC50[target]},False,{number},A")
    (folder / "meta").mkdir()
    (folder / "meta" / "esc50.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_a_corpus_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    source = _fake_esc50(tmp_path / "ESC-50")
    with pytest.raises(TaskError) as refused:
        prepare("esc50", source, tmp_path / "tasks", rates=(16000,))
    message = str(refused.value)
    assert "not the published esc50: 100 clips, expected 2000" in message
    assert "10 labels, expected 50" in message
    assert "--allow-partial" in message and "\n" not in message
    assert not (tmp_path / "tasks").exists()


def test_it_is_marked_where_it_is_wanted(tmp_path: Path) -> None:
    source = _fake_esc50(tmp_path / "ESC-50")
    path = prepare("esc50", source, tmp_path / "tasks", rates=(16000,), allow_partial="true")
    task = read_task(path)
    assert path.name == "esc50-v2.0.0-full-partial" and task.mode == "full-partial"
    metadata = json.loads((path / "task_metadata.json").read_text())
    assert list(metadata) == list(metadata_of(*ENTRIES["esc50"].mode_config()))
    assert published_faults(task) == ["mode is 'full-partial', expected full as esc50 has"]
    found = verify_task(path, 1)
    assert not found.faults
    assert any("mode is 'full-partial'" in note for note in found.notes)


def test_another_corpus_under_the_name_of_an_entry(tmp_path: Path) -> None:
    source = _fake_esc50(tmp_path / "ESC-50")
    options: dict[str, Any] = {
        "labels": "meta/esc50.csv",
        "audio": "audio/{file}",
        "file": "filename",
        "label": "category",
        "name": "esc50",
        "version": "v2.0.0",
    }
    with pytest.raises(TaskError, match="not the published esc50: .*split_mode is"):
        prepare("custom", source, tmp_path / "tasks", **options)


def _whole(name: str, mode: str) -> tuple[dict[str, Any], dict[str, int], list[str]]:
    """Metadata, counts and labels as the entry has them."""
    entry = ENTRIES[name]
    labels = entry.vocabulary or tuple(f"label {i}" for i in range(entry.labels or 0))
    metadata = metadata_of(*entry.mode_config(mode))
    return metadata, dict(entry.clips_by_split(mode)), list(labels)


KNOWN = [
    (name, mode)
    for name, entry in ENTRIES.items()
    for mode in entry.modes
    if len(entry.clips_by_split(mode)) > 1
]


@pytest.mark.parametrize(("name", "mode"), KNOWN)
def test_counts_of_splits_agree_with_those_of_modes(name: str, mode: str) -> None:
    metadata, counts, labels = _whole(name, mode)
    assert counts.keys() == set(metadata["splits"])
    assert list(differences(metadata, counts, labels)) == []
    first, second, *_ = counts
    moved = {**counts, first: counts[first] - 1, second: counts[second] + 1}
    told = list(differences(metadata, moved, labels))
    assert [line.split(", expected")[0] for line in told] == [
        f"{counts[first] - 1} clips in {first}",
        f"{counts[second] + 1} clips in {second}",
    ]


def test_other_labels_are_told() -> None:
    metadata, counts, labels = _whole("esc50", "full")
    assert list(differences(metadata, counts, ["Dog", *labels[1:]])) == [
        "labelvocabulary.csv: label 'Dog' is none of the 50 that the entry esc50 has"
    ]


@pytest.mark.parametrize("entry", [entry for entry in HEAR_ENTRIES if entry.vocabulary])
def test_vocabularies_are_those_of_the_corpora(entry: Any, tmp_path: Path) -> None:
    if entry.corpus == "maestro":
        pytest.importorskip("pretty_midi")
    assert entry.labels == len(entry.vocabulary) == len(set(entry.vocabulary))
    make: Callable[[Path], None] | None = getattr(raw_corpora, entry.corpus, None)
    if make is None:
        pytest.skip(f"no miniature corpus of {entry.corpus}")
    make(tmp_path / "raw")
    _, items, _ = arrange(read_corpus(entry.name, tmp_path / "raw"))
    assert set(map(str, vocabulary(items))) <= set(entry.vocabulary)


def test_tasks_of_no_entry_and_of_what_an_entry_does_not_know(tmp_path: Path) -> None:
    own = open_task(make_task(tmp_path))
    assert published_faults(own) == unknown_of_published(own) == []
    config, mode = ENTRIES["tau_urban"].mode_config()
    items = {
        split: {f"{split}{i}.wav": [f"label {i}"] for i in range(10)}
        for split in ("train", "valid", "test")
    }
    write_task(tmp_path / "tau", metadata_of(config, mode), items)
    task = open_task(tmp_path / "tau")
    assert published_faults(task) == []
    assert unknown_of_published(task) == [
        "the entry tau_urban does not know the number of clips of each split of mode full",
        "the entry tau_urban knows the number of labels, not the labels",
    ]


def test_the_demo_tasks_are_the_published_ones(tmp_path: Path) -> None:
    tasks: list[TaskFolder] = [read_task(path) for path in make_demo_tasks(tmp_path)]
    assert {task.name for task in tasks} == {entry.name for entry in DEMO_ENTRIES}
    assert [fault for task in tasks for fault in published_faults(task)] == []


def test_another_version_is_not_the_published_one(tmp_path: Path) -> None:
    config = {**SCENE_CONFIG, "task_name": "libricount"}
    told = published_faults(open_task(make_task(tmp_path, config)))
    assert told[0].startswith("task_metadata.json: version is 'v1', expected 'v1.0.0-hear2021'")
