"""BYOL-S (2022): BYOL-A's network, trained on the speech of AudioSet; the HEAR 2021 entry.

Paper         Scheidwasser-Clow, Kegler, Beckmann, Cernak, "SERAB: A multi-lingual benchmark for
              speech emotion recognition", ICASSP 2022, arXiv:2110.03414; Elbanna et al., "BYOL-S:
              Learning Self-supervised Speech Representations by Bootstrapping", HEAR (PMLR 166)
              2022, arXiv:2206.12038
Weights       default2048_BYOLAs64x96-2105311814-e100-bs256-lr0003-rs42.pth from
              GasserElbanna/serab-byols, MIT; other files of this encoder load too, their size is
              read from them
Input         16 kHz; 64 log-mels, 60 - 7800 Hz, 25 ms window, 10 ms hop, standardised clip by clip
Scene         maximum plus mean over the frames of the whole clip: 2048 values
Timestamps    the same on windows of 1 s centred on 0, 50, 100, ... ms, zeros beyond the ends

Options of `load_model`
    window_ms=1000        length of a timestamp's window, the original's frame_duration (the paper:
                          500 suits MAESTRO better)
    hop_ms=50             from window to window, a multiple of 10 ms
    upstream_quirks=False True: standardise as the original does, see below
    random_weights        seed, for tests and timing

Differences from the original
    It standardises by statistics of the whole batch, so that a clip's embedding changes with its
    neighbours; for timestamps it also divides them by the number of windows in the call, so that
    embeddings grow with the clip's length. The published HEAR scores were made that way, and
    `upstream_quirks=True` does the same. Here each clip has statistics of its own: for scenes what
    the original gives a clip alone, for timestamps those of the clip's windows, undivided.
    Digital silence, NaN in the original, gives finite values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from .api.framing import centred_windows, check_audio, map_rows, pad_to, samples_of, timestamps
from .byol_a import load_encoder
from .frontends.log_mel import LogMel
from .networks.byol_cnn import column_budget
from .weights import catalogue as checkpoints
from .weights.loading import Network, load_network, load_strict, load_tensors

FRONTEND = LogMel(16000, n_fft=1024, hop=160, n_mels=64, f_min=60, f_max=7800, win_length=400)

_MIN_STD = 1e-5  # acts on digital silence only


class Encoder(Protocol):
    """What an encoder of BYOL-S is: log-mels (n, 64, at least `min_columns`) to embeddings."""

    embedding_size: int
    min_columns: int

    def clip(self, columns: Tensor) -> Tensor:
        """(n, 64, T) standardised log-mels -> (n, embedding_size)."""


class ByolS(torch.nn.Module):
    """What `load_model` returns: an encoder and its settings."""

    sample_rate = 16000

    def __init__(
        self,
        network: Encoder,
        window_ms: float,
        hop_ms: float,
        upstream_quirks: bool,
    ) -> None:
        super().__init__()
        self.network = network
        # Reflection needs more than half a transform.
        self.min_samples = max(FRONTEND.n_fft // 2 + 1, (network.min_columns - 1) * FRONTEND.hop)
        self.scene_embedding_size = self.timestamp_embedding_size = network.embedding_size
        self.window = samples_of(window_ms, self.sample_rate, "window_ms")
        self.hop_ms = hop_ms
        self.hop = samples_of(hop_ms, self.sample_rate, "hop_ms", multiple=FRONTEND.hop)
        if self.window < max(self.min_samples, self.hop):
            least = 1000 * self.min_samples / self.sample_rate
            raise ValueError(
                f"window_ms={window_ms} ms; expected at least {least:g} ms and hop_ms={hop_ms}"
            )
        self.upstream_quirks = upstream_quirks
        self.provenance: dict[str, Any] = {}


def load_model(
    model_file_path: str = "",
    *,
    window_ms: float = 1000,
    hop_ms: float = 50,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> ByolS:
    """Load BYOL-S; the options are on the module's card.

    Raises
    ------
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """
    network, provenance = load_encoder(model_file_path, checkpoints.BYOL_S, 2048, random_weights)
    return with_encoder(network, provenance, window_ms, hop_ms, upstream_quirks)


def with_encoder(network: Encoder, provenance: dict[str, Any], *settings: Any) -> ByolS:
    """The model of an encoder with its weights; `settings` are those of `ByolS`."""
    model = ByolS(network, *settings)
    model.provenance = provenance
    return model.eval()


def load_whole(
    model_file_path: str,
    default: checkpoints.Checkpoint,
    random_weights: int | None,
    blank: Callable[[], Network],
) -> tuple[Network, dict[str, Any]]:
    """An encoder whose size is fixed, and its provenance; as `weights.load_network`."""

    def from_file(path: Path) -> Network:
        network = blank()
        load_strict(network, load_tensors(path, ("state_dict",)), path)
        return network

    return load_network(model_file_path, default, random_weights, from_file, blank)


def get_scene_embeddings(audio: Tensor, model: ByolS) -> Tensor:
    """One embedding a sound.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at 16 kHz
    model : from `load_model`

    Returns
    -------
    Tensor (n_sounds, scene_embedding_size), float32.

    Raises
    ------
    ValueError
        As `hear.check_audio`.
    """
    with torch.no_grad():
        columns = FRONTEND(pad_to(check_audio(audio, model), model.min_samples))
        parts = [_moments(part) for part in columns.split(1 << 14, -1)]
        mean, std = _statistics(torch.stack(parts).sum(0))
        if model.upstream_quirks:
            mean, std = mean.mean(), std.mean()
        columns = _standardise(columns, mean, std)
        rows = max(1, column_budget(columns.device) // columns.shape[-1])
        return map_rows(model.network.clip, columns, rows)


def get_timestamp_embeddings(audio: Tensor, model: ByolS) -> tuple[Tensor, Tensor]:
    """Embeddings of windows centred on 0, hop_ms, 2 hop_ms, ...

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at 16 kHz
    model : from `load_model`

    Returns
    -------
    embeddings : Tensor (n_sounds, n_timestamps, timestamp_embedding_size), float32
    timestamps : Tensor (n_sounds, n_timestamps), float32, in ms

    Raises
    ------
    ValueError
        As `hear.check_audio`.
    """
    with torch.no_grad():
        windows = centred_windows(check_audio(audio, model), model.window, model.hop)
        n_sounds, count = windows.shape[:2]
        moments = torch.stack([_window_moments(sound, model) for sound in windows])
        if model.upstream_quirks:
            mean, std = _statistics(moments.sum(0, keepdim=True))
            mean, std = (x.expand(n_sounds) / (n_sounds * count) for x in (mean, std))
        else:
            mean, std = _statistics(moments)
        embeddings = windows.new_empty(n_sounds, count, model.timestamp_embedding_size)
        for sound in range(n_sounds):
            start = 0
            for columns in _window_columns(windows[sound], model):
                columns = _standardise(columns, mean[sound], std[sound])
                embeddings[sound, start : start + len(columns)] = model.network.clip(columns)
                start += len(columns)
    return embeddings, timestamps(n_sounds, count, model.hop_ms, 0, audio.device)


def _window_columns(windows: Tensor, model: ByolS) -> Iterator[Tensor]:
    """Log-mels (some, 64, columns) of one sound's windows (count, length), batch by batch."""
    batch = max(1, column_budget(windows.device) // FRONTEND.columns(model.window))
    for some in windows.split(batch):
        yield FRONTEND.of_windows(some, model.hop)


def _window_moments(windows: Tensor, model: ByolS) -> Tensor:
    """`_moments` of all of one sound's windows: (3,)."""
    parts = [_moments(columns).sum(0) for columns in _window_columns(windows, model)]
    return torch.stack(parts).sum(0)


def _moments(columns: Tensor) -> Tensor:
    """(n, 64, T) -> (n, 3), float64: number of values, their sum, the sum of their squares."""
    values = columns.double().flatten(1)
    number = values.new_full((len(values),), values.shape[1])
    return torch.stack((number, values.sum(1), values.square().sum(1)), 1)


def _statistics(moments: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and unbiased standard deviation, (n,) each, from moments (n, 3)."""
    number, total, squares = moments.unbind(1)
    mean = total / number
    variance = (squares / number - mean.square()) * number / (number - 1)
    return mean, variance.clamp(min=0).sqrt().clamp(min=_MIN_STD)


def _standardise(columns: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """`columns` (n, 64, T), which are changed, by scalars or one value a row."""
    mean, std = (x.to(columns.dtype).view(-1, 1, 1) for x in (mean, std))
    return columns.sub_(mean).div_(std)
