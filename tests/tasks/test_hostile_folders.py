"""Task folders and corpora that anyone may have written: one clear line, soon."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from task_fixtures import EVENT_CONFIG, EVENT_ITEMS, SCENE_CONFIG, SCENE_ITEMS, make_task

from tasks import decoding
from tasks import prepare as prepare_module
from tasks.audio import TaskAudio, audio_rate, read_audio
from tasks.corpus import Clip, Corpus
from tasks.folder import TaskError, find_tasks, read_task, resolve_tasks
from tasks.prepare import build_task, prepare
from tasks.verify import verify_task

DEEP = "[" * 100_000 + "]" * 100_000
Spoil = Callable[[Path], object]


def _metadata(**keys: Any) -> Spoil:
    def edit(task: Path) -> None:
        path = task / "task_metadata.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))

    return edit


def _text(name: str, text: str) -> Spoil:
    return lambda task: (task / name).write_text(text)


def _instead(name: str, make: Spoil) -> Spoil:
    """Something else in the place of a file."""

    def change(task: Path) -> None:
        (task / name).unlink()
        make(task / name)

    return change


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _to_zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _vocabulary(count: int) -> str:
    return "idx,label\n" + "".join(f"{i},label{i}\n" for i in range(count))


HOSTILE: dict[str, tuple[Spoil, str]] = {
    "deep metadata": (_text("task_metadata.json", DEEP), "nested too deeply"),
    "deep split": (_text("test.json", f'{{"d.wav": {DEEP}}}'), "nested too deeply"),
    "FIFO split": (_instead("test.json", os.mkfifo), "test.json: is a FIFO, expected a regular"),
    "endless split": (_instead("test.json", _to_zeros), "test.json: is a device"),
    "FIFO vocabulary": (_instead("labelvocabulary.csv", os.mkfifo), "is a FIFO"),
    "endless vocabulary": (_instead("labelvocabulary.csv", _to_zeros), "is a device"),
    "loop metadata": (_instead("task_metadata.json", _loop), "task_metadata.json: cannot be read"),
    "folder metadata": (_instead("task_metadata.json", Path.mkdir), "is a folder"),
    "folder sound": (_instead("8000/test/d.wav", Path.mkdir), "d.wav: audio is missing (it is no"),
    "loop sound": (_instead("8000/test/d.wav", _loop), "d.wav: audio is missing (it is no"),
    "FIFO sound": (_instead("8000/test/d.wav", os.mkfifo), "d.wav: audio is missing (it is no"),
    "endless sound": (_instead("8000/test/d.wav", _to_zeros), "d.wav: audio is missing (it is no"),
    "30,000 labels": (_text("labelvocabulary.csv", _vocabulary(30_000)), "30000 labels, expected"),
    "3,000,000 labels": (
        _text("labelvocabulary.csv", _vocabulary(3_000_000)),
        "has more than 4194304 bytes",
    ),
    "many values": (
        _text("test.json", '{"d.wav": [' + "0," * 10_000_001 + "0]}"),
        "more than 10000000 values",
    ),
    "a long number": (_metadata(sample_duration=1e300), "sample_duration is 1e+300"),
    "a surrogate": (_text("test.json", '{"\\ud800.wav": ["dog"]}'), "\\ud800.wav is not the name"),
    "an escape": (_text("test.json", '{"\\u001b[2J.wav": ["dog"]}'), "\\x1b[2J.wav is not the"),
    "a long name": (_text("test.json", f'{{"{"a" * 300}.wav": ["dog"]}}'), "is not the name of"),
    "a name of a task": (_metadata(task_name="a/../b"), "task_name is 'a/../b', expected a name"),
    "a surrogate task": (_metadata(version="\ud800"), "version is '\\ud800', expected a name"),
    "a deep label": (
        _text("test.json", '{"d.wav": [' + "[" * 900 + "]" * 900 + "]}"),
        "label [[[[...]]]] is not in labelvocabulary.csv",
    ),
    "a list as metric": (_metadata(evaluation=[["mAP"]]), "evaluation is [['mAP']]"),
    "a metric twice": (_metadata(evaluation=["mAP", "mAP"]), "evaluation is ['mAP', 'mAP']"),
    **{
        f"params {number}": (_metadata(evaluation_params=params), says)
        for number, (params, says) in enumerate(
            (
                ([1], "evaluation_params is [1], expected an object"),
                ({"grid": {}}, "'grid': expected event_postprocessing_grid or task_specific"),
                ({"task_specific_param_grid": [1]}, "is [1], expected an object of lists"),
                ({"task_specific_param_grid": {"lr": 0.1}}, "lr is 0.1, expected a list"),
                ({"task_specific_param_grid": {"lr": []}}, "lr is [], expected a list"),
                ({"task_specific_param_grid": {"lr": [None]}}, "lr has None, expected numbers"),
                ({"task_specific_param_grid": {"lr": [-1]}}, "lr has -1, expected numbers"),
                ({"task_specific_param_grid": {"lr": [10**400]}}, "lr has 1000000"),
                (
                    {"task_specific_param_grid": {n: [1] * 10 for n in "abcdefg"}},
                    "has 10000000 points",
                ),
                (
                    {"event_postprocessing_grid": {"median_filter": [1]}},
                    "'median_filter': expected threshold, median_filter_ms, min_duration",
                ),
                ({"event_postprocessing_grid": {"min_duration": ["a"]}}, "min_duration has 'a'"),
            )
        )
    },
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("spoil", "says"), HOSTILE.values(), ids=list(HOSTILE))
def test_run_and_verify_say_the_same_line(spoil: Spoil, says: str, tmp_path: Path) -> None:
    task = make_task(tmp_path)
    spoil(task)
    with pytest.raises(TaskError) as refused:
        read_task(task)
    line = str(refused.value)
    assert says in line
    assert "\n" not in line and "\x1b" not in line and line.encode() and len(line) < 3000
    assert line in verify_task(task, 1).faults
    with pytest.raises(TaskError):
        resolve_tasks(tmp_path, [task.name])


@pytest.mark.parametrize("name", ["\u0661\u0666\u0660\u0660\u0660", "08000", "8000.0", "99999999"])
def test_a_rate_is_written_in_plain_digits(tmp_path: Path, name: str) -> None:
    task = make_task(tmp_path)
    (task / "8000").rename(task / name)
    with pytest.raises(TaskError, match=r"no audio; expected folders such as 16000/train"):
        read_task(task)


def test_of_many_faults_the_first_are_told(tmp_path: Path) -> None:
    task = make_task(tmp_path)
    content = {f"{i}.wav": [f"label {i}"] for i in range(5000)}
    (task / "test.json").write_text(json.dumps(content))
    faults = verify_task(task, 1).faults
    assert len(faults) < 110 and any("more faults; the first 100" in fault for fault in faults)


def test_an_event_of_no_number_that_a_clock_has(tmp_path: Path) -> None:
    items = {**EVENT_ITEMS, "test": {"d.wav": [{"label": "cat", "start": 0, "end": 10**400}]}}
    with pytest.raises(TaskError, match="expected ms with 0 <= start <= end"):
        read_task(make_task(tmp_path, EVENT_CONFIG, items))


def test_names_longer_than_the_file_systems(tmp_path: Path) -> None:
    for call in (read_task, find_tasks):
        with pytest.raises(TaskError, match="no such"):
            call(tmp_path / ("a" * 300))
    clips = tuple(Clip((np.zeros(8), 8000), "b" * n, ("x",)) for n in (1, 2, 300))
    config = {**SCENE_CONFIG, "split_mode": "new_split_kfold", "nfolds": 3, "version": "v1"}
    with pytest.raises(TaskError, match=r"mini: bbb.*\.wav is not the name of a file"):
        build_task(Corpus(config, "full", clips), tmp_path / "tasks")
    with pytest.raises(TaskError, match="no folder can have this name"):
        build_task(Corpus({**config, "task_name": "c" * 300}, "full", clips[:1]), tmp_path / "t")
    three = tuple(Clip((np.zeros(8), 8000), f"{n}", ("x",)) for n in range(3))
    with pytest.raises(TaskError, match="File name too long"):
        build_task(Corpus(config, "full", three), tmp_path / ("d" * 300))


def test_a_task_holds_wav_files_alone(tmp_path: Path) -> None:
    task = make_task(tmp_path)
    path = task / "8000" / "test" / "d.wav"
    soundfile.write(path, np.zeros(800), 8000, format="AIFF")
    assert f"{path}: is no WAV file, as all of a task's audio is" in verify_task(task, 1).faults
    for rate in (8000, 16000):
        with pytest.raises(TaskError, match=r"d.wav: is no WAV file"):
            TaskAudio(read_task(task)).at_rates("test", "d.wav", [rate])


def _csv_corpus(folder: Path) -> Path:
    folder.mkdir()
    for name in "abcdef":
        soundfile.write(folder / f"{name}.wav", np.zeros(800), 8000)
    (folder / "labels.csv").write_text("file,label\n" + "".join(f"{n}.wav,x\n" for n in "abcdef"))
    return folder


def test_a_full_disk_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **kwargs: Any) -> Iterator[None]:
        raise OSError(errno.ENOSPC, "No space left on device")

    source = _csv_corpus(tmp_path / "in")
    monkeypatch.setattr(prepare_module, "write_at_rates", full)
    with pytest.raises(TaskError, match=r"tasks: no space left on the disk .*; nothing was kept"):
        prepare("custom", source, tmp_path / "tasks", name="mine", nfolds=3, workers=1)
    assert not list((tmp_path / "tasks").iterdir())


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.write_text(DEEP), "labels.json: is nested too deeply"),
        (os.mkfifo, "labels.json: is a FIFO"),
        (_to_zeros, "is a device"),
    ],
)
def test_label_files_of_a_corpus(tmp_path: Path, spoil: Spoil, says: str) -> None:
    source = _csv_corpus(tmp_path / "in")
    spoil(source / "labels.json")
    with pytest.raises(TaskError, match=says):
        prepare("custom", source, tmp_path / "tasks", name="mine", labels="labels.json")


def test_stale_folders_of_odd_names_stay(tmp_path: Path) -> None:
    import socket

    source = _csv_corpus(tmp_path / "in")
    odd = tmp_path / "tasks" / f".mine-v1-full.{socket.gethostname()}-x.part"
    odd.mkdir(parents=True)
    prepare("custom", source, tmp_path / "tasks", name="mine", nfolds=3)
    assert odd.is_dir()


def test_untrusted_audio_is_decoded_in_another_process(tmp_path: Path) -> None:
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, (600_000, 2))
    for suffix in ("wav", "aiff"):
        soundfile.write(tmp_path / f"a.{suffix}", audio, 44100, subtype="PCM_16")
    soundfile.write(tmp_path / "b.au", audio[:10], 8000, subtype="FLOAT")
    assert audio_rate(tmp_path / "a.aiff") == 44100  # leaves a decoder in the middle of a file
    for _ in range(2):
        samples, rate = read_audio(tmp_path / "a.aiff")
        assert rate == 44100 and np.array_equal(samples, read_audio(tmp_path / "a.wav")[0])
        assert read_audio(tmp_path / "b.au")[1] == 8000
    children = len(decoding._idle)
    assert children >= 1
    (tmp_path / "c.aiff").write_bytes(b"FORM garbage")
    with pytest.raises(TaskError, match=r"c.aiff: "):
        read_audio(tmp_path / "c.aiff")
    assert len(decoding._idle) == children  # it has told, and goes on


@pytest.mark.timeout(30)
def test_a_decoder_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.aiff"
    os.mkfifo(path)  # whoever opens it waits for ever
    monkeypatch.setattr(decoding, "STEP_SECONDS", 1)
    monkeypatch.setattr(decoding, "_idle", [])
    monkeypatch.setattr(decoding, "_is_file", lambda path: True)
    monkeypatch.setattr(decoding, "is_trusted", lambda path: False)
    with pytest.raises(TaskError, match=r"a.aiff: .*its decoder did nothing for 1 s"):
        read_audio(path)


def test_a_decoder_that_crashes_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "a.aiff", np.zeros(800), 8000)
    child = decoding._Child()
    child._process.kill()
    monkeypatch.setattr(decoding, "_idle", [child])
    with pytest.raises(TaskError, match=r"a.aiff: .*its decoder ended with code -9"):
        read_audio(tmp_path / "a.aiff")


def test_media_without_a_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    av = pytest.importorskip("av")

    class Streams:
        layout = SimpleNamespace(channels=())
        audio = (SimpleNamespace(rate=None, format=None, layout=layout),)

    class Container:
        streams = Streams()

        def __enter__(self) -> Container:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(av, "open", lambda path: Container())
    (tmp_path / "a.m4a").write_bytes(b"not known to libsndfile")
    with (
        pytest.raises(TaskError, match=r"a.m4a: .*no sample rate"),
        decoding.opened_here(tmp_path / "a.m4a"),
    ):
        pass


def test_whole_tasks_are_read_as_ever(tmp_path: Path) -> None:
    for config, items in ((SCENE_CONFIG, SCENE_ITEMS), (EVENT_CONFIG, EVENT_ITEMS)):
        task = make_task(tmp_path, config, items)
        assert not verify_task(task, 1).faults
        link = tmp_path / "linked"
        link.symlink_to(task)  # folders and files may be links
        os.link(task / "8000/test/d.wav", tmp_path / "d.wav")
        (task / "8000/test/d.wav").unlink()
        (task / "8000/test/d.wav").symlink_to(tmp_path / "d.wav")
        assert read_task(link).hash() == read_task(task).hash()
        link.unlink()
        (tmp_path / "d.wav").unlink()
        shutil.rmtree(task)
