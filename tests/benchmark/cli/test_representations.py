"""Protocols that need other embeddings than the task's own, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_task import make_task

from benchmark.cli.main import main
from benchmark.embeddings.store import finished_embeddings, read_info
from benchmark.records.record import Record, read_records

FAST = ["--seeds", "1", "--learning-rates", "1e-2"]


@pytest.fixture(autouse=True)
def models_of_the_tests_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2] / "support")


@pytest.fixture
def line(tmp_path: Path) -> list[str]:
    make_task(tmp_path / "tasks", clips=6, seconds=(2.0,))
    return ["--tasks-dir", str(tmp_path / "tasks"), "--out", str(tmp_path / "out")]


def representations(out: Path) -> list[str]:
    infos = [read_info(folder) or {} for folder in finished_embeddings(out)]
    return sorted(info["unit"]["representation"] for info in infos)


def scores(out: Path) -> list[Record]:
    return read_records(out / "records")


def test_attention_over_timestamps_is_one_command(
    line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["run", "tiny_hear", *line, "--protocol", "attentive", *FAST]
    assert main(run) == 0
    first = capsys.readouterr()
    assert "top1_acc" in first.out
    (record,) = scores(tmp_path / "out")
    assert record.unit.protocol == "attentive"
    assert record.unit.embedding.representation == "timestamps"
    assert record.hop_ms == 50.0 and len({score.fold for score in record.scores}) == 3
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.np[yz]")}
    assert main(run) == 0, "the same line again"
    assert capsys.readouterr().out == first.out
    assert stamps == {path: path.stat().st_mtime_ns for path in stamps}, "work was repeated"
    assert representations(tmp_path / "out") == ["timestamps"]


def test_lengths_of_windows_are_columns_of_one_table(
    line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seconds in ("1", "2"):
        words = ["--protocol", "support", "--window-seconds", seconds, *FAST]
        assert main(["run", "tiny_hear", *line, *words]) == 0
    assert representations(tmp_path / "out") == ["windows:1", "windows:2"]
    assert len(scores(tmp_path / "out")) == 2
    capsys.readouterr()
    assert main(["tables", "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "windows:1" in shown and "windows:2" in shown


def test_evaluate_takes_the_embeddings_that_the_protocol_needs(
    line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    embed = ["embed", "tiny_hear", *line]
    evaluate = ["evaluate", "--out", str(tmp_path / "out")]
    assert main([*embed, "--representation", "timestamps"]) == 0
    for words, command in (
        (["linear"], "hear-benchmark embed"),
        (["support", "--window-seconds", "2"], "hear-benchmark embed --representation windows:2"),
    ):
        capsys.readouterr()
        assert main([*evaluate, "--protocol", *words]) == 2
        said = capsys.readouterr().err
        assert f"that protocol {words[0]} takes; `{command}` makes them" in said
        assert "Traceback" not in said
    assert main(embed) == 0
    assert representations(tmp_path / "out") == ["scene", "timestamps"]
    assert main([*evaluate, "--protocol", "attentive", *FAST]) == 0
    assert "than those of 1 embeddings; they are left out" in capsys.readouterr().err
    (record,) = scores(tmp_path / "out")
    assert record.unit.embedding.representation == "timestamps"


def test_a_representation_that_there_is_not(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["embed", "tiny_hear", *line, "--representation", "windows:half"])
    assert "windows:SECONDS such as windows:3" in capsys.readouterr().err
