"""VGGish-Fusion: outputs of several layers of VGGish, concatenated.

Weights       vggish-10086976.pth, downloaded when no file is given, or pytorch_vggish.pth: those of
              `vggish`, without post-processing
Input         as `vggish`
Scene         mean plus maximum over the frames (160 ms) of consecutive examples (960 ms), without
              what does not fill one at the end. A frame is the maximum over time of each layer's
              output, channel x mel: 4096 values of every layer but the last, 128
Timestamps    the same of an example centred on 0, 50, 100, ... ms, zeros beyond the ends
Layers        the same as scenes of each of the nine layers

Options of `load_model`
    layers=(10, 15)        of 2, 5, 8, 10, 13, 15 (convolutions), 18, 20, 22 (linear), numbered as
                           in the paper; concatenated in the network's order
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

from torch import Tensor

from .api.batching import map_windows
from .api.card import Card
from .api.framing import frame_times
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .api.options import chosen_layers
from .api.pooling import mean_max_pool
from .networks.vggish import LAYER_SIZES, PARTS
from .vggish import BATCH_VALUES, EXAMPLE_MS, Network, VggishModel, load_file
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
    scene_embedding_size=8192,
    timestamp_embedding_size=8192,
    parameters=72_141_184,
    released="2019-06-06",
    training_data=("YouTube-8M (preliminary version)",),
)


class Fusion(VggishModel):
    """The network, the layers whose output is used, and settings."""

    def __init__(
        self, network: Network, hop_ms: float, upstream_quirks: bool, chosen: Sequence[int]
    ) -> None:
        super().__init__(network, hop_ms, upstream_quirks)
        self.chosen = tuple(chosen)
        size = sum(LAYER_SIZES[i] for i in self.chosen)
        self.scene_embedding_size = self.timestamp_embedding_size = size

    def frames(self, examples: Tensor) -> Tensor:
        """Examples (n, 64, 96) -> (n, 6, size)."""
        return self.network.layers(examples, self.chosen)

    def embed(self, examples: Tensor) -> Tensor:
        return mean_max_pool([self.frames(examples)])

    def scenes(self, audio: Tensor) -> Tensor:
        return self.pooled_layers(audio, self.chosen)

    def original_timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        out = map_windows(self.frames, self.examples(audio), BATCH_VALUES).flatten(1, 2)
        hop_ms = EXAMPLE_MS / PARTS
        return out, frame_times(len(out), out.shape[1], hop_ms, hop_ms / 2, out.device)


def load_model(
    model_file_path: str = "",
    *,
    layers: Sequence[int] = (10, 15),
    hop_ms: float = 50,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> Fusion:
    """Load VGGish-Fusion; options: see the module. Raises as `weights.loading.load_network`."""
    chosen = chosen_layers(layers, LAYER_SIZES)  # before anything is downloaded
    network, provenance = load_network(
        model_file_path, checkpoints.VGGISH_FUSION[0], random_weights, _load_file, _build
    )
    return Fusion(network, hop_ms, upstream_quirks, chosen).ready(provenance)


def _build() -> Network:
    return Network(postprocess=False)


def _load_file(path: Path) -> Network:
    network = _build()
    load_file(network, path)
    return network
