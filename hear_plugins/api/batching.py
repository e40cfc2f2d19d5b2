"""Work through rows, windows and chunks in batches of bounded memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

MAX_BATCH_SAMPLES = 1 << 20
"""Samples a batch of windows holds by default: 4 MiB of float32, about 65 s at 16 kHz."""


def map_rows(function: Callable[[Tensor], Tensor], rows: Tensor, max_rows: int) -> Tensor:
    """Apply `function`, (n, ...) -> (n, ...) row by row, to at most `max_rows` rows at once."""
    out: Tensor | None = None
    for start in range(0, len(rows), max_rows):
        result = function(rows[start : start + max_rows])
        if out is None:
            out = result.new_empty((len(rows), *result.shape[1:]))
        out[start : start + len(result)] = result
    assert out is not None
    return out


def map_windows(
    function: Callable[[Tensor], Tensor],
    windows: Tensor,
    max_samples: int = MAX_BATCH_SAMPLES,
) -> Tensor:
    """Apply `function` to windows in batches of at most `max_samples` samples (at least a window).

    Parameters
    ----------
    function : callable
        (n, length) -> (n, ...), row by row: rows must not influence each other.
    windows : Tensor (n_sounds, count, length), or (n_sounds, count, ...) of spectrograms
        Often a view with overlaps (`framing.centred_windows`); batches may span sounds.
    max_samples : int

    Returns
    -------
    Tensor (n_sounds, count, ...).
    """
    n_sounds, count = windows.shape[:2]

    def of_indices(index: Tensor) -> Tensor:
        return function(windows[index // count, index % count])

    indices = torch.arange(n_sounds * count, device=windows.device)
    out = map_rows(of_indices, indices, max(1, max_samples // windows[0, 0].numel()))
    return out.unflatten(0, (n_sounds, count))


def map_chunks(
    function: Callable[[Tensor], Tensor], spectrogram: Tensor, length: int, max_frames: int
) -> list[Tensor]:
    """Apply `function` to consecutive chunks of spectrograms, at most `max_frames` at once.

    Parameters
    ----------
    function : callable
        (n, bins, frames) -> (n, ...), row by row.
    spectrogram : Tensor (n_sounds, bins, n_frames)
    length : int
        Frames of a chunk; the rest is a chunk of its own length.
    max_frames : int

    Returns
    -------
    list of Tensor (n_sounds, count, ...): of the whole chunks, where there are any; then of the
    rest, where there is one, with count 1.
    """
    whole = spectrogram.shape[-1] // length * length
    parts = []
    if whole:
        parts.append(spectrogram[..., :whole].unfold(-1, length, length).transpose(1, 2))
    if whole < spectrogram.shape[-1]:
        parts.append(spectrogram[..., whole:].unsqueeze(1))
    return [map_windows(function, part, max_frames * spectrogram.shape[1]) for part in parts]


def steps_of_chunks(
    function: Callable[[Tensor], Tensor], spectrogram: Tensor, length: int, max_frames: int
) -> Tensor:
    """As `map_chunks` with (n, bins, frames) -> (n, steps, size): (n_sounds, all steps, size)."""
    parts = map_chunks(function, spectrogram, length, max_frames)
    return torch.cat([part.flatten(1, 2) for part in parts], dim=1)


def mean_of_chunks(
    function: Callable[[Tensor], Tensor], spectrogram: Tensor, length: int, max_frames: int
) -> Tensor:
    """As `map_chunks` with (n, bins, frames) -> (n, size): their mean, weighted by frames."""
    means = torch.cat(map_chunks(function, spectrogram, length, max_frames), dim=1)
    total = spectrogram.shape[-1]
    counts = torch.full((means.shape[1], 1), float(length), device=means.device)
    counts[-1] = (total - 1) % length + 1
    return (means * counts).sum(1) / total
