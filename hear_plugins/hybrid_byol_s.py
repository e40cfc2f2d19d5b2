"""Hybrid BYOL-S with the default encoder (2022): BYOL-S that also learnt openSMILE's features.

Paper         Elbanna et al., "Hybrid Handcrafted and Learnable Audio Representation for Analysis of
              Speech Under Cognitive and Physical Load", arXiv:2203.16637; Elbanna et al., "BYOL-S",
              HEAR (PMLR 166) 2022, arXiv:2206.12038
Weights       default2048_BYOLAs64x96-osandbyolaloss6373-e100-bs128-lr0003-rs42.pth of
              GasserElbanna/serab-byols, which is not published: ask the authors, or train it. The
              network is that of `byol_s`; openSMILE is not needed
Input         as `byol_s`
Scene         as `byol_s`: 2048 values
Timestamps    as `byol_s`: windows of 1 s every 50 ms

Options of `load_model`
    window_ms, hop_ms, upstream_quirks, random_weights   as `byol_s`

Differences from the original
    Those of `byol_s`.
"""

from __future__ import annotations

from .byol_a import load_encoder
from .byol_s import ByolS, with_encoder
from .byol_s import get_scene_embeddings as get_scene_embeddings
from .byol_s import get_timestamp_embeddings as get_timestamp_embeddings
from .weights import catalogue as checkpoints


def load_model(
    model_file_path: str = "",
    *,
    window_ms: float = 1000,
    hop_ms: float = 50,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> ByolS:
    """Load hybrid BYOL-S; the options are on the module's card.

    Raises
    ------
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """
    network, provenance = load_encoder(
        model_file_path, checkpoints.HYBRID_BYOL_S, 2048, random_weights
    )
    return with_encoder(network, provenance, window_ms, hop_ms, upstream_quirks)
