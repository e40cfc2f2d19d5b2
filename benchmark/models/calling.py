"""Call a loaded model on a batch of audio, and check what comes out."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmark.errors import UserError, one_line
from benchmark.models.hear_module import API, LAYERS_FUNCTION, LoadedModel
from hear_plugins.api.precision import autocast

Floats = npt.NDArray[np.float32]
FUNCTIONS = {"scene": API[1], "event": API[2], "layers": LAYERS_FUNCTION}


def call(model: LoadedModel, embedding_type: str, audio: Floats) -> tuple[Any, Any]:
    """Embed a batch.

    Parameters
    ----------
    embedding_type
        "scene", "event" (timestamps) or "layers".
    audio
        float32 (n_clips, n_samples) at the model's rate; the model may overwrite it.

    Returns
    -------
    embeddings, timestamps
        As arrays, not checked; timestamps are None for scenes and layers, and embeddings of layers
        are a list, one array each.

    Raises
    ------
    UserError
        The model has no layers.
    """
    if embedding_type == "layers" and not hasattr(model.module, LAYERS_FUNCTION):
        raise UserError(
            f"{model.name} has no layers to evaluate: it has no function"
            f" {LAYERS_FUNCTION}(audio, model)"
        )
    if isinstance(model.model, torch.nn.Module):
        batch: Any = torch.from_numpy(audio)
        if model.device.type == "cuda":
            batch = batch.pin_memory().to(model.device, non_blocking=True)
        else:
            batch = batch.to(model.device)
    else:
        batch = sys.modules["tensorflow"].convert_to_tensor(audio)
    try:
        with torch.no_grad(), autocast(model.device, model.spec.dtype):
            if embedding_type == "scene":
                scenes = model.module.get_scene_embeddings(batch, model.model)
                return _array(_restored(scenes, model)), None
            if embedding_type == "layers":
                layers = _layers(model, batch)
                return [_array(_restored(layer, model)) for layer in layers], None
            output = model.module.get_timestamp_embeddings(batch, model.model)
    finally:
        model.settle()
    if not isinstance(output, (tuple, list)) or len(output) != 2:
        raise TypeError(f"{API[2]} gives {type(output).__name__}, expected embeddings, timestamps")
    return _array(_restored(output[0], model)), _array(output[1])


def check_output(
    model: LoadedModel, embedding_type: str, clips: int, output: tuple[Any, Any]
) -> tuple[Floats, npt.NDArray[np.float64] | None]:
    """Embeddings and timestamps (ms, float64) of a call, if they are what the HEAR API promises.

    Layers come out side by side, (clips, their sizes together); their sizes are noted by the first
    call and the same in all.

    Raises
    ------
    UserError
        Wrong shape or dtype, values that are not finite, timestamps that do not ascend.
    """
    embeddings, timestamps = output
    function = FUNCTIONS[embedding_type]

    def check(fits: bool, found: str, expected: str) -> None:
        if not fits:
            raise UserError(f"{model.name}.{function} gives {found}, expected {expected}")

    if embedding_type == "layers":
        shapes = [tuple(layer.shape) for layer in embeddings]
        fits = all(len(shape) == 2 and shape[0] == clips and shape[1] for shape in shapes)
        check(bool(shapes) and fits, f"layers {shapes}", f"({clips}, size) each")
        sizes = [shape[1] for shape in shapes]
        model.layer_sizes[:] = model.layer_sizes or sizes
        check(sizes == model.layer_sizes, f"layers of {sizes}", f"{model.layer_sizes} as before")
        embeddings = np.concatenate(embeddings, axis=1)
    size = model.embedding_size(embedding_type)
    shape = tuple(embeddings.shape)
    if timestamps is None:
        check(shape == (clips, size), f"embeddings {shape}", f"{(clips, size)}")
    else:
        fits = len(shape) == 3 and shape[0] == clips and shape[1] > 0 and shape[2] == size
        check(fits, f"embeddings {shape}", f"({clips}, n_frames, {size})")
        check(
            tuple(timestamps.shape) == shape[:2], f"timestamps {timestamps.shape}", f"{shape[:2]}"
        )
        timestamps = timestamps.astype(np.float64)
        ascending = np.isfinite(timestamps).all() and (np.diff(timestamps) > 0).all()
        check(bool(ascending), "timestamps that do not ascend", "finite ms in order")
    check(embeddings.dtype == np.float32, f"{embeddings.dtype} embeddings", "float32")
    check(bool(np.isfinite(embeddings).all()), "NaN or infinite embeddings", "finite values")
    return embeddings, timestamps


def find_layers(model: LoadedModel) -> list[int]:
    """Sizes of the model's layers, by a call on a second of noise unless they are known.

    Raises
    ------
    UserError
        It has none, or its function fails or gives something else.
    """
    if not model.layer_sizes:
        noise = np.random.default_rng(0).random((1, model.sample_rate), np.float32)
        try:
            check_output(model, "layers", 1, call(model, "layers", noise - np.float32(0.5)))
        except UserError:
            raise
        except Exception as error:
            raise UserError(
                f"{model.name}.{LAYERS_FUNCTION} fails on a second of noise: {one_line(error)}"
            ) from error
    return model.layer_sizes


def _layers(model: LoadedModel, batch: Any) -> list[Any]:
    try:
        layers = getattr(model.module, LAYERS_FUNCTION)(batch, model.model)
    except NotImplementedError as error:
        raise UserError(f"{model.name} has no layers to evaluate: {one_line(error)}") from None
    if not isinstance(layers, (list, tuple)):
        raise TypeError(f"{LAYERS_FUNCTION} gives {type(layers).__name__}, expected a list")
    return list(layers)


def _restored(embeddings: Any, model: LoadedModel) -> Any:
    """Embeddings of a network in a lower precision as float32; others as they are."""
    lower = model.spec.dtype != "float32" and isinstance(embeddings, torch.Tensor)
    return embeddings.float() if lower else embeddings


def _array(tensor: Any) -> Any:
    if isinstance(tensor, torch.Tensor):
        return tensor.detach().cpu().numpy()
    if not hasattr(tensor, "numpy"):
        raise TypeError(f"the output is a {type(tensor).__name__}, expected a tensor")
    return tensor.numpy()
