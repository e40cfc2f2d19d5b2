"""Hybrid BYOL-S with the CvT encoder (2022): BYOL-S, trained to predict openSMILE features too.

Also          Elbanna et al., "BYOL-S", HEAR (PMLR 166) 2022, arXiv:2206.12038
Weights       cvt_s1-d1-e64_s2-d1-e256_s3-d1-e512_BYOLAs64x96-osandbyolaloss6373-e100-bs256-lr0003-
              rs42.pth from GasserElbanna/serab-byols, MIT ("best model"). The plain BYOL-S/CvT of
              the paper, not published, would load too; openSMILE is not needed
Input         as `byol_s`
Scene         mean plus maximum over the time steps of the whole clip
Timestamps    as `byol_s`: windows of 1 s every 50 ms
Layers        the same as scenes of each of the three stages

Options of `load_model`
    window_ms, hop_ms, upstream_quirks, random_weights   as `byol_s`
    segment_s=60          longer clips are encoded in equal segments of at most this many seconds,
                          and mean and maximum are taken over the steps of all; None: always whole

Differences from the original
    Those of `byol_s`. Attention costs the square of a clip's length (an hour of audio: 10**14
    operations); the paper left out the task with 10 min clips for that. Up to `segment_s` nothing
    differs; `upstream_quirks=True` never cuts.
"""

from __future__ import annotations

from .api.card import Card
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .byol_s import FRONTEND, ByolS, load_whole
from .networks.cvt import CvT
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
    parameters=5_012_992,
    released="2022-02-10",
    training_data=("AudioSet (speech subset)",),
    public_data=True,
)


def load_model(
    model_file_path: str = "",
    *,
    window_ms: float = 1000,
    hop_ms: float = 50,
    segment_s: float | None = 60,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> ByolS:
    """Load hybrid BYOL-S/CvT; options: see the module. Raises as `weights.loading.load_network`."""
    if segment_s is not None and not segment_s >= 1:
        raise ValueError(f"segment_s={segment_s!r}; expected at least 1, or None")
    max_frames = None
    if segment_s is not None and not upstream_quirks:
        max_frames = FRONTEND.n_frames(round(segment_s * ByolS.sample_rate))

    network, provenance = load_whole(
        model_file_path, checkpoints.HYBRID_BYOL_S_CVT, random_weights, lambda: CvT(max_frames)
    )
    return ByolS(network, window_ms, hop_ms, upstream_quirks).ready(provenance)
