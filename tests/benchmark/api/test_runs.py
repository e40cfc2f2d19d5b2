"""Runs, their results, and comparisons from Python: those of the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_records import made_up
from tiny_task import make_task

import benchmark as hb
from benchmark.cli.main import main
from benchmark.records.record import write_record

CLIPS = 40
ESC50, PITCH = "esc50-v2.0.0-full", "nsynth_pitch-v2.2.3-5h"


@pytest.fixture
def made_up_run(tmp_path: Path) -> Path:
    """Records of three models on two tasks, with predictions of the first task."""
    for module, skill in (("crepe", 0.4), ("logmel", 0.9), ("vggish", 0.6)):
        for folder, metric in ((ESC50, "top1_acc"), (PITCH, "pitch_acc")):
            record = made_up(module, folder, {metric: skill})
            write_record(tmp_path / "records" / record.unit.record, record)
            work = tmp_path / "evaluations" / record.unit.folder
            work.mkdir(parents=True)
            target = np.eye(4, dtype=np.uint8)[np.arange(CLIPS) % 4]
            right = np.random.default_rng(0).random(CLIPS) < skill
            np.savez(
                work / "test.predictions.npz",
                prediction=np.where(right[:, None], target, np.roll(target, 1, axis=1)) + 0.1,
                target=target,
                clip=np.array([f"{row}.wav" for row in range(CLIPS)]),
            )
    return tmp_path


def test_the_import_is_light() -> None:
    code = """
import sys
import benchmark as hb
assert {"evaluate", "run", "UserError"} <= set(dir(hb))
assert not {"torch", "numpy", "pandas"} & set(sys.modules)
try:
    hb.evaluat
except AttributeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "module 'benchmark' has no attribute 'evaluat'\n", done.stderr


def test_a_run_is_the_command_s(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_task(tmp_path / "tasks")
    make_task(tmp_path / "tasks", kind="event", name="knocks")
    out = tmp_path / "out"
    found = hb.run(
        hb.ModelSpec("tiny_hear", options={"size": 4}),
        out=out,
        tasks_dir=tmp_path / "tasks",
        protocol="knn",
        options={"k": 3},
    )
    assert [record.task.name for record in found.records] == ["tiny"]
    (failure,) = found.failures
    assert "knn evaluates scene tasks" in failure
    loaded = hb.load_embeddings(found.embeddings[0])
    assert loaded.splits["fold00"].embeddings.shape == (7, 4)
    assert hb.results(out).records == found.records

    written = {path: path.stat().st_mtime_ns for path in out.glob("*/tiny_hear-*/**/*.json")}
    words = ["run", "tiny_hear", "--model-options", '{"size": 4}', "--protocol", "knn", "--k", "3"]
    words += ["--tasks", "tiny", "--tasks-dir", str(tmp_path / "tasks"), "--out", str(out)]
    capsys.readouterr()
    assert main(words) == 0
    assert capsys.readouterr().out == f"{found}\n"
    assert written == {path: path.stat().st_mtime_ns for path in written}


def test_results_as_data_frames(made_up_run: Path) -> None:
    found = hb.results(made_up_run)
    long = found.to_dataframe()
    assert len(long) == sum(len(record.scores) for record in found.records)
    assert set(long.model) == {"crepe", "logmel", "vggish"}
    of_one = long[(long.model == "logmel") & (long.task == "esc50") & long.primary]
    assert of_one.metric.unique().tolist() == ["top1_acc"] and of_one.value.mean() == 0.9
    wide = found.to_dataframe("wide")
    assert wide.index.names == ["table", "model"]
    assert wide.xs("crepe", level="model").iloc[0].to_dict() == {
        "esc50 top1_acc": 0.4,
        "nsynth_pitch pitch_acc": 0.4,
    }
    assert hb.results([made_up_run / "records"]).records == found.records


def test_comparisons(made_up_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "crepe", "logmel", "--out", str(made_up_run), "--resamples", "100"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    found = hb.compare(["crepe", "logmel"], out=made_up_run, resamples=100)
    assert f"{found}\n" == printed
    frame = found.to_dataframe()
    assert frame.task.tolist() == ["esc50", "nsynth_pitch"]
    assert (frame.high < 0).all() and (frame.difference == frame.score - frame.other_score).all()

    ranked = hb.compare(out=made_up_run)
    assert not ranked.pairs
    assert ranked.to_dataframe().model.tolist() == ["logmel", "vggish", "crepe"]


def test_bad_input_is_told_in_a_line(made_up_run: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    make_task(tmp_path / "tasks")
    on_tiny: dict[str, Any] = {"out": tmp_path / "out", "tasks_dir": tmp_path / "tasks"}
    cases: list[tuple[Any, tuple[Any, ...], dict[str, Any], str]] = [
        (hb.results, (tmp_path / "absent",), {}, "absent: not a folder"),
        (hb.results, (empty,), {}, "empty: no result records"),
        (hb.compare, (["crepe", "kreppe"],), {"out": made_up_run}, "no record of the model"),
        (hb.compare, ("crepe",), {"out": made_up_run}, "one model cannot be compared"),
        (hb.run, ([],), on_tiny, "models is empty"),
        (hb.run, ("tiny_hear",), {"out": empty}, "tasks_dir) is missing"),
        (hb.run, ("tiny_hear", "tini"), on_tiny, "no task 'tini' (did you mean tiny?)"),
        (hb.run, ("tiny_hear",), on_tiny | {"protocol": "her"}, "did you mean 'hear'"),
        (hb.run, ("tiny_hear",), on_tiny | {"options": {"k": 1}}, "has no option 'k'"),
        (hb.run, ("tiny_hear",), on_tiny | {"device": "tpu"}, "device tpu: not available"),
        (hb.run, ("tiny_heer",), on_tiny, "nothing could be finished: tiny_heer: no module"),
    ]
    for function, arguments, options, line in cases:
        with pytest.raises(hb.UserError) as raised:
            function(*arguments, **options)
        assert line in str(raised.value)
        assert "\n" not in str(raised.value)
    with pytest.raises(hb.UserError, match="form is 'tall'"):
        hb.results(made_up_run).to_dataframe("tall")  # type: ignore[arg-type]


def test_data_frames_say_what_they_need(made_up_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(hb.UserError, match=r"pip install 'hear-plugins\[pandas\]'"):
        hb.results(made_up_run).to_dataframe()
