"""The shallow network that HEAR trains on embeddings, drawn as hear-eval-kit draws it.

Source: hear-eval-kit 2021.1.3, `heareval/predictions/task_predictions.py`:
FullyConnectedPrediction, AbstractPredictionModel. Every random number comes from one generator
in the kit's order, so that the same seed makes the same network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Hparams = Mapping[str, Any]  # one choice of hyperparameters, by name
SUMMARY_ROWS = 64


class Linear(nn.Module):
    """A linear layer with weights (n_out, n_in) drawn as the kit's come about."""

    def __init__(
        self, n_in: int, n_out: int, initialization: str, gain: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        bound = 1 / math.sqrt(n_in)
        weight = torch.empty(n_out, n_in)
        # nn.Linear draws weight and bias; the kit then draws the weight again.
        weight.uniform_(-bound, bound, generator=generator)
        bias = torch.empty(n_out).uniform_(-bound, bound, generator=generator)
        deviation = gain * math.sqrt(2.0 / float(n_in + n_out))
        if "uniform" in initialization:
            limit = math.sqrt(3.0) * deviation
            weight.uniform_(-limit, limit, generator=generator)
        else:
            weight.normal_(0.0, deviation, generator=generator)
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_in) to (n, n_out)."""
        return F.linear(x, self.weight, self.bias)


class Dropout(nn.Module):
    """Dropout that draws from a generator of its own; otherwise torch's, to the bit."""

    def __init__(self, p: float, generator: torch.Generator) -> None:
        super().__init__()
        self.p = p
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        """(n, features) with a share `p` of the numbers set to 0; unchanged when evaluating."""
        if not self.training or self.p == 0:
            return x
        kept = torch.empty_like(x).bernoulli_(1 - self.p, generator=self.generator)
        return x * kept.div_(1 - self.p)


class Head(nn.Sequential):
    """Linear layers from embeddings (n, size) to logits (n, labels).

    Parameters
    ----------
    size, n_labels
        Length of an embedding, number of labels.
    multiclass
        Softmax and cross entropy; else sigmoid and binary cross entropy.
    masked
        Only some labels are known: the others do not enter the loss.
    hparams
        hidden_layers, hidden_dim, dropout, norm_after_activation, initialization.
    generator
        Source of the initial weights.
    dropout_generator
        Source of dropout; the same generator for the kit's numbers. On the device of the data.
    """

    def __init__(
        self,
        size: int,
        n_labels: int,
        multiclass: bool,
        hparams: Hparams,
        generator: torch.Generator,
        dropout_generator: torch.Generator,
        masked: bool = False,
    ) -> None:
        super().__init__()
        self.multiclass = multiclass
        self.masked = masked
        self.loss = loss_function(multiclass, masked)
        initialization, gain = hparams["initialization"], 1.0
        hidden_dim, after = hparams["hidden_dim"], hparams["norm_after_activation"]
        for _ in range(hparams["hidden_layers"]):
            self.append(Linear(size, hidden_dim, initialization, gain, generator))
            norm = nn.BatchNorm1d(hidden_dim)
            dropped = [Dropout(hparams["dropout"], dropout_generator), nn.ReLU()]
            self.extend([*dropped, norm] if after else [norm, *dropped])
            size, gain = hidden_dim, math.sqrt(2.0)
        self.append(Linear(size, n_labels, initialization, gain, generator))

    def probabilities(self, logits: Tensor) -> Tensor:
        """Predictions (n, labels) of logits."""
        return torch.softmax(logits, dim=1) if self.multiclass else torch.sigmoid(logits)


def loss_function(multiclass: bool, masked: bool = False) -> Callable[[Tensor, Tensor], Tensor]:
    """Mean loss of logits (n, labels) against `Rows.targets`."""
    if masked:
        return _masked_loss
    return F.cross_entropy if multiclass else F.binary_cross_entropy_with_logits


def _masked_loss(logits: Tensor, targets: Tensor) -> Tensor:
    losses, label_mask = masked_losses(logits, targets)
    return losses.sum() / label_mask.sum().clamp_min(1)


def masked_losses(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Binary cross entropy of each label, 0 where `targets` is NaN, and 1 where it is not."""
    label_mask = ~torch.isnan(targets)
    losses = F.binary_cross_entropy_with_logits(logits, targets.nan_to_num(0.0), reduction="none")
    return losses * label_mask, label_mask.to(losses.dtype)


def init_head(
    size: int,
    n_labels: int,
    multiclass: bool,
    hparams: Hparams,
    generator: torch.Generator,
    device: torch.device,
    masked: bool = False,
) -> Head:
    """A new head, after all the draws that the kit makes before it trains one.

    On another device than the CPU dropout gets a generator there, seeded by the given one.
    """
    if device.type == "cpu":
        dropout = generator
    else:
        dropout = torch.Generator(device)
        dropout.manual_seed(int(torch.randint(2**62, (), generator=generator)))
    head = Head(size, n_labels, multiclass, hparams, generator, dropout, masked)
    # torchinfo.summary passes random rows through the network, in AbstractPredictionModel.__init__.
    torch.rand(SUMMARY_ROWS, size, generator=generator)
    return head.to(device)
