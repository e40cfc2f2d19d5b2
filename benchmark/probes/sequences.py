"""Clips as sequences of embeddings, padded in batches: what pooling over time is trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from benchmark.embeddings.dataset import Rows

PASS_CLIPS = 64  # of a pass without training


class Padded(NamedTuple):
    """Sequences of one batch.

    Attributes
    ----------
    x
        (clips, steps, size) float32, 0 where a sequence is over.
    there
        (clips, steps) bool.
    """

    x: Tensor
    there: Tensor


@dataclass(frozen=True)
class SequenceExamples:
    """Clips whose embeddings are consecutive rows.

    Attributes
    ----------
    rows
        Of all their steps; a step has the labels of its clip.
    lengths
        (clips,) int64, steps of each clip, which sum to the number of rows.
    """

    rows: Rows
    lengths: Tensor

    @property
    def count(self) -> int:
        """Number of clips."""
        return len(self.lengths)

    @property
    def starts(self) -> Tensor:
        """(clips,) int64: the first row of each clip."""
        return torch.cumsum(self.lengths, 0) - self.lengths

    @property
    def targets(self) -> Tensor:
        """As `benchmark.probes.examples.Examples.targets`, of clips."""
        return self.rows.targets[self.starts]

    @property
    def multi_hot(self) -> Tensor:
        """(clips, labels) float32."""
        return self.rows.multi_hot[self.starts]

    @property
    def label_mask(self) -> Tensor | None:
        """(clips, labels) bool, true where a label is known; None where all are."""
        mask = self.rows.label_mask
        return None if mask is None else mask[self.starts]

    def batches(
        self, size: int, generator: torch.Generator | None = None
    ) -> Iterator[tuple[Padded, Tensor]]:
        """Sequences and targets of `size` clips; in a new order if there is a generator."""
        order = torch.arange(self.count)
        if generator is not None:
            order = torch.randperm(self.count, generator=generator)
        starts, targets = self.starts, self.targets
        for clips in order.split(size):
            lengths = self.lengths[clips]
            steps = torch.arange(int(lengths.max()))
            there = steps < lengths[:, None]
            places = (starts[clips][:, None] + steps)[there]
            taken, _ = next(self.rows.batches(len(places), places))
            x = taken.new_zeros(*there.shape, taken.shape[1])
            x[there] = taken
            yield Padded(x, there), targets[clips]
