"""How the protocols ``linear`` and ``linear-fusion`` fit a linear layer."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from benchmark.errors import UserError
from benchmark.probes.examples import Examples, fit_scaling
from benchmark.probes.linear import (
    LinearHparams,
    LinearProbe,
    probabilities,
    train_linear,
    validation_losses,
)
from benchmark.protocols.fusion_rates import ChosenRate
from benchmark.protocols.linear import LinearOptions
from benchmark.protocols.linear_fusion import FusionOptions
from benchmark.protocols.scenes.evaluation import Fitted, Job, SceneTask

VALIDATION_SHARE = 10  # one in ten rows
DRAWS = 100  # of a validation set, until each label is in it


def fit_linear(job: Job, options: LinearOptions) -> Fitted:
    """The layer of lowest validation loss, of all epochs and learning rates."""
    scene, fold = job.scene, job.fold
    train, valid = scene.examples(*fold.train), scene.examples(fold.valid)
    targets = valid.targets
    probes = train_linear(
        train,
        scene.n_labels,
        options.learning_rates,
        LinearHparams(
            options.batch_size,
            options.max_epochs,
            options.patience,
            drop_hopeless=True,
            layers=scene.task.weighed_layers,
        ),
        lambda logits: validation_losses(logits, targets),
        valid,
        job.generator,
        lambda epoch: job.on_part(epoch / options.max_epochs, f"epoch {epoch}"),
    )
    best = max(probes, key=lambda probe: probe.score)  # the first of equal ones
    by_rate = {f"validation_loss_at_{one.learning_rate:g}": -one.score for one in probes}
    training = {"validation_loss": -best.score} | by_rate
    return _fitted(scene, best, scene.examples(fold.test), training)


def fit_fusion(job: Job, options: FusionOptions, rate: ChosenRate) -> Fitted:
    """The layer of best validation score, on features scaled by the training set."""
    scene, fold = job.scene, job.fold
    generator = job.generator
    if (
        scene.task.metadata["split_mode"] == "trainvaltest"
        and "valid" in scene.task.metadata["splits"]
    ):
        train, valid = scene.examples(*fold.train), scene.examples(fold.valid)
        scaling = fit_scaling(train)
    else:
        # Of a cross-validated task all but the test fold is for training, the validation rows too.
        splits = {*scene.task.metadata["splits"]} - {fold.test}
        everything = scene.examples(*sorted(splits))
        scaling = fit_scaling(everything)
        train, valid = draw_validation(everything, scene, generator)
    train, valid, test = (
        Examples(one.rows, one.chosen, scaling) for one in (train, valid, scene.examples(fold.test))
    )

    def judge(logits: Tensor) -> list[float]:
        return [
            scene.score(probabilities(one.contiguous(), scene.multiclass), valid) for one in logits
        ]

    (probe,) = train_linear(
        train,
        scene.n_labels,
        [rate.value],
        LinearHparams(
            min(options.batch_size, train.count),
            options.max_epochs,
            options.patience,
            weight_decay=options.weight_decay,
            divide_by_classes=True,
            ties_count=True,
            layers=scene.task.weighed_layers,
        ),
        judge,
        valid,
        generator,
        lambda epoch: job.on_part(epoch / options.max_epochs, f"epoch {epoch}"),
    )
    return _fitted(
        scene, probe, test, {"validation_score": probe.score}, {"learning_rate_is": rate.reason}
    )


def draw_validation(
    everything: Examples, scene: SceneTask, generator: torch.Generator
) -> tuple[Examples, Examples]:
    """Rows to train on and one in ten, rounded up, to validate by.

    Drawn again until every label is in the second part, as the authors' classifier does
    (daisukelab/general-learning, `train_test_sure_split`), which also fails after 100 draws.

    Raises
    ------
    UserError
        A label has one row, which could not be in both, or no draw held every label.
    """
    count = everything.count
    size = ceil(count / VALIDATION_SHARE)
    labels = everything.multi_hot.bool()
    occurs = labels.sum(dim=0)
    if alone := torch.nonzero(occurs == 1).flatten().tolist():
        raise UserError(
            f"{scene.task.path}: label {scene.task.labels[alone[0]]!r} has one training clip, so no"
            " validation set can be drawn; add clips, or choose a protocol that draws none"
        )
    for _ in range(DRAWS):
        order = torch.randperm(count, generator=generator)
        drawn, rest = order[:size].sort().values, order[size:].sort().values
        if labels[drawn].any(dim=0).equal(occurs > 0):
            return Examples(everything.rows, rest), Examples(everything.rows, drawn)
    raise UserError(
        f"{scene.task.path}: none of {DRAWS} draws of {size} validation clips held all of"
        f" {int((occurs > 0).sum())} labels; add clips, or choose a protocol that draws none"
    )


def _fitted(
    scene: SceneTask,
    probe: LinearProbe,
    test: Examples,
    training: dict[str, float],
    hparams: Mapping[str, Any] = MappingProxyType({}),
) -> Fitted:
    logits = probe.logits(test)
    if probe.layer_weights is not None:
        weights = enumerate(probe.layer_weights.tolist(), start=1)
        training = training | {f"weight_of_layer_{number}": weight for number, weight in weights}
    return Fitted(
        probabilities(logits, scene.multiclass),
        logits,
        {"epoch": float(probe.epoch)} | training,
        {"learning_rate": probe.learning_rate, **hparams},
    )
