"""Log-mel statistics: baseline without weights, our own, in the place of HEAR's naive baselines.

Weights       none
Input         128 log-mels (Slaney), 30 - 8000 Hz, 64 ms window, 10 ms hop, scaled by two constants
              to about zero mean and unit variance
Scene         five statistics of each mel over the clip: mean, standard deviation, 10 % and 90 %
              quantile, mean absolute change from frame to frame
Timestamps    every 50 ms from 0: mean of each mel over the 50 ms around, and its change from the
              timestamp before and to the one after
Layers        none

Options of `load_model`
    hop_ms=50     step of timestamps, a multiple of 10 ms
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .api.batching import map_rows
from .api.card import Card
from .api.framing import frame_times, pad_to
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .api.hear_model import HearModel
from .api.options import samples_of
from .frontends.log_mel import LogMel

CARD = Card(
    sample_rate=16000,
    scene_embedding_size=640,
    timestamp_embedding_size=384,
    parameters=0,
)
FRONTEND = LogMel(16000, 1024, 160, 128, 30, 8000, scale="slaney", norm="slaney", floor=1e-8)
_MEAN, _STD = -9.0, 6.0  # of ordinary recordings, to one digit
_STATISTICS = 5
_MIN_SAMPLES = FRONTEND.n_fft
_VALUES_AT_ONCE = 1 << 24


class LogMelStatistics(HearModel):
    """The settings; there are no weights."""

    sample_rate = FRONTEND.sample_rate
    scene_embedding_size = _STATISTICS * FRONTEND.n_mels
    timestamp_embedding_size = 3 * FRONTEND.n_mels

    def __init__(self, hop_ms: float) -> None:
        super().__init__()
        self.hop_ms = hop_ms
        self.hop = samples_of(hop_ms, self.sample_rate, "hop_ms", multiple=FRONTEND.hop)

    def spectrogram(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) -> standardised log-mels (n_sounds, 128, frames)."""
        return FRONTEND(pad_to(audio, _MIN_SAMPLES)).sub_(_MEAN).div_(_STD)

    def scenes(self, audio: Tensor) -> Tensor:
        mel = self.spectrogram(audio)
        values = map_rows(_statistics, mel.flatten(0, 1), max(1, _VALUES_AT_ONCE // mel.shape[-1]))
        return values.unflatten(0, mel.shape[:2]).transpose(1, 2).flatten(1)

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        count = audio.shape[-1] // self.hop + 1
        step = self.hop // FRONTEND.hop
        around = step // 2  # an odd number of frames, centred on the timestamp
        mel = F.pad(self.spectrogram(audio), (around, around), mode="replicate")
        levels = F.avg_pool1d(mel, 2 * around + 1, step)[..., :count]
        changes = F.pad(levels, (1, 1), mode="replicate").diff()
        embeddings = torch.cat((levels, changes[..., :-1], changes[..., 1:]), 1)
        times = frame_times(len(audio), count, self.hop_ms, 0, audio.device)
        return embeddings.transpose(1, 2).contiguous(), times


def load_model(model_file_path: str = "", *, hop_ms: float = 50) -> LogMelStatistics:
    """Set up the baseline; the options are on the module's card.

    Raises
    ------
    ValueError
        A weights file is given, or an option has a value that it cannot have.
    """
    if model_file_path:
        raise ValueError(f"logmel has no weights, but the file {model_file_path} is given")
    return LogMelStatistics(hop_ms).ready({"weights": "none"})


def _statistics(rows: Tensor) -> Tensor:
    """(n, frames) -> (n, 5)."""
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
