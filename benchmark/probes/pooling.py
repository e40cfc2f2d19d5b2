"""Modules from a clip's sequence of embeddings to its logits.

`AttentivePooling` pools embeddings and then classifies. `LocalPredictions` classifies each step and
then pools the predictions (Quelennec et al., "On the choice of the optimal temporal support for
audio classification with pre-trained embeddings", ICASSP 2024, arXiv:2312.14005), by one of
`AGGREGATORS`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmark.probes.sequences import Padded

AGGREGATORS = ("mean", "attention", "autopool")
_SMALLEST = 1e-7  # of a probability, where its logarithm is taken


class AttentivePooling(nn.Module):
    """One learned query weighs the steps of a clip; one linear layer classifies their mean.

    Parameters
    ----------
    size, labels
        Length of an embedding, number of labels.
    generator
        Draws the layer's weights as torch.nn.Linear does; the query starts at 0, so training
        starts from the mean over time.
    """

    def __init__(self, size: int, labels: int, generator: torch.Generator) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(size))
        self.classify = _linear(size, labels, generator)

    def forward(self, batch: Padded) -> Tensor:
        """(clips, labels) logits."""
        scores = batch.x @ self.query * len(self.query) ** -0.5
        weights = _softmax_over_steps(scores[..., None], batch.there)
        logits: Tensor = self.classify((weights * batch.x).sum(dim=1))
        return logits


class LocalPredictions(nn.Module):
    """A linear layer predicts at each step, and the predictions are aggregated to the clip's.

    Parameters
    ----------
    aggregator
        "mean" of the steps' probabilities; "attention": their mean weighed for each label by a
        softmax over steps of a second linear layer; "autopool": weighed by a softmax over steps of
        the probabilities times a learned factor for each label (McFee et al., "Adaptive pooling
        operators for weakly labeled sound event detection", 2018, equation 6), which starts at 1.
    multiclass
        Probabilities of a step are a softmax over labels, else a sigmoid each.
    """

    def __init__(
        self,
        size: int,
        labels: int,
        aggregator: str,
        multiclass: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if aggregator not in AGGREGATORS:
            raise ValueError(f"unknown aggregator {aggregator!r}: one of {', '.join(AGGREGATORS)}")
        self.multiclass = multiclass
        self.classify = _linear(size, labels, generator)
        self.attend = _linear(size, labels, generator) if aggregator == "attention" else None
        self.factor = nn.Parameter(torch.ones(labels)) if aggregator == "autopool" else None

    def forward(self, batch: Padded) -> Tensor:
        """(clips, labels) logits of the clip's probabilities."""
        local = self.classify(batch.x)
        local = local.softmax(dim=2) if self.multiclass else local.sigmoid()
        if self.attend is not None:
            weights = _softmax_over_steps(self.attend(batch.x), batch.there)
        elif self.factor is not None:
            weights = _softmax_over_steps(self.factor * local, batch.there)
        else:
            weights = _softmax_over_steps(torch.zeros_like(local), batch.there)
        clip = (weights * local).sum(dim=1).clamp(_SMALLEST, 1 - _SMALLEST)
        # The softmax of a logarithm is the probability over the labels' sum, which may not be 1.
        return clip.log() if self.multiclass else torch.logit(clip)


def _softmax_over_steps(scores: Tensor, there: Tensor) -> Tensor:
    return scores.masked_fill(~there[..., None], -torch.inf).softmax(dim=1)


def _linear(size: int, labels: int, generator: torch.Generator) -> nn.Linear:
    layer = nn.Linear(size, labels)
    bound = size**-0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer
