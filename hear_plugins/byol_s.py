"""BYOL-S (2022): BYOL-A's network, self-distillation on the speech of AudioSet; HEAR 2021 entry.

Also          Scheidwasser-Clow, Kegler, Beckmann, Cernak, "SERAB: A multi-lingual benchmark for
              speech emotion recognition", ICASSP 2022, arXiv:2110.03414
Weights       default2048_BYOLAs64x96-2105311814-e100-bs256-lr0003-rs42.pth from
              GasserElbanna/serab-byols, MIT; other files of this encoder load too, their size is
              read from them
Input         64 log-mels, 60 - 7800 Hz, 25 ms window, 10 ms hop, standardised clip by clip
Scene         mean plus maximum over the time steps of the whole clip
Timestamps    the same on windows of 1 s centred on 0, 50, 100, ... ms, zeros beyond the ends
Layers        as `byol_a`

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

from .api.batching import map_rows
from .api.card import Card
from .api.framing import centred_windows, frame_times, pad_to
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .api.hear_model import HearModel
from .api.options import samples_of
from .api.precision import to_float64
from .byol_a import load_encoder
from .frontends.log_mel import LogMel
from .networks.byol_cnn import frame_budget
from .weights import catalogue as checkpoints
from .weights.loading import Network, load_network, load_strict, load_tensors

CARD = Card(
    authors="Elbanna et al.",
    title="BYOL-S: Learning Self-supervised Speech Representations by Bootstrapping",
    venue="HEAR (PMLR 166) 2022",
    link="arXiv:2206.12038",
    sample_rate=16000,
    scene_embedding_size=2048,
    timestamp_embedding_size=2048,
    parameters=5_321_856,
    released="2021-10-25",
    training_data=("AudioSet (speech subset)",),
    public_data=True,
)

FRONTEND = LogMel(16000, n_fft=1024, hop=160, n_mels=64, f_min=60, f_max=7800, win_length=400)

_MIN_STD = 1e-5  # acts on digital silence only


class Encoder(Protocol):
    """What an encoder of BYOL-S is: log-mels (n, 64, at least `min_frames`) to embeddings."""

    embedding_size: int
    min_frames: int
    layer_sizes: tuple[int, ...]

    def clip(self, spectrogram: Tensor) -> Tensor:
        """(n, 64, T) standardised log-mels -> (n, embedding_size)."""

    def layer_embeddings(self, spectrogram: Tensor) -> Tensor:
        """(n, 64, T) standardised log-mels -> (n, sum of `layer_sizes`)."""


class ByolS(HearModel):
    """An encoder and its settings."""

    sample_rate = FRONTEND.sample_rate

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
        self.min_samples = max(FRONTEND.n_fft // 2 + 1, (network.min_frames - 1) * FRONTEND.hop)
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

    def spectrogram(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) -> log-mels (n_sounds, 64, frames), standardised sound by sound."""
        mel = FRONTEND(pad_to(audio, self.min_samples))
        mean, std = _statistics(torch.stack([_moments(x) for x in mel.split(1 << 14, -1)]).sum(0))
        if self.upstream_quirks:
            mean, std = mean.mean(), std.mean()
        return _standardise(mel, mean, std)

    def scenes(self, audio: Tensor) -> Tensor:
        return self._map_sounds(self.network.clip, audio)

    def layers(self, audio: Tensor) -> list[Tensor]:
        found = self._map_sounds(self.network.layer_embeddings, audio)
        return list(found.split(self.network.layer_sizes, dim=1))

    def _map_sounds(self, function: Callable[[Tensor], Tensor], audio: Tensor) -> Tensor:
        mel = self.spectrogram(audio)
        return map_rows(function, mel, max(1, frame_budget(mel.device) // mel.shape[-1]))

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        windows = centred_windows(audio, self.window, self.hop)
        n_sounds, count = windows.shape[:2]
        moments = torch.stack([self._window_moments(sound) for sound in windows])
        if self.upstream_quirks:
            mean, std = _statistics(moments.sum(0, keepdim=True))
            mean, std = (x.expand(n_sounds) / (n_sounds * count) for x in (mean, std))
        else:
            mean, std = _statistics(moments)
        embeddings = windows.new_empty(n_sounds, count, self.timestamp_embedding_size)
        for sound in range(n_sounds):
            start = 0
            for mel in self._window_mels(windows[sound]):
                mel = _standardise(mel, mean[sound], std[sound])
                embeddings[sound, start : start + len(mel)] = self.network.clip(mel)
                start += len(mel)
        return embeddings, frame_times(n_sounds, count, self.hop_ms, 0, audio.device)

    def _window_mels(self, windows: Tensor) -> Iterator[Tensor]:
        """Log-mels (some, 64, frames) of one sound's windows (count, length), batch by batch."""
        batch = max(1, frame_budget(windows.device) // FRONTEND.n_frames(self.window))
        for some in windows.split(batch):
            yield FRONTEND.of_windows(some, self.hop)

    def _window_moments(self, windows: Tensor) -> Tensor:
        """`_moments` of all of one sound's windows: (3,)."""
        return torch.stack([_moments(mel).sum(0) for mel in self._window_mels(windows)]).sum(0)


def load_model(
    model_file_path: str = "",
    *,
    window_ms: float = 1000,
    hop_ms: float = 50,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> ByolS:
    """Load BYOL-S; options: see the module. Raises as `weights.loading.load_network`."""
    network, provenance = load_encoder(model_file_path, checkpoints.BYOL_S, 2048, random_weights)
    return ByolS(network, window_ms, hop_ms, upstream_quirks).ready(provenance)


def load_whole(
    model_file_path: str,
    default: checkpoints.Checkpoint,
    random_weights: int | None,
    build: Callable[[], Network],
) -> tuple[Network, dict[str, Any]]:
    """An encoder whose size is fixed, and its provenance; as `weights.load_network`."""

    def from_file(path: Path) -> Network:
        network = build()
        load_strict(network, load_tensors(path, ("state_dict",)), path)
        return network

    return load_network(model_file_path, default, random_weights, from_file, build)


def _moments(mel: Tensor) -> Tensor:
    """(n, 64, T) -> (n, 3), float64: number of values, their sum, the sum of their squares."""
    values = to_float64(mel).flatten(1)
    number = values.new_full((len(values),), values.shape[1])
    return torch.stack((number, values.sum(1), values.square().sum(1)), 1)


def _statistics(moments: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and unbiased standard deviation, (n,) each, from moments (n, 3)."""
    number, total, squares = moments.unbind(1)
    mean = total / number
    variance = (squares / number - mean.square()) * number / (number - 1)
    return mean, variance.clamp(min=_MIN_STD**2).sqrt()


def _standardise(mel: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """`mel` (n, 64, T), which is changed, by scalars or one value a row."""
    mean, std = (x.to(mel.dtype).to(mel.device).view(-1, 1, 1) for x in (mean, std))
    return mel.sub_(mean).div_(std)
