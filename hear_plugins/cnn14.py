"""CNN14 of PANNs: convolutional network, supervised training on AudioSet (527 classes).

Weights       Cnn14_mAP=0.431.pth (32 kHz, the default) and Cnn14_16k_mAP=0.438.pth (16 kHz) of
              Zenodo record 3987831, CC BY 4.0; the sample rate is read from the file. The Fourier
              and mel tables in them are not used: the frontend has its own.
Input         64 log-mels in dB, 50 - 14000 Hz (8000 Hz), 32 ms window, 10 ms hop, normalised mel by
              mel by the running statistics of the training
Scene         mean plus maximum over the time steps (320 ms) of the whole clip, then the linear
              layer before the classifier
Timestamps    the time steps before that layer, every 40 ms from 35 ms, each centred on the 320 ms
              that its poolings join (its receptive field is 1.3 s longer on either side)
Layers        mean plus maximum over time of each block (channel x mel, first the maximum within a
              time step), as `cnn14_fusion`

Options of `load_model`
    hop_ms=40           320: the network's own time steps, from 155 ms; 160, 80, 20, 10
    random_weights      seed, for tests and timing

Differences from the original
    It has no timestamps. Time steps between its own are those of shifted spectrograms, which share
    the layers below the poolings. It fails below 310 ms: here zeros follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from .api.batching import map_rows
from .api.card import Card
from .api.framing import frame_times, frames_within, pad_to
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .api.hear_model import HearModel
from .api.options import check_choice
from .api.pooling import mean_max_pool
from .frontends.log_mel import LogMel
from .networks.cnn14 import CHANNELS, LAYER_SIZES, STRIDE, Cnn14
from .weights import catalogue as checkpoints
from .weights.loading import (
    check_tables,
    load_network,
    load_strict,
    load_tensors,
    torchlibrosa_tables,
    wrong_model,
)

CARD = Card(
    authors="Kong, Cao, Iqbal, Wang, Wang, Plumbley",
    title="PANNs: Large-scale pretrained audio neural networks for audio pattern recognition",
    venue="IEEE/ACM TASLP 2020",
    link="arXiv:1912.10211",
    sample_rate=32000,
    scene_embedding_size=2048,
    timestamp_embedding_size=2048,
    parameters=79_665_728,
    released="2020-08-17",
    training_data=("AudioSet",),
    training_code="https://github.com/qiuqiangkong/audioset_tagging_cnn",
    public_data=True,
)
FRAME_MS = 10
CENTRE_MS = 155.0  # of the first 32 frames
_MAX_FRAMES = 3000  # of a batch of sounds

FRONTENDS = {  # by sample rate
    rate: LogMel(
        rate,
        n_fft=n_fft,
        hop=rate // 100,
        n_mels=64,
        f_min=50,
        f_max=f_max,
        scale="slaney",
        norm="slaney",
        floor=1e-10,
        decibels=True,
    )
    for rate, n_fft, f_max in ((32000, 1024, 14000), (16000, 512, 8000))
}


class Network(Cnn14):
    """The network, with the sample rate of its training."""

    sample_rate = 32000


class Cnn14Model(HearModel):
    """The network, its frontend and its settings."""

    scene_embedding_size = timestamp_embedding_size = CHANNELS[-1]

    def __init__(self, network: Network, hop_ms: int) -> None:
        super().__init__()
        check_choice("hop_ms", hop_ms, [FRAME_MS << i for i in range(5, -1, -1)])
        self.network = network
        self.hop_ms = hop_ms
        self.sample_rate = network.sample_rate
        self.frontend = FRONTENDS[network.sample_rate]

    def spectrogram(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) -> log-mels in dB (n_sounds, 64, frames), at least 32."""
        return self.frontend(pad_to(audio, (STRIDE - 1) * self.frontend.hop))

    def steps(self, spectrogram: Tensor, hop: int = STRIDE) -> Iterator[Tensor]:
        """Normalised log-mels -> time steps every `hop` frames in pieces (n_sounds, some, size)."""
        for piece in self.network.steps(spectrogram, hop=hop):
            yield piece.unflatten(-1, (CHANNELS[-1], -1)).mean(-1)

    def pooled(self, spectrogram: Tensor) -> Tensor:
        """Normalised log-mels -> (n_sounds, scene_embedding_size)."""
        return self.network.embed(mean_max_pool(self.steps(spectrogram)))

    def pooled_blocks(self, spectrogram: Tensor, blocks: Sequence[int]) -> Tensor:
        """Normalised log-mels -> mean plus maximum over time of blocks, concatenated."""
        return mean_max_pool(self.network.steps(spectrogram, blocks))

    def scenes(self, audio: Tensor) -> Tensor:
        return self._map_sounds(self.pooled, audio)

    def layers(self, audio: Tensor) -> list[Tensor]:
        found = self._map_sounds(lambda x: self.pooled_blocks(x, tuple(LAYER_SIZES)), audio)
        return list(found.split(list(LAYER_SIZES.values()), dim=1))

    def _map_sounds(self, function: Callable[[Tensor], Tensor], audio: Tensor) -> Tensor:
        spectrogram = self.network.normalise(self.spectrogram(audio))
        return map_rows(function, spectrogram, max(1, _MAX_FRAMES // spectrogram.shape[-1]))

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        end_ms = 1000 * audio.shape[-1] / self.sample_rate
        hop, first_ms = self.hop_ms // FRAME_MS, CENTRE_MS % self.hop_ms
        count = frames_within(end_ms, self.hop_ms, first_ms)
        spectrogram = self.network.normalise(self.spectrogram(audio))
        # Zeros, the mean level: before, so that the first is centred within one hop from the
        # start, and behind, so that the last phase has its last time step.
        before = int(CENTRE_MS // self.hop_ms) * hop
        needed = -(-count * hop // STRIDE) * STRIDE + STRIDE - hop
        behind = max(0, needed - before - spectrogram.shape[-1])
        spectrogram = torch.nn.functional.pad(spectrogram, (before, behind))
        out = spectrogram.new_empty(len(audio), count, self.timestamp_embedding_size)
        at_once = max(1, _MAX_FRAMES // spectrogram.shape[-1])
        for first in range(0, len(audio), at_once):
            start = 0
            for piece in self.steps(spectrogram[first : first + at_once], hop):
                piece = piece[:, : count - start]
                out[first : first + at_once, start : start + piece.shape[1]] = piece
                start += piece.shape[1]
        return out, frame_times(len(audio), count, self.hop_ms, first_ms, audio.device)


def load_model(
    model_file_path: str = "", *, hop_ms: int = 40, random_weights: int | None = None
) -> Cnn14Model:
    """Load CNN14; options: see the module. Raises as `weights.loading.load_network`."""
    network, provenance = load_network(
        model_file_path, checkpoints.CNN14[0], random_weights, load_file, Network
    )
    network.fuse()
    return Cnn14Model(network, hop_ms).ready(provenance)


def load_file(path: Path) -> Network:
    """The network of a published file of either sample rate.

    Raises
    ------
    WeightsError
        The file is damaged or another model's.
    """
    # Beside the tensors lies the state of the sampler of training clips, in NumPy's arrays.
    tensors = load_tensors(path, ("model",), training_state=True)
    network = Network()
    load_strict(
        network,
        tensors,
        path,
        ignored=("spectrogram_extractor.", "logmel_extractor.", "fc_audioset."),
    )
    name = "logmel_extractor.melW"
    filters = tensors.get(name, torch.empty(0))
    shapes: dict[tuple[int, ...], int] = {
        (spec.n_fft // 2 + 1, spec.n_mels): rate for rate, spec in FRONTENDS.items()
    }
    rate = shapes.get(tuple(filters.shape))
    if rate is None:
        fault = f"tensor {name} has shape {tuple(filters.shape)}, expected one of {list(shapes)}"
        raise wrong_model(path, fault if name in tensors else f"tensor {name} is missing", tensors)
    frontend = FRONTENDS[rate]
    check_tables(path, tensors, torchlibrosa_tables("", frontend.n_fft, frontend.filters))
    network.sample_rate = rate
    return network
