"""A model of one's own: the README's, as it stands there, and the one that `new` writes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.cli.main import main

ROOT = Path(__file__).parents[3]


def readme_model() -> str:
    (snippet,) = re.findall(
        r"```python\n(# my_model\.py\n.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S
    )
    return str(snippet)


def hear_benchmark(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmark", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


def test_the_readme_model_passes_validate_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "my_model.py").write_text(readme_model())
    done = hear_benchmark(tmp_path, "validate", "my_model")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Looks good!" in done.stdout and "FAIL" not in done.stdout


def test_new_writes_the_readme_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "my_model"]) == 0
    assert "hear-benchmark validate my_model" in capsys.readouterr().out
    assert (tmp_path / "my_model.py").read_text() == readme_model()
    assert main(["new", "my_model"]) == 2, "what is there is not overwritten"
    assert "my_model.py is there already" in capsys.readouterr().err
    for name in ("my-model", "class", "", "a/b"):
        assert main(["new", name]) == 2
        assert "name of a Python module" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["my_model.py"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("./cnn_model.py", "did you mean cnn_model?"),
        ("cnn_model.py", "did you mean cnn_model?"),
        ("nets/cnn_model.py", "did you mean cnn_model (with PYTHONPATH=nets)?"),
    ],
)
@pytest.mark.parametrize("command", [["run", "--out", "x"], ["validate"]])
def test_a_file_in_place_of_a_module(
    typed: str, said: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*command, typed])
    assert stop.value.code == 2
    assert said in capsys.readouterr().err
