"""BYOL-S/CvT and openSMILE: self-supervised and handcrafted features of speech, concatenated.

The paper's "+ OS".

Weights       those of `hybrid_byol_s_cvt`, MIT: the plain BYOL-S/CvT of the paper was never
              published, and would load too. The package of `opensmile` is free for research and
              non-commercial use only
Input         as the two modules
Scene         2048 values of `hybrid_byol_s_cvt`, then the 6373 of `opensmile`
Timestamps    both for windows of 1 s every 50 ms, centred on 0, 50, 100, ... ms
Layers        none: `opensmile` has none

Options of `load_model`
    window_ms, hop_ms, segment_s, upstream_quirks, random_weights   as `hybrid_byol_s_cvt`; the
                                      first two and `upstream_quirks` hold for both parts
    scaling, num_workers              as `opensmile`

Differences from the original
    Those of the two modules. The paper does not give the order of the two parts, and standardises
    features before its classifier: without that (protocol `hear-standardized`) or scaling="log"
    openSMILE's values, up to 1e11, dominate.
"""

from __future__ import annotations

from . import hybrid_byol_s_cvt, opensmile
from .api.card import Card
from .api.concatenation import Concatenation, concatenate
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings

CARD = Card(
    authors="Elbanna et al.",
    title="BYOL-S: Learning Self-supervised Speech Representations by Bootstrapping",
    venue="HEAR (PMLR 166) 2022",
    link="arXiv:2206.12038",
    sample_rate=16000,
    scene_embedding_size=8421,
    timestamp_embedding_size=8421,
    parameters=5_012_992,
    package="opensmile",
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
    scaling: str = "none",
    num_workers: int | None = None,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> Concatenation:
    """Load BYOL-S/CvT and set up openSMILE; the options are on the module's card.

    Raises
    ------
    ImportError
        The package opensmile is not installed.
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """
    features = opensmile.load_model(
        hop_ms=hop_ms,
        window_ms=window_ms,
        scaling=scaling,
        num_workers=num_workers,
        upstream_quirks=upstream_quirks,
    )
    encoder = hybrid_byol_s_cvt.load_model(
        model_file_path,
        window_ms=window_ms,
        hop_ms=hop_ms,
        segment_s=segment_s,
        upstream_quirks=upstream_quirks,
        random_weights=random_weights,
    )
    return concatenate({hybrid_byol_s_cvt.__name__: encoder, opensmile.__name__: features})
