"""Evaluations in processes of their own: endless ones, what libraries say, damaged embeddings."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_task import FOLDS, make_task

from benchmark.embeddings.extract import embed
from benchmark.execution.run import evaluate_all
from benchmark.models.hear_module import ModelSpec, load_model
from benchmark.protocols.registry import protocol

MODULE = f"""
import time
import warnings

from benchmark.protocols.options import ProtocolOptions
from benchmark.protocols.registry import Protocol
from benchmark.protocols.result import FoldResult


def evaluate(embeddings, work, options, on_progress):
    if embeddings.name.startswith("endless"):
        while True:
            time.sleep(1)
    warnings.warn("this is only chatter")
    warnings.warn("lbfgs failed to converge")
    return tuple(FoldResult(fold, 0, {{"top1_acc": 0.5}}) for fold in {FOLDS})


STUCK = Protocol("stuck", 1, "is stuck", ProtocolOptions, evaluate)
"""


@pytest.fixture
def their_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that registers the protocol, on the path of every process that starts."""
    info = tmp_path / "site" / "stuck_package-1.0.dist-info"
    info.mkdir(parents=True)
    (info.parent / "stuck_package.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stuck-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[hear_plugins.protocols]\nstuck = stuck_package:STUCK\n"
    )
    monkeypatch.syspath_prepend(info.parent)


@pytest.mark.usefixtures("their_package")
def test_an_endless_evaluation_is_ended_and_the_others_go_on(tmp_path: Path) -> None:
    from stuck_package import STUCK  # type: ignore[import-not-found]

    model = load_model(ModelSpec("tiny_hear"))
    for name in ("endless", "sound"):
        embed(model, make_task(tmp_path, name=name, clips=2), tmp_path / "out")
    lines: list[str] = []
    outcome = evaluate_all(
        tmp_path / "out",
        modules=[],
        tasks=[],
        protocol=STUCK,
        options=STUCK.options(),
        jobs=1,
        say=lines.append,
        time_limit=15,
    )
    (failure,) = outcome.failures
    assert failure.startswith("tiny_hear-") and "  endless-v1-small-" in failure
    assert failure.endswith(": no sign of life for 15 s; its process was ended")
    (record,) = outcome.records
    assert "sound-v1-small-" in str(record) and record.is_file()
    notes = [line for line in lines if line.startswith("note: ")]
    assert len(notes) == 1 and "sound-v1" in notes[0] and notes[0].endswith("failed to converge")


def test_embeddings_that_are_not_as_written_are_not_evaluated(tmp_path: Path) -> None:
    model = load_model(ModelSpec("tiny_hear"))
    damage = {
        "zeros": lambda folder: _overwrite(folder / "fold00.embeddings.npy"),
        "list": lambda folder: (folder / "embedding.json").write_text("[]"),
        "empty": lambda folder: (folder / "embedding.json").write_text("{}"),
        "sound": lambda folder: None,
    }
    for name, spoil in damage.items():
        spoil(embed(model, make_task(tmp_path, name=name, clips=12), tmp_path / "out").path)
    outcome = evaluate_all(
        tmp_path / "out",
        modules=[],
        tasks=[],
        protocol=protocol("knn"),
        options=protocol("knn").options(),
        jobs=1,
        say=lambda line: None,
    )
    assert len(outcome.failures) == 3 and len(outcome.records) == 1, outcome.failures
    said = "\n".join(outcome.failures)
    assert "fold00.embeddings.npy is not as written; embed again" in said
    assert said.count("embedding.json") == 2


def _overwrite(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))
