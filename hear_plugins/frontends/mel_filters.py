"""Triangular mel filters, as torchaudio, librosa and Kaldi define them."""

from __future__ import annotations

import math

import numpy as np


def mel_filters(
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    f_min: float,
    f_max: float,
    *,
    scale: str = "htk",
    norm: str | None = None,
) -> np.ndarray:
    """Triangular mel filters.

    Parameters
    ----------
    sample_rate, n_fft : in Hz and samples
    n_mels, f_min, f_max : number of filters; lowest and highest edge in Hz
    scale : "htk": 2595 log10(1 + f / 700); "slaney": f / 66.67 up to 1 kHz, then 27 steps for each
        factor 6.4 (Auditory Toolbox). Both have triangles that are linear in Hz, as in torchaudio
        and librosa; "kaldi": 1127 ln(1 + f / 700), triangles linear in mel
    norm : None (peak 1) or, not for "kaldi", "slaney" (equal area in Hz)

    Returns
    -------
    float64 array (n_fft // 2 + 1, n_mels).
    """
    if scale == "kaldi":
        return _kaldi_filters(sample_rate, n_fft, n_mels, f_min, f_max)
    low, high = _to_mel(np.array([f_min, f_max]), scale)
    edges = _to_hz(np.linspace(low, high, n_mels + 2), scale)
    frequencies = np.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    width = np.diff(edges)
    rising = (frequencies[:, None] - edges[:-2]) / width[:-1]
    falling = (edges[2:] - frequencies[:, None]) / width[1:]
    filters = np.clip(np.minimum(rising, falling), 0, None)
    if norm == "slaney":
        filters *= 2 / (edges[2:] - edges[:-2])
    return filters


_SLANEY_HZ, _SLANEY_MEL = 1000.0, 15.0  # where Slaney's scale turns from linear to logarithmic
_SLANEY_STEP = math.log(6.4) / 27


def _to_mel(hz: np.ndarray, scale: str) -> np.ndarray:
    if scale == "htk":
        return 2595 * np.log10(1 + hz / 700)
    log_part = _SLANEY_MEL + np.log(np.maximum(hz, _SLANEY_HZ) / _SLANEY_HZ) / _SLANEY_STEP
    return np.where(hz < _SLANEY_HZ, hz * _SLANEY_MEL / _SLANEY_HZ, log_part)


def _to_hz(mel: np.ndarray, scale: str) -> np.ndarray:
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    log_part = _SLANEY_HZ * np.exp((np.maximum(mel, _SLANEY_MEL) - _SLANEY_MEL) * _SLANEY_STEP)
    return np.where(mel < _SLANEY_MEL, mel * _SLANEY_HZ / _SLANEY_MEL, log_part)


def _kaldi_filters(
    sample_rate: int, n_fft: int, n_mels: int, f_min: float, f_max: float
) -> np.ndarray:
    low, high = 1127 * np.log1p(np.array([f_min, f_max]) / 700)
    edges = np.linspace(low, high, n_mels + 2)
    bins = 1127 * np.log1p(np.arange(n_fft // 2 + 1) * sample_rate / n_fft / 700)
    slope = (bins[:, None] - edges) / (edges[1] - edges[0])
    filters = np.clip(np.minimum(slope[:, :-2], -slope[:, 2:]), 0, None)
    filters[-1] = 0  # Kaldi leaves the bin at half the sample rate out
    return filters
