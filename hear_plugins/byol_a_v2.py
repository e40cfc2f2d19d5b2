"""BYOL-A v2 (2022): smaller convolutional network, self-distillation (BYOL) on AudioSet.

Weights       v2/AudioNTT2022-BYOLA-64x96d2048.pth from nttcslab/byol-a, under NTT's licence for
              evaluation (internal use only, not to be passed on); downloaded when no file is given
Input         64 log-mels, 60 - 7800 Hz, 64 ms window, 10 ms hop, standardised by two constants
Scene         mean plus maximum over the time steps of the whole clip: 1024 values of the
              convolutions and 2048 of the linear layers
Timestamps    the time steps: 40 ms long with a receptive field of 100 ms, centred, every 40 ms from
              15 ms
Layers        mean plus maximum over time of the two blocks and of the two linear layers, as
              `byol_a`

Options of `load_model`
    mel="slaney"        "slaney": the recipe of pre-training; "htk": that of BYOL-A's README
    mean, std           standardisation; None: the constants published with the recipe
    random_weights      seed, for tests and timing

Differences from the original
    Those of `byol_a`: the original's statistics are those of each task's training set. Below 513
    samples it fails: here zeros follow. Where its time steps end before the sound by a step, the
    sound is extended by its reflection.
"""

from __future__ import annotations

from .api.card import Card
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .byol_a import ByolA, load_encoder, standardisation
from .networks.byol_cnn import AudioNTT2022
from .weights import catalogue as checkpoints

CARD = Card(
    authors="Niizumi, Takeuchi, Ohishi, Harada, Kashino",
    title="BYOL for Audio: Exploring Pre-trained General-purpose Audio Representations",
    venue="IEEE/ACM TASLP 31, 2023",
    link="arXiv:2204.07402",
    sample_rate=16000,
    scene_embedding_size=3072,
    timestamp_embedding_size=3072,
    parameters=6_333_376,
    released="2022-05-06",
    training_data=("AudioSet",),
    training_code="https://github.com/nttcslab/byol-a",
    public_data=True,
)


def load_model(
    model_file_path: str = "",
    *,
    mel: str = "slaney",
    mean: float | None = None,
    std: float | None = None,
    random_weights: int | None = None,
) -> ByolA:
    """Load BYOL-A v2; options: see the module. Raises as `weights.loading.load_network`."""
    frontend, mean, std = standardisation(mel, mean, std)
    network, provenance = load_encoder(
        model_file_path, checkpoints.BYOL_A_V2, 2048, random_weights, AudioNTT2022
    )
    return ByolA(network, frontend, mean, std, network.stride).ready(provenance)
