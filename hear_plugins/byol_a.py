"""BYOL-A (2021): convolutional network, self-distillation (BYOL) without labels on AudioSet.

Weights       AudioNTT2020-BYOLA-64x96d{2048,1024,512}.pth from nttcslab/byol-a, under NTT's licence
              for evaluation (internal use only, not to be passed on). The size is read from the
              file; without a file the 2048 one is downloaded.
Input         64 log-mels, 60 - 7800 Hz, 64 ms window, 10 ms hop, standardised by two constants
Scene         mean plus maximum over the time steps of the whole clip: 2048, 1024 or 512 values
Timestamps    the time steps: 80 ms long with a receptive field of 220 ms, centred, every 40 ms
Layers        mean plus maximum over time of the three blocks (mel x channel, first the maximum
              within a time step) and of the two linear layers

Options of `load_model`
    dimensions=2048     size of the published weights to use when no file is given
    mel="htk"           "htk": the recipe of the repository's README, as most users run it;
                        "slaney": that of NTT's evaluation package, nearer to pre-training
    mean, std           standardisation; None: the constants published with the recipe
    hop_ms=40           80: the network's own time steps; 40: a second pass, shifted by half a step,
                        on the sound extended by its reflection
    random_weights      seed, for tests and timing

Differences from the original
    It standardises by statistics of each downstream task's training set, which the HEAR API cannot
    see: here they are published constants. Its evaluation crops or pads clips to a fixed length at
    random; here the whole clip counts. There is no original timestamp embedding.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .api.batching import map_rows
from .api.card import Card
from .api.framing import frame_times, pad_to
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .api.hear_model import HearModel
from .api.options import check_choice
from .frontends.log_mel import LogMel
from .networks.byol_cnn import AudioNTT2020, frame_budget
from .weights import catalogue as checkpoints
from .weights.loading import axis_size, load_network, load_strict, load_tensors

CARD = Card(
    authors="Niizumi, Takeuchi, Ohishi, Harada, Kashino",
    title="BYOL for Audio: Self-Supervised Learning for General-Purpose Audio Representation",
    venue="IJCNN 2021",
    link="arXiv:2103.06695",
    sample_rate=16000,
    scene_embedding_size=2048,
    timestamp_embedding_size=2048,
    parameters=5_321_856,
    released="2021-04-26",
    training_data=("AudioSet",),
    training_code="https://github.com/nttcslab/byol-a",
    public_data=True,
)
_HTK = LogMel(sample_rate=16000, n_fft=1024, hop=160, n_mels=64, f_min=60, f_max=7800)
_SLANEY = LogMel(16000, 1024, 160, 64, 60, 7800, scale="slaney", norm="slaney")

RECIPES: dict[str, tuple[LogMel, float, float]] = {
    "htk": (_HTK, -5.4919195, 5.0389895),
    "slaney": (_SLANEY, -9.660292, 4.7219563),  # statistics of Speech Commands v2
}
"""Log-mel recipe, mean and standard deviation, as published together."""


class ByolA(HearModel):
    """The network, its frontend and its settings; `hop` of timestamps is in log-mel frames."""

    sample_rate = 16000

    def __init__(
        self, network: AudioNTT2020, frontend: LogMel, mean: float, std: float, hop: int
    ) -> None:
        super().__init__()
        self.network = network
        # Reflection needs more than half a transform.
        needed = (network.min_frames - 1) * frontend.hop
        self.min_samples = max(needed, frontend.n_fft // 2 + 1)
        self.scene_embedding_size = self.timestamp_embedding_size = network.embedding_size
        self.frontend, self.mean, self.std = frontend, mean, std
        self.hop = hop

    def spectrogram(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) -> standardised log-mels (n_sounds, 64, at least a time step)."""
        return self.frontend(pad_to(audio, self.min_samples)).sub_(self.mean).div_(self.std)

    def scenes(self, audio: Tensor) -> Tensor:
        spectrogram = self.spectrogram(audio)
        return map_rows(self.network.clip, spectrogram, _sounds_at_once(spectrogram))

    def layers(self, audio: Tensor) -> list[Tensor]:
        spectrogram, network = self.spectrogram(audio), self.network
        found = map_rows(network.layer_embeddings, spectrogram, _sounds_at_once(spectrogram))
        return list(found.split(network.layer_sizes, dim=1))

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        spectrogram = self.spectrogram(audio)
        stride = self.network.stride
        centre = (stride - 1) / 2  # of a time step, in frames from its first
        # The network drops a part of a step at the end: go on to within a hop of the sound's.
        whole = (spectrogram.shape[-1] - stride) // self.hop + 1
        reached = math.ceil((audio.shape[-1] / self.frontend.hop - centre) / self.hop)
        count = max(whole, reached)
        embeddings = map_rows(
            lambda rows: self._every_hop(rows, count), spectrogram, _sounds_at_once(spectrogram)
        )
        frame_ms = 1000 * self.frontend.hop / self.sample_rate
        times = (self.hop * frame_ms, centre * frame_ms)
        return embeddings, frame_times(len(audio), count, *times, audio.device)

    def _every_hop(self, spectrogram: Tensor, count: int) -> Tensor:
        """Time steps from frames 0, hop, 2 hop, ...: (n, 64, T) -> (n, count, d).

        Zeros inside the network change a step at an edge by half; so the sound is extended by its
        reflection, except for the first and last of the steps that the original has.
        """
        out = spectrogram.new_empty(len(spectrogram), count, self.timestamp_embedding_size)
        stride = self.network.stride
        passes = stride // self.hop
        wide = _reflected(spectrogram, stride, 3 * stride)
        for first in range(passes):
            slots, done = out[:, first::passes], 0
            stop = 1 + slots.shape[1]  # step 0 lies in the extension
            for piece in self.network.steps(wide[..., first * self.hop :], 1, stop):
                slots[:, done : done + piece.shape[1]] = piece
                done += piece.shape[1]
        own = spectrogram.shape[-1] // stride
        before_last = max(0, own - 2) * stride
        out[:, 0] = self.network(spectrogram[..., : 3 * stride])[:, 0]
        out[:, (own - 1) * passes] = self.network(spectrogram[..., before_last:])[:, -1]
        return out


def load_model(
    model_file_path: str = "",
    *,
    dimensions: int = 2048,
    mel: str = "htk",
    mean: float | None = None,
    std: float | None = None,
    hop_ms: int = 40,
    random_weights: int | None = None,
) -> ByolA:
    """Load BYOL-A; options: see the module. Raises as `weights.loading.load_network`."""
    published = {int(c.variant[1:]): c for c in checkpoints.BYOL_A}
    check_choice("dimensions", dimensions, published)
    check_choice("hop_ms", hop_ms, (40, 80))
    frontend, mean, std = standardisation(mel, mean, std)
    network, provenance = load_encoder(
        model_file_path, published[dimensions], dimensions, random_weights
    )
    return ByolA(network, frontend, mean, std, hop_ms // 10).ready(provenance)


def standardisation(mel: str, mean: float | None, std: float | None) -> tuple[LogMel, float, float]:
    """The recipe that these options of `load_model` choose; ValueError for a wrong one."""
    check_choice("mel", mel, RECIPES)
    frontend, usual_mean, usual_std = RECIPES[mel]
    mean = usual_mean if mean is None else float(mean)
    std = usual_std if std is None else float(std)
    if not (math.isfinite(mean) and math.isfinite(std) and std > 0):
        raise ValueError(f"mean={mean}, std={std}; expected finite numbers, std above 0")
    return frontend, mean, std


def _reflected(spectrogram: Tensor, before: int, after: int) -> Tensor:
    """With reflections of any length on both sides (torch's must be shorter than the input)."""
    last = spectrogram.shape[-1] - 1
    index = torch.arange(-before, last + 1 + after, device=spectrogram.device) % (2 * last)
    return spectrogram[..., torch.minimum(index, 2 * last - index)]


def _sounds_at_once(spectrogram: Tensor) -> int:
    return max(1, frame_budget(spectrogram.device) // spectrogram.shape[-1])


def load_encoder(
    model_file_path: str,
    default: checkpoints.Checkpoint,
    dimensions: int,
    random_weights: int | None,
    encoder: type[AudioNTT2020] = AudioNTT2020,
) -> tuple[AudioNTT2020, dict[str, Any]]:
    """The encoder of BYOL-A and BYOL-S, of the size that the file holds, and its provenance.

    A state dict may be wrapped in "state_dict" or "model", and its names may have a prefix.
    """

    def from_file(path: Path) -> AudioNTT2020:
        wrapped = load_tensors(path, ("state_dict", "model"))
        tensors = {_bare(name): x for name, x in wrapped.items()}
        size = axis_size(path, tensors, "fc.3.bias", 0, dims=1, default=dimensions, largest=8192)
        network = encoder(size)
        load_strict(network, tensors, path)
        return network

    def build() -> AudioNTT2020:
        return encoder(dimensions)

    return load_network(model_file_path, default, random_weights, from_file, build)


def _bare(name: str) -> str:
    """A tensor's name without what stands before "features." or "fc."."""
    starts = [at for part in ("features.", "fc.") if (at := name.find(part)) >= 0]
    return name[min(starts) :] if starts else name
