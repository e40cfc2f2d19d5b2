"""`tasks verify`: one damage after the other, each found and named; and the lists of tasks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from archive_server import make_published
from task_fixtures import EVENT_CONFIG, EVENT_ITEMS, audio_at_rate, make_task

from benchmark.cli.main import main
from tasks.demo import make_demo_tasks
from tasks.entries import ENTRIES
from tasks.folder import read_task
from tasks.verify import verify_task


@pytest.fixture
def task(tmp_path: Path) -> Path:
    return make_task(tmp_path)


def _write(path: Path, samples: np.ndarray, rate: int = 8000, subtype: str = "PCM_16") -> None:
    soundfile.write(path, samples, rate, subtype=subtype, format="WAV")


def _change(path: Path, **changes: object) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | changes))


def test_a_whole_task(task: Path) -> None:
    calls: list[tuple[int, int]] = []
    found = verify_task(task, 1, lambda done, total: calls.append((done, total)))
    assert (found.faults, found.notes, found.clips, found.rates) == ((), (), 4, (8000,))
    assert found.hours == pytest.approx(0.4 / 3600)
    assert found.hash == read_task(task).hash()
    assert calls == [(n, 4) for n in range(1, 5)]


def test_several_processes_find_the_same(task: Path) -> None:
    _write(task / "8000" / "train" / "a.wav", np.zeros(7))
    assert verify_task(task, 2) == verify_task(task, 1)


def test_a_rate_made_in_part_while_embedding_is_no_fault(task: Path) -> None:
    audio_at_rate(read_task(task), "train", "a.wav", 16000)
    (task / "16000-soxr-int16" / "train" / ".b.wav.1-1.part").write_bytes(b"killed")
    found = verify_task(task, 1)
    assert (found.faults, found.rates) == ((), (8000,))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no metadata": (lambda t: (t / "task_metadata.json").unlink(), "task_metadata.json: missing"),
    "no split": (lambda t: (t / "test.json").unlink(), "test.json: missing"),
    "no audio": (lambda t: (t / "8000/train/a.wav").unlink(), "a.wav: audio is missing"),
    "no rate": (lambda t: shutil.rmtree(t / "8000"), "no audio; expected folders such as"),
    "label": (lambda t: _change(t / "test.json", **{"d.wav": ["dgo"]}), "label 'dgo' is not in"),
    "two splits": (
        lambda t: _change(t / "test.json", **{"a.wav": ["cat"]}),
        "test.json: a.wav is in train.json too",
    ),
    "garbage": (lambda t: (t / "8000/test/d.wav").write_bytes(b"RIFF"), "d.wav: not readable"),
    "cut": (
        lambda t: (t / "8000/test/d.wav").write_bytes((t / "8000/test/d.wav").read_bytes()[:600]),
        "d.wav: has 278 samples, expected 800",
    ),
    "empty": (lambda t: _write(t / "8000/test/d.wav", np.zeros(0)), "d.wav: is empty"),
    "rate": (
        lambda t: _write(t / "8000/test/d.wav", np.zeros(800), 11025),
        "d.wav: sample rate is 11025 Hz, expected 8000 Hz",
    ),
    "short": (lambda t: _write(t / "8000/test/d.wav", np.zeros(780)), "780 samples, expected 800"),
    "long": (lambda t: _write(t / "8000/test/d.wav", np.zeros(820)), "820 samples, expected 800"),
    "stereo": (
        lambda t: _write(t / "8000/test/d.wav", np.zeros((800, 2))),
        "d.wav: has 2 channels, expected 1",
    ),
    "nan": (
        lambda t: _write(t / "8000/test/d.wav", np.full(800, np.nan), subtype="FLOAT"),
        "d.wav: has samples that are not finite",
    ),
    "stray": (
        lambda t: shutil.copy(t / "8000/test/d.wav", t / "8000/test/e.wav"),
        "e.wav: is not in test.json",
    ),
    "stray split": (lambda t: (t / "8000/dev").mkdir(), "dev: is no split; expected train, valid"),
}


@pytest.mark.parametrize(("damage", "says"), DAMAGES.values(), ids=list(DAMAGES))
def test_damage_is_found(damage: Callable[[Path], object], says: str, task: Path) -> None:
    damage(task)
    found = verify_task(task, 1)
    assert any(says in fault for fault in found.faults), found.faults
    assert all("\n" not in fault for fault in found.faults)


def test_all_that_is_wrong_is_told(task: Path) -> None:
    _change(task / "train.json", **{"a.wav": ["dgo"], "b.wav": ["cat", "dog"]})
    _write(task / "8000/valid/c.wav", np.zeros(7))
    (task / "8000/test/d.wav").unlink()
    found = verify_task(task, 1)
    for file in ("a.wav", "b.wav", "c.wav", "d.wav"):
        assert any(file in fault for fault in found.faults)
    assert found.hash == ""


def test_the_same_sound_in_two_splits_is_noted(task: Path) -> None:
    shutil.copy(task / "8000/train/b.wav", task / "8000/test/d.wav")
    found = verify_task(task, 1)
    assert found.faults == ()
    assert found.notes == ("the same samples are in train/b.wav and test/d.wav",)


def test_an_event_after_the_end(tmp_path: Path) -> None:
    late = {"d.wav": [{"label": "cat", "start": 90.0, "end": 110.0}]}
    task = make_task(tmp_path, EVENT_CONFIG, {**EVENT_ITEMS, "test": late})
    (fault,) = verify_task(task, 1).faults
    assert "d.wav: an event ends at 110 ms, but the clip has 100 ms" in fault


def test_a_task_is_held_against_its_entry(tmp_path: Path) -> None:
    task = make_published(tmp_path, "esc50")
    _change(task / "task_metadata.json", sample_duration=0.1, evaluation=["mAP"])
    faults = "\n".join(verify_task(task, 1).faults)
    assert "sample_duration is 0.1, expected 5 as the entry esc50 has it" in faults
    assert "evaluation is ['mAP'], expected" in faults
    assert "10 clips, expected 2000" in faults
    assert "2 labels, expected 50" in faults


def test_the_demo_tasks_are_whole_and_as_their_entries_say(tmp_path: Path) -> None:
    for path in make_demo_tasks(tmp_path):
        found = verify_task(path, 1)
        assert found.faults == ()
        entry = ENTRIES[read_task(path).name]
        assert found.clips == entry.files["full"]
        assert found.hours == pytest.approx(entry.hours_of())


def test_the_command(task: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["tasks", "verify", "--tasks-dir", str(task.parent), "--jobs", "1"]
    assert main(line) == 0
    line_of_it = "mini-v1-full: ok: 4 clips, 0.000111 h, whole at 8000 Hz; hash "
    assert capsys.readouterr().out == f"{line_of_it}{read_task(task).hash()}\n"
    _write(task / "8000/valid/c.wav", np.zeros(7))
    assert main([*line, "mini"]) == 1
    out = capsys.readouterr().out
    assert "mini-v1-full: WRONG" in out and "c.wav: has 7 samples" in out
    assert main([*line, "minni"]) == 2
    assert "did you mean mini" in capsys.readouterr().err


# --- lists ----------------------------------------------------------------------------------------


def test_every_entry_is_shown_in_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, entry in ENTRIES.items():
        assert main(["tasks", name, "--tasks-dir", str(tmp_path)]) == 0
        out = capsys.readouterr().out
        for text in (entry.title, entry.domain, entry.licence, entry.citation, entry.note):
            assert text in out
        assert "to get it" in out and "None" not in out and "{}" not in out


def test_one_entry_in_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_published(tmp_path, "esc50")
    assert main(["tasks", "esc50-v2.0.0-full", "--tasks-dir", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    for text in (
        "2,000 clips, 5 s each, 2.78 h, 0.96 GB at 48000 Hz",
        "hear2021-esc50-v2.0.0-full-48000.tar.gz, no checksum published",
        "archive/master.zip, MD5 7771e4b9d86d0945acce719c7a59305a",
        "5 folds, as the corpus has them",
        "hear-benchmark tasks get esc50",
        "hear-benchmark prepare esc50 --from",
        str(folder),
        read_task(folder).hash(),
    ):
        assert text in out


def test_a_broken_folder_does_not_hide_the_others(
    task: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(task, task.parent / "broken-v1-full")
    (task.parent / "broken-v1-full" / "labelvocabulary.csv").unlink()
    assert main(["tasks", "--tasks-dir", str(task.parent)]) == 0
    out = capsys.readouterr().out
    assert any(line.split()[0] == "mini" and "v1-full" in line for line in out.splitlines() if line)
    assert "broken: " in out and "labelvocabulary.csv: missing" in out
