"""What libraries and modules say: shown where it concerns weights and numbers, else not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_task import make_task

from benchmark.cli.main import main

ROOT = Path(__file__).parents[3]
NOISY = """
import logging
import warnings

from tiny_hear import *
from tiny_hear import load_model as _load_model


def load_model(model_file_path=""):
    warnings.warn("this function will move to another module", DeprecationWarning)
    logging.getLogger("library").warning("an update of the library is there")
    logging.getLogger("transformers").warning("Some weights were newly initialized: head.weight")
    return _load_model(model_file_path)
"""


def test_only_what_concerns_weights_is_shown(tmp_path: Path) -> None:
    (tmp_path / "noisy.py").write_text(NOISY)
    make_task(tmp_path / "my-tasks")
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", "embed", "noisy", "--tasks-dir", "my-tasks"]
        + ["--out", "run"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'support'}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Some weights were newly initialized: head.weight") == 1
    assert "another module" not in done.stderr and "update" not in done.stderr


def test_tables_call_a_model_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    make_task(tmp_path / "tasks")
    line = f"run tiny_hear --tasks-dir {tmp_path / 'tasks'} --out {tmp_path / 'run'}"
    line += " --grid faster --grid-points 1 --threads 1 --limit 3"
    assert main([*line.split(), "--name", "My best net"]) == 0
    shown = capsys.readouterr().out
    assert "My best net" in shown and "tiny_hear" not in shown
    assert "3 clips" in shown, "a table of a smoke run says so"
