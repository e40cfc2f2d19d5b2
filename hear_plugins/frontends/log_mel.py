"""Log-mel spectrograms: one batched short-time Fourier transform and mel filterbank, in torch.

The originals use torchaudio, librosa and nnAudio, whose log-mel spectrograms differ in the mel
scale, the filters' normalisation, the window's length and the edges only; those are the arguments
here. Memory is bounded by the result: frames are transformed in batches.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from ..api.precision import full_precision
from .mel_filters import mel_filters

MAX_FRAMES = 4096
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
    scale, norm : as of `mel_filters`
    power : exponent of the magnitude
    padding : "reflect" or "constant" (zeros): frame k is centred on sample k * hop;
        None: frame k starts at sample k * hop, and nothing is padded
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
        """Samples that a frame sees."""
        return self.win_length or self.n_fft

    def n_frames(self, n_samples: int) -> int:
        """Frames of a sound of `n_samples`."""
        return 1 + (n_samples if self.padding else n_samples - self.n_fft) // self.hop

    def __call__(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) float32 -> (n_sounds, n_mels, n_frames(n_samples)) float32.

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
        return self.of_frames(frames[:, : self.n_frames(n_samples)])

    @full_precision
    def of_frames(self, frames: Tensor) -> Tensor:
        """(n_sounds, n_frames, window_samples) -> (n_sounds, n_mels, n_frames)."""
        n_sounds, n_frames = frames.shape[:2]
        window, filters = _tables(self, frames.device)
        out = frames.new_empty(n_sounds, self.n_mels, n_frames)
        step = max(1, MAX_FRAMES // n_sounds)
        for start in range(0, n_frames, step):
            spectrum = torch.fft.rfft(frames[:, start : start + step] * window, n=self.n_fft)
            power = spectrum.real.square() + spectrum.imag.square()
            if self.power != 2.0:
                power = power.clamp(min=1e-30) ** (self.power / 2)  # at 0 a root has no gradient
            mel = power @ filters
            if self.decibels:
                mel = mel.clamp_(min=self.floor).log10_().mul_(10)
            else:
                mel = mel.add_(self.floor).log_()
            out[:, :, start : start + step] = mel.transpose(1, 2)
        return out

    def of_windows(self, windows: Tensor, hop: int) -> Tensor:
        """Log-mels of overlapping windows of one sound, each with its own padded edges.

        The same as calling it on `windows`, but frames that lie inside the window are
        transformed once for all the windows that share them.

        Parameters
        ----------
        windows : Tensor (count, length), a view made by `unfold(-1, length, hop)`
        hop : samples from window to window, a multiple of `self.hop`

        Returns
        -------
        Tensor (count, n_mels, n_frames(length)).
        """
        assert self.padding and hop % self.hop == 0
        count, length = windows.shape
        size, n_frames = self.window_samples, self.n_frames(length)
        half = size // 2
        first = -(-half // self.hop)  # frames first .. last - 1 lie inside
        last = (length - size + half) // self.hop + 1
        if last <= first or length < hop:  # nothing to share
            return self(windows)
        sound = torch.cat((windows[:-1, :hop].flatten(), windows[-1]))
        inner = self.of_frames(sound[None, first * self.hop - half :].unfold(-1, size, self.hop))[0]
        head = windows[:, : (first - 1) * self.hop + size - half]
        tail = windows[:, last * self.hop - half :]
        head = torch.nn.functional.pad(head, (half, 0), mode=self.padding)
        missing = (n_frames - 1) * self.hop + size - half - length
        tail = torch.nn.functional.pad(tail, (0, missing), mode=self.padding)
        out = windows.new_empty(count, self.n_mels, n_frames)
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
        filters = torch.from_numpy(
            mel_filters(
                spec.sample_rate,
                spec.n_fft,
                spec.n_mels,
                spec.f_min,
                spec.f_max,
                scale=spec.scale,
                norm=spec.norm,
            )
        )
        return window.float().to(device), filters.float().to(device)
