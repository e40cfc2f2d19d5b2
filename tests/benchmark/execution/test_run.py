"""The main job: what one model does to its process, and how it ends, is its own affair."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from tiny_task import FOLDS, make_task

from benchmark.embeddings.extract import embed
from benchmark.embeddings.store import finished_embeddings, read_info
from benchmark.execution.run import embed_all
from benchmark.models.hear_module import ModelSpec, load_model

TESTS = Path(__file__).parents[2]


def tiny(**options: object) -> ModelSpec:
    return ModelSpec("tiny_hear", options=options)


def test_every_failure_is_its_models_own(tmp_path: Path) -> None:
    task = make_task(tmp_path)
    lines: list[str] = []
    ends = {
        "exit at load": "tiny_hear: SystemExit: 0",
        "exit": "tiny_hear on tiny-v1-small: SystemExit: 0",
        "interrupt": "tiny_hear on tiny-v1-small: KeyboardInterrupt",
        "abrupt exit": "tiny_hear on tiny-v1-small: its process ended by itself with exit code 0",
        "crash": "tiny_hear on tiny-v1-small: its process was ended by signal SIGSEGV",
        "hang": "tiny_hear on tiny-v1-small: no sign of life for 12 s; its process was ended",
    }
    outcome = embed_all(
        [*(tiny(fault=fault, after=5) for fault in ends), tiny(size=4)],
        [task],
        tmp_path / "out",
        device="cpu",
        say=lines.append,
        time_limit=12.0,
        verbose=True,
    )
    assert outcome.failures == list(ends.values())
    assert len(outcome.embeddings) == 1
    assert (read_info(outcome.embeddings[0]) or {})["unit"]["model"]["options"] == {"size": 4}
    said = "\n".join(lines)
    assert said.count("Traceback") == 3, "where Python has one, if it is asked for"


def test_a_model_that_fails_on_a_task_goes_on_with_the_next(tmp_path: Path) -> None:
    # 5 calls go well in every process: enough for the checks of the model, and for one fold.
    tasks = [make_task(tmp_path, name=name, clips=c) for name, c in (("one", 3), ("two", 3))]
    lines: list[str] = []
    outcome = embed_all(
        [tiny(fault="crash", after=5)], tasks, tmp_path / "out", device="cpu", say=lines.append
    )
    assert [line.partition(":")[0] for line in outcome.failures] == [
        "tiny_hear on one-v1-small",
        "tiny_hear on two-v1-small",
    ]


def test_a_model_changes_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even one that changes torch's switches, and the folder that a relative --out lies in."""
    monkeypatch.chdir(tmp_path)
    task = make_task(tmp_path)
    lines: list[str] = []
    outcome = embed_all(
        [
            tiny(fault="dtype for all", after=4),
            tiny(fault="chdir", after=4),
            ModelSpec("hear_plugins.logmel"),
        ],
        [task],
        Path("out"),
        device="cpu",
        say=lines.append,
    )
    assert outcome.failures == []
    said = "\n".join(lines)
    assert "note: tiny_hear changes the default dtype (torch.float32 to torch.float64)" in said
    assert "note: tiny_hear changes the current folder" in said
    alone = embed(load_model(ModelSpec("hear_plugins.logmel")), task, tmp_path / "alone")
    assert len(finished_embeddings(tmp_path / "out")) == 3
    for split in FOLDS:
        name = f"{split}.embeddings.npy"
        beside = (outcome.embeddings[2] / name).read_bytes()
        assert beside == (alone.path / name).read_bytes()


def test_a_model_that_cannot_be_believed_is_refused_before(tmp_path: Path) -> None:
    task = make_task(tmp_path, "event")
    lines: list[str] = []
    outcome = embed_all(
        [tiny(fault="timestamps", after=0)], [task], tmp_path, device="cpu", say=lines.append
    )
    (failure,) = outcome.failures
    assert "tiny_hear" in failure and "do not ascend" in failure
    assert not list(tmp_path.rglob("*.partial"))


def test_what_another_process_is_making_is_waited_for(tmp_path: Path) -> None:
    tasks = [make_task(tmp_path, name=name) for name in ("one", "two")]
    first = embed(load_model(tiny()), tasks[0], tmp_path / "out")
    (first.path / "embedding.json").rename(tmp_path / "kept")
    lock = FileLock(first.path / ".lock")
    lock.acquire()
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        if line.startswith("embedded  tiny_hear on two"):  # then the other process is done
            (tmp_path / "kept").rename(first.path / "embedding.json")
            lock.release()

    outcome = embed_all([tiny()], tasks, tmp_path / "out", device="cpu", say=say)
    assert outcome.failures == []
    assert [path.name[:3] for path in outcome.embeddings] == ["two", "one"]
    assert any("another process is at it" in line for line in lines)
    assert read_info(first.path) == first.info, "taken as the other made it"


def test_ctrl_c_interrupts_everything_and_the_same_line_goes_on(tmp_path: Path) -> None:
    task = make_task(tmp_path / "tasks")
    line = [sys.executable, "-m", "benchmark", "embed", "tiny_hear", "--out", str(tmp_path / "out")]
    line += ["--tasks-dir", str(task.path.parent), "--model-options"]
    environment = {**os.environ, "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS / 'support'}"}
    running = subprocess.Popen(
        [*line, json.dumps({"fault": "hang", "after": 0})],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 120
    while len(children := _children(running.pid)) < 2 and time.monotonic() < until:
        time.sleep(0.2)  # the model's process, and the one that multiprocessing itself starts
    time.sleep(1.0)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 130
    assert "type the same line again" in said and "Traceback" not in said
    until = time.monotonic() + 30
    while (left := [child for child in children if _lives(child)]) and time.monotonic() < until:
        time.sleep(0.2)
    assert children and not left


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


def _lives(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_the_users_tasks_py_is_in_nobodys_way(tmp_path: Path) -> None:
    task = make_task(tmp_path / "data")
    (tmp_path / "tasks.py").write_text("raise SystemExit('mine')")
    (tmp_path / "random.py").write_text("raise SystemExit('mine')")
    (tmp_path / "my_model.py").write_text("from tiny_hear import *\n")
    environment = {**os.environ, "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS / 'support'}"}
    program = "import sys; from benchmark.cli.main import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, "embed", "my_model", "--out", "out"]
        + ["--tasks-dir", str(task.path.parent)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (folder,) = finished_embeddings(tmp_path / "out")
    assert np.fromfile(folder / f"{FOLDS[0]}.embeddings.npy", np.float32).shape == (21,)
