"""Half the sample rate, for models whose rate HEAR does not have (24 kHz: MERT)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

ZEROS, ROLLOFF = 6, 0.99


def halve_rate(audio: Tensor) -> Tensor:
    """Every other sample of what a windowed sinc lets through.

    Filter and edges are those of torchaudio.transforms.Resample(2, 1) with its defaults.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples)

    Returns
    -------
    Tensor (n_sounds, ceil(n_samples / 2)) : sample k at the place of sample 2 k.
    """
    reach = math.ceil(2 * ZEROS / ROLLOFF)
    at = torch.arange(-reach, reach + 2, dtype=torch.float64) / 2 * ROLLOFF
    at = at.clamp(-ZEROS, ZEROS)
    kernel = torch.sinc(at) * torch.cos(at * math.pi / ZEROS / 2) ** 2 * ROLLOFF / 2
    padded = F.pad(audio, (reach, reach + 2)).unsqueeze(1)
    out = F.conv1d(padded, kernel.to(audio).view(1, 1, -1), stride=2)
    return out[:, 0, : -(-audio.shape[1] // 2)]
