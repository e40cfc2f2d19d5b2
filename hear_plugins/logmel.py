"""Log-mel statistics: a baseline without weights, in the place of HEAR's naive ones.

Paper         none; our own. HEAR 2021's naive baseline is likewise made of mel spectrograms
Weights       none
Input         16 kHz; 128 log-mels (Slaney), 30 - 8000 Hz, 64 ms window, 10 ms hop, scaled by two
              constants to about zero mean and unit variance
Scene         five statistics of each mel over the clip, 640 values: mean, standard deviation, 10 %
              and 90 % quantile, mean absolute change from column to column
Timestamps    every 50 ms from 0: mean of each mel over the 50 ms around, and its change from the
              timestamp before and to the one after, 384 values

Options of `load_model`
    hop_ms=50     step of timestamps, a multiple of 10 ms
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .api.framing import check_audio, map_rows, pad_to, samples_of, timestamps
from .frontends.log_mel import LogMel

FRONTEND = LogMel(16000, 1024, 160, 128, 30, 8000, scale="slaney", norm="slaney", floor=1e-8)
_MEAN, _STD = -9.0, 6.0  # of ordinary recordings, to one digit
_STATISTICS = 5
_MIN_SAMPLES = FRONTEND.n_fft
_VALUES_AT_ONCE = 1 << 24


class LogMelStatistics(torch.nn.Module):
    """What `load_model` returns: the settings."""

    sample_rate = FRONTEND.sample_rate
    scene_embedding_size = _STATISTICS * FRONTEND.n_mels
    timestamp_embedding_size = 3 * FRONTEND.n_mels

    def __init__(self, hop_ms: float) -> None:
        super().__init__()
        self.hop_ms = hop_ms
        self.hop = samples_of(hop_ms, self.sample_rate, "hop_ms", multiple=FRONTEND.hop)
        self.provenance: dict[str, Any] = {"weights": "none"}


def load_model(model_file_path: str = "", *, hop_ms: float = 50) -> LogMelStatistics:
    """Set up the baseline; the options are on the module's card.

    Raises
    ------
    ValueError
        A weights file is given, or an option has a value that it cannot have.
    """
    if model_file_path:
        raise ValueError(f"logmel has no weights, but the file {model_file_path} is given")
    return LogMelStatistics(hop_ms).eval()


def get_scene_embeddings(audio: Tensor, model: LogMelStatistics) -> Tensor:
    """One embedding a sound.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at 16 kHz
    model : from `load_model`

    Returns
    -------
    Tensor (n_sounds, 640), float32: five statistics, 128 values each.

    Raises
    ------
    ValueError
        As `hear.check_audio`.
    """
    with torch.no_grad():
        columns = _columns(check_audio(audio, model))
        rows = max(1, _VALUES_AT_ONCE // columns.shape[-1])
        values = map_rows(_statistics, columns.flatten(0, 1), rows)
        return values.unflatten(0, columns.shape[:2]).transpose(1, 2).flatten(1)


def get_timestamp_embeddings(audio: Tensor, model: LogMelStatistics) -> tuple[Tensor, Tensor]:
    """Embeddings centred on 0, hop_ms, 2 hop_ms, ...

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at 16 kHz
    model : from `load_model`

    Returns
    -------
    embeddings : Tensor (n_sounds, n_timestamps, 384), float32
    timestamps : Tensor (n_sounds, n_timestamps), float32, in ms

    Raises
    ------
    ValueError
        As `hear.check_audio`.
    """
    with torch.no_grad():
        audio = check_audio(audio, model)
        count = audio.shape[-1] // model.hop + 1
        step = model.hop // FRONTEND.hop
        around = step // 2  # an odd number of columns, centred on the timestamp
        columns = F.pad(_columns(audio), (around, around), mode="replicate")
        levels = F.avg_pool1d(columns, 2 * around + 1, step)[..., :count]
        changes = F.pad(levels, (1, 1), mode="replicate").diff()
        embeddings = torch.cat((levels, changes[..., :-1], changes[..., 1:]), 1)
        times = timestamps(len(audio), count, model.hop_ms, 0, audio.device)
        return embeddings.transpose(1, 2).contiguous(), times


def _columns(audio: Tensor) -> Tensor:
    return FRONTEND(pad_to(audio, _MIN_SAMPLES)).sub_(_MEAN).div_(_STD)


def _statistics(rows: Tensor) -> Tensor:
    """(n, columns) -> (n, 5)."""
    last = rows.shape[1] - 1
    low, high = round(0.1 * last), round(0.9 * last)
    return torch.stack(
        (
            rows.mean(1),
            rows.std(1, correction=0),
            rows.kthvalue(1 + low).values,
            rows.kthvalue(1 + high).values,
            rows.diff().abs().mean(1),
        ),
        1,
    )
