"""The functions of the HEAR API, the same for every model; each plugin re-exports them.

HEAR API: https://hearbenchmark.com/hear-api.html
"""

from __future__ import annotations

import torch
from torch import Tensor

from .audio_checks import check_audio
from .hear_model import HearModel


def get_scene_embeddings(audio: Tensor, model: HearModel) -> Tensor:
    """One embedding for each sound.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at `model.sample_rate`
    model : from `load_model`

    Returns
    -------
    Tensor (n_sounds, model.scene_embedding_size), float32, on the device of `audio`.

    Raises
    ------
    ValueError
        As `audio_checks.check_audio`.
    """
    audio = check_audio(audio, model)
    with torch.no_grad():
        return model.scenes(audio).float()


def get_timestamp_embeddings(audio: Tensor, model: HearModel) -> tuple[Tensor, Tensor]:
    """Embeddings at regular times, each centred on its timestamp.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at `model.sample_rate`
    model : from `load_model`

    Returns
    -------
    embeddings : Tensor (n_sounds, n_timestamps, model.timestamp_embedding_size), float32
    timestamps : Tensor (n_sounds, n_timestamps), float32, in ms

    Raises
    ------
    ValueError
        As `audio_checks.check_audio`.
    """
    audio = check_audio(audio, model)
    with torch.no_grad():
        embeddings, times = model.timestamps(audio)
        return embeddings.float(), times


def get_layer_embeddings(audio: Tensor, model: HearModel) -> list[Tensor]:
    """The output of every block of the network, pooled over time; not a part of the HEAR API.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at `model.sample_rate`
    model : from `load_model`

    Returns
    -------
    list of Tensor (n_sounds, size of that block), float32, in the order of the network.

    Raises
    ------
    ValueError
        As `audio_checks.check_audio`.
    NotImplementedError
        The model has no blocks.
    """
    audio = check_audio(audio, model)
    with torch.no_grad():
        return [layer.float() for layer in model.layers(audio)]
