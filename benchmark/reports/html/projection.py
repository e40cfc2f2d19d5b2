"""Embeddings in two dimensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.errors import UserError

Array = npt.NDArray[Any]


def pca(embeddings: Array) -> Array:
    """(n, 2) first principal components of embeddings (n, size), the same for equal input."""
    centred = np.asarray(embeddings, np.float64) - np.mean(embeddings, axis=0, dtype=np.float64)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    points: Array = np.zeros((len(centred), 2))
    width = min(2, len(scale))
    points[:, :width] = left[:, :width] * scale[:width]
    largest = np.abs(points).argmax(axis=0)
    return points * np.where(points[largest, [0, 1]] < 0, -1.0, 1.0)


def tsne(embeddings: Array) -> Array:
    """(n, 2) by scikit-learn's t-SNE of the standardised embeddings, seed 0.

    Raises
    ------
    UserError
        scikit-learn is not installed.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise UserError(
            "--map tsne needs scikit-learn, which is not installed; pip install scikit-learn, or"
            " take --map pca"
        ) from None
    spread = embeddings.std(axis=0)
    scaled = (embeddings - embeddings.mean(axis=0)) / np.where(spread > 0, spread, 1)
    perplexity = min(30.0, (len(scaled) - 1) / 3)
    points: Array = TSNE(init="pca", random_state=0, perplexity=perplexity).fit_transform(scaled)
    return points


MAPS: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "pca": ("PCA", pca),
    "tsne": ("t-SNE", tsne),
}
