"""Training of any torch module that is more than one linear layer: one epoch after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.errors import UserError
from benchmark.probes.training import Adam


@dataclass(frozen=True)
class BestEpoch:
    """The epoch whose parameters the module has after training.

    Attributes
    ----------
    score
        What it was judged by, more is better.
    epoch
        From 0.
    """

    score: float
    epoch: int


def train_module(
    module: nn.Module,
    batches: Callable[[], Iterator[tuple[Any, Tensor]]],
    learning_rates: Sequence[float],
    judge: Callable[[], float],
    *,
    patience: int | None = None,
    on_epoch: Callable[[int], None] = lambda epoch: None,
) -> BestEpoch:
    """Train by Adam and put the module into the state of its best epoch.

    Parameters
    ----------
    module
        Gives logits for the first part of a batch.
    batches
        Called for each epoch: pairs of input and targets (`targets_loss`).
    learning_rates
        One for each epoch.
    judge
        Called after each epoch, in evaluation mode and without gradients; the first of equal
        epochs is kept.
    patience
        Epochs in a row without a better one before the end; None for no end.
    on_epoch
        Called before each epoch with its number.

    Raises
    ------
    UserError
        No epoch had a score.
    """
    optimizer = Adam(module.parameters(), learning_rates[0])
    best, state = BestEpoch(-math.inf, -1), None
    for epoch, rate in enumerate(learning_rates):
        on_epoch(epoch)
        optimizer.lr = rate
        module.train()
        for x, targets in batches():
            targets_loss(module(x), targets).backward()
            optimizer.step()
        module.eval()
        with torch.no_grad():
            score = judge()
        if score > best.score:
            best = BestEpoch(score, epoch)
            state = {name: value.clone() for name, value in module.state_dict().items()}
        elif patience is not None and epoch - best.epoch >= patience:
            break
    if state is None:
        raise UserError(
            "no epoch has a finite validation score; embeddings may be too large for the learning"
            f" rate {learning_rates[0]:g}"
        )
    module.load_state_dict(state)
    return best


def targets_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy of labels (n,); binary cross entropy of (n, labels), without what is NaN."""
    if targets.dim() == 1:
        return F.cross_entropy(logits, targets)
    known = ~targets.isnan()
    return F.binary_cross_entropy_with_logits(logits[known], targets[known])
