"""CNN14-Fusion: outputs of several blocks of CNN14, concatenated.

Weights       Cnn14_16k_mAP=0.438.pth, downloaded when no file is given, or the 32 kHz file: those
              of `cnn14`
Input         as `cnn14`, at 16 kHz with the default file
Scene         mean plus maximum over the time steps (320 ms) of the whole clip
Timestamps    the time steps, every 40 ms from 35 ms, each centred on the 320 ms that poolings join.
              A step is the maximum over time of each block's output, channel x mel: 2048 values of
              blocks 1 to 5 and 4096 of block 6
Layers        the same as scenes of each block

Options of `load_model`
    layers=(3, 6)       blocks 1 to 6, concatenated in the network's order
    hop_ms=40           320: the network's own time steps, from 155 ms; 160, 80, 20, 10
    random_weights      seed, for tests and timing

Differences from the original
    It has no timestamps; those of `cnn14` hold here. It fails below 310 ms: here zeros follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from .api.card import Card
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .api.options import chosen_layers
from .cnn14 import Cnn14Model, Network, load_file
from .networks.cnn14 import LAYER_SIZES, STRIDE
from .weights import catalogue as checkpoints
from .weights.loading import load_network

CARD = Card(
    authors="Niizumi, Takeuchi, Ohishi, Harada, Kashino",
    title=(
        "Composing General Audio Representation by Fusing Multilayer Features of a Pre-trained"
        " Model"
    ),
    venue="EUSIPCO 2022",
    link="arXiv:2205.08138",
    sample_rate=16000,
    scene_embedding_size=6144,
    timestamp_embedding_size=6144,
    parameters=79_665_728,
    released="2020-08-17",
    training_data=("AudioSet",),
    training_code="https://github.com/qiuqiangkong/audioset_tagging_cnn",
    public_data=True,
)


class Fusion(Cnn14Model):
    """CNN14, its frontend, the blocks whose output is used, and settings."""

    def __init__(self, network: Network, hop_ms: int, blocks: Sequence[int]) -> None:
        super().__init__(network, hop_ms)
        self.blocks = tuple(blocks)
        size = sum(LAYER_SIZES[i] for i in self.blocks)
        self.scene_embedding_size = self.timestamp_embedding_size = size

    def steps(self, spectrogram: Tensor, hop: int = STRIDE) -> Iterator[Tensor]:
        return self.network.steps(spectrogram, self.blocks, hop)

    def pooled(self, spectrogram: Tensor) -> Tensor:
        return self.pooled_blocks(spectrogram, self.blocks)


def load_model(
    model_file_path: str = "",
    *,
    layers: Sequence[int] = (3, 6),
    hop_ms: int = 40,
    random_weights: int | None = None,
) -> Fusion:
    """Load CNN14-Fusion; options: see the module. Raises as `weights.loading.load_network`."""
    blocks = chosen_layers(layers, LAYER_SIZES)  # before anything is downloaded
    network, provenance = load_network(
        model_file_path, checkpoints.CNN14_FUSION, random_weights, load_file, _build
    )
    network.fuse()
    return Fusion(network, hop_ms, blocks).ready(provenance)


def _build() -> Network:
    network = Network()
    network.sample_rate = 16000
    return network
