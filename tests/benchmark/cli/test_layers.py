"""``--layers`` from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_task import make_task

from benchmark.cli.main import main
from benchmark.embeddings.extract import embed
from benchmark.models.hear_module import ModelSpec, load_model
from benchmark.records.record import read_records
from tasks.folder import resolve_tasks

KNN = ["--protocol", "knn"]


@pytest.fixture(autouse=True)
def models_of_the_tests_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2] / "support")


@pytest.fixture
def line(tmp_path: Path) -> list[str]:
    make_task(tmp_path / "tasks", clips=12, seconds=(0.2,))
    return ["--tasks-dir", str(tmp_path / "tasks"), "--out", str(tmp_path / "out")]


def layers_of(out: Path) -> list[str]:
    return sorted(record.unit.layers for record in read_records(out / "records"))


def test_each_layer_has_a_row_and_what_cannot_be_is_said(
    line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = ["tiny_hear", "layered_hear"]
    assert main(["run", *models, *line, *KNN, "--layers", "3+1,4,all"]) == 1
    shown = capsys.readouterr()
    assert layers_of(tmp_path / "out") == ["1", "1+3", "2", "3"]
    assert "layered_hear, layers 1+3" in shown.out and "layered_hear, layer 2" in shown.out
    assert shown.err.count("embedded  ") == 1 and shown.err.count("evaluated ") == 4
    assert shown.err.count("failed: tiny_hear has no layers to evaluate") == 1
    assert "there is no layer 4, only 1 to 3" in shown.err and "Traceback" not in shown.err


def test_layers_that_are_not_embedded(
    line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate = ["evaluate", "--out", str(tmp_path / "out"), *KNN, "--layers", "1"]
    assert main(["embed", "layered_hear", *line]) == 0
    assert main(evaluate) == 2
    assert "`hear-benchmark embed --representation layers` makes them" in capsys.readouterr().err


def test_words_that_are_no_layers(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    run = ["run", "layered_hear", *line, *KNN, "--layers"]
    assert main([*run, "weighted"]) == 2
    assert "linear, linear-fusion do" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*run, "last"])
    assert "'last': expected layers such as 5, 5+12" in capsys.readouterr().err


def test_similarity_of_layers(
    line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (task,) = resolve_tasks(tmp_path / "tasks", [])
    model = load_model(ModelSpec("layered_hear", options={"sizes": [4, 6, 2]}))
    embed(model, task, tmp_path / "out", representation="layers")
    embed(model, task, tmp_path / "out")
    cka = ["cka", "--task", "tiny", "--out", str(tmp_path / "out")]
    assert main([*cka, "--layers", "1,3,2+3"]) == 0
    shown = capsys.readouterr().out
    assert "layered_hear, layers 2+3" in shown and "layered_hear, layer 2 " not in shown
    assert (tmp_path / "out" / "tables" / "cka" / "tiny-layers.svg").exists()
    assert main(cka) == 2, "layers are no second model"
    assert "by 1 model; similarity takes at least two" in capsys.readouterr().err
    assert main([*cka, "--layers", "weighted"]) == 2
    assert "similarity learns no weights" in capsys.readouterr().err
