"""VGGish-Fusion: features of several layers of VGGish beside each other.

Paper         Niizumi, Takeuchi, Ohishi, Harada, Kashino, "Composing General Audio Representation
              by Fusing Multilayer Features of a Pre-trained Model", EUSIPCO 2022,
              arXiv:2205.08138
Weights       vggish-10086976.pth, downloaded when no file is given, or pytorch_vggish.pth: those of
              `vggish`, without post-processing
Input         as `vggish`
Scene         maximum plus mean over the frames (160 ms) of consecutive examples (960 ms), without
              what does not fill one at the end: 8192 values. A frame is the maximum over time of
              each layer's output, channel x mel: 4096 values of every layer but the last, 128
Timestamps    the same of an example centred on 0, 50, 100, ... ms, zeros beyond the ends

Options of `load_model`
    layers=(10, 15)        of 2, 5, 8, 10, 13, 15 (convolutions), 18, 20, 22 (dense), numbered as in
                           the paper; in the network's order beside each other
    hop_ms=50              step of timestamps, a multiple of 10
    upstream_quirks=False  True: timestamps are the frames, at 80, 240, ... ms
    random_weights         seed, for tests and timing

Differences from the original
    It has no timestamps; its frames are those of upstream_quirks=True, in order of time. Below
    975 ms it has no example: here zeros follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from .api.framing import map_windows
from .networks.byol_cnn import mean_plus_maximum
from .networks.layers import chosen_layers
from .networks.vggish import LAYER_SIZES, PARTS
from .vggish import BATCH_VALUES, EXAMPLE_MS, Network, VggishModel, load_file
from .vggish import get_scene_embeddings as get_scene_embeddings
from .vggish import get_timestamp_embeddings as get_timestamp_embeddings
from .weights import catalogue as checkpoints
from .weights.loading import load_network


class Fusion(VggishModel):
    """What `load_model` returns: the network and its settings."""

    def __init__(
        self, network: Network, hop_ms: float, upstream_quirks: bool, layers: Sequence[int]
    ) -> None:
        super().__init__(network, hop_ms, upstream_quirks)
        self.layers = chosen_layers(layers, LAYER_SIZES)
        size = sum(LAYER_SIZES[i] for i in self.layers)
        self.scene_embedding_size = self.timestamp_embedding_size = size

    def frames(self, examples: Tensor) -> Tensor:
        """Examples (n, 64, 96) -> (n, 6, size)."""
        return self.network.layers(examples, self.layers)

    def embed(self, examples: Tensor) -> Tensor:
        """Examples (n, 64, 96) -> (n, size)."""
        return mean_plus_maximum([self.frames(examples)])

    def scenes(self, columns: Tensor) -> Tensor:
        """Columns -> (n_sounds, size)."""
        sounds = [
            mean_plus_maximum(
                self.frames(some).flatten(0, 1).unsqueeze(0)
                for some in sound.split(BATCH_VALUES // sound[0].numel())
            )
            for sound in self.examples(columns)
        ]
        return torch.cat(sounds)

    def original_timestamps(self, columns: Tensor) -> tuple[Tensor, float, float]:
        """As of `VggishModel`."""
        embeddings = map_windows(self.frames, self.examples(columns), BATCH_VALUES)
        hop_ms = EXAMPLE_MS / PARTS
        return embeddings.flatten(1, 2), hop_ms, hop_ms / 2


def load_model(
    model_file_path: str = "",
    *,
    layers: Sequence[int] = (10, 15),
    hop_ms: float = 50,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> Fusion:
    """Load VGGish-Fusion; the options are on the module's card.

    Raises
    ------
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """
    chosen_layers(layers, LAYER_SIZES)  # before anything is downloaded
    network, provenance = load_network(
        model_file_path, checkpoints.VGGISH_FUSION[0], random_weights, _load_file, _blank
    )
    model = Fusion(network, hop_ms, upstream_quirks, layers)
    model.provenance = provenance
    return model.eval()


def _blank() -> Network:
    return Network(postprocess=False)


def _load_file(path: Path) -> Network:
    network = _blank()
    load_file(network, path)
    return network
