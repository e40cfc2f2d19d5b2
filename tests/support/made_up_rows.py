"""Rows for probes, made of arrays in memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmark.embeddings.dataset import Rows


def rows_of(x: npt.ArrayLike, targets: npt.ArrayLike, labels: int = 0) -> Rows:
    """Rows with integer labels (n,), or several a row (n, labels) where NaN is not known."""
    embeddings = torch.tensor(np.asarray(x), dtype=torch.float32)
    wanted = torch.tensor(np.asarray(targets))
    multi_hot = wanted.nan_to_num()
    if wanted.dim() == 1:
        multi_hot = torch.nn.functional.one_hot(wanted, labels or int(wanted.max()) + 1)

    def take(rows: list[slice] | Tensor) -> Tensor:
        if isinstance(rows, Tensor):
            return embeddings[rows]
        return torch.cat([embeddings[part] for part in rows])

    masked = wanted.is_floating_point() and bool(wanted.isnan().any())
    return Rows([slice(0, len(embeddings))], multi_hot.float(), wanted, take, masked)


def blobs(
    rows: int, labels: int, size: int, seed: int = 0, noise: float = 1.5
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Embeddings (rows, size) around a random centre for each label, and the labels."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((labels, size))
    y = np.arange(rows) % labels
    return (centres[y] + noise * chance.standard_normal((rows, size))).astype(np.float32), y
