"""Pooling over time."""

from __future__ import annotations

import pytest
import torch

from hear_plugins.api.pooling import max_over_steps, mean_max_pool


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_long_clips_are_pooled_in_float32(dtype: torch.dtype) -> None:
    """20 minutes of steps of 40 ms, of values around 8 as BYOL-A's: beyond float16's range."""
    pieces = [torch.full((2, 1000, 3), 8.0, dtype=dtype) for _ in range(30)]
    pooled = mean_max_pool(pieces)
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled, torch.full((2, 3), 16.0))


def test_pieces_are_pooled_as_a_whole() -> None:
    steps = torch.randn(2, 50, 3)
    expected = steps.mean(1) + steps.amax(1)
    torch.testing.assert_close(mean_max_pool(steps.split(7, 1)), expected)


def test_maxima_over_steps() -> None:
    steps = torch.arange(10.0).view(1, 5, 2)
    assert max_over_steps(steps, 1) is steps
    assert max_over_steps(steps, 2).tolist() == [[[2, 3], [6, 7]]]
    assert max_over_steps(steps, 2, ceil_mode=True).tolist() == [[[2, 3], [6, 7], [8, 9]]]
