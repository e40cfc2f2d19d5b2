"""OpenL3: convolutional network, self-supervised audio-visual correspondence on AudioSet videos.

Weights       torchopenl3_mel256_music_6144.pth.tar from torchopenl3/torchopenl3-models, a port of
              the authors' weights (CC BY 4.0), or another of its mel files: their number of mels is
              read from the file; those that end in 512 hold the same network
Input         windows of 1 s, centred, with zeros beyond both ends: 256 mels of the file's own
              table, 0 - 24 kHz, 43 ms window, 5 ms hop, in decibels below the window's maximum, at
              least -80
Scene         mean over windows every 250 ms, as hear-baseline
Timestamps    windows centred on 0, 50, 100, ... ms
Layers        mean over time and over the windows of the first three blocks (channel x mel, after
              their pooling); the scene

Options of `load_model`
    embedding_size=6144    or 512, as HEAR's leaderboard had it: the last pooling
    hop_ms=50              step of timestamps
    scene_hop_ms=250       step of the windows in a scene's mean; openl3-hear took 500
    random_weights         seed, for tests and timing

Differences from the original
    Windows of all sounds share batches, and batch norms are folded into the convolutions. Values
    agree to 1e-3. These are the numbers of openl3 below version 0.4, which changed the spectrogram.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from .api.batching import map_windows
from .api.card import Card
from .api.framing import centred_windows, frame_times
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .api.hear_model import HearModel
from .api.options import check_choice, samples_of
from .networks.openl3 import N_FFT, SIZES, WINDOW, OpenL3Network
from .weights import catalogue as checkpoints
from .weights.loading import check_tables, dft_tables, load_network, load_strict, load_tensors

CARD = Card(
    authors="Cramer, Wu, Salamon, Bello",
    title="Look, Listen and Learn More: Design Choices for Deep Audio Embeddings",
    venue="ICASSP 2019",
    link="doi:10.1109/ICASSP.2019.8682475",
    sample_rate=48000,
    scene_embedding_size=6144,
    timestamp_embedding_size=6144,
    parameters=4_946_626,
    released="2021-04-13",
    training_data=("AudioSet (music videos)",),
    public_data=True,
)
_BATCH_WINDOWS = 8  # about 200 MB in the first layers
_IGNORED = ("speclayer.dft_real_kernels", "speclayer.dft_imag_kernels")


class OpenL3(HearModel):
    """The network and its framing."""

    sample_rate = 48000

    def __init__(
        self, network: OpenL3Network, embedding_size: int, hop_ms: float, scene_hop_ms: float
    ) -> None:
        super().__init__()
        self.network = network
        self.scene_embedding_size = self.timestamp_embedding_size = embedding_size
        self.hop_ms = hop_ms
        self.hop = samples_of(hop_ms, self.sample_rate, "hop_ms")
        self.scene_hop = samples_of(scene_hop_ms, self.sample_rate, "scene_hop_ms")

    def windows(self, function: Callable[[Tensor, int], Tensor], audio: Tensor, hop: int) -> Tensor:
        """Spectrograms of windows through `function`: (n_sounds, n_samples // hop + 1, size)."""
        return map_windows(
            lambda some: function(self.network.spectrogram(some), self.scene_embedding_size),
            centred_windows(audio, WINDOW, hop),
            _BATCH_WINDOWS * WINDOW,
        )

    def scenes(self, audio: Tensor) -> Tensor:
        return self.windows(self.network, audio, self.scene_hop).mean(1)

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        out = self.windows(self.network, audio, self.hop)
        return out, frame_times(len(out), out.shape[1], self.hop_ms, 0.0, out.device)

    def layers(self, audio: Tensor) -> list[Tensor]:
        found = self.windows(self.network.layer_embeddings, audio, self.scene_hop).mean(1)
        sizes = (*self.network.block_sizes, self.scene_embedding_size)
        return list(found.split(sizes, dim=1))


def load_model(
    model_file_path: str = "",
    *,
    embedding_size: int = 6144,
    hop_ms: float = 50,
    scene_hop_ms: float = 250,
    random_weights: int | None = None,
) -> OpenL3:
    """Load OpenL3; options: see the module. Raises as `weights.loading.load_network`."""
    check_choice("embedding_size", embedding_size, SIZES)
    default = checkpoints.OPENL3[SIZES.index(embedding_size)]
    network, provenance = load_network(
        model_file_path, default, random_weights, _load_file, OpenL3Network
    )
    if provenance["weights"] == "random":
        # Energies are not negative, and what is drawn is.
        network.speclayer.get_parameter("mel_basis").data.abs_()
    network.fuse()
    return OpenL3(network, embedding_size, hop_ms, scene_hop_ms).ready(provenance)


def _load_file(path: Path) -> OpenL3Network:
    tensors = load_tensors(path)
    table = tensors.get("speclayer.mel_basis", torch.empty(0))
    network = OpenL3Network(128 if table.shape[:1] == (128,) else 256)
    load_strict(network, tensors, path, ignored=_IGNORED)
    check_tables(path, tensors, dict(zip(_IGNORED, dft_tables(N_FFT), strict=True)))
    return network
