"""VGGish: convolutional network, supervised training on the soundtracks of YouTube-8M.

Weights       vggish-10086976.pth and, for the post-processing, vggish_pca_params-970ea276.pth of
              harritaylor/torchvggish (Apache-2.0); or pytorch_vggish.pth and
              vggish_pca_params.npz of tcvrick/audioset-vggish-tensorflow-to-pytorch, the same
              network and numbers
Input         ln(mel + 0.01) of 64 mels of magnitudes, 125 - 7500 Hz, 25 ms window, 10 ms hop, in
              examples of 96 frames
Scene         mean over consecutive examples (960 ms), without what does not fill one at the end,
              post-processed to whole numbers from 0 to 255; as hear-baseline
Timestamps    the same of examples centred on 0, 50, 100, ... ms, zeros beyond the ends
Layers        mean plus maximum over the frames (160 ms) of each layer, as `vggish_fusion`

Options of `load_model`
    postprocess=True       False: the network's 128 values, as the fusion paper evaluates them;
                           post-processing rounds, so that its gradient is 0
    pca_file_path=""       of the post-processing's file
    hop_ms=50              step of timestamps, a multiple of 10
    upstream_quirks=False  True: timestamps as hear-baseline, consecutive examples at 480, 1440, ...
    random_weights         seed, for tests and timing

Differences from the original
    Below 975 ms it has no example and gives NaN: here zeros follow. With upstream_quirks=True the
    timestamps are its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .api.batching import map_windows
from .api.card import Card
from .api.framing import frame_times, pad_to
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .api.hear_model import HearModel
from .api.options import samples_of
from .api.pooling import mean_max_pool
from .frontends.log_mel import LogMel
from .networks.vggish import FRAMES, LAYER_SIZES, MELS, Vggish
from .weights import catalogue as checkpoints
from .weights.loading import file_provenance, load_network, load_strict, load_tensors, resolve
from .weights.stored_arrays import load_arrays

CARD = Card(
    authors="Hershey et al.",
    title="CNN architectures for large-scale audio classification",
    venue="ICASSP 2017",
    link="arXiv:1609.09430",
    sample_rate=16000,
    scene_embedding_size=128,
    timestamp_embedding_size=128,
    parameters=72_141_184,
    released="2019-06-06",
    training_data=("YouTube-8M (preliminary version)",),
)
FRONTEND = LogMel(
    16000, 512, 160, MELS, 125, 7500, win_length=400, scale="kaldi", power=1.0, floor=0.01
)
EXAMPLE_MS = 960
EXAMPLE = FRONTEND.window_samples + (FRAMES - 1) * FRONTEND.hop
BATCH_VALUES = 16 * FRAMES * MELS  # 50 MB of work space


class Postprocessor(torch.nn.Module):
    """Principal components of the network's values, in 256 steps."""

    pca_eigen_vectors: Tensor
    pca_means: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("pca_eigen_vectors", torch.zeros(128, 128))
        self.register_buffer("pca_means", torch.zeros(128))

    def components(self, raw: Tensor) -> Tensor:
        """(n, 128) -> (n, 128), before they are quantised."""
        return (raw - self.pca_means) @ self.pca_eigen_vectors.T

    def forward(self, raw: Tensor) -> Tensor:
        """(n, 128) -> (n, 128), whole numbers from 0 to 255."""
        return ((self.components(raw).clamp(-2, 2) + 2) * (255 / 4)).round()


class Network(Vggish):
    """VGGish, with its post-processing where it is wanted."""

    def __init__(self, postprocess: bool) -> None:
        super().__init__()
        self.postprocessor = Postprocessor() if postprocess else None
        self.pca: dict[str, Any] = {}  # provenance


class VggishModel(HearModel):
    """The network and its settings."""

    sample_rate = FRONTEND.sample_rate
    scene_embedding_size = timestamp_embedding_size = 128

    def __init__(self, network: Network, hop_ms: float, upstream_quirks: bool) -> None:
        super().__init__()
        samples_of(hop_ms, self.sample_rate, "hop_ms", multiple=FRONTEND.hop)
        self.network = network
        self.hop_ms = hop_ms
        self.upstream_quirks = upstream_quirks

    def spectrogram(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) -> (n_sounds, 64, frames), at least 96 of them."""
        audio = pad_to(audio, EXAMPLE)
        return FRONTEND.of_frames(audio.unfold(-1, FRONTEND.window_samples, FRONTEND.hop))

    def embed(self, examples: Tensor) -> Tensor:
        """Examples (n, 64, 96) -> (n, timestamp_embedding_size)."""
        raw: Tensor = self.network(examples)
        return raw if self.network.postprocessor is None else self.network.postprocessor(raw)

    def examples(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) -> consecutive examples (n_sounds, count, 64, 96), a view."""
        return self.spectrogram(audio).unfold(-1, FRAMES, FRAMES).transpose(1, 2)

    def pooled_layers(self, audio: Tensor, layers: Sequence[int]) -> Tensor:
        """Mean plus maximum of chosen layers over the frames of all examples, concatenated."""
        at_once = BATCH_VALUES // (FRAMES * MELS)
        sounds = [
            mean_max_pool(
                self.network.layers(some, layers).flatten(0, 1).unsqueeze(0)
                for some in sound.split(at_once)
            )
            for sound in self.examples(audio)
        ]
        return torch.cat(sounds)

    def scenes(self, audio: Tensor) -> Tensor:
        return map_windows(self.embed, self.examples(audio), BATCH_VALUES).mean(1)

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        if self.upstream_quirks:
            return self.original_timestamps(audio)
        hop = round(self.hop_ms * self.sample_rate / 1000) // FRONTEND.hop
        spectrogram = self.spectrogram(F.pad(audio, (EXAMPLE // 2, EXAMPLE // 2)))
        windows = spectrogram.unfold(-1, FRAMES, hop).transpose(1, 2)
        out = map_windows(self.embed, windows, BATCH_VALUES)
        return out, frame_times(len(out), out.shape[1], self.hop_ms, 0.0, out.device)

    def original_timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Those of the original."""
        out = map_windows(self.embed, self.examples(audio), BATCH_VALUES)
        return out, frame_times(len(out), out.shape[1], EXAMPLE_MS, EXAMPLE_MS / 2, out.device)

    def layers(self, audio: Tensor) -> list[Tensor]:
        pooled = self.pooled_layers(audio, tuple(LAYER_SIZES))
        return list(pooled.split(list(LAYER_SIZES.values()), dim=1))


def load_model(
    model_file_path: str = "",
    *,
    postprocess: bool = True,
    pca_file_path: str = "",
    hop_ms: float = 50,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> VggishModel:
    """Load VGGish; options: see the module. Raises as `weights.loading.load_network`."""

    def from_file(path: Path) -> Network:
        network = Network(False)
        load_file(network, path)
        if postprocess:
            network.postprocessor = Postprocessor()
            pca_path = resolve(pca_file_path, checkpoints.VGGISH[1])
            load_strict(network.postprocessor, _pca_tensors(pca_path), pca_path)
            network.pca = {f"pca_{k}": v for k, v in file_provenance(pca_path).items()}
        return network

    network, provenance = load_network(
        model_file_path,
        checkpoints.VGGISH[0],
        random_weights,
        from_file,
        lambda: Network(postprocess),
    )
    return VggishModel(network, hop_ms, upstream_quirks).ready(provenance | network.pca)


def load_file(network: Vggish, path: Path) -> None:
    """Load either published file, which name the linear layers "embeddings" or "fc".

    Raises
    ------
    WeightsError
        The file is damaged or another model's.
    """
    tensors = load_tensors(path)
    linear = "fc." if "fc.0.weight" in tensors else "embeddings."
    load_strict(
        network,
        tensors,
        path,
        name_in_file=lambda name: name.replace("embeddings.", linear),
    )


def _pca_tensors(path: Path) -> dict[str, Tensor]:
    tensors = load_arrays(path)
    if "pca_means" in tensors:  # a column in some files
        tensors["pca_means"] = tensors["pca_means"].flatten()
    return tensors
