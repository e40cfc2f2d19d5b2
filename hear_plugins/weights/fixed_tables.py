"""Tables of the front end that some published files hold beside the weights.

They follow from sample rate, transform and mel scale, and the front ends here compute them. A file
whose tables differ was trained on other spectrograms: its network would take ours without a word.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from .strict import wrong_model

TOLERANCE = 1e-4  # of the largest value; rounding in float32 makes 3e-8


def dft_tables(n_fft: int) -> tuple[Tensor, Tensor]:
    """Cosines and negative sines under a periodic Hann window, float64 (n_fft // 2 + 1, n_fft).

    The kernels of torchlibrosa's `STFT` and of kapre's `Spectrogram`, without their axis of
    channels.
    """
    samples = torch.arange(n_fft)
    phases = torch.arange(n_fft // 2 + 1)[:, None] * samples % n_fft
    angles = phases * (2 * math.pi / n_fft)
    window = torch.hann_window(n_fft, dtype=torch.float64)
    return angles.cos() * window, -angles.sin() * window


def check_tables(path: Path, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Compare the tables that a file holds with those of the front end here.

    Parameters
    ----------
    path : of the file, for the error.
    tensors : of the file; a table may be absent, and may have axes of size 1.
    expected : the front end's tables, by their names in the file.

    Raises
    ------
    WeightsError
        Naming the table that is another.
    """
    for name, ours in expected.items():
        if name in tensors and (fault := _difference(tensors[name], ours)):
            raise wrong_model(
                path,
                f"table {name} {fault}; it was trained with another sample rate or spectrogram",
                tensors,
            )


def _difference(theirs: Tensor, ours: Tensor) -> str | None:
    shape, theirs, ours = tuple(theirs.shape), theirs.detach().squeeze(), ours.squeeze()
    if theirs.shape != ours.shape:
        return f"has shape {shape}, expected {tuple(ours.shape)}"
    difference = (theirs.double() - ours).abs().max()
    relative = float(difference / ours.abs().max())
    return None if relative <= TOLERANCE else f"differs by {relative:.2g} of its largest value"


def torchlibrosa_tables(prefix: str, n_fft: int, filters: Tensor) -> dict[str, Tensor]:
    """The tables of a front end of torchlibrosa, by their names in a file.

    Parameters
    ----------
    prefix : before the names.
    n_fft, filters : of the transform; of its mels, (n_fft // 2 + 1, n_mels).
    """
    real, imaginary = dft_tables(n_fft)
    return {
        f"{prefix}spectrogram_extractor.stft.conv_real.weight": real,
        f"{prefix}spectrogram_extractor.stft.conv_imag.weight": imaginary,
        f"{prefix}logmel_extractor.melW": filters,
    }
