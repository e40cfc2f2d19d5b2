"""Heads trained together against the same heads trained one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from embedded_tasks import make_kfold, make_multilabel

from benchmark.embeddings.dataset import TaskRows, read_embedded_task
from benchmark.probes.batched_training import train_batched
from benchmark.probes.mlp import Head, init_head
from benchmark.probes.training import Best, train
from benchmark.protocols.hear.evaluator import Evaluator
from benchmark.protocols.hear.folds import folds
from benchmark.protocols.hear.grid import grid_points

CPU = torch.device("cpu")


def grid_of(metadata: dict[str, Any], **changes: Any) -> list[dict[str, Any]]:
    """Points of several shapes that last long enough to stop at different epochs, no dropout."""
    changes = {"dropout": 0.0, "max_epochs": 12, "patience": 2, **changes}
    return [hparams | changes for hparams in grid_points("faster", 6, metadata)]


def compare(folder: Path, over_folds: bool, **changes: Any) -> list[tuple[Best, Best]]:
    task = read_embedded_task(folder)
    rows, evaluator, all_folds = TaskRows(task, True, CPU), Evaluator(task), folds(task.metadata)
    grid = grid_of(task.metadata, **changes)
    if over_folds:
        grid = grid[:1] * len(all_folds)
    chosen = all_folds if over_folds else all_folds[:1] * len(grid)
    data = {fold: rows.of(*fold.train) for fold in chosen}
    validates = [
        evaluator.validation(rows, f, c["batch_size"]) for f, c in zip(chosen, grid, strict=True)
    ]

    def heads() -> list[Head]:
        generator = torch.Generator().manual_seed(5)
        shape = task.size, len(task.labels), task.multiclass
        return [init_head(*shape, hparams, generator, CPU) for hparams in grid]

    generator = torch.Generator().manual_seed(6)
    together = train_batched(
        heads(), [data[f] for f in chosen], grid, validates, evaluator.maximize, generator
    )
    alone = [
        train(head, data[fold], hparams, validate, evaluator.maximize, generator)
        for head, fold, hparams, validate in zip(heads(), chosen, grid, validates, strict=True)
    ]
    return list(zip(together, alone, strict=True))


def check(pairs: list[tuple[Best, Best]]) -> None:
    for together, alone in pairs:
        assert together.epoch == alone.epoch
        assert together.score == pytest.approx(alone.score, abs=1e-3)
        for name, value in alone.state.items():
            # Batch norm takes a hidden bias out again: its gradient is rounding, which Adam scales.
            if name.endswith(("weight", "running_var")):
                torch.testing.assert_close(together.state[name], value, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("make", [make_kfold, make_multilabel])
def test_points_of_a_grid_learn_what_they_learn_alone(tmp_path: Path, make: Any) -> None:
    pairs = compare(make(tmp_path / "embeddings"), over_folds=False)
    check(pairs)
    assert len({alone.epoch for _, alone in pairs}) > 1


def test_folds_learn_what_they_learn_alone(tmp_path: Path) -> None:
    """Folds of 24, 26 and 28 rows: different numbers of rows and even of batches."""
    folder = make_kfold(tmp_path / "embeddings", rows=24)
    check(compare(folder, over_folds=True, batch_size=24, hidden_layers=2))
