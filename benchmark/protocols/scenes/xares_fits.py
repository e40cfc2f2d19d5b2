"""How the protocols ``xares`` and ``xares-fixed`` fit their heads."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.errors import UserError
from benchmark.probes.examples import PASS_ROWS, Examples
from benchmark.probes.linear import probabilities
from benchmark.probes.module_training import train_module
from benchmark.protocols.scenes.evaluation import Fitted, Job
from benchmark.protocols.xares import XaresOptions

TEMPERATURE = 0.07
LAST_RATE = 0.1  # part of the first


def fit_xares(job: Job, options: XaresOptions, fixed: bool) -> Fitted:
    """The head that is chosen, fitted and applied to the test split."""
    return (_fit_knn if options.head == "knn" else _fit_mlp)(job, options, fixed)


def _training(job: Job, fixed: bool) -> tuple[Examples, Examples]:
    """Rows to train on, and to choose the epoch by."""
    scene, fold = job.scene, job.fold
    if fixed or len(scene.folds) == 1:
        return scene.examples(*fold.train), scene.examples(fold.valid)
    splits = [name for name in scene.task.metadata["splits"] if name != fold.test]
    return scene.examples(*splits), scene.examples(fold.test)


def _fit_mlp(job: Job, options: XaresOptions, fixed: bool) -> Fitted:
    scene = job.scene
    train, valid = _training(job, fixed)
    test = scene.examples(job.fold.test)
    generator = job.generator
    head = nn.Sequential(nn.LayerNorm(scene.task.size), nn.Linear(scene.task.size, scene.n_labels))
    bound = scene.task.size**-0.5
    with torch.no_grad():
        for parameter in head[1].parameters():
            parameter.uniform_(-bound, bound, generator=generator)
    epochs = options.max_epochs
    best = train_module(
        head,
        lambda: train.batches(options.batch_size, generator),
        [cosine(options.learning_rate, epoch, epochs) for epoch in range(epochs)],
        lambda: scene.score(probabilities(_logits(head, valid), scene.multiclass), valid),
        on_epoch=lambda epoch: job.on_part(epoch / epochs, f"epoch {epoch}"),
    )
    with torch.no_grad():
        logits = _logits(head, test)
    training = {"validation_score": best.score, "epoch": float(best.epoch)}
    return Fitted(probabilities(logits, scene.multiclass), logits, training, {"head": "mlp"})


def cosine(rate: float, epoch: int, epochs: int) -> float:
    """Learning rate of an epoch, from `rate` towards a tenth of it, which would come after all."""
    return rate + rate * (LAST_RATE - 1) / 2 * (1 - math.cos(math.pi * epoch / epochs))


def _logits(head: nn.Module, examples: Examples) -> Tensor:
    return torch.cat([head(x) for x, _ in examples.batches(PASS_ROWS)])


def _fit_knn(job: Job, options: XaresOptions, fixed: bool) -> Fitted:
    scene, fold = job.scene, job.fold
    if not scene.multiclass:
        raise UserError(
            f"{scene.task.path}: X-ARES's kNN is for one label a clip, but here a clip may have"
            " several; choose --head mlp or --protocol knn"
        )
    # Without training there is nothing to validate: all folds but the tested one are neighbours.
    splits = [name for name in scene.task.metadata["splits"] if name != fold.test]
    train = scene.examples(*(fold.train if len(scene.folds) == 1 else splits))
    if train.count < options.neighbours:
        raise UserError(
            f"{scene.task.path}: {train.count} training clips are fewer than the"
            f" {options.neighbours} neighbours that vote"
        )
    found = knn_votes(
        scene.examples(fold.test).embeddings(),
        train.embeddings(),
        train.multi_hot,
        options.neighbours,
        over_clips=not fixed,
    )
    return Fitted(found, hparams={"head": "knn", "neighbours": options.neighbours})


def knn_votes(
    test: Tensor, train: Tensor, multi_hot: Tensor, neighbours: int, over_clips: bool
) -> Tensor:
    """Votes of the nearest training clips, (n, labels), which sum to 1.

    Parameters
    ----------
    test, train
        (n, size) and (clips, size).
    multi_hot
        (clips, labels) of the training clips.
    over_clips
        Normalise each number of an embedding over the training clips, as the release does; else
        each training embedding.
    """
    train = F.normalize(train, dim=0 if over_clips else 1)
    similarity, nearest = (F.normalize(test, dim=1) @ train.T).topk(neighbours, dim=1)
    weights = torch.softmax(similarity / TEMPERATURE, dim=1)
    return (multi_hot[nearest] * weights[:, :, None]).sum(dim=1)
