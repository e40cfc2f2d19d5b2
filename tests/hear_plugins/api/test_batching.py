"""Batches of bounded memory."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from hear_plugins.api.batching import map_windows, mean_of_chunks


@given(st.integers(1, 4), st.integers(1, 30), st.integers(1, 100))
def test_batches_are_bounded_and_in_order(n_sounds: int, count: int, max_samples: int) -> None:
    windows = torch.rand(n_sounds, count + 3).unfold(-1, 4, 1)
    seen = []

    def function(batch: torch.Tensor) -> torch.Tensor:
        seen.append(batch.numel())
        return batch.sum(-1, keepdim=True)

    out = map_windows(function, windows, max_samples)
    assert torch.equal(out, windows.sum(-1, keepdim=True))
    assert max(seen) <= max(max_samples, 4)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 30))
def test_the_mean_of_chunks_counts_every_frame(n_frames: int, length: int, most: int) -> None:
    spectrogram = torch.rand(2, 3, n_frames)
    mean = mean_of_chunks(lambda x: x.mean(-1), spectrogram, length, most)
    torch.testing.assert_close(mean, spectrogram.mean(-1))
