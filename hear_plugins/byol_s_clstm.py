"""BYOL-S with the CLSTM encoder (2022): CNN and LSTM, self-distillation on AudioSet's speech.

Weights       none is published: files of your own training with GasserElbanna/serab-byols (MIT), a
              state dict of the encoder
Input         as `byol_s`
Scene         the LSTM's output at the end of the clip, through a linear layer
Timestamps    as `byol_s`: windows of 1 s every 50 ms
Layers        mean over time of the two blocks (mel x channel); the LSTM's last output; the scene

Options of `load_model`
    window_ms, hop_ms, upstream_quirks, random_weights   as `byol_s`

Differences from the original
    Those of `byol_s`. Below 1440 samples the original fails: here zeros follow.
"""

from __future__ import annotations

from .api.card import Card
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .byol_s import ByolS, load_whole
from .networks.clstm import CLSTM
from .weights import catalogue as checkpoints

CARD = Card(
    authors="Elbanna et al.",
    title="BYOL-S: Learning Self-supervised Speech Representations by Bootstrapping",
    venue="HEAR (PMLR 166) 2022",
    link="arXiv:2206.12038",
    sample_rate=16000,
    scene_embedding_size=1024,
    timestamp_embedding_size=1024,
    parameters=18_643_712,
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
    """Load BYOL-S/CLSTM; options: see the module. Raises as `weights.loading.load_network`."""
    network, provenance = load_whole(
        model_file_path, checkpoints.BYOL_S_CLSTM, random_weights, CLSTM
    )
    return ByolS(network, window_ms, hop_ms, upstream_quirks).ready(provenance)
