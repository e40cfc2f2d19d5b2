"""The examples run as they stand, and end in what they promise."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(autouse=True)
def in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when they are started there: the example's folder is on the path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLES))


def printed(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    return capsys.readouterr().out


def words(text: str) -> list[str]:
    """A text without its numbers, whose last digits are the processor's."""
    return re.sub(r"[\d.]+", "", text).split()


def test_own_model(capsys: pytest.CaptureFixture[str]) -> None:
    table = printed("own_model", capsys)
    assert re.search(r"^own_model +0\.\d{3}$", table, re.M)
    assert (Path("runs/own_model/tables/tables.md")).is_file()


def test_own_model_is_twenty_lines() -> None:
    text = (EXAMPLES / "own_model.py").read_text(encoding="utf-8")
    module = text.partition("class Model")[2].partition("if __name__")[0]
    assert sum(bool(line.strip()) for line in module.splitlines()) <= 20


def test_own_data(capsys: pytest.CaptureFixture[str]) -> None:
    told = printed("own_data", capsys)
    score = re.search(r"top1_acc: (0\.\d+|1\.000) \+- .* over 5 seeds\), chance 0\.333", told)
    assert score and float(score[1]) > 0.6
    heard = re.findall(r"^(\w+)_\d_\d\.wav: (\w+)", told, re.M)
    assert len(heard) == 9 and sum(bird == label for bird, label in heard) > 5


def test_own_protocol(capsys: pytest.CaptureFixture[str]) -> None:
    told = printed("own_protocol", capsys)
    scores = re.findall(r"^  top1_acc: (\S+) \+- ", told, re.M)
    assert told.count("protocol nearest-mean") == len(scores) == 2
    assert min(map(float, scores)) > 0.9


def test_the_notebook(capsys: pytest.CaptureFixture[str]) -> None:
    path = EXAMPLES / "notebook.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    names: dict[str, object] = {"__name__": "__main__"}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), path.name, "exec"), names)
            kept = "".join(line for out in cell["outputs"] for line in out.get("text", []))
            assert words(capsys.readouterr().out) == words(kept)
    assert path.stat().st_size < 20_000
