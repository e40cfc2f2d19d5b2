"""Tables after a run: of all records under --out, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_records import made_up
from tiny_task import make_task

from benchmark.cli.main import main
from benchmark.records.record import write_record

QUICK = "--grid faster --grid-points 1 --threads 1"


def test_a_run_keeps_other_models_in_the_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_task(tmp_path / "tasks")
    out = tmp_path / "run"
    for module in ("tiny_hear", "hear_plugins.logmel"):
        line = f"run {module} --tasks-dir {tmp_path / 'tasks'} --out {out} {QUICK}"
        assert main(line.split()) == 0
    printed = capsys.readouterr().out
    table = printed[printed.rindex("Protocol") :]
    assert "tiny_hear" in table and "logmel" in table
    text = (out / "tables" / "tables.md").read_text()
    assert "| tiny_hear |" in text and "| logmel |" in text


def test_a_record_that_cannot_be_read_stops_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_task(tmp_path / "tasks")
    old = tmp_path / "records" / "old.json"
    write_record(old, made_up())
    old.write_text(old.read_text().replace('"schema": 2', '"schema": 99'))
    line = f"run tiny_hear --tasks-dir {tmp_path / 'tasks'} --out {tmp_path} {QUICK}"
    assert main(line.split()) == 0
    assert "left out of tables" in capsys.readouterr().err
    assert main(["tables", "--out", str(tmp_path)]) != 0
    assert "old.json" in capsys.readouterr().err
    assert '"schema": 99' in old.read_text()


def test_tables_call_a_model_what_the_user_calls_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_task(tmp_path / "tasks")
    line = f"run tiny_hear --tasks-dir {tmp_path / 'tasks'} --out {tmp_path} {QUICK}".split()
    assert main(line) == 0
    (record,) = (tmp_path / "records").rglob("*.json")
    assert main([*line, "--name", "My model, v2"]) == 0, "without embedding or training again"
    assert "My model, v2" in capsys.readouterr().out
    assert list((tmp_path / "records").rglob("*.json")) == [record]
    assert "| My model, v2 |" in (tmp_path / "tables" / "tables.md").read_text()


def test_a_fake_of_a_published_task_is_told_and_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_task(tmp_path / "tasks", name="esc50")
    line = f"run tiny_hear --tasks-dir {tmp_path / 'tasks'} --out {tmp_path} {QUICK}"
    assert main(line.split()) == 0
    printed = capsys.readouterr()
    assert "is not the published task" in printed.err
    assert "esc50 (not the published)" in printed.out
