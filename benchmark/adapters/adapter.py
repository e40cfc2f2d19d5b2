"""One object for all ecosystems: what each asks of a model, from any module with the HEAR API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.errors import UserError
from benchmark.models.calling import call, check_output, find_layers
from benchmark.models.hear_module import LAYERS_FUNCTION, LoadedModel, ModelSpec, load_model
from benchmark.records.json_form import short_key

MOST_SECONDS = 600  # of audio in one call of the model; a batch of more is embedded in parts
_PROBED_SECONDS = (2, 30)  # of noise: enough for two timestamps of most models, and of all
_SAME_HOP_MS = 0.5


@dataclass(frozen=True)
class Adapter:
    """A model as other benchmarks take it; make it with `load_adapter`.

    The functions take float audio (n_sounds, n_samples) in [-1, 1] at `sample_rate`, run without
    gradients and give float32 on the audio's device.

    Attributes
    ----------
    name
        Import path of the HEAR module.
    revision
        Eight hexadecimal digits that stand for module, options, digest of the weights, precision.
    sample_rate
        Hz.
    dim, scene_dim
        Length of the embedding of a frame, and of a sound.
    hop_ms
        From one frame to the next. Boards that ask for no times take frame k at k * hop_ms; HEAR's
        timestamp of it may be later by a constant.
    frames
        (n_sounds, n_frames, dim): HEAR's timestamp embeddings.
    scene
        (n_sounds, scene_dim): HEAR's scene embeddings.
    layers
        A list of (n_sounds, 1, size): the output of each block, pooled over time, hence a sequence
        of one; None for a module without `get_layer_embeddings`.
    model
        Behind it all.
    """

    name: str
    revision: str
    sample_rate: int
    dim: int
    scene_dim: int
    hop_ms: float
    frames: Callable[[Tensor], Tensor]
    scene: Callable[[Tensor], Tensor]
    layers: Callable[[Tensor], list[Tensor]] | None
    model: LoadedModel


def load_adapter(
    module: str,
    weights: str = "",
    options: Mapping[str, Any] | None = None,
    device: str | torch.device | None = None,
) -> Adapter:
    """Load a HEAR module and adapt it.

    Parameters
    ----------
    module, weights, options
        Import path, file and keyword options of its `load_model`.
    device
        Default: "cuda" where there is one, else "cpu".

    Raises
    ------
    UserError
        As `benchmark.models.hear_module.load_model`; timestamps that are not regular.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return adapt(load_model(ModelSpec(module, weights, dict(options or {})), device))


def adapt(model: LoadedModel) -> Adapter:
    """The adapter of a loaded model; raises as `load_adapter`."""

    def frames(audio: Tensor) -> Tensor:
        return _embedded(model, "event", audio)

    def scene(audio: Tensor) -> Tensor:
        return _embedded(model, "scene", audio)

    def layers(audio: Tensor) -> list[Tensor]:
        joined = _embedded(model, "layers", audio)
        return [layer[:, None] for layer in joined.split(model.layer_sizes, dim=1)]

    return Adapter(
        name=model.name,
        revision=_revision(model),
        sample_rate=model.sample_rate,
        dim=model.embedding_size("event"),
        scene_dim=model.embedding_size("scene"),
        hop_ms=_hop_ms(model),
        frames=frames,
        scene=scene,
        layers=layers if _has_layers(model) else None,
        model=model,
    )


def _embedded(model: LoadedModel, kind: str, audio: Tensor) -> Tensor:
    """Checked embeddings of a batch, in calls of at most `MOST_SECONDS`."""
    if audio.ndim != 2 or not audio.numel() or not audio.is_floating_point():
        raise UserError(
            f"{model.name}: audio {audio.dtype} {tuple(audio.shape)}, expected floats"
            " (n_sounds, n_samples), at least one of each"
        )
    parts = []
    for batch in audio.split(max(1, MOST_SECONDS * model.sample_rate // audio.shape[1])):
        # A copy: the model may overwrite what it is given.
        array = batch.detach().cpu().numpy().astype(np.float32, copy=True)
        parts.append(check_output(model, kind, len(array), call(model, kind, array))[0])
    return torch.from_numpy(np.concatenate(parts)).to(audio.device)


def _has_layers(model: LoadedModel) -> bool:
    if not hasattr(model.module, LAYERS_FUNCTION):
        return False
    try:
        return bool(find_layers(model))
    except UserError:  # the function is there for all of a family, the layers are not
        return False


def _hop_ms(model: LoadedModel) -> float:
    for seconds in _PROBED_SECONDS:
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, seconds * model.sample_rate))
        found = call(model, "event", noise.astype(np.float32))
        times = check_output(model, "event", 1, found)[1]
        assert times is not None
        if times.shape[1] > 1:
            break
    else:
        raise UserError(
            f"{model.name} gives one timestamp for {seconds} s of audio; expected frames"
        )
    steps = np.diff(times[0])
    hop = float(np.median(steps))
    if np.abs(steps - hop).max() > _SAME_HOP_MS:
        raise UserError(
            f"{model.name}: timestamps from {steps.min():g} to {steps.max():g} ms apart; other"
            " benchmarks expect one hop"
        )
    return round(hop, 3)


def _revision(model: LoadedModel) -> str:
    """Code does not count: a refactoring makes no other model of it."""
    identity = model.identity
    return short_key([identity.module, identity.options, identity.weights, identity.dtype])
