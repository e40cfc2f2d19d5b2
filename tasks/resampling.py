"""From one sample rate to another, as a whole or block by block with the same samples.

Two resamplers are there. ``soxr-int16``, the default, is libsoxr's quality HQ from 16-bit samples
to 16-bit samples, as hear-preprocess had it from ffmpeg (``-af aresample=resampler=soxr``). libsoxr
then adds triangular dither of up to 1 LSB before it rounds, so that a quarter of the samples of
digital silence comes out as +-1. The random numbers of the dither are drawn here, from a fixed
seed: ffmpeg draws them anew at every run, and python-soxr's own (int16 arrays, release 1.1.0)
depend on how the audio is cut into blocks and on memory that was never written. What is made
differs from ffmpeg's by 2 LSB at most, as two runs of ffmpeg do. ``torchaudio`` is what
`torchaudio.transforms.Resample` does by default, which the BYOL-S paper used: a sinc under a Hann
window of 6 zero crossings, cut off at 0.99 of the lower rate's half; written from its
documentation, as torchaudio's wheels need CUDA.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import soxr

from .folder import RESAMPLERS, TaskError, near_names

SOXR = RESAMPLERS[0]
ZERO_CROSSINGS = 6
ROLLOFF = 0.99
NOTHING = np.zeros(0, np.float32)
DITHER_SEED = 0

Samples = npt.NDArray[np.float32]


def to_int16(audio: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.int16]:
    """Floating-point samples, full scale 1.0, rounded to the nearest 16-bit value and clipped."""
    with np.errstate(over="ignore"):  # clipped all the same
        scaled = audio * audio.dtype.type(32768)
    np.rint(scaled, out=scaled)
    return np.clip(scaled, -32768, 32767, out=scaled).astype(np.int16)


def to_float32(audio: npt.NDArray[np.int16]) -> Samples:
    """16-bit samples as float32, full scale 1.0; no value changes."""
    made = audio.astype(np.float32)
    made /= np.float32(32768)
    return made


def quantise(audio: Samples) -> Samples:
    """Round float32 samples to 16 bit (clipped) and back: what a WAV file keeps of them."""
    return to_float32(to_int16(audio))


class Stream(Protocol):
    """A resampler on its way through one recording."""

    def push(self, block: Samples, last: bool = False) -> Samples:
        """What the next samples make ready, float32 (n,); after the last block all of the rest."""


def resample(audio: Samples, from_rate: int, to_rate: int, resampler: str = SOXR) -> Samples:
    """Resample float32 (n,) from one rate (Hz) to another with one of `RESAMPLERS`.

    ``soxr-int16`` rounds its input to 16 bit, which leaves 16-bit audio as it is, and gives float32
    of 16-bit values.
    """
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
        return f"soxr {soxr.__version__} HQ int16 dithered"
    return f"torchaudio sinc hann {ZERO_CROSSINGS} rolloff {ROLLOFF}"


class _Same:
    def push(self, block: Samples, last: bool = False) -> Samples:
        return block


class _Soxr:
    """libsoxr in float32, then its dither and rounding to 16 bit."""

    def __init__(self, from_rate: int, to_rate: int) -> None:
        self._stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality="HQ")
        self._random = np.random.PCG64(DITHER_SEED)

    def push(self, block: Samples, last: bool = False) -> Samples:
        made = np.asarray(self._stream.resample_chunk(quantise(block), last=last), np.float32)
        if not len(made):
            return NOTHING
        raw = self._random.random_raw(len(made))
        # The difference of two draws of 5 bits, in steps of 1/32 LSB, as in libsoxr's rint-clip.h.
        steps = (raw & 31).astype(np.float32) - (raw >> 5 & 31).astype(np.float32)
        return quantise(made + steps / np.float32(32 * 32768))


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
