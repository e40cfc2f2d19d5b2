"""The functions of the HEAR API, the same for every model; each plugin re-exports them.

HEAR API: https://hearbenchmark.com/hear-api.html
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .audio_checks import check_audio
from .hear_model import HearModel

_CHANGED_BY_TRAINING = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)


def check_eval(model: nn.Module) -> None:
    """ValueError where a part of the model is in training mode, and would act otherwise for it."""
    for name, module in model.named_modules():
        if module.training and isinstance(module, _CHANGED_BY_TRAINING):
            raise ValueError(
                f"{type(model).__name__} is in training mode ({name}), where dropout and batch"
                " statistics change embeddings; call model.eval()"
            )


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
        As `audio_checks.check_audio` and `check_eval`.
    """
    audio = check_audio(audio, model)
    check_eval(model)
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
        As `audio_checks.check_audio` and `check_eval`.
    """
    audio = check_audio(audio, model)
    check_eval(model)
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
        As `audio_checks.check_audio` and `check_eval`.
    NotImplementedError
        The model has no blocks.
    """
    audio = check_audio(audio, model)
    check_eval(model)
    with torch.no_grad():
        return [layer.float() for layer in model.layers(audio)]
