"""Hybrid BYOL-S with the default encoder (2022): BYOL-S, trained to predict openSMILE features too.

Also          Elbanna et al., "BYOL-S", HEAR (PMLR 166) 2022, arXiv:2206.12038
Weights       default2048_BYOLAs64x96-osandbyolaloss6373-e100-bs128-lr0003-rs42.pth of
              GasserElbanna/serab-byols, which is not published: ask the authors, or train it. The
              network is that of `byol_s`; openSMILE is not needed
Input         as `byol_s`
Scene         as `byol_s`
Timestamps    as `byol_s`: windows of 1 s every 50 ms
Layers        as `byol_s`

Options of `load_model`
    window_ms, hop_ms, upstream_quirks, random_weights   as `byol_s`

Differences from the original
    Those of `byol_s`.
"""

from __future__ import annotations

from .api.card import Card
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .byol_a import load_encoder
from .byol_s import ByolS
from .weights import catalogue as checkpoints

CARD = Card(
    authors="Elbanna et al.",
    title=(
        "Hybrid Handcrafted and Learnable Audio Representation for Analysis of Speech Under"
        " Cognitive and Physical Load"
    ),
    venue="Interspeech 2022",
    link="arXiv:2203.16637",
    sample_rate=16000,
    scene_embedding_size=2048,
    timestamp_embedding_size=2048,
    parameters=5_321_856,
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
    """Load hybrid BYOL-S; options: see the module. Raises as `weights.loading.load_network`."""
    network, provenance = load_encoder(
        model_file_path, checkpoints.HYBRID_BYOL_S, 2048, random_weights
    )
    return ByolS(network, window_ms, hop_ms, upstream_quirks).ready(provenance)
