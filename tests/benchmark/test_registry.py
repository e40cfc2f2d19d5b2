"""A package of somebody else adds a protocol, a probe and a metric by entry points."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tasks.folder import read_task

ROOT = Path(__file__).parents[2]

MODULE = """
from dataclasses import dataclass

from benchmark.metrics.registry import Metric
from benchmark.protocols.options import ProtocolOptions, option
from benchmark.protocols.registry import Protocol
from benchmark.protocols.result import FoldResult


@dataclass(frozen=True)
class Options(ProtocolOptions):
    luck: int = option(7, "how much of it", metavar="N")


def evaluate(embeddings, work, options, on_progress):
    return (FoldResult("test", 0, {"top1_acc": 1 / options.luck}),)


GUESS = Protocol("guess", 1, "a guess", Options, evaluate)
BRIER = Metric("brier", "scene", lambda p, t: float(((p - t) ** 2).mean()), higher_is_better=False,
               undefined=1.0)
WRONG = 3


def __getattr__(name):
    if name == "PRIOR":
        from benchmark.probes.registry import Probe
        return Probe("prior", "how often labels are", {}, None)
    raise AttributeError(name)
"""

ENTRY_POINTS = """
[hear_plugins.protocols]
guess = other_package:GUESS
broken = other_package:NOTHING
misnamed = other_package:GUESS
wrong = other_package:WRONG

[hear_plugins.metrics]
brier = other_package:BRIER

[hear_plugins.probes]
prior = other_package:PRIOR
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    info = tmp_path / "other_package-1.0.dist-info"
    info.mkdir()
    (tmp_path / "other_package.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return tmp_path


def run(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((str(ROOT), str(site), *filter(None, [os.environ.get("PYTHONPATH")])))
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )


def test_all_three_are_found(site: Path) -> None:
    program = """
from benchmark.metrics.registry import metric, metrics_named
from benchmark.probes.registry import probe
from benchmark.protocols.registry import protocol
guess = protocol("guess")
print(guess.evaluate(None, None, guess.options(luck=2), print)[0].scores)
print(metric("brier").arrow, [one.name for one in metrics_named(["brier"], "scene")])
print(probe("prior").name)
"""
    done = run(site, "-c", program)
    assert done.stdout == "{'top1_acc': 0.5}\n↓ ['brier']\nprior\n", done.stderr


def test_their_options_are_in_help(site: Path) -> None:
    done = run(site, "-m", "benchmark", "evaluate", "--help")
    assert "--luck N" in done.stdout and "guess: a guess" in done.stdout, done.stderr


def test_their_metrics_can_be_a_tasks(site: Path, tmp_path: Path) -> None:
    for name in "abcdef":
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(800), 8000)
    line = f"prepare custom --from {tmp_path} --tasks-dir {tmp_path}/tasks --name mine"
    words = [*line.split(), "--pattern", "{label}.wav", "--nfolds", "3", "--evaluation"]
    done = run(site, "-m", "benchmark", *words, "birer")
    assert done.returncode == 2
    assert "unknown metric 'birer', did you mean 'brier'" in done.stderr
    assert "Traceback" not in done.stderr
    done = run(site, "-m", "benchmark", *words, "brier,top1_acc", "--allow-missing-labels")
    assert done.returncode == 0, done.stderr
    assert read_task(tmp_path / "tasks" / "mine-v1-full").evaluation == ("brier", "top1_acc")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("broken", "entry point 'other_package:NOTHING' cannot be loaded: AttributeError"),
        ("misnamed", "calls itself 'guess'; both names must agree"),
        ("wrong", "is a int, expected a Protocol"),
        ("gues", "unknown protocol 'gues', did you mean 'guess'?"),
    ],
)
def test_what_is_wrong_with_them_is_said_when_they_are_named(
    site: Path, name: str, said: str
) -> None:
    done = run(site, "-m", "benchmark", "evaluate", "--out", "nowhere", "--protocol", name)
    assert done.returncode == 2
    assert said in done.stderr and "Traceback" not in done.stderr
