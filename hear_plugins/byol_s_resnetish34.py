"""BYOL-S with the ResNetish-34 encoder (2022): ResNet-34, self-distillation on AudioSet's speech.

Weights       resnetish34_BYOLAs64x96-2105271915-e100-bs256-lr0003-rs42.pth from
              GasserElbanna/serab-byols, MIT
Input         as `byol_s`
Scene         mean plus maximum over the time steps (160 ms) of the whole clip
Timestamps    as `byol_s`: windows of 1 s every 50 ms
Layers        the same as scenes of each of the 16 blocks (first the maximum within a time step)

Options of `load_model`
    window_ms, hop_ms, upstream_quirks, random_weights   as `byol_s`

Differences from the original
    Those of `byol_s`. Below 513 samples the original fails: here zeros follow.
"""

from __future__ import annotations

from .api.card import Card
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .byol_s import ByolS, load_whole
from .networks.resnetish import ResNetish34
from .weights import catalogue as checkpoints

CARD = Card(
    authors="Elbanna et al.",
    title="BYOL-S: Learning Self-supervised Speech Representations by Bootstrapping",
    venue="HEAR (PMLR 166) 2022",
    link="arXiv:2206.12038",
    sample_rate=16000,
    scene_embedding_size=2048,
    timestamp_embedding_size=2048,
    parameters=21_278_400,
    released="2021-10-25",
    training_data=("AudioSet (speech subset)",),
    public_data=True,
)


def load_model(
    model_file_path: str = "",
    *,
    window_ms: float = 1000,
    hop_ms: float = 50,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> ByolS:
    """Load the model; options: see the module. Raises as `weights.loading.load_network`."""
    network, provenance = load_whole(
        model_file_path, checkpoints.BYOL_S_RESNETISH34, random_weights, ResNetish34
    )
    return ByolS(network, window_ms, hop_ms, upstream_quirks).ready(provenance)
