"""BYOL-A v2 (2022): a smaller convolutional network, whose own features are a part of its output.

Paper         Niizumi, Takeuchi, Ohishi, Harada, Kashino, "BYOL for Audio: Exploring Pre-trained
              General-purpose Audio Representations", IEEE/ACM TASLP 31, 2023, arXiv:2204.07402
Weights       v2/AudioNTT2022-BYOLA-64x96d2048.pth from nttcslab/byol-a, under NTT's licence for
              evaluation (internal use only, not to be passed on); downloaded when no file is given
Input         16 kHz; 64 log-mels, 60 - 7800 Hz, 64 ms window, 10 ms hop, standardised by two
              constants
Scene         maximum plus mean over the frames of the whole clip: 3072 values, 1024 of the
              convolutions and 2048 of the dense layers
Timestamps    the frames: 40 ms long with a view of 100 ms, centred, every 40 ms from 15 ms

Options of `load_model`
    mel="slaney"        "slaney": the recipe of pre-training; "htk": that of BYOL-A's README
    mean, std           standardisation; None: the constants published with the recipe
    random_weights      seed, for tests and timing

Differences from the original
    Those of `byol_a`: the original's statistics are those of each task's training set. Below 513
    samples it fails: here zeros follow. Where its frames end before the sound by a step, the sound
    is extended by its reflection.
"""

from __future__ import annotations

from .byol_a import ByolA, load_encoder, standardisation
from .byol_a import get_scene_embeddings as get_scene_embeddings
from .byol_a import get_timestamp_embeddings as get_timestamp_embeddings
from .networks.byol_cnn import AudioNTT2022
from .weights import catalogue as checkpoints


def load_model(
    model_file_path: str = "",
    *,
    mel: str = "slaney",
    mean: float | None = None,
    std: float | None = None,
    random_weights: int | None = None,
) -> ByolA:
    """Load BYOL-A v2; the options are on the module's card.

    Raises
    ------
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """
    frontend, mean, std = standardisation(mel, mean, std)
    network, provenance = load_encoder(
        model_file_path, checkpoints.BYOL_A_V2, 2048, random_weights, AudioNTT2022
    )
    model = ByolA(network, frontend, mean, std, network.columns_per_frame)
    model.provenance = provenance
    return model.eval()
