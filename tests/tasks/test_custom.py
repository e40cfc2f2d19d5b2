"""`prepare custom` as a new user types it: times in seconds, labels in names, paths from here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tasks.folder import TaskError, read_task
from tasks.options import preparable, prepare_options
from tasks.prepare import prepare

NAMES = [f"{i}.wav" for i in range(6)]


def _audio(path: Path, seconds: float = 0.1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(path.name)).uniform(-0.5, 0.5, round(seconds * 8000))
    soundfile.write(path, noise, 8000)
    return path


def _events(folder: Path, times: list[tuple[float, float]]) -> Path:
    rows = ["file,label,start,end"]
    for name, (start, end) in zip(NAMES, times, strict=True):
        _audio(folder / name, 8)
        rows.append(f"{name},dog,{start},{end}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


SECONDS = [(0.5, 1.25), (0, 7.9), (3, 8), (2.5, 4), (1, 2), (6, 6.5)]


def test_seconds_taken_for_milliseconds_are_refused(tmp_path: Path) -> None:
    source = _events(tmp_path / "in", SECONDS)
    with pytest.raises(TaskError, match=r"labels.csv: .* first 8 ms, .* 8 s: .*--time-unit s"):
        prepare("custom", source, tmp_path / "tasks", name="mine", kind="event", nfolds=3)
    for unit, scale in (("s", 1000), ("ms", 1)):
        path = prepare(
            *("custom", source, tmp_path / unit),
            **{"name": "mine", "kind": "event", "nfolds": 3, "time_unit": unit},
        )
        task = read_task(path)
        items = {name: its for split in task.splits for name, its in task.items(split).items()}
        assert items["0.wav"][0]["end"] == 1.25 * scale


def test_one_early_event_is_no_reason(tmp_path: Path) -> None:
    source = _events(tmp_path / "in", [(0, 5), (0, 8), (1000, 2000), (0, 3), (0, 1), (1, 1)])
    prepare("custom", source, tmp_path / "tasks", name="mine", kind="event", nfolds=3)


def test_force_replaces_what_is_there(tmp_path: Path) -> None:
    for name in NAMES:
        _audio(tmp_path / "in" / "dog" / name)
    options = {"name": "mine", "nfolds": 3, "pattern": "{label}/*"}
    path = prepare("custom", tmp_path / "in", tmp_path / "tasks", **options)
    _audio(tmp_path / "in" / "dog" / "new.wav")
    with pytest.raises(TaskError, match=r"already with another .* --force"):
        prepare("custom", tmp_path / "in", tmp_path / "tasks", **options)
    with pytest.raises(TaskError, match=r"mine-v1-full: is there already with another .* --force"):
        prepare("custom", tmp_path / "in", tmp_path / "tasks", **options | {"nfolds": 4})
    again = prepare("custom", tmp_path / "in", tmp_path / "tasks", force="true", **options)
    assert again == path
    assert sum(len(read_task(path).items(split)) for split in read_task(path).splits) == 7
    assert [folder.name for folder in (tmp_path / "tasks").iterdir()] == [path.name]


def test_labels_from_folders(tmp_path: Path) -> None:
    for label in ("dog", "cat"):
        for name in NAMES:
            _audio(tmp_path / "in" / label / "deep" / name)
    (tmp_path / "in" / "notes.txt").write_text("not a clip")
    path = prepare(
        "custom", tmp_path / "in", tmp_path / "tasks", name="mine", nfolds=3, pattern="{label}/**/*"
    )
    task = read_task(path)
    items = {name: its for split in task.splits for name, its in task.items(split).items()}
    assert len(items) == 12
    assert all(its == [name.partition("_")[0]] for name, its in items.items())


def test_labels_splits_and_groups_from_names(tmp_path: Path) -> None:
    for fold in range(1, 4):
        for take, label in enumerate(("dog", "sea_lion")):
            _audio(tmp_path / "in" / f"{fold}-anna{fold}-{take}-{label}.wav")
    path = prepare(
        *("custom", tmp_path / "in", tmp_path / "tasks"),
        **{"name": "mine", "pattern": "{split}-{group}-*-{label}.wav"},
    )
    task = read_task(path)
    assert (task.metadata["split_mode"], task.labels) == ("presplit_kfold", ("dog", "sea_lion"))
    assert list(task.items("fold01")) == ["2-anna2-0-dog.wav", "2-anna2-1-sea_lion.wav"]


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("{label}-*.wav", r"dog/0.wav: its name does not fit the pattern '\{label\}-\*.wav'"),
        ("*/*.wav", r"expected \{label\} once"),
        ("{label}/{label}.wav", r"expected \{label\} once"),
        ("{label}/{who}.wav", r"expected \{label\} once"),
    ],
)
def test_patterns_that_do_not_fit(tmp_path: Path, pattern: str, says: str) -> None:
    _audio(tmp_path / "in" / "dog" / "0.wav")
    with pytest.raises(TaskError, match=says):
        prepare("custom", tmp_path / "in", tmp_path / "tasks", name="mine", pattern=pattern)


def test_label_files_are_found_from_where_the_user_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "corpus"
    lines = "file,label\n" + "".join(f"{_audio(source / name).name},dog\n" for name in NAMES)
    monkeypatch.chdir(tmp_path)
    (source / "meta.csv").write_text(lines)
    for number, labels in enumerate(("corpus/meta.csv", "meta.csv", str(source / "meta.csv"))):
        prepare(
            *("custom", Path("corpus"), Path(f"tasks{number}")),
            **{"name": "mine", "nfolds": 3, "labels": labels},
        )
    (tmp_path / "meta.csv").write_text("file,label\n")
    with pytest.raises(TaskError, match=r"labels is 'meta.csv', which is both in .*whole path"):
        prepare("custom", Path("corpus"), Path("tasks"), name="mine", labels="meta.csv")
    with pytest.raises(TaskError, match=r"nowhere.csv: label file cannot be read"):
        prepare("custom", Path("corpus"), Path("tasks"), name="mine", labels="nowhere.csv")


@pytest.mark.parametrize("name", preparable())
def test_every_option_has_help(name: str) -> None:
    options = {option.name: option for option in prepare_options(name)}
    assert {"rates", "mode", "workers", "allow_partial", "force"} <= options.keys()
    assert all(option.help and "\n" not in option.help for option in options.values())
    assert options["force"].is_flag and options["force"].default is False
    if name == "custom":
        assert options["time_unit"].help.startswith("Of start and end: ms, the default, or s.")
        assert options["nfolds"].default == 5
        assert options["nfolds"].expects == "a whole number"
        assert options["label_range"].expects == "whole numbers with commas"
    if name == "mridangam_tonic":
        assert options["label"].default == "tonic"
