"""Every registered probe learns what embeddings tell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from embedded_tasks import make_kfold, make_multilabel

from benchmark.embeddings.dataset import TaskRows, read_embedded_task
from benchmark.errors import UserError
from benchmark.metrics.registry import metric
from benchmark.probes.registry import PROBES_REGISTRY, FittedProbe, ProbeData, probe
from benchmark.protocols.hear.folds import folds

QUICK = {"mlp": {"hidden_dim": 64, "max_epochs": 20, "check_val_every_n_epoch": 1}}


def fitted(name: str, folder: Path, main_metric: str) -> tuple[FittedProbe, ProbeData]:
    task = read_embedded_task(folder)
    rows = TaskRows(task, True, torch.device("cpu"))
    fold = folds(task.metadata)[0]
    valid = rows.of(fold.valid)

    def score(probabilities: torch.Tensor) -> float:
        return metric(main_metric).value(probabilities.numpy(), valid.multi_hot.numpy())

    data = ProbeData(task.size, rows.of(*fold.train), valid, score)
    chosen = probe(name)
    hparams = {**chosen.hparams, **QUICK.get(name, {})}
    return chosen.fit(data, hparams, torch.Generator().manual_seed(1)), data


@pytest.mark.parametrize("name", PROBES_REGISTRY.names())
@pytest.mark.parametrize(
    ("make", "main_metric"), [(make_kfold, "top1_acc"), (make_multilabel, "mAP")]
)
def test_probes_learn_and_repeat(
    name: str, make: Callable[[Path], Path], main_metric: str, tmp_path: Path
) -> None:
    folder = make(tmp_path / "embeddings")
    made, data = fitted(name, folder, main_metric)
    probabilities = made.predict(data.valid)
    assert probabilities.shape == data.valid.multi_hot.shape
    assert probabilities.min() >= 0 and probabilities.max() <= 1
    chance = metric(main_metric).value(
        torch.zeros_like(probabilities).numpy(), data.valid.multi_hot.numpy()
    )
    assert data.score(probabilities) > chance + 0.05
    again, _ = fitted(name, folder, main_metric)
    assert torch.equal(again.predict(data.valid), probabilities)


def test_a_probe_that_is_not_there_is_named() -> None:
    assert set(PROBES_REGISTRY.names()) >= {"mlp", "knn"}
    with pytest.raises(UserError, match="unknown probe 'nlp', did you mean 'mlp'"):
        probe("nlp")
