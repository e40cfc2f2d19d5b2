"""The measure of the engines: what it reports of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from embedded_tasks import make_kfold

from benchmark.studies.engine_speed import main

SMALL = ["--grid", "faster", "--grid-points", "1", "--threads", "1", "--engines", "native"]


def test_a_folder_is_measured(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = make_kfold(tmp_path / "model" / "kfold")
    assert main([str(folder), *SMALL]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["measured"]["what"] == "model/kfold"
    native = report["native"]
    assert 0 < native["share_of_training_steps"] < 1
    assert native["cpu_seconds"] > 0 and 50 < native["peak_memory_mb"] < 20_000


def test_what_is_no_folder_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["nowhere", *SMALL])
    assert "nowhere is neither a folder nor one of esc10" in capfd.readouterr().err
