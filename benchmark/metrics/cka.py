"""Linear centred kernel alignment (CKA): how alike two models place the same clips.

Kornblith et al., "Similarity of neural network representations revisited" (2019), section 3, for
the alignment; Song et al., "Feature selection via dependence maximization" (2012), section 3.1, for
the unbiased HSIC, and Nguyen et al., "Do wide and deep networks learn the same things?" (2021),
section 2, for its mean over minibatches. The BYOL-S paper (arXiv:2206.12038) shows it in Figure 3.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

Array = npt.NDArray[Any]

MIN_CLIPS = 4  # of which the unbiased HSIC is defined


@dataclass(frozen=True)
class Similarities:
    """CKA of every pair, for a heat map.

    Attributes
    ----------
    rows, columns
        Names of what was compared.
    matrix
        (rows, columns) float64; 1 is alike but for rotation and scale, 0 unlike. Estimates of few
        clips can be a little above 1 or below 0. NaN where a representation is constant.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    matrix: Array

    def ordered(self) -> Similarities:
        """The same with those that are alike side by side; only of one set with itself.

        The order is that of the leaves of a hierarchical clustering by mean distance 1 - CKA.
        """
        if self.rows != self.columns:
            raise ValueError("two different sets have no common order")
        if len(self.rows) < 3:
            return self
        distance = np.clip(1 - np.nan_to_num(self.matrix), 0, None)
        distance = (distance + distance.T) / 2
        np.fill_diagonal(distance, 0)
        tree = linkage(squareform(distance), method="average", optimal_ordering=True)
        order = leaves_list(tree)
        names = tuple(self.rows[place] for place in order)
        return Similarities(names, names, self.matrix[np.ix_(order, order)])

    def to_csv(self) -> str:
        """Comma-separated text, names in the first row and column."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["", *self.columns])
        for name, values in zip(self.rows, self.matrix, strict=True):
            writer.writerow([name, *(f"{value:.6f}" for value in values)])
        return out.getvalue()


def unbiased_hsic(k: Array, m: Array) -> float:
    """Unbiased estimate of the Hilbert-Schmidt independence criterion of two (n, n) Grams."""
    n = len(k)
    if n < MIN_CLIPS:
        raise ValueError(f"{n} clips: the unbiased HSIC takes at least {MIN_CLIPS}")
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    rows_k, rows_m = k.sum(axis=1), m.sum(axis=1)
    value = (
        (k * m).sum()
        + rows_k.sum() * rows_m.sum() / ((n - 1) * (n - 2))
        - 2 * (rows_k @ rows_m) / (n - 2)
    )
    return float(value / (n * (n - 3)))


def minibatch_cka(
    batches: Iterable[tuple[Mapping[str, Array], Mapping[str, Array]]],
) -> Similarities:
    """CKA of every representation of one set with every one of another, batch after batch.

    Parameters
    ----------
    batches
        For each batch of clips the representations (clips, size) of both sets by name, the same
        names in each batch; at least 4 clips.

    Raises
    ------
    ValueError
        There is no batch, a batch has fewer than four clips, or names or numbers of clips differ.
    """
    of_both: Array | None = None
    of_rows = of_columns = np.zeros(0)
    names: tuple[tuple[str, ...], tuple[str, ...]] = (), ()
    for first, second in batches:
        if of_both is None:
            names = tuple(first), tuple(second)
            of_both = np.zeros((len(first), len(second)))
            of_rows, of_columns = np.zeros(len(first)), np.zeros(len(second))
        if (tuple(first), tuple(second)) != names:
            raise ValueError("batches have representations of different names")
        clips = {len(one) for one in (*first.values(), *second.values())}
        if len(clips) != 1:
            raise ValueError(f"representations of one batch have {sorted(clips)} clips")
        grams = [_gram(one) for one in first.values()]
        others = [
            grams[names[0].index(name)] if name in first and first[name] is one else _gram(one)
            for name, one in second.items()
        ]
        of_rows = of_rows + [unbiased_hsic(one, one) for one in grams]
        of_columns = of_columns + [unbiased_hsic(one, one) for one in others]
        for row, one in enumerate(grams):
            of_both[row] += [unbiased_hsic(one, other) for other in others]
    if of_both is None:
        raise ValueError("there is no batch of clips to compare on")
    scale = np.sqrt(np.clip(of_rows, 0, None)[:, None] * np.clip(of_columns, 0, None)[None])
    with np.errstate(divide="ignore", invalid="ignore"):
        matrix = np.where(scale > 0, of_both / scale, np.nan)
    return Similarities(*names, matrix)


def batch_bounds(clips: int, size: int) -> Sequence[tuple[int, int]]:
    """Batches of `size` clips; the last takes what is left if that is too little for one."""
    bounds = [(start, min(start + size, clips)) for start in range(0, clips, size)]
    if len(bounds) > 1 and bounds[-1][1] - bounds[-1][0] < MIN_CLIPS:
        (start, _), (_, end) = bounds[-2:]
        bounds[-2:] = [(start, end)]
    return bounds


def _gram(x: Array) -> Array:
    # Centring changes no unbiased HSIC, but keeps rounding small where a mean is large.
    x = np.asarray(x, np.float64)
    x = x - x.mean(axis=0)
    gram: Array = x @ x.T
    return gram
