"""BYOL-S with the ResNetish-34 encoder (2022): a ResNet-34 that learnt from AudioSet's speech.

Paper         Elbanna et al., "BYOL-S: Learning Self-supervised Speech Representations by
              Bootstrapping", HEAR (PMLR 166) 2022, arXiv:2206.12038
Weights       resnetish34_BYOLAs64x96-2105271915-e100-bs256-lr0003-rs42.pth from
              GasserElbanna/serab-byols, MIT
Input         as `byol_s`
Scene         mean plus maximum over the frames (160 ms) of the whole clip: 2048 values
Timestamps    as `byol_s`: windows of 1 s every 50 ms

Options of `load_model`
    window_ms, hop_ms, upstream_quirks, random_weights   as `byol_s`

Differences from the original
    Those of `byol_s`. Below 513 samples the original fails: here zeros follow.
"""

from __future__ import annotations

from .byol_s import ByolS, load_whole, with_encoder
from .byol_s import get_scene_embeddings as get_scene_embeddings
from .byol_s import get_timestamp_embeddings as get_timestamp_embeddings
from .networks.resnetish import ResNetish34
from .weights import catalogue as checkpoints


def load_model(
    model_file_path: str = "",
    *,
    window_ms: float = 1000,
    hop_ms: float = 50,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> ByolS:
    """Load BYOL-S/ResNetish-34; the options are on the module's card.

    Raises
    ------
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """
    network, provenance = load_whole(
        model_file_path, checkpoints.BYOL_S_RESNETISH34, random_weights, ResNetish34
    )
    return with_encoder(network, provenance, window_ms, hop_ms, upstream_quirks)
