"""Rows to train a probe on: some of a split's, and scaled if a protocol asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import ceil

import torch
from torch import Tensor

from benchmark.embeddings.dataset import Rows

PASS_ROWS = 4096  # of a pass without training: what it reads at once


@dataclass(frozen=True)
class Scaling:
    """An affine map of every feature.

    Attributes
    ----------
    mean, scale
        (size,) float32; x becomes ``(x - mean) * scale``.
    """

    mean: Tensor
    scale: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return (x - self.mean) * self.scale


@dataclass(frozen=True)
class Examples:
    """Some rows of some splits.

    Attributes
    ----------
    rows
        Of which they are.
    chosen
        (count,) int64 row numbers; None for all.
    scaling
        Applied to each batch; None for none.
    """

    rows: Rows
    chosen: Tensor | None = None
    scaling: Scaling | None = None

    @property
    def count(self) -> int:
        """Number of rows."""
        return self.rows.count if self.chosen is None else len(self.chosen)

    @property
    def targets(self) -> Tensor:
        """(count,) int64 labels, or (count, labels) float32 with NaN where nothing is known."""
        return self.rows.targets if self.chosen is None else self._of(self.rows.targets)

    @property
    def multi_hot(self) -> Tensor:
        """(count, labels) float32."""
        return self.rows.multi_hot if self.chosen is None else self._of(self.rows.multi_hot)

    @property
    def label_mask(self) -> Tensor | None:
        """(count, labels) bool, true where a label is known; None where all are."""
        mask = self.rows.label_mask
        return mask if mask is None or self.chosen is None else self._of(mask)

    def batches(
        self, size: int, generator: torch.Generator | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Embeddings (n, size of an embedding) and targets; in a new order if there is a generator.

        Parameters
        ----------
        size
            Rows of a batch; the last may be smaller.
        """
        order = self.chosen
        if generator is not None:
            shuffled = torch.randperm(self.count, generator=generator)
            order = shuffled if order is None else order[shuffled]
        for x, targets in islice(self.rows.batches(size, order), ceil(self.count / size)):
            yield (x if self.scaling is None else self.scaling(x)), targets

    def embeddings(self) -> Tensor:
        """(count, size) float32, all at once."""
        return torch.cat([x for x, _ in self.batches(PASS_ROWS)])

    def _of(self, values: Tensor) -> Tensor:
        assert self.chosen is not None
        return values[self.chosen.to(values.device)]


def fit_scaling(examples: Examples, constant_scale: float = 1.0) -> Scaling:
    """The map to mean 0 and deviation 1 that scikit-learn's StandardScaler fits.

    The deviation is the population's. Sums are float64.

    Parameters
    ----------
    constant_scale
        Of a feature that is constant: by default it is only centred, as scikit-learn does.
    """
    total = squares = torch.zeros((), dtype=torch.float64)
    for x, _ in examples.batches(PASS_ROWS):
        total = total + x.double().sum(dim=0)
    mean = total / examples.count
    for x, _ in examples.batches(PASS_ROWS):
        squares = squares + (x.double() - mean).square().sum(dim=0)
    deviation = (squares / examples.count).sqrt()
    # As scikit-learn: a spread that is rounding alone counts as none.
    constant = deviation <= 10 * torch.finfo(torch.float64).eps * mean.abs()
    scale = torch.where(constant, constant_scale, 1 / deviation.masked_fill(constant, 1.0))
    return Scaling(mean.float(), scale.float())
