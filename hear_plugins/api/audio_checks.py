"""What the HEAR functions refuse."""

from __future__ import annotations

import torch
from torch import Tensor


def check_audio(audio: Tensor, model: torch.nn.Module) -> Tensor:
    """Check the `audio` argument of the HEAR functions and bring it to float32.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point
        Sounds in [-1, 1] at `model.sample_rate`; it may be on any device.
    model : torch.nn.Module
        What `load_model` returned.

    Returns
    -------
    Tensor (n_sounds, n_samples), float32, on the device of `audio`, without gradient.

    Raises
    ------
    ValueError
        Not a tensor, wrong rank, not floating point, no sounds, no samples, NaN or infinity.
    """
    if not isinstance(audio, Tensor):
        raise ValueError(
            f"audio is a {type(audio).__name__}; expected a torch.Tensor (n_sounds, n_samples)"
        )
    shape = tuple(audio.shape)
    if audio.ndim != 2:
        raise ValueError(f"audio has shape {shape}; expected (n_sounds, n_samples)")
    if not audio.is_floating_point():
        raise ValueError(
            f"audio is {audio.dtype}; expected floating-point samples in [-1, 1]"
            " (divide integers by their full scale)"
        )
    if audio.numel() == 0:
        raise ValueError(f"audio has shape {shape}; expected at least one sound and one sample")
    audio = audio.detach().to(torch.float32)
    finite = torch.isfinite(audio)
    if not finite.all():
        sound, sample = torch.nonzero(~finite)[0].tolist()
        value = audio[sound, sample].item()
        rate = float(getattr(model, "sample_rate", 1))
        raise ValueError(
            f"audio holds {value} (sound {sound}, sample {sample}, {sample / rate:.3f} s);"
            " expected finite samples"
        )
    return audio
