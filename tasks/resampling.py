"""From one sample rate to another, as a whole or block by block with the same samples.

Two resamplers are there. ``soxr-hq``, the default, is libsoxr's quality HQ, as hear-preprocess had
it from ffmpeg. ``torchaudio`` is what `torchaudio.transforms.Resample` does by default, which the
BYOL-S paper used: a sinc under a Hann window of 6 zero crossings, cut off at 0.99 of the lower
rate's half; written from its documentation, as torchaudio's wheels need CUDA.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
import soxr

from .folder import RESAMPLERS, TaskError, near_names

SOXR, TORCHAUDIO = RESAMPLERS
ZERO_CROSSINGS = 6
ROLLOFF = 0.99
NOTHING = np.zeros(0, np.float32)

Samples = npt.NDArray[np.float32]


class Stream(Protocol):
    """A resampler on its way through one recording."""

    def push(self, block: Samples, last: bool = False) -> Samples:
        """What the next samples make ready, float32 (n,); after the last block all of the rest."""


def resample(audio: Samples, from_rate: int, to_rate: int, resampler: str = SOXR) -> Samples:
    """Resample float32 (n,) from one rate (Hz) to another with one of `RESAMPLERS`."""
    return stream(from_rate, to_rate, resampler).push(audio, last=True)


def stream(from_rate: int, to_rate: int, resampler: str = SOXR) -> Stream:
    """A stream whose blocks, one after another, are what `resample` gives of the whole."""
    check_resampler(resampler)
    if from_rate == to_rate:
        return _Same()
    kind = _Soxr if resampler == SOXR else _WindowedSinc
    return kind(from_rate, to_rate)


def check_resampler(resampler: str) -> None:
    """Raise TaskError for a name that no resampler has."""
    if resampler not in RESAMPLERS:
        raise TaskError(
            f"resampler is {resampler!r}{near_names(resampler, RESAMPLERS)}; expected"
            f" {' or '.join(RESAMPLERS)}"
        )


def description(resampler: str) -> str:
    """What a record says of a resampler."""
    if resampler == SOXR:
        return f"soxr {soxr.__version__} HQ"
    return f"torchaudio sinc hann {ZERO_CROSSINGS} rolloff {ROLLOFF}"


class _Same:
    def push(self, block: Samples, last: bool = False) -> Samples:
        return block


class _Soxr:
    def __init__(self, from_rate: int, to_rate: int) -> None:
        self._stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality="HQ")

    def push(self, block: Samples, last: bool = False) -> Samples:
        return np.asarray(self._stream.resample_chunk(block, last=last), np.float32)


class _WindowedSinc:
    """Output m is the sum over inputs k of x[k] h[m * down - k * up], by a polyphase filter."""

    def __init__(self, from_rate: int, to_rate: int) -> None:
        divisor = math.gcd(from_rate, to_rate)
        self._up, self._down = to_rate // divisor, from_rate // divisor
        self._filter, self._reach = _sinc_filter(self._up, self._down)
        self._held = NOTHING  # inputs from `_first` on, which is a multiple of `_down`
        self._first = 0
        self._made = 0  # outputs given

    def push(self, block: Samples, last: bool = False) -> Samples:
        from scipy.signal import upfirdn  # half a second, only needed here

        up, down = self._up, self._down
        self._held = np.concatenate([self._held, block]) if len(self._held) else block
        end = self._first + len(self._held)
        # The last output that needs no input at or after `end`; at the end those are zeros.
        ready = -(-end * up // down) if last else -((self._reach - end * up) // down)
        if ready <= self._made:
            return NOTHING
        filtered = upfirdn(self._filter, self._held, up, down)
        skipped = len(self._filter) // 2 // down - self._first // down * up
        made: Samples = filtered[self._made + skipped : ready + skipped].copy()
        self._made = ready
        needed = max(0, (self._made * down - self._reach) // up)
        kept = max(self._first, needed // down * down)
        self._held = self._held[kept - self._first :].copy()
        self._first = kept
        return made


@lru_cache(maxsize=16)
def _sinc_filter(up: int, down: int) -> tuple[Samples, int]:
    """The filter at `up` times the input's rate, and how far from its middle it is not zero.

    Its middle is at a multiple of `down`, so that outputs fall on it.
    """
    cutoff = ROLLOFF * min(up, down) / (up * down)  # zero crossings for each step of the filter
    reach = math.ceil(ZERO_CROSSINGS / cutoff) - 1
    middle = -(-reach // down) * down
    t = cutoff * np.arange(-middle, middle + 1)
    window = np.cos(np.pi * np.clip(t, -ZERO_CROSSINGS, ZERO_CROSSINGS) / ZERO_CROSSINGS / 2) ** 2
    taps = np.sinc(t) * window * (cutoff * up)
    taps[np.abs(np.arange(-middle, middle + 1)) > reach] = 0
    return taps.astype(np.float32), reach
