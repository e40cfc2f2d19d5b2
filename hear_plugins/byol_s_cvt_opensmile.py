"""BYOL-S/CvT beside openSMILE: learnt and hand-made features of speech as one embedding.

Papers        Elbanna et al., "BYOL-S: Learning Self-supervised Speech Representations by
              Bootstrapping", HEAR (PMLR 166) 2022, arXiv:2206.12038 (its "+ OS"); Eyben et al.,
              "openSMILE", ACM MM 2010
Weights       those of `hybrid_byol_s_cvt`, MIT: the plain BYOL-S/CvT of the paper was never
              published, and would load too. The package of `opensmile` is free for research and
              non-commercial use only
Input         16 kHz, as the two modules
Scene         2048 values of `hybrid_byol_s_cvt`, then the 6373 of `opensmile`: 8421
Timestamps    both for windows of 1 s every 50 ms, centred on 0, 50, 100, ... ms

Options of `load_model`
    window_ms, hop_ms, segment_s, upstream_quirks, random_weights   as `hybrid_byol_s_cvt`; the
                                      first two and `upstream_quirks` hold for both parts
    scaling, num_workers              as `opensmile`

Differences from the original
    Those of the two modules. The paper does not give the order of the two parts, and standardises
    features before its classifier: without that (protocol `hear-standardized`) or scaling="log"
    openSMILE's values, up to 1e11, drown the others.
"""

from __future__ import annotations

from torch import Tensor

from . import hybrid_byol_s_cvt, opensmile
from .api.concatenation import Concatenation, concatenate, scene_embeddings, timestamp_embeddings


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
    return concatenate([(hybrid_byol_s_cvt, encoder), (opensmile, features)])


def get_scene_embeddings(audio: Tensor, model: Concatenation) -> Tensor:
    """One embedding a sound.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at 16 kHz
    model : from `load_model`

    Returns
    -------
    Tensor (n_sounds, scene_embedding_size), float32.

    Raises
    ------
    ValueError
        As `hear.check_audio`.
    """
    return scene_embeddings(audio, model)


def get_timestamp_embeddings(audio: Tensor, model: Concatenation) -> tuple[Tensor, Tensor]:
    """Embeddings of windows centred on 0, hop_ms, 2 hop_ms, ...

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at 16 kHz
    model : from `load_model`

    Returns
    -------
    embeddings : Tensor (n_sounds, n_timestamps, timestamp_embedding_size), float32
    timestamps : Tensor (n_sounds, n_timestamps), float32, in ms

    Raises
    ------
    ValueError
        As `hear.check_audio`.
    """
    return timestamp_embeddings(audio, model)
