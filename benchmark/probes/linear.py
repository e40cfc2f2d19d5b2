"""One linear layer on embeddings, trained by Adam at several learning rates at once.

All rates of one seed start from the same weights and see the same batches, so a step of all of them
is one matrix product; its gradient is written down, which saves the graph of autograd. What each
learns is what it would learn alone, but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.adam import adam

from benchmark.errors import UserError
from benchmark.probes.examples import PASS_ROWS, Examples
from benchmark.probes.training import ADAM_EPSILON, BETA_1, BETA_2

# Logits (models, rows, labels) of the validation rows to a value a model, of which more is better.
JudgeAll = Callable[[Tensor], Sequence[float]]
RISES = 5


@dataclass(frozen=True)
class LinearHparams:
    """How a linear layer is trained; chosen by the protocol.

    Attributes
    ----------
    batch_size, max_epochs
        The last batch of an epoch may be smaller.
    patience
        Training stops after so many epochs in a row without a better one.
    weight_decay
        L2, added to the gradient as torch.optim.Adam does.
    divide_by_classes
        Whether the cross entropy is a mean over rows and classes, not over rows.
    ties_count
        Whether an epoch as good as the best one is taken for better.
    drop_hopeless
        Whether a layer's training also stops once it cannot become the best of all: its score has
        risen in each of the last `RISES` epochs, and rising on as in the steepest of them until
        the last epoch would not reach what another layer has reached.
    layers
        Layers of one size that a row holds side by side. Several are weighed: the layer is trained
        on their mean with weights that are learned with it, the softmax of parameters that start
        at 0 (SUPERB, arXiv:2105.01051, section 3.2).
    """

    batch_size: int
    max_epochs: int
    patience: int
    weight_decay: float = 0.0
    divide_by_classes: bool = False
    ties_count: bool = False
    drop_hopeless: bool = False
    layers: int = 1


@dataclass(frozen=True)
class LinearProbe:
    """A trained linear layer.

    Attributes
    ----------
    weight, bias
        (labels, size) and (labels,) float32, of the best epoch.
    multiclass
        Whether probabilities are a softmax; else a sigmoid each.
    learning_rate
        Of its training.
    score, epoch
        What the best epoch was judged by, more is better, and its number from 0.
    layer_weights
        (layers,) float32, of which the sum is 1 and which `weight` contains already; None where
        nothing is weighed.
    """

    weight: Tensor
    bias: Tensor
    multiclass: bool
    learning_rate: float
    score: float
    epoch: int
    layer_weights: Tensor | None = None

    def logits(self, examples: Examples) -> Tensor:
        """(count, labels) float32."""
        batches = examples.batches(PASS_ROWS)
        return torch.cat([F.linear(x, self.weight, self.bias) for x, _ in batches])


def train_linear(
    train: Examples,
    labels: int,
    learning_rates: Sequence[float],
    hparams: LinearHparams,
    judge: JudgeAll,
    valid: Examples,
    generator: torch.Generator,
    on_epoch: Callable[[int], None] = lambda epoch: None,
) -> list[LinearProbe]:
    """Train one layer a learning rate and keep the best epoch of each.

    Parameters
    ----------
    train, valid
        Rows to learn from and to judge epochs by.
    labels
        Size of the vocabulary.
    learning_rates
        Of Adam, constant.
    judge
        Of the logits of `valid`.
    generator
        Draws the weights as torch.nn.Linear does, U(-1/sqrt(size), 1/sqrt(size)), and the order of
        rows of each epoch.
    on_epoch
        Called before each epoch with its number.

    Returns
    -------
    list
        In the order of `learning_rates`.

    Raises
    ------
    UserError
        There is no row to train on or to judge by, or no epoch had a finite score.
    """
    for examples, what in ((train, "training"), (valid, "validation")):
        if not examples.count:
            raise UserError(f"there is no {what} row; the task needs at least one")
    kind = _Stack if hparams.layers == 1 else _WeighingStack
    stack = kind(train, labels, learning_rates, hparams, generator)
    best: dict[int, LinearProbe] = {}
    waited = dict.fromkeys(range(len(learning_rates)), 0)
    histories: list[list[float]] = [[] for _ in learning_rates]
    for epoch in range(hparams.max_epochs):
        on_epoch(epoch)
        for x, targets in train.batches(hparams.batch_size, generator):
            stack.step(x, targets)
        scores = judge(torch.cat([stack.logits(x) for x, _ in valid.batches(PASS_ROWS)], dim=1))
        for place, (number, score) in enumerate(zip(stack.numbers, scores, strict=True)):
            score = float(score)
            histories[number].append(score)
            reached = best[number].score if number in best else float("-inf")
            if score > reached or (hparams.ties_count and score == reached):
                best[number] = stack.probe(place, score, epoch)
                waited[number] = 0
            else:
                waited[number] += 1
        going_on = [n for n in stack.numbers if waited[n] < hparams.patience]
        if hparams.drop_hopeless and best:
            wanted = max(probe.score for probe in best.values())
            left = hparams.max_epochs - 1 - epoch
            going_on = [n for n in going_on if not _is_hopeless(histories[n], wanted, left)]
        stack.keep(going_on)
        if not stack.numbers:
            break
    if lost := [rate for n, rate in enumerate(learning_rates) if n not in best]:
        raise UserError(
            f"no epoch at learning rate {lost[0]:g} has a finite validation score; embeddings may"
            " be too large: choose smaller learning rates"
        )
    return [best[number] for number in range(len(learning_rates))]


def _is_hopeless(scores: Sequence[float], wanted: float, epochs_left: int) -> bool:
    """See `LinearHparams.drop_hopeless`; curves that do not rise all the time are left alone."""
    last = scores[-1 - RISES :]
    rises = [after - before for before, after in pairwise(last)]
    return len(rises) == RISES and min(rises) > 0 and last[-1] + epochs_left * max(rises) < wanted


class _Stack:
    """Layers that see the same batches, as one matrix, and their state of Adam."""

    def __init__(
        self,
        train: Examples,
        labels: int,
        learning_rates: Sequence[float],
        hparams: LinearHparams,
        generator: torch.Generator,
    ) -> None:
        size = next(train.batches(1))[0].shape[1] // hparams.layers
        device = train.targets.device
        bound = size**-0.5
        drawn = torch.empty(labels, size).uniform_(-bound, bound, generator=generator)
        bias = torch.empty(labels, 1).uniform_(-bound, bound, generator=generator)
        layer = [part.to(device) for part in (drawn, bias, *self._more_parameters(hparams))]
        count = len(learning_rates)
        self.multiclass = train.targets.dim() == 1
        self.labels, self.hparams = labels, hparams
        self.numbers = list(range(count))
        self.rates = list(learning_rates)
        self.steps = 0
        self.values = [part.repeat(count, 1, 1) for part in layer]
        self.means = [torch.zeros_like(value) for value in self.values]
        self.squares = [torch.zeros_like(value) for value in self.values]
        self._new_buffers()

    def _more_parameters(self, hparams: LinearHparams) -> list[Tensor]:
        """At their start."""
        return []

    def _new_buffers(self) -> None:
        # Memory that is asked for anew in each step would be most of the cost of Adam.
        self.gradients = [torch.empty_like(value) for value in self.values]

    def logits(self, x: Tensor) -> Tensor:
        """(models, rows, labels) of (rows, size)."""
        weight, bias = self.values
        product = torch.mm(weight.flatten(0, 1), x.T).unflatten(0, weight.shape[:2])
        return (product + bias).transpose(1, 2)

    def step(self, x: Tensor, targets: Tensor) -> None:
        """One step of Adam for every layer."""
        self.steps += 1
        of_logits = self._gradient(self.logits(x), targets).transpose(1, 2)  # (models, labels, n)
        torch.mm(of_logits.flatten(0, 1), x, out=self.gradients[0].flatten(0, 1))
        torch.sum(of_logits, dim=2, keepdim=True, out=self.gradients[1])
        self._update()

    def _gradient(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Of the loss by the logits."""
        if self.multiclass:
            rows = torch.arange(len(targets), device=targets.device)
            gradient = logits.softmax(dim=2)
            gradient[:, rows, targets] -= 1
            shared = len(targets) * (self.labels if self.hparams.divide_by_classes else 1)
            return gradient.div_(shared)
        known = ~targets.isnan()
        gradient = torch.where(known, logits.sigmoid() - targets.nan_to_num(), 0.0)
        return gradient.div_(known.sum().clamp_min(1))

    def _update(self) -> None:
        # Torch's fused step passes over memory once, and a layer's share of it stays in the cache.
        tensors = self.values, self.gradients, self.means, self.squares
        for place, rate in enumerate(self.rates):
            parameters, gradients, means, squares = (
                [one[place] for one in each] for each in tensors
            )
            adam(
                parameters,
                gradients,
                means,
                squares,
                [],
                [torch.tensor(self.steps - 1.0) for _ in parameters],
                fused=True,
                amsgrad=False,
                beta1=BETA_1,
                beta2=BETA_2,
                lr=rate,
                weight_decay=self.hparams.weight_decay,
                eps=ADAM_EPSILON,
                maximize=False,
            )

    def probe(self, place: int, score: float, epoch: int) -> LinearProbe:
        weight, bias = (value[place].clone() for value in self.values[:2])
        return LinearProbe(weight, bias[:, 0], self.multiclass, self.rates[place], score, epoch)

    def keep(self, numbers: Sequence[int]) -> None:
        """Leave out the other layers."""
        if len(numbers) == len(self.numbers):
            return
        places = [self.numbers.index(number) for number in numbers]
        self.numbers = list(numbers)
        self.rates = [self.rates[place] for place in places]
        for tensors in (self.values, self.means, self.squares):
            tensors[:] = [tensor[places] for tensor in tensors]
        self._new_buffers()


class _WeighingStack(_Stack):
    """Layers on weighed means of the embeddings of several layers of a model.

    Its third parameter is what the weights are the softmax of, (models, layers, 1).
    """

    def _more_parameters(self, hparams: LinearHparams) -> list[Tensor]:
        return [torch.zeros(hparams.layers, 1)]

    def _weights(self) -> Tensor:
        return self.values[2].softmax(dim=1)

    def _mixed(self, x: Tensor) -> Tensor:
        """(models, rows, size) of (rows, layers * size)."""
        return torch.einsum("mlo,nls->mns", self._weights(), self._by_layer(x))

    def _by_layer(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (self.hparams.layers, -1))

    def _logits_of_mixed(self, mixed: Tensor) -> Tensor:
        weight, bias = self.values[:2]
        return torch.baddbmm(bias, weight, mixed.mT).mT

    def logits(self, x: Tensor) -> Tensor:
        return self._logits_of_mixed(self._mixed(x))

    def step(self, x: Tensor, targets: Tensor) -> None:
        self.steps += 1
        mixed, weights = self._mixed(x), self._weights()
        of_logits = self._gradient(self._logits_of_mixed(mixed), targets).mT
        torch.bmm(of_logits, mixed, out=self.gradients[0])
        torch.sum(of_logits, dim=2, keepdim=True, out=self.gradients[1])
        of_mixed = torch.bmm(of_logits.mT, self.values[0])
        of_weights = torch.einsum("mns,nls->ml", of_mixed, self._by_layer(x))[..., None]
        shared = (weights * of_weights).sum(dim=1, keepdim=True)
        torch.mul(weights, of_weights - shared, out=self.gradients[2])
        self._update()

    def probe(self, place: int, score: float, epoch: int) -> LinearProbe:
        plain, weights = super().probe(place, score, epoch), self._weights()[place]
        # (labels, layers * size): what the weights and the layer together make of a row.
        whole = (plain.weight[:, None] * weights).flatten(1)
        return replace(plain, weight=whole, layer_weights=weights[:, 0])


def probabilities(logits: Tensor, multiclass: bool) -> Tensor:
    """Softmax over labels, or a sigmoid each."""
    return logits.softmax(dim=-1) if multiclass else logits.sigmoid()


def validation_losses(logits: Tensor, targets: Tensor) -> list[float]:
    """Minus the loss of every model, (models, rows, labels) against `Examples.targets`."""
    if targets.dim() == 1:
        return [-float(F.cross_entropy(one, targets)) for one in logits]
    known = ~targets.isnan()
    return [
        -float(F.binary_cross_entropy_with_logits(one[known], targets[known])) for one in logits
    ]
