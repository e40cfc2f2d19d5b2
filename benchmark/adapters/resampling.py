"""Audio at the rate of an ecosystem as audio at the rate of a model, by soxr."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import soxr


def mono_at(audio: npt.ArrayLike, rate: int, model_rate: int) -> npt.NDArray[np.float32]:
    """One sound at the model's rate, high quality of soxr.

    Parameters
    ----------
    audio
        Floats (n_samples,), or with the channels first: their mean is taken.
    rate, model_rate
        Hz.

    Returns
    -------
    array
        float32, at least one sample: an empty sound is one of silence.
    """
    samples: npt.NDArray[Any] = np.asarray(audio, dtype=np.float32)
    samples = samples.mean(0) if samples.ndim == 2 else samples
    if rate != model_rate:
        samples = soxr.resample(samples, rate, model_rate)
    return samples.astype(np.float32, copy=False) if samples.size else np.zeros(1, np.float32)
