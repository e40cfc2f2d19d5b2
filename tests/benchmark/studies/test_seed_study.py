"""The study of seeds: each way is the engine's, and the table shows the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from embedded_tasks import make_kfold

from benchmark.protocols.hear.native import evaluate_native
from benchmark.protocols.hear.options import HearOptions
from benchmark.studies.seed_study import main


def test_a_study_and_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_kfold(tmp_path / "model" / "kfold")
    line = [str(folder), "--work", str(tmp_path / "work"), "--seeds", "2"]
    line += ["--grid", "faster", "--grid-points", "2", "--threads", "1"]
    assert main(line) == 0
    text = capsys.readouterr().out
    ways = json.loads(text)["model/kfold"]
    assert list(ways) == ["plain", "shuffled", "parallel"]
    options = HearOptions(grid="faster", grid_points=2, threads=1)
    own = evaluate_native(folder, tmp_path / "own", options, lambda part, what: None)
    assert ways["plain"]["scores"]["42"] == own["aggregated_scores"]["test_score_mean"]
    assert all(0 <= score <= 1 for way in ways.values() for score in way["scores"].values())
    report = tmp_path / "report.json"
    report.write_text(text)
    assert main(["--table", str(report)]) == 0
    shown = capsys.readouterr().out
    assert "| model/kfold | faster, 2, 2 |" in shown
    assert f"{ways['shuffled']['mean']:.4f} (" in shown


def test_work_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["somewhere"])
    assert "--work is needed" in capsys.readouterr().err
