"""Pooling over time."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def mean_max_pool(pieces: Iterable[Tensor]) -> Tensor:
    """Mean plus maximum over the frames of all pieces (n, some, size), taken in turn.

    Returns
    -------
    Tensor (n, size), float32 whatever the type of the pieces: float16 would overflow at minutes of
    large values, and bfloat16 has two digits.
    """
    highest: Tensor | None = None
    total, count = torch.zeros(()), 0
    for frames in pieces:
        top = frames.amax(1).float()
        highest = top if highest is None else torch.maximum(highest, top)
        total = frames.sum(1, dtype=torch.float32) + total.to(frames.device)
        count += frames.shape[1]
    assert highest is not None
    return highest + total / count


def max_over_steps(x: Tensor, factor: int, ceil_mode: bool = False) -> Tensor:
    """Maxima over each `factor` time steps of (n, steps, size), as before layers are fused.

    Niizumi et al., "Composing General Audio Representation by Fusing Multilayer Features of a
    Pre-trained Model", EUSIPCO 2022, arXiv:2205.08138. A rest is left out unless `ceil_mode`.
    """
    if factor == 1:
        return x
    pooled = torch.nn.functional.max_pool1d(x.transpose(1, 2), factor, ceil_mode=ceil_mode)
    return pooled.transpose(1, 2)
