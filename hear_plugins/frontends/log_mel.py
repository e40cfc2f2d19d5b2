"""Spectrogram frontends: one batched short-time Fourier transform and mel filterbank, in torch.

The originals use torchaudio, librosa and nnAudio, whose log-mel spectrograms differ in the mel
scale, the filters' normalisation, the window's length and the edges only; those are the arguments
here. Kaldi's filterbanks prepare each frame in a way of their own. Memory is bounded by the result:
frames are transformed in batches.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..api.precision import full_precision

_MAX_FRAMES = 4096
"""Frames in one transform: about 50 MB of work space at 1024 points."""
FLOAT32_EPSILON = 2.0**-23


@dataclass(frozen=True)
class LogMel:
    """A log-mel spectrogram: natural log of (mel + floor), or decibels.

    Attributes
    ----------
    sample_rate, n_fft, hop : in Hz and samples
    n_mels, f_min, f_max : number of filters; lowest and highest edge in Hz
    win_length : Hann window in samples, centred in the transform; None: n_fft
    periodic : or else the window is symmetric
    scale : "htk" or "slaney" (linear below 1 kHz), as torchaudio and librosa name them; "kaldi":
        as of `KaldiFbank`
    norm : None (peak 1) or "slaney" (equal area in Hz)
    power : exponent of the magnitude
    padding : "reflect" or "constant" (zeros): column k is centred on sample k * hop;
        None: column k starts at sample k * hop, and nothing is padded
    floor : added before the logarithm; in decibels, the smallest value that it takes
    decibels : 10 log10(max(mel, floor)) instead, as torchaudio's AmplitudeToDB and librosa
    """

    sample_rate: int
    n_fft: int
    hop: int
    n_mels: int
    f_min: float
    f_max: float
    win_length: int | None = None
    periodic: bool = True
    scale: str = "htk"
    norm: str | None = None
    power: float = 2.0
    padding: str | None = "reflect"
    floor: float = FLOAT32_EPSILON
    decibels: bool = False

    @property
    def filters(self) -> Tensor:
        """The mel filters, float32 (n_fft // 2 + 1, n_mels)."""
        return _tables(self, torch.device("cpu"))[1]

    @property
    def window_samples(self) -> int:
        """Samples that a column sees."""
        return self.win_length or self.n_fft

    def columns(self, n_samples: int) -> int:
        """Columns of a sound of `n_samples`."""
        return 1 + (n_samples if self.padding else n_samples - self.n_fft) // self.hop

    def __call__(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) float32 -> (n_sounds, n_mels, columns(n_samples)) float32.

        Raises
        ------
        ValueError
            The sound is too short for the padding or for one frame.
        """
        n_samples, reach = audio.shape[-1], self.n_fft // 2
        shortest = {"reflect": reach + 1, "constant": 1, None: self.n_fft}[self.padding]
        if n_samples < shortest:
            raise ValueError(f"{n_samples} samples are too short; expected at least {shortest}")
        if self.padding:
            audio = torch.nn.functional.pad(audio, (reach, reach), mode=self.padding)
        # The window's zeros outside win_length change phases only: transform what it lets through.
        skip = (self.n_fft - self.window_samples) // 2
        frames = audio[:, skip:].unfold(-1, self.window_samples, self.hop)
        return self.of_frames(frames[:, : self.columns(n_samples)])

    @full_precision
    def of_frames(self, frames: Tensor) -> Tensor:
        """(n_sounds, columns, window_samples) -> (n_sounds, n_mels, columns)."""
        n_sounds, columns = frames.shape[:2]
        window, filters = _tables(self, frames.device)
        out = frames.new_empty(n_sounds, self.n_mels, columns)
        step = max(1, _MAX_FRAMES // n_sounds)
        for start in range(0, columns, step):
            spectrum = torch.fft.rfft(frames[:, start : start + step] * window, n=self.n_fft)
            power = spectrum.real.square() + spectrum.imag.square()
            if self.power != 2.0:
                power = power ** (self.power / 2)
            mel = power @ filters
            if self.decibels:
                mel = mel.clamp_(min=self.floor).log10_().mul_(10)
            else:
                mel = mel.add_(self.floor).log_()
            out[:, :, start : start + step] = mel.transpose(1, 2)
        return out

    def of_windows(self, windows: Tensor, hop: int) -> Tensor:
        """Log-mels of overlapping windows of one sound, each with its own padded edges.

        The same as calling it on `windows`, but columns whose frame lies inside the window are
        transformed once for all the windows that share them.

        Parameters
        ----------
        windows : Tensor (count, length), a view made by `unfold(-1, length, hop)`
        hop : samples from window to window, a multiple of `self.hop`

        Returns
        -------
        Tensor (count, n_mels, columns(length)).
        """
        assert self.padding and hop % self.hop == 0
        count, length = windows.shape
        size, columns = self.window_samples, self.columns(length)
        half = size // 2
        first = -(-half // self.hop)  # columns first .. last - 1 lie inside
        last = (length - size + half) // self.hop + 1
        if last <= first or length < hop:  # nothing to share
            return self(windows)
        sound = torch.cat((windows[:-1, :hop].flatten(), windows[-1]))
        inner = self.of_frames(sound[None, first * self.hop - half :].unfold(-1, size, self.hop))[0]
        head = windows[:, : (first - 1) * self.hop + size - half]
        tail = windows[:, last * self.hop - half :]
        head = torch.nn.functional.pad(head, (half, 0), mode=self.padding)
        missing = (columns - 1) * self.hop + size - half - length
        tail = torch.nn.functional.pad(tail, (0, missing), mode=self.padding)
        out = windows.new_empty(count, self.n_mels, columns)
        shared = inner.unfold(-1, last - first, hop // self.hop).transpose(0, 1)
        out[:, :, first:last] = shared[:count]
        out[:, :, :first] = self.of_frames(head.unfold(-1, size, self.hop))
        out[:, :, last:] = self.of_frames(tail.unfold(-1, size, self.hop))
        return out


@functools.lru_cache(maxsize=32)
def _tables(spec: LogMel, device: torch.device) -> tuple[Tensor, Tensor]:
    """The window (window_samples,) and filters (n_fft // 2 + 1, n_mels), float32 on `device`."""
    with torch.inference_mode(False):
        window = torch.hann_window(spec.window_samples, periodic=spec.periodic, dtype=torch.float64)
        filters = torch.from_numpy(mel_filters(spec))
        return window.to(device, torch.float32), filters.to(device, torch.float32)


def mel_filters(spec: LogMel) -> np.ndarray:
    """Triangular mel filters, float64 (n_fft // 2 + 1, n_mels).

    HTK scale: 2595 log10(1 + f / 700). Slaney's: f / 66.67 up to 1 kHz, then 27 steps for each
    factor 6.4 (Auditory Toolbox). Triangles are linear in Hz, as in torchaudio and librosa; Kaldi's
    are linear in mel.
    """
    if spec.scale == "kaldi":
        return _kaldi_filters(spec.sample_rate, spec.n_fft, spec.n_mels, spec.f_min, spec.f_max)
    low, high = _to_mel(np.array([spec.f_min, spec.f_max]), spec.scale)
    edges = _to_hz(np.linspace(low, high, spec.n_mels + 2), spec.scale)
    frequencies = np.linspace(0, spec.sample_rate / 2, spec.n_fft // 2 + 1)
    width = np.diff(edges)
    rising = (frequencies[:, None] - edges[:-2]) / width[:-1]
    falling = (edges[2:] - frequencies[:, None]) / width[1:]
    filters = np.clip(np.minimum(rising, falling), 0, None)
    if spec.norm == "slaney":
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


@dataclass(frozen=True)
class KaldiFbank:
    """Kaldi's log-mel filterbank energies (compute-fbank-feats without dither and energy row).

    Each frame loses its mean, is pre-emphasised within itself, weighted by the window and
    transformed at the next power of two; the natural log of max(mel, float32's epsilon) follows.
    Frame k starts at sample k * hop and nothing is padded (snip_edges).

    Attributes
    ----------
    sample_rate, n_mels : in Hz; number of filters, triangles on the mel axis
    f_min, f_max : lowest and highest edge in Hz
    length, hop : of frames, in samples
    window : "povey" (symmetric Hann to the power 0.85) or "hanning" (symmetric Hann)
    preemphasis : share of the preceding sample that is subtracted
    """

    sample_rate: int = 16000
    n_mels: int = 128
    f_min: float = 20.0
    f_max: float = 8000.0
    length: int = 400
    hop: int = 160
    window: str = "povey"
    preemphasis: float = 0.97

    def columns(self, n_samples: int) -> int:
        """Frames of a sound of `n_samples`."""
        return 1 + (n_samples - self.length) // self.hop

    def samples(self, columns: int) -> int:
        """Samples that `columns` frames see."""
        return self.length + (columns - 1) * self.hop

    @full_precision
    def __call__(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) float32 -> (n_sounds, columns(n_samples), n_mels) float32.

        The scale of the audio matters: Kaldi's own range is that of 16-bit integers.

        Raises
        ------
        ValueError
            The sound is shorter than a frame.
        """
        n_sounds, n_samples = audio.shape
        if n_samples < self.length:
            raise ValueError(f"{n_samples} samples are too short; expected at least {self.length}")
        window, filters = _kaldi_tables(self, audio.device)
        frames = audio.unfold(-1, self.length, self.hop)
        out = audio.new_empty(n_sounds, frames.shape[1], self.n_mels)
        step = max(1, _MAX_FRAMES // n_sounds)
        for start in range(0, frames.shape[1], step):
            piece = frames[:, start : start + step]
            piece = piece - piece.mean(-1, keepdim=True)
            # A second time, so that nothing of a constant frame remains but exactly zero.
            piece -= piece.mean(-1, keepdim=True)
            before = torch.cat((piece[..., :1], piece[..., :-1]), dim=-1)
            piece = (piece - self.preemphasis * before) * window
            spectrum = torch.fft.rfft(piece, n=2 * (len(filters) - 1))
            power = spectrum.real.square() + spectrum.imag.square()
            out[:, start : start + step] = (power @ filters).clamp_(min=FLOAT32_EPSILON).log_()
        return out


@functools.lru_cache(maxsize=8)
def _kaldi_tables(spec: KaldiFbank, device: torch.device) -> tuple[Tensor, Tensor]:
    """The window (length,) and filters (n_fft // 2 + 1, n_mels), float32 on `device`."""
    with torch.inference_mode(False):
        window = torch.hann_window(spec.length, periodic=False, dtype=torch.float64)
        window = window**0.85 if spec.window == "povey" else window
        n_fft = 1 << (spec.length - 1).bit_length()
        filters = torch.from_numpy(
            _kaldi_filters(spec.sample_rate, n_fft, spec.n_mels, spec.f_min, spec.f_max)
        )
        return window.to(device, torch.float32), filters.to(device, torch.float32)


def _kaldi_filters(
    sample_rate: int, n_fft: int, n_mels: int, f_min: float, f_max: float
) -> np.ndarray:
    """Triangles linear in mel (1127 ln(1 + f / 700)), float64 (n_fft // 2 + 1, n_mels)."""
    low, high = 1127 * np.log1p(np.array([f_min, f_max]) / 700)
    edges = np.linspace(low, high, n_mels + 2)
    bins = 1127 * np.log1p(np.arange(n_fft // 2 + 1) * sample_rate / n_fft / 700)
    slope = (bins[:, None] - edges) / (edges[1] - edges[0])
    filters = np.clip(np.minimum(slope[:, :-2], -slope[:, 2:]), 0, None)
    filters[-1] = 0  # Kaldi leaves the bin at half the sample rate out
    return filters
