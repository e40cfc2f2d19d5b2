"""Several heads trained side by side by batched matrix products, for GPUs.

A head of HEAR is too small to fill a GPU, and training one after the other is only needed for
hear-eval-kit's one sequence of random numbers. Here all points of a grid, or all folds, take each
step together. What each head sees is what it would see alone, but for the draws of dropout and for
rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.embeddings.dataset import Rows
from benchmark.probes.mlp import Dropout, Head, Hparams, Linear, masked_losses
from benchmark.probes.training import (
    ADAM_EPSILON,
    BETA_1,
    BETA_2,
    Best,
    EarlyStopping,
    Validate,
    check_last_batch,
)

# Heads that agree in these can be one stack.
SHAPE = ("batch_size", "hidden_layers", "hidden_dim", "dropout", "norm_after_activation")


def train_batched(
    heads: Sequence[Head],
    rows: Sequence[Rows],
    hparams_each: Sequence[Hparams],
    validates: Sequence[Validate],
    maximize: bool,
    generator: torch.Generator,
    *,
    shuffle: bool = False,
    on_epoch: Callable[[int], None] = lambda epoch: None,
) -> list[Best]:
    """Train heads until the validation score of none of them has improved for a while.

    Between two checks nothing is asked of the device, so it never waits for the host.

    Parameters
    ----------
    heads
        Trained in place.
    rows, hparams_each, validates
        Training data, hyperparameters and validation of each head. Heads that have the same `Rows`
        see the same batches.
    maximize
        Whether more is better.
    generator
        Orders shuffled rows.
    shuffle
        Draw a new order of rows for each epoch.
    on_epoch
        Called before each epoch with its number.

    Returns
    -------
    list
        The best epoch of each head.
    """
    stoppers = [
        EarlyStopping(*pair, maximize) for pair in zip(hparams_each, validates, strict=True)
    ]
    for one, hparams in zip(rows, hparams_each, strict=True):
        check_last_batch(one, hparams)
    alike: dict[tuple[Any, ...], list[int]] = {}
    for number, hparams in enumerate(hparams_each):
        alike.setdefault(tuple(hparams[key] for key in SHAPE), []).append(number)
    stacks = [
        BatchedHeads(
            group,
            [heads[n] for n in group],
            [rows[n] for n in group],
            [hparams_each[n] for n in group],
        )
        for group in alike.values()
    ]
    for epoch in range(max(hparams["max_epochs"] for hparams in hparams_each)):
        on_epoch(epoch)
        for stack in stacks:
            for x, targets, row_mask in stack.batches(generator, shuffle):
                stack.step(x, targets, row_mask)
        for stack in stacks:
            over = set()
            for number, head in zip(stack.numbers, stack.heads, strict=True):
                stopping = stoppers[number]
                stop = stopping.is_due(epoch) and stopping.should_stop(epoch, head)
                if stop or epoch + 1 == stopping.epochs:
                    over.add(number)
            stack.drop(over)
        stacks = [stack for stack in stacks if stack.heads]
        if not stacks:
            break
    return [stopping.result() for stopping in stoppers if stopping.best is not None]


class BatchedHeads:
    """Heads of one shape whose parameters are slices of common tensors.

    Parameters
    ----------
    numbers
        What the caller calls the heads.
    heads
        Their parameters and statistics become views of the stack's, so each can be used alone at
        any time.
    rows, hparams_each
        Training data and hyperparameters of each.
    """

    def __init__(
        self,
        numbers: Sequence[int],
        heads: Sequence[Head],
        rows: Sequence[Rows],
        hparams_each: Sequence[Hparams],
    ) -> None:
        self.numbers = list(numbers)
        self.heads = list(heads)
        self.rows = list(rows)
        self.batch_size = hparams_each[0]["batch_size"]
        self.multiclass = heads[0].multiclass
        self.masked = heads[0].masked
        names = [name for name, value in heads[0].state_dict().items() if value.is_floating_point()]
        self.trained = {name for name, _ in heads[0].named_parameters()}
        states = [head.state_dict() for head in heads]
        device = next(heads[0].parameters()).device
        self.values = {name: torch.stack([state[name] for state in states]) for name in names}
        self.means = {name: torch.zeros_like(self.values[name]) for name in self.trained}
        self.squares = {name: torch.zeros_like(self.values[name]) for name in self.trained}
        self.lr = torch.tensor([hparams["lr"] for hparams in hparams_each], device=device)
        self.count = torch.tensor([one.count for one in rows], device=device)
        self.steps = torch.zeros(len(heads), device=device)
        self._share()

    def drop(self, numbers: Container[int]) -> None:
        """Take heads out of the stack; they keep the state that they have."""
        kept = [place for place, number in enumerate(self.numbers) if number not in numbers]
        if len(kept) == len(self.heads):
            return
        for head, number in zip(self.heads, self.numbers, strict=True):
            if number in numbers:
                own = {name: value.clone() for name, value in head.state_dict().items()}
                head.load_state_dict(own, assign=True)
        self.heads = [self.heads[place] for place in kept]
        self.numbers = [self.numbers[place] for place in kept]
        self.rows = [self.rows[place] for place in kept]
        for tensors in (self.values, self.means, self.squares):
            for name in tensors:
                tensors[name] = tensors[name].detach()[kept]
        self.lr, self.steps, self.count = self.lr[kept], self.steps[kept], self.count[kept]
        self._share()

    def _share(self) -> None:
        for name in self.trained:
            self.values[name].requires_grad_()
        for place, head in enumerate(self.heads):
            views = {name: value.detach()[place] for name, value in self.values.items()}
            head.load_state_dict(head.state_dict() | views, assign=True)

    def batches(
        self, generator: torch.Generator, shuffle: bool
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """What `step` takes, for one epoch."""
        shared = all(one is self.rows[0] for one in self.rows)
        each = [
            one.batches(
                self.batch_size, torch.randperm(one.count, generator=generator) if shuffle else None
            )
            for one in (self.rows[:1] if shared else self.rows)
        ]
        places = torch.arange(self.batch_size, device=self.count.device)
        left = self.count[:, None]
        for batches in zip_longest(*each):
            row_mask, left = places < left, left - self.batch_size
            if shared:
                x, targets = batches[0]
                yield x, targets, row_mask[:, : len(x)]
                continue
            likes = next(batch for batch in batches if batch is not None)
            shape = len(each), self.batch_size
            whole = [like.new_zeros(*shape, *like.shape[1:]) for like in likes]
            for place, batch in enumerate(batches):
                for padded, part in zip(whole, batch or (), strict=False):
                    padded[place, : len(part)] = part
            yield whole[0], whole[1], row_mask

    def step(self, x: Tensor, targets: Tensor, row_mask: Tensor) -> None:
        """One step of Adam for every head that has rows in this batch.

        Parameters
        ----------
        x
            (rows, size) for all heads, or (heads, rows, size).
        targets
            As `Rows.targets`, (rows, ...) or (heads, rows, ...).
        row_mask
            (heads, rows) bool: the rows that are there.
        """
        self.heads[0].train()
        present = row_mask.to(x.dtype)
        count = present.sum(dim=1)
        weight = present / count.clamp_min(1)[:, None]
        logits = self._forward(x, weight, count)
        if x.dim() == 2:
            targets = targets.expand(len(row_mask), *targets.shape)
        if self.masked:
            losses, label_mask = masked_losses(logits, targets)
            share = present / (label_mask.sum(dim=2) * present).sum(dim=1).clamp_min(1)[:, None]
            loss, weight = losses.sum(dim=2), share
        elif self.multiclass:
            loss = F.cross_entropy(logits.mT, targets, reduction="none")
        else:
            loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(dim=2)
        (loss * weight).sum().backward()
        self._update((count > 0).to(x.dtype))

    def _forward(self, x: Tensor, weight: Tensor, count: Tensor) -> Tensor:
        for place, layer in enumerate(self.heads[0]):
            if isinstance(layer, Linear):
                weights, bias = self.values[f"{place}.weight"], self.values[f"{place}.bias"]
                if x.dim() == 2:  # one product for all heads
                    x = F.linear(x, weights.flatten(0, 1)).unflatten(1, weights.shape[:2])
                    x = x.transpose(0, 1) + bias[:, None]
                else:
                    x = torch.baddbmm(bias[:, None], x, weights.mT)
            elif isinstance(layer, nn.BatchNorm1d):
                x = self._norm(x, layer, str(place), weight, count)
            elif isinstance(layer, Dropout):
                x = layer(x)
            else:
                x = F.relu(x)
        return x

    def _norm(
        self, x: Tensor, layer: nn.BatchNorm1d, name: str, weight: Tensor, count: Tensor
    ) -> Tensor:
        mean = (x * weight[..., None]).sum(dim=1)
        centred = x - mean[:, None]
        variance = (centred.square() * weight[..., None]).sum(dim=1)
        with torch.no_grad():
            assert layer.momentum is not None
            rate = layer.momentum * (count > 0).to(x.dtype)[:, None]
            unbiased = variance * (count / (count - 1).clamp_min(1))[:, None]
            self.values[f"{name}.running_mean"].lerp_(mean, rate)
            self.values[f"{name}.running_var"].lerp_(unbiased, rate)
        scale = self.values[f"{name}.weight"] * torch.rsqrt(variance + layer.eps)
        return centred * scale[:, None] + self.values[f"{name}.bias"][:, None]

    @torch.no_grad()
    def _update(self, active: Tensor) -> None:
        self.steps += active
        steps = self.steps.clamp_min(1)
        step_size = active * self.lr / (1 - BETA_1**steps)
        correction = (1 - BETA_2**steps).sqrt()
        for name in self.trained:
            value, mean, square = self.values[name], self.means[name], self.squares[name]
            gradient = value.grad
            assert gradient is not None
            each = (-1, *[1] * (value.dim() - 1))
            mean.lerp_(gradient, ((1 - BETA_1) * active).view(each))
            square.lerp_(gradient.square(), ((1 - BETA_2) * active).view(each))
            scale = square.sqrt().div_(correction.view(each)).add_(ADAM_EPSILON)
            value.sub_(mean / scale * step_size.view(each))
            value.grad = None
