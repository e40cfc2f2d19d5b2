"""The protocols ``attentive`` and ``support``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embedded_sequences import make_sequences
from embedded_tasks import make_kfold

from benchmark.errors import UserError
from benchmark.protocols.attentive import SequenceOptions
from benchmark.protocols.registry import protocol
from benchmark.protocols.result import FoldResult
from benchmark.protocols.support import SupportOptions

FAST: dict[str, Any] = {"seeds": (1, 2), "learning_rates": (3e-2, 1e-2), "max_epochs": 25}


def run(name: str, embeddings: Path, work: Path, options: Any) -> tuple[FoldResult, ...]:
    return protocol(name).evaluate(embeddings, work, options, lambda part, what: None)


@pytest.mark.parametrize("several_labels", [False, True])
def test_attention_finds_the_step_that_tells(tmp_path: Path, several_labels: bool) -> None:
    embeddings = make_sequences(tmp_path / "e", several_labels)
    results = run("attentive", embeddings, tmp_path / "work", SequenceOptions(**FAST))
    assert [one.seed for one in results] == [1, 2]
    assert all(next(iter(one.scores.values())) > 0.7 for one in results)
    kept = np.load(tmp_path / "work" / "seed-1" / "test.predictions.npz")
    assert kept["prediction"].shape == (60, 3)
    assert len(kept["clip"]) == 60


@pytest.mark.parametrize("aggregator", ["mean", "attention", "autopool"])
def test_local_predictions_are_aggregated(tmp_path: Path, aggregator: str) -> None:
    options = SupportOptions(aggregator=aggregator, **FAST)
    results = run("support", make_sequences(tmp_path / "e"), tmp_path / "work", options)
    assert all(one.scores["top1_acc"] > 0.7 for one in results)
    assert {one.hparams["learning_rate"] for one in results} <= {3e-2, 1e-2}


def test_the_same_again_is_the_same(tmp_path: Path) -> None:
    embeddings = make_sequences(tmp_path / "e")
    first, second = (
        run("support", embeddings, tmp_path / name, SupportOptions(**FAST)) for name in "ab"
    )
    assert [one.scores for one in first] == [one.scores for one in second]


def test_embeddings_of_whole_clips_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="whole clips"):
        run("attentive", make_kfold(tmp_path / "e"), tmp_path / "work", SequenceOptions(**FAST))


def test_sequences_of_other_clips_are_one_line(tmp_path: Path) -> None:
    embeddings = make_sequences(tmp_path / "e")
    path = embeddings / "test.filename-timestamps.json"
    path.write_text(path.read_text().replace("test-3.wav", "other.wav"))
    with pytest.raises(UserError, match="not those of the split"):
        run("support", embeddings, tmp_path / "work", SupportOptions(**FAST))
