"""Tasks prepared from corpora: every layout, both ways to fail, and the real data beside us."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tasks.audio import read_audio
from tasks.entries import ENTRIES, find_entry
from tasks.folder import GROUPS_FILE, TaskError, read_groups, read_task
from tasks.options import option_types, preparable
from tasks.prepare import prepare
from tasks.resampling import resample

TEN = [f"{i:02d}.wav" for i in range(10)]


def _audio(path: Path, seconds: float = 0.1, rate: int = 8000, channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = sum(path.name.encode())
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, (round(seconds * rate), channels))
    soundfile.write(path, noise, rate)


def _corpus(folder: Path, names: list[str] = TEN) -> Path:
    for name in names:
        _audio(folder / name)
    return folder


def _csv(folder: Path, *lines: str) -> None:
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


def _split_sizes(path: Path) -> list[int]:
    task = read_task(path)
    return [len(task.items(split)) for split in task.splits]


def test_multiclass_with_folds_drawn(tmp_path: Path) -> None:
    source = _corpus(tmp_path / "in")
    _csv(source, "file,label", *(f"{name},{i % 2}" for i, name in enumerate(TEN)))
    path = prepare("custom", source, tmp_path / "tasks", name="mine", nfolds="4")
    task = read_task(path)
    assert path.name == "mine-v1-full"
    assert (task.metadata["split_mode"], sorted(_split_sizes(path))) == (
        "new_split_kfold",
        [2, 2, 3, 3],
    )
    assert all(type(its[0]) is int for its in task.items("fold00").values())
    assert task.evaluation == ("top1_acc", "mAP", "d_prime", "aucroc")
    assert task.sample_duration is None
    assert task.rates() == (16000,)


def test_folds_given(tmp_path: Path) -> None:
    source = _corpus(tmp_path / "in")
    rows = (f"{name},{'ab'[i % 2]},{1 + i // 2}" for i, name in enumerate(TEN))
    _csv(source, "file,label,fold", *rows)
    task = read_task(prepare("custom", source, tmp_path / "tasks", name="mine", split="fold"))
    assert task.metadata["split_mode"] == "presplit_kfold"
    assert [sorted(task.items(s)) for s in task.splits[:2]] == [TEN[:2], TEN[2:4]]


def test_splits_given_and_the_missing_one_drawn(tmp_path: Path) -> None:
    names = [f"{i:02d}.wav" for i in range(24)]
    source = _corpus(tmp_path / "in", names)
    rows = (f"{name},x,{'testing' if i < 4 else 'Train'}" for i, name in enumerate(names))
    _csv(source, "file,label,set", *rows)
    path = prepare("custom", source, tmp_path / "tasks", name="mine", split="set")
    task = read_task(path)
    assert (task.metadata["split_mode"], _split_sizes(path)) == ("trainvaltest", [18, 2, 4])
    assert sorted(task.items("test")) == names[:4]


def test_train_valid_and_test_drawn(tmp_path: Path) -> None:
    source = _corpus(tmp_path / "in")
    _csv(source, "file,label", *(f"{name},x" for name in TEN))
    path = prepare("custom", source, tmp_path / "tasks", name="mine", splits="trainvaltest")
    assert _split_sizes(path) == [8, 1, 1]


def test_multilabel_in_cells_and_in_json(tmp_path: Path) -> None:
    source = _corpus(tmp_path / "in", TEN[:3])
    _csv(source, "file;label".replace(";", ","), "00.wav,a b", "01.wav,b", "02.wav,")
    options: dict[str, Any] = {"kind": "multilabel", "nfolds": 3, "allow_missing_labels": "true"}
    one = prepare("custom", source, tmp_path / "1", name="mine", label_separator=" ", **options)
    (source / "labels.json").write_text('{"00.wav": ["a", "b"], "01.wav": "b", "02.wav": []}')
    other = prepare("custom", source, tmp_path / "2", name="mine", labels="labels.json", **options)
    for name in ("fold00.json", "fold01.json", "fold02.json", "labelvocabulary.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    task = read_task(one)
    items = {name: its for s in task.splits for name, its in task.items(s).items()}
    assert {name: sorted(its) for name, its in items.items()} == {
        "00.wav": ["a", "b"],
        "01.wav": ["b"],
        "02.wav": [],
    }


def test_events_in_files_by_split(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        source = _corpus(tmp_path / "in", [f"{split}/{split}{i}.flac" for i in range(2)])
        events = {
            f"{split}0.flac": [
                {"label": "dog", "start": 0.01, "end": 0.5},
                {"label": "dog", "start": 0.1, "end": 0.2},
            ],
            f"{split}1.flac": [],
        }
        (source / f"{split}.json").write_text(json.dumps(events))
    path = prepare(
        "custom",
        source,
        tmp_path / "tasks",
        name="mine",
        kind="event",
        labels="{split}.json",
        audio="{split}/{file}",
        time_unit="s",
        sample_duration="0.1",
    )
    task = read_task(path)
    assert task.items("valid") == {
        "validation0.wav": [{"label": "dog", "start": 10.0, "end": 100.0}],
        "validation1.wav": [],
    }
    assert task.metadata["evaluation_params"] == {
        "task_specific_param_grid": {"check_val_every_n_epoch": [10]}
    }


def test_nsynth_like_json_with_a_range(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        notes = {f"{split}-{midi}": {"pitch": midi} for midi in (20, 21, 108, 109)}
        for note in notes:
            _audio(tmp_path / "in" / split / "audio" / f"{note}.flac")
        (tmp_path / "in" / split / "examples.json").write_text(json.dumps(notes))
    path = prepare("pitch", tmp_path / "in", tmp_path / "tasks", allow_partial=True)
    task = read_task(path)
    assert task.labels == ("21", "108")
    assert task.items("test") == {"test-108.wav": [108], "test-21.wav": [21]}
    assert len(read_audio(task.audio_path("test", "test-21.wav", 16000))[0]) == 64000


def test_groups_stay_together_or_are_refused(tmp_path: Path) -> None:
    source = _corpus(tmp_path / "in")
    rows = [f"{name},x,speaker{i // 3},{i % 3}" for i, name in enumerate(TEN)]
    _csv(source, "file,label,speaker,fold", *rows)
    options = {"name": "mine", "group": "speaker", "split": "fold"}
    with pytest.raises(TaskError, match="group 'speaker0' is in fold0. .* stays in one split"):
        prepare("custom", source, tmp_path / "tasks", **options)
    path = prepare("custom", source, tmp_path / "tasks", splits="folds", nfolds=4, **options)
    assert sorted(_split_sizes(path)) == [1, 3, 3, 3]


def test_groups_are_kept_and_are_no_part_of_the_hash(tmp_path: Path) -> None:
    source = _corpus(tmp_path / "in")
    _csv(source, "file,label,who", *(f"{n},{i % 2},{'ab'[i % 2]}{i}" for i, n in enumerate(TEN)))
    options: dict[str, Any] = {"name": "mine", "nfolds": 4, "group": "who"}
    path = prepare("custom", source, tmp_path / "tasks", **options)
    groups = read_groups(path)
    assert groups == {f"{i:02d}.wav": f"{'ab'[i % 2]}{i}" for i in range(10)}
    with_groups = read_task(path).hash()
    (path / GROUPS_FILE).unlink()  # as an earlier version prepared it
    assert read_groups(path) == {}
    assert read_task(path).hash() == with_groups
    assert prepare("custom", source, tmp_path / "tasks", **options) == path
    assert read_groups(path) == groups


def test_groups_at_fault_are_told(tmp_path: Path) -> None:
    source = _corpus(tmp_path / "in")
    _csv(source, "file,label", *(f"{name},{i % 2}" for i, name in enumerate(TEN)))
    path = prepare("custom", source, tmp_path / "tasks", name="mine", nfolds=4)
    assert not (path / GROUPS_FILE).exists()
    for content, message in (
        ("[1]", "expected an object with the group of every audio file"),
        ('{"00.wav": 3}', "expected an object with the group of every audio file"),
        ('{"00.wav": "x"}', "01.wav has no group, but other files have"),
    ):
        (path / GROUPS_FILE).write_text(content)
        with pytest.raises(TaskError, match=f"{GROUPS_FILE}: {message}"):
            read_task(path)


def test_stratified_splits_by_group(tmp_path: Path) -> None:
    names = [f"{i:02d}.wav" for i in range(40)]
    source = _corpus(tmp_path / "in", names)
    labels = ["rare" if i % 10 == 0 else "ab"[i % 2] for i in range(40)]
    rows = (
        f"{name},{label},g{i // 2}"
        for i, (name, label) in enumerate(zip(names, labels, strict=True))
    )
    _csv(source, "file,label,group", *rows)
    options: dict[str, Any] = {"nfolds": 4, "group": "group", "stratify": "true"}
    path = prepare("custom", source, tmp_path / "tasks", name="mine", seed="7", **options)
    task = read_task(path)
    assert (task.metadata["split_mode"], task.metadata["stratified_by_seed"]) == (
        "presplit_kfold",
        7,
    )
    assert _split_sizes(path) == [10, 10, 10, 10]
    fold_of = {name: fold for fold in task.splits for name in task.items(fold)}
    assert all(fold_of[names[i]] == fold_of[names[i + 1]] for i in range(0, 40, 2))
    assert len({fold_of[names[i]] for i in range(0, 40, 10)}) == 4, "one rare clip in each"
    other = prepare("custom", source, tmp_path / "tasks", name="other", seed="8", **options)
    assert any(read_task(other).items(fold) != task.items(fold) for fold in task.splits)
    drawn = prepare(
        *("custom", source, tmp_path / "tasks"), name="tvt", splits="trainvaltest", stratify="true"
    )
    assert (read_task(drawn).metadata["split_mode"], _split_sizes(drawn)) == (
        "trainvaltest",
        [31, 5, 4],
    )


def test_audio_is_cut_at_its_own_rate_then_resampled(tmp_path: Path) -> None:
    source = tmp_path / "in"
    _audio(source / "a/x.wav", 0.2, 44100, channels=2)
    _audio(source / "b/x.ogg", 0.05, 22050)
    _audio(source / "c.flac", 0.1, 8000)
    _csv(source, "file,label", "a/x.wav,l", "b/x.ogg,l", "c.flac,l")
    path = prepare("custom", source, tmp_path / "t", name="mine", nfolds=3, sample_duration=0.1)
    task = read_task(path)
    assert task.rates() == (16000, 44100)
    split_of = {name: s for s in task.splits for name in task.items(s)}
    assert split_of.keys() == {"a_x.wav", "b_x.wav", "c.wav"}
    for name, split in split_of.items():
        for rate in task.rates():
            samples, found = read_audio(task.audio_path(split, name, rate))
            assert (found, len(samples)) == (rate, round(0.1 * rate))
    stereo, _ = soundfile.read(source / "a/x.wav", dtype="float32")
    mono = np.floor(stereo.mean(axis=1)[:4410] * 32768 + 0.5) / 32768
    expected = resample(mono.astype(np.float32), 44100, 16000)
    made = read_audio(task.audio_path(split_of["a_x.wav"], "a_x.wav", 16000))[0]
    assert np.array_equal(made, expected)


def test_the_same_with_any_number_of_workers(tmp_path: Path) -> None:
    source = _corpus(tmp_path / "in")
    _csv(source, "file,label", *(f"{name},x" for name in TEN))
    progress: list[tuple[int, int]] = []
    paths = [
        prepare(
            "custom",
            source,
            tmp_path / workers,
            name="mine",
            workers=workers,
            on_progress=lambda done, total: progress.append((done, total)),
        )
        for workers in ("1", "2")
    ]
    assert progress == [(i, 10) for i in range(1, 11)] * 2
    assert read_task(paths[0]).hash() == read_task(paths[1]).hash()


def test_again_does_nothing_and_never_replaces(tmp_path: Path) -> None:
    source = _corpus(tmp_path / "in")
    _csv(source, "file,label", *(f"{name},x" for name in TEN))
    path = prepare("custom", source, tmp_path / "tasks", name="mine")
    before = path.stat().st_mtime_ns
    assert prepare("custom", source, tmp_path / "tasks", name="mine") == path
    with pytest.raises(TaskError, match="already with another fold0..json"):
        prepare("custom", source, tmp_path / "tasks", name="mine", nfolds=3, sample_duration=1)
    with pytest.raises(TaskError, match="already without 32000 Hz"):
        prepare("custom", source, tmp_path / "tasks", name="mine", rates="16000,32000")
    assert path.stat().st_mtime_ns == before
    assert [p.name for p in (tmp_path / "tasks").iterdir()] == [path.name]


def test_a_killed_prepare_leaves_no_task(tmp_path: Path) -> None:
    source = _corpus(tmp_path / "in")
    _csv(source, "file,label", *(f"{name},x" for name in TEN))
    code = (
        "import os, sys; from tasks.prepare import prepare\n"
        "prepare('custom', *sys.argv[1:], name='mine', workers=1,"
        " on_progress=lambda done, total: done < 5 or os._exit(9))"
    )
    command = [sys.executable, "-c", code, str(source), str(tmp_path / "tasks")]
    root = Path(__file__).parents[2]
    killed = subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    assert killed.returncode == 9
    left = [path.name for path in (tmp_path / "tasks").iterdir()]
    assert len(left) == 1
    assert left[0].startswith(".mine-v1-full.")
    path = prepare("custom", source, tmp_path / "tasks", name="mine")
    assert [p.name for p in (tmp_path / "tasks").iterdir()] == [path.name]
    read_task(path)


HEAD = "file,label"


@pytest.mark.parametrize(
    ("lines", "options", "said"),
    [
        (
            [HEAD, "00.wav,a", "none.wav,a", "02.wav,a"],
            {},
            "labels.csv: line 3: no audio file .*none.wav",
        ),
        ([HEAD, "00.wav,a", "00.wav,b"], {}, "labels.csv: line 3: 00.wav has 2 labels"),
        ([HEAD, "00.wav,a", "00.wav,a"], {"kind": "multilabel"}, "line 3: .* 'a' already"),
        ([HEAD, "00.wav,"], {}, "line 2: 00.wav has 0 labels"),
        ([HEAD, "00.wav,a,b"], {}, "line 2: expected 2 cells"),
        (["file,lable", "00.wav,a"], {}, "line 2: no column 'label' .did you mean lable"),
        ([HEAD, "00.wav,a"], {"kind": "event"}, "line 2: no column 'start'"),
        ([HEAD + ",start,end", "00.wav,a,x,1"], {"kind": "event"}, "line 2: start 'x', end '1'"),
        ([HEAD + ",start,end", "00.wav,a,5,1"], {"kind": "event"}, "line 2: from 5.0 to 1.0 ms"),
        ([HEAD, "00.wav,a"], {"label_range": "1,2"}, "line 2: label 'a' is not an integer"),
        ([HEAD, "00.wav,a", "01.wav,a"], {}, "2 groups of files cannot make 5 folds"),
        ([HEAD, *(f"{n},{n}" for n in TEN)], {}, "no 5 folds have every label"),
        ([HEAD + ",s", "00.wav,a,train", "01.wav,a,9"], {"split": "s"}, "splits are '9', 'train'"),
        ([HEAD, "00.wav,a"], {"splits": "given"}, "no file has a split"),
        ([HEAD, "00.wav,a"], {"labels": "{split}.json"}, "no label files {split}.json"),
        ([HEAD, "00.wav,a"], {"labels": "lables.csv"}, "lables.csv: .* cannot be read"),
        ([HEAD], {}, "labels.csv: no rows; expected"),
        ([], {}, "labels.csv: no rows; expected"),
        (
            [HEAD + ",start,end", "00.wav,a,5,90", "00.wav,b,5,900"],
            {"kind": "event"},
            "line 3: from 5 to 900 ms, but .*00.wav has 100 ms; are times in another unit",
        ),
        (
            [HEAD + ",start,end", "00.wav,a,500,501"],
            {"kind": "event", "sample_duration": "1"},
            "line 2: from 500 to 501 ms, but .*00.wav has 100 ms",
        ),
        (
            [HEAD + ",g,s", "00.wav,a,x,1", "01.wav,a,y,2", "02.wav,a,x,2", "03.wav,a,z,3"],
            {"split": "s", "group": "g"},
            "line 4: group 'x' is in fold01 .02., but by .*line 2 in fold00 .00.",
        ),
        (
            [HEAD + ",s", "00.wav,a,train", "01.wav,a,valid", "02.wav,a,test"],
            {"split": "s", "stratify": "true"},
            "stratify draws splits, but files have theirs; say --splits",
        ),
        ([HEAD, "00.wav,a"], {"stratify": "yes"}, "stratify is 'yes'; expected true or false"),
        ([HEAD, "00.wav,a"], {"stratify": "true"}, "1 groups of files cannot make 5 splits"),
        ([HEAD, "00.wav,a"], {"kind": "multi"}, "kind is 'multi'.*expected multiclass"),
        ([HEAD, "00.wav,a"], {"evaluation_params": "{1}"}, "expected a JSON object"),
        ([HEAD, "00.wav,a"], {"nfolds": "five"}, "nfolds is 'five'; expected a whole number"),
        ([HEAD, "00.wav,a"], {"lable": "x"}, "custom has no option 'lable' .did you mean label"),
        ([HEAD, "00.wav,a"], {"name": "a/b"}, "name is 'a/b'"),
        ([HEAD, "00.wav,a"], {"rates": "16k"}, "rates is '16k'"),
    ],
)
def test_faults_name_the_row(
    tmp_path: Path, lines: list[str], options: dict[str, Any], said: str
) -> None:
    source = _corpus(tmp_path / "in")
    _csv(source, *lines)
    (tmp_path / "tasks").mkdir()
    with pytest.raises(TaskError, match=said) as error:
        prepare("custom", source, tmp_path / "tasks", **{"name": "mine", **options})
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "tasks").iterdir())


@pytest.mark.parametrize("workers", [1, 2])
def test_bad_audio_stops_and_leaves_nothing(tmp_path: Path, workers: int) -> None:
    source = _corpus(tmp_path / "in")
    _csv(source, HEAD, *(f"{name},x" for name in TEN))
    soundfile.write(source / TEN[6], np.array([np.nan]), 8000, subtype="FLOAT")
    with pytest.raises(TaskError, match=r"06.wav: sample 0 is nan"):
        prepare("custom", source, tmp_path / "tasks", name="mine", workers=workers)
    assert not list((tmp_path / "tasks").iterdir())


def test_unreadable_json_labels(tmp_path: Path) -> None:
    source = _corpus(tmp_path / "in", TEN[:1])
    (source / "labels.json").write_text('{"00.wav"')
    with pytest.raises(TaskError, match=r"labels.json: not JSON"):
        prepare("custom", source, tmp_path / "tasks", name="mine", labels="labels.json")


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"unknown task 'spoken_digits' .did you mean spoken_digit"):
        prepare("spoken_digits", tmp_path, tmp_path)
    with pytest.raises(TaskError, match="no such folder; expected the corpus of esc10"):
        prepare("esc10", tmp_path / "nowhere", tmp_path)
    with pytest.raises(TaskError, match="built in"):
        prepare("demo_digits", tmp_path, tmp_path)
    with pytest.raises(TaskError, match="no mode 'half'; there: full, all"):
        prepare("spoken_digit", tmp_path, tmp_path, mode="half")
    for name in ("spoken_digit", "esc10"):
        with pytest.raises(TaskError, match=str(tmp_path)):
            prepare(name, tmp_path, tmp_path)


def test_every_entry_is_whole() -> None:
    for name, entry in ENTRIES.items():
        assert entry is find_entry(name)
        assert entry.domain in ("speech", "environment", "music")
        assert entry.folder_name().startswith(f"{name}-")
        assert entry.files.keys() <= entry.modes.keys()
        if entry.corpus:
            assert entry.options.keys() <= option_types(name).keys()
            assert name in preparable()
            assert entry.source
            assert entry.licence
        for item in entry.config.get("download_urls", ()):
            for file in item.get("multipart_zip_urls", [item]):
                assert re.fullmatch(r"https?://\S+", file["url"])
                assert re.fullmatch(r"[0-9a-f]{32}|", file.get("md5", ""))


def test_hours_of_an_entry() -> None:
    assert find_entry("esc50").hours_of() == pytest.approx(2000 * 5 / 3600)
    assert find_entry("beehive_states_fold0").hours_of("full") == 96
    assert find_entry("fsd50k").hours_of() == 108.3  # clips of their own length
    assert find_entry("voxforge").hours_of() is None


def test_spoken_digit_as_hear_has_it(tmp_path: Path) -> None:
    names = [f"{digit}_theo_{take}.wav" for digit in range(10) for take in range(10)]
    source = tmp_path / "fsdd"
    for name in [*names, "3_lucas_0.wav"]:  # who is not in the version that HEAR has
        _audio(source / "recordings" / name, 0.1)
    task = read_task(prepare("spoken_digit", source, tmp_path / "tasks", allow_partial=True))
    assert task.path.name == "spoken_digit-1.0.9-full-partial"
    assert sum(_split_sizes(task.path)) == 100
    name = min(task.items("fold00"))
    assert name.startswith("tfds_id_spoken-digit-train-tfrecord-00000-of-00001-")
    assert len(read_audio(task.audio_path("fold00", name, 16000))[0]) == 8960
    everything = prepare("spoken_digit", source, tmp_path / "tasks", allow_partial=True, mode="all")
    assert everything.name == "spoken_digit-1.0.10-all-partial"
    assert sum(_split_sizes(everything)) == 101
    assert "3_lucas_0.wav" in {n for s in task.splits for n in read_task(everything).items(s)}
    _audio(source / "recordings" / "three_theo_1.wav")
    with pytest.raises(TaskError, match=r"three_theo_1.wav: expected <digit>_<speaker>_<take>"):
        prepare("spoken_digit", source, tmp_path / "tasks", allow_partial=True)


def test_esc10_keeps_its_folds(tmp_path: Path) -> None:
    for fold in range(1, 6):
        for label in ("001 - Dog bark", "002 - Rain"):
            _audio(tmp_path / "in" / label / f"{fold}-{label[:3]}-A.ogg", 0.1, 44100)
    task = read_task(prepare("esc10", tmp_path / "in", tmp_path / "tasks", allow_partial=True))
    assert task.labels == ("dog_bark", "rain")
    assert task.items("fold03") == {"4-001-A.wav": ["dog_bark"], "4-002-A.wav": ["rain"]}
    assert task.rates() == (16000, 44100)
    _audio(tmp_path / "in" / "002 - Rain" / "6-1-A.ogg")
    with pytest.raises(TaskError, match=r"6-1-A.ogg: expected <fold>"):
        prepare("esc10", tmp_path / "in", tmp_path / "more")


def test_recipes_are_custom_with_options(shared: Path, tmp_path: Path) -> None:
    source = shared / "data" / "music" / "piano_midi"
    recipe = prepare("piano_midi", source, tmp_path / "1", rates=(16000,))
    custom = prepare(
        "custom",
        source,
        tmp_path / "2",
        name="piano_midi",
        kind="event",
        labels="{split}.json",
        audio="audio/{file}",
        sample_duration="10",
        evaluation="event_onset_50ms_fms,event_onset_offset_50ms_20perc_fms",
        use_scoring_for_early_stopping="false",
        evaluation_params=json.dumps(find_entry("piano_midi").config["evaluation_params"]),
    )
    assert read_task(recipe).hash() == read_task(custom).hash()
    assert _split_sizes(recipe) == [40, 10, 10]
    assert len(read_task(recipe).labels) == 80


def test_the_real_spoken_digits(shared: Path, tmp_path: Path) -> None:
    task = read_task(prepare("spoken_digit", shared / "data" / "fsdd", tmp_path))
    assert _split_sizes(task.path) == [500] * 5
    assert task.labels == tuple("0123456789")
    audio, rate = read_audio(task.audio_path("fold04", min(task.items("fold04")), 16000))
    assert (rate, len(audio)) == (16000, 8960)
