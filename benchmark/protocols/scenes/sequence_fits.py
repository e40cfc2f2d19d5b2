"""How the protocols ``attentive`` and ``support`` fit modules to sequences of embeddings.

A folder of sequences has the files of a scene task with a row for each step of each clip, whose
labels are the clip's, and ``<split>.filename-timestamps.json`` with ``[clip, ms]`` of every row.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.errors import UserError
from benchmark.probes.linear import probabilities
from benchmark.probes.module_training import BestEpoch, targets_loss, train_module
from benchmark.probes.pooling import AttentivePooling, LocalPredictions
from benchmark.probes.sequences import PASS_CLIPS, SequenceExamples
from benchmark.protocols.attentive import SequenceOptions
from benchmark.protocols.scenes.evaluation import Fitted, Job, SceneTask
from benchmark.protocols.support import SupportOptions


class SequenceTask(SceneTask):
    """A scene task whose clips are sequences; see `SceneTask`.

    Raises
    ------
    UserError
        The embeddings are not sequences, or not those of the clips of the task.
    """

    def __init__(self, embeddings: Path) -> None:
        super().__init__(embeddings)
        self._lengths = {split: self._read_lengths(split) for split in self.task.metadata["splits"]}

    def examples(self, *splits: str) -> Any:
        """All clips of some splits, as `SequenceExamples`."""
        self.require_splits(splits)
        lengths = [length for split in splits for length in self._lengths[split]]
        return SequenceExamples(self.rows.of(*splits), torch.tensor(lengths))

    def _read_lengths(self, split: str) -> list[int]:
        path = self.task.path / f"{split}.filename-timestamps.json"
        try:
            rows = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(
                f"{self.task.path}: these are embeddings of whole clips, but this protocol needs"
                " those of timestamps or windows; embed with another representation"
            ) from None
        found = [(name, len(list(steps))) for name, steps in groupby(row[0] for row in rows)]
        if [name for name, _ in found] != self.task.row_names(split)["clip"].tolist():
            raise UserError(f"{path}: its clips are not those of the split; embed again")
        return [length for _, length in found]


def fit_attentive(job: Job, options: SequenceOptions) -> Fitted:
    """Attention pooling and a linear layer."""
    scene = job.scene
    return _fit(
        job,
        options,
        lambda generator: AttentivePooling(scene.task.size, scene.n_labels, generator),
    )


def fit_support(job: Job, options: SupportOptions) -> Fitted:
    """Local predictions and their aggregation."""
    scene = job.scene
    return _fit(
        job,
        options,
        lambda generator: LocalPredictions(
            scene.task.size, scene.n_labels, options.aggregator, scene.multiclass, generator
        ),
    )


def _fit(
    job: Job, options: SequenceOptions, make: Callable[[torch.Generator], nn.Module]
) -> Fitted:
    """The module of lowest validation loss, of all epochs and learning rates."""
    scene, fold = job.scene, job.fold
    rates = options.learning_rates
    chosen: tuple[BestEpoch, float, nn.Module] | None = None
    tried: dict[str, float] = {}
    for number, rate in enumerate(rates):

        def on_epoch(epoch: int, number: int = number, rate: float = rate) -> None:
            part = (number + epoch / options.max_epochs) / len(rates)
            job.on_part(part, f"learning rate {rate:g}, epoch {epoch}")

        best, module = _train_at(rate, job, options, make, on_epoch)
        tried[f"validation_loss_at_{rate:g}"] = -best.score
        if chosen is None or best.score > chosen[0].score:
            chosen = best, rate, module
    assert chosen is not None
    best, rate, module = chosen
    with torch.no_grad():
        logits = _logits(module, _sequences(scene, fold.test))
    training = {"validation_loss": -best.score, "epoch": float(best.epoch)} | tried
    found = probabilities(logits, scene.multiclass)
    return Fitted(found, logits, training, {"learning_rate": rate})


def _train_at(
    rate: float,
    job: Job,
    options: SequenceOptions,
    make: Callable[[torch.Generator], nn.Module],
    on_epoch: Callable[[int], None],
) -> tuple[BestEpoch, nn.Module]:
    train, valid = _sequences(job.scene, *job.fold.train), _sequences(job.scene, job.fold.valid)
    generator = job.generator  # a new one: each rate starts alike
    module = make(generator)
    best = train_module(
        module,
        lambda: train.batches(options.batch_size, generator),
        [rate] * options.max_epochs,
        lambda: -float(targets_loss(_logits(module, valid), valid.targets)),
        patience=options.patience,
        on_epoch=on_epoch,
    )
    return best, module


def _sequences(scene: SceneTask, *splits: str) -> SequenceExamples:
    examples: Any = scene.examples(*splits)
    assert isinstance(examples, SequenceExamples)
    return examples


def _logits(module: nn.Module, examples: SequenceExamples) -> Tensor:
    return torch.cat([module(batch) for batch, _ in examples.batches(PASS_CLIPS)])
