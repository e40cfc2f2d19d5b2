"""CNN14-Fusion: features of several blocks of CNN14 beside each other.

Paper         Niizumi, Takeuchi, Ohishi, Harada, Kashino, "Composing General Audio Representation
              by Fusing Multilayer Features of a Pre-trained Model", EUSIPCO 2022,
              arXiv:2205.08138
Weights       Cnn14_16k_mAP=0.438.pth, downloaded when no file is given, or the 32 kHz file: those
              of `cnn14`
Input         as `cnn14`, at 16 kHz with the default file
Scene         maximum plus mean over the frames (320 ms) of the whole clip: 6144 values
Timestamps    the frames, 6144 values, every 40 ms from 35 ms, each centred on the 320 ms that
              poolings join. A frame is the maximum over time of each block's output, channel x mel:
              2048 values of blocks 1 to 5 and 4096 of block 6

Options of `load_model`
    layers=(3, 6)       blocks 1 to 6, in the network's order beside each other
    hop_ms=40           320: the network's own frames, from 155 ms; 160, 80, 20, 10
    random_weights      seed, for tests and timing

Differences from the original
    It has no timestamps; those of `cnn14` hold here. It fails below 310 ms: here zeros follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from .cnn14 import Cnn14Model, Network, load_file
from .cnn14 import get_scene_embeddings as get_scene_embeddings
from .cnn14 import get_timestamp_embeddings as get_timestamp_embeddings
from .networks.byol_cnn import mean_plus_maximum
from .networks.cnn14 import COLUMNS_PER_FRAME, LAYER_SIZES
from .networks.layers import chosen_layers
from .weights import catalogue as checkpoints
from .weights.loading import load_network


class Fusion(Cnn14Model):
    """What `load_model` returns: CNN14, its frontend and its settings."""

    def __init__(self, network: Network, hop_ms: int, layers: Sequence[int]) -> None:
        super().__init__(network, hop_ms)
        self.layers = chosen_layers(layers, LAYER_SIZES)
        size = sum(LAYER_SIZES[i] for i in self.layers)
        self.scene_embedding_size = self.timestamp_embedding_size = size

    def frames(self, columns: Tensor, hop: int = COLUMNS_PER_FRAME) -> Iterator[Tensor]:
        """Normalised log-mels -> frames every `hop` columns in pieces (n_sounds, some, size)."""
        return self.network.frames(columns, self.layers, hop)

    def scene(self, columns: Tensor) -> Tensor:
        """Normalised log-mels -> (n_sounds, scene_embedding_size)."""
        return mean_plus_maximum(self.frames(columns))


def load_model(
    model_file_path: str = "",
    *,
    layers: Sequence[int] = (3, 6),
    hop_ms: int = 40,
    random_weights: int | None = None,
) -> Fusion:
    """Load CNN14-Fusion; the options are on the module's card.

    Raises
    ------
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """
    chosen_layers(layers, LAYER_SIZES)  # before anything is downloaded
    network, provenance = load_network(
        model_file_path, checkpoints.CNN14_FUSION, random_weights, load_file, _blank
    )
    network.fuse()
    model = Fusion(network, hop_ms, layers)
    model.provenance = provenance
    return model.eval()


def _blank() -> Network:
    network = Network()
    network.sample_rate = 16000
    return network
