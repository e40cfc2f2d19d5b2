"""BYOL-S with the CLSTM encoder (2022): convolutions and an LSTM on AudioSet's speech.

Paper         Elbanna et al., "BYOL-S: Learning Self-supervised Speech Representations by
              Bootstrapping", HEAR (PMLR 166) 2022, arXiv:2206.12038
Weights       none is published: files of your own training with GasserElbanna/serab-byols (MIT), a
              state dict of the encoder
Input         as `byol_s`
Scene         the LSTM's output at the end of the clip, through a dense layer: 1024 values
Timestamps    as `byol_s`: windows of 1 s every 50 ms

Options of `load_model`
    window_ms, hop_ms, upstream_quirks, random_weights   as `byol_s`

Differences from the original
    Those of `byol_s`. Below 1440 samples the original fails: here zeros follow.
"""

from __future__ import annotations

from .byol_s import ByolS, load_whole, with_encoder
from .byol_s import get_scene_embeddings as get_scene_embeddings
from .byol_s import get_timestamp_embeddings as get_timestamp_embeddings
from .networks.clstm import CLSTM
from .weights import catalogue as checkpoints


def load_model(
    model_file_path: str = "",
    *,
    window_ms: float = 1000,
    hop_ms: float = 50,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> ByolS:
    """Load BYOL-S/CLSTM; the options are on the module's card.

    Raises
    ------
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """
    network, provenance = load_whole(
        model_file_path, checkpoints.BYOL_S_CLSTM, random_weights, CLSTM
    )
    return with_encoder(network, provenance, window_ms, hop_ms, upstream_quirks)
