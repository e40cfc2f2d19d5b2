"""The study of windows and hops of timestamps."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from made_up_records import made_up
from tiny_task import make_task

from benchmark.records.record import Record
from benchmark.reports.comparison import KeptPredictions
from benchmark.reports.formats import markdown
from benchmark.studies.timestamp_windows import main, windows_table

EVENTS, NOTES = "events-v1-small", "notes-v1-small"


def record(window: int, folder: str, score: float) -> Record:
    options = {"window_ms": window, "hop_ms": 50}
    scores = {"event_onset_200ms_fms": score, "segment_1s_er": 1 - score}
    if folder == NOTES:
        scores.pop("segment_1s_er")
    return made_up("hybrid_byol_s_cvt", folder, scores, model={"options": options})


def test_the_table_is_that_of_the_paper(tmp_path: Path) -> None:
    tasks = [make_task(tmp_path, "event", name=name) for name in ("events", "notes")]
    tasks[0].metadata["evaluation"] = ["event_onset_200ms_fms", "segment_1s_er"]
    records = [record(500, EVENTS, 0.8), record(1000, EVENTS, 0.9), record(1000, NOTES, 0.3)]
    text = markdown(windows_table(records, tasks, KeptPredictions()))
    lines = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line] for line in lines[2:]]
    assert [row[0] for row in rows] == ["1 s / 50 ms", "0.5 s / 50 ms"]
    assert rows[0][1:] == ["**0.900**", "**0.100**", "0.300", "0.600"]
    assert rows[1][1:3] == ["0.800", "0.200"] and "0." not in "".join(rows[1][3:])
    assert "segment_1s_er ↓" in text


def test_a_model_without_windows_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_task(tmp_path / "tasks", "event", name="events")
    line = ["hear_plugins.logmel", "--tasks-dir", str(tmp_path / "tasks"), "--tasks", "events"]
    assert main([*line, "--windows", "500", "--out", str(tmp_path / "out")]) == 1
    assert "unexpected keyword argument 'window_ms'; its options are: hop_ms" in (
        capsys.readouterr().err
    )
    for wrong, said in (
        (["--windows", "half", "--out", "x"], "'half': expected a whole number of at least 1"),
        (["--tasks", "nothing", "--out", "x"], "nothing"),
    ):
        with pytest.raises(SystemExit):
            main([*line, *wrong])
        assert said in capsys.readouterr().err


@pytest.mark.long
def test_a_grid_of_windows_and_hops_on_the_demo_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEAR_PLUGINS_RANDOM_WEIGHTS", "7")
    grid = ["--windows", "160,320", "--hops", "50,100", "--grid", "faster", "--grid-points", "1"]
    assert main(["hear_plugins.byol_s", *grid, "--out", str(tmp_path)]) == 0
    assert "random weights" in capsys.readouterr().out
    rows = list(csv.reader((tmp_path / "windows.csv").open()))
    assert [row[0] for row in rows[-4:]] == [
        "0.32 s / 100 ms",
        "0.32 s / 50 ms",
        "0.16 s / 100 ms",
        "0.16 s / 50 ms",
    ]
