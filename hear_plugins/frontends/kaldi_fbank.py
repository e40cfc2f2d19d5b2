"""Kaldi's log-mel filterbanks, batched, in torch."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from ..api.precision import full_precision
from .log_mel import FLOAT32_EPSILON, MAX_FRAMES
from .mel_filters import mel_filters


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
    win_length, hop : of frames, in samples
    window : "povey" (symmetric Hann to the power 0.85) or "hanning" (symmetric Hann)
    preemphasis : share of the preceding sample that is subtracted
    """

    sample_rate: int = 16000
    n_mels: int = 128
    f_min: float = 20.0
    f_max: float = 8000.0
    win_length: int = 400
    hop: int = 160
    window: str = "povey"
    preemphasis: float = 0.97

    def n_frames(self, n_samples: int) -> int:
        """Frames of a sound of `n_samples`."""
        return 1 + (n_samples - self.win_length) // self.hop

    def n_samples(self, n_frames: int) -> int:
        """Samples that `n_frames` frames see."""
        return self.win_length + (n_frames - 1) * self.hop

    @full_precision
    def __call__(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) float32 -> (n_sounds, n_frames(n_samples), n_mels) float32.

        The scale of the audio matters: Kaldi's own range is that of 16-bit integers.

        Raises
        ------
        ValueError
            The sound is shorter than a frame.
        """
        n_sounds, n_samples = audio.shape
        if n_samples < self.win_length:
            raise ValueError(
                f"{n_samples} samples are too short; expected at least {self.win_length}"
            )
        window, filters = _kaldi_tables(self, audio.device)
        frames = audio.unfold(-1, self.win_length, self.hop)
        out = audio.new_empty(n_sounds, frames.shape[1], self.n_mels)
        step = max(1, MAX_FRAMES // n_sounds)
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
    """The window (win_length,) and filters (n_fft // 2 + 1, n_mels), float32 on `device`."""
    with torch.inference_mode(False):
        window = torch.hann_window(spec.win_length, periodic=False, dtype=torch.float64)
        window = window**0.85 if spec.window == "povey" else window
        n_fft = 1 << (spec.win_length - 1).bit_length()
        filters = torch.from_numpy(
            mel_filters(spec.sample_rate, n_fft, spec.n_mels, spec.f_min, spec.f_max, scale="kaldi")
        )
        return window.float().to(device), filters.float().to(device)
