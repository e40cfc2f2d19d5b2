"""k nearest neighbours by cosine similarity: what embeddings tell without any training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.embeddings.dataset import Rows
from benchmark.errors import UserError
from benchmark.probes.registry import Probe, ProbeData

_BATCH = 512  # rows compared with all training rows at a time


@dataclass(frozen=True)
class NearestNeighbours:
    """Training rows that vote for those like them.

    Attributes
    ----------
    embeddings
        (n, embed_dim) float32, each of length 1; an embedding of zeros stays one.
    multi_hot
        (n, labels) float32.
    label_mask
        (n, labels) float32, 1 where a label is known.
    k
        Neighbours that vote.
    temperature
        Votes weigh exp(cosine / temperature) (Wu et al., arXiv:1805.01978, section 3.4); all weigh
        the same if None.
    """

    embeddings: Tensor
    multi_hot: Tensor
    label_mask: Tensor
    k: int
    temperature: float | None

    def predict(self, rows: Rows) -> Tensor:
        """(rows, labels) float32: share of the neighbours' votes that a label has.

        Of a label that is known of some neighbours only, the share among those; 0 if of none.
        """
        with torch.inference_mode():
            return torch.cat([self._votes(x) for x, _ in rows.batches(_BATCH)])

    def _votes(self, x: Tensor) -> Tensor:
        similarity, nearest = (F.normalize(x) @ self.embeddings.T).topk(self.k)
        weights = torch.ones_like(similarity)
        if self.temperature is not None:
            weights = torch.softmax(similarity / self.temperature, dim=1)
        voters = self.label_mask[nearest] * weights[:, :, None]
        cast = (voters * self.multi_hot[nearest]).sum(dim=1)
        return cast / voters.sum(dim=1).clamp_min(torch.finfo(cast.dtype).tiny)


def fit_knn(
    data: ProbeData, hparams: Mapping[str, Any], _generator: torch.Generator
) -> NearestNeighbours:
    """Keep the training rows; `UserError` if there are fewer than k."""
    rows, k = data.train, hparams["k"]
    if rows.count < k:
        raise UserError(f"k is {k}, but there are {rows.count} training rows; choose a smaller k")
    mask = torch.ones_like(rows.multi_hot) if rows.label_mask is None else rows.label_mask.float()
    embeddings = torch.cat([F.normalize(x) for x, _ in rows.batches(_BATCH)])
    return NearestNeighbours(embeddings, rows.multi_hot, mask, k, hparams["temperature"])


PROBES = (
    Probe(
        "knn",
        "k nearest neighbours by cosine similarity",
        {"k": 10, "temperature": None},
        fit_knn,
    ),
)
