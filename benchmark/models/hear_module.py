"""Models behind the HEAR API: imported, loaded, and named by what decides their embeddings."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from benchmark.errors import UserError, one_line
from benchmark.models.discovery import near_modules
from benchmark.models.fingerprint import (
    distribution_version,
    file_hash,
    read_source,
    state_hash,
    tensors_hash,
)
from benchmark.models.library_messages import messages_of_libraries
from benchmark.models.process_state import ProcessState, set_tf32
from benchmark.records.work_unit import ModelIdentity, device_class
from hear_plugins.api.precision import compile_blocks

API = ("load_model", "get_scene_embeddings", "get_timestamp_embeddings")
LAYERS_FUNCTION = "get_layer_embeddings"  # no part of the HEAR API: a module may have it
Remark = Callable[[str], None]
SIZES = ("sample_rate", "scene_embedding_size", "timestamp_embedding_size")


def _say_nothing(_line: str) -> None:
    pass


@dataclass(frozen=True)
class ModelSpec:
    """What the user asks for: a module with the HEAR API, a weights file, options.

    `dtype` and `compiled` are of `hear_plugins.api.precision`, for any module that is of torch;
    `tf32` of `benchmark.models.process_state`. `display_name` is what tables call the model.
    """

    module: str
    weights: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "float32"
    compiled: bool = False
    tf32: bool = False
    display_name: str = ""

    @property
    def all_options(self) -> dict[str, Any]:
        """`options`, and what is not the default of the command's own, with its dashes."""
        own: dict[str, Any] = {} if self.dtype == "float32" else {"--dtype": self.dtype}
        own |= {"--compile": True} if self.compiled else {}
        own |= {"--tf32": True} if self.tf32 else {}
        return {**self.options, **own}


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to embed, see `load_model`.

    Attributes
    ----------
    identity
        Everything that decides its embeddings.
    provenance
        Where the weights come from; ``provenance["weights"]`` is none, file, package, random, or
        unknown for modules that do not tell.
    distributions
        Versions of the installed distributions that its code imports.
    state
        Of the process, as it was before the module was imported.
    state_changes
        What the module has changed of it so far.
    layer_sizes
        Length of the embedding of each layer, once it is known (`benchmark.models.calling`).
    remark
        Called with each line about the model that is for the user but no failure.
    """

    spec: ModelSpec
    module: ModuleType
    model: Any
    device: torch.device
    identity: ModelIdentity
    provenance: Mapping[str, Any]
    distributions: Mapping[str, str]
    state: ProcessState = field(default_factory=ProcessState.now)
    state_changes: list[str] = field(default_factory=list)
    layer_sizes: list[int] = field(default_factory=list)
    remark: Remark = _say_nothing

    def settle(self) -> None:
        """Take back what the module has changed of the process, and remark on it once."""
        for change in self.state.restore():
            if change not in self.state_changes:
                self.state_changes.append(change)
                self.remark(f"{self.name} changes {change}; it is set back")

    @property
    def name(self) -> str:
        return self.spec.module

    @property
    def sample_rate(self) -> int:
        """Rate (Hz) of the audio the model takes."""
        return int(self.model.sample_rate)

    @property
    def random_weights(self) -> bool:
        """Whether the weights are random: then the embeddings say nothing about the model."""
        return self.provenance.get("weights") == "random"

    def embedding_size(self, embedding_type: str) -> int:
        """Length of a ``scene`` or ``event`` embedding, or of all known ``layers`` together."""
        if embedding_type == "layers":
            return sum(self.layer_sizes)
        kind = "scene" if embedding_type == "scene" else "timestamp"
        return int(getattr(self.model, f"{kind}_embedding_size"))


def parse_options(text: str) -> dict[str, Any]:
    """Options of `load_model` from a JSON object.

    Raises
    ------
    UserError
        The text is not JSON, or not an object.
    """
    try:
        options = json.loads(text)
    except ValueError as error:
        raise UserError(f"model options {text!r} are not JSON: {error}") from None
    if not isinstance(options, dict):
        raise UserError(f'model options {text!r} are not a JSON object such as {{"hop_ms": 25}}')
    return options


def load_model(
    spec: ModelSpec, device: str | torch.device = "cpu", remark: Remark = _say_nothing
) -> LoadedModel:
    """Import a module, load its model on the device and check that it has the HEAR API.

    Parameters
    ----------
    remark
        Called with what libraries say about the weights, and other lines that are no failure.

    Raises
    ------
    UserError
        No such module (with near names), a function of the API missing, an unknown option, a model
        that does not load, or without the attributes the API asks for.
    """
    set_tf32(spec.tf32)
    state = ProcessState.now()
    with messages_of_libraries(lambda text: remark(f"{spec.module}: {text}")):
        module = _import(spec.module)
        for function in API:
            if not callable(getattr(module, function, None)):
                raise UserError(f"{spec.module} has no function {function}; see the HEAR API")
        model = _call_load_model(spec, module, device)
    for name in SIZES:
        value = getattr(model, name, None)
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
            raise UserError(
                f"{spec.module}: model.{name} is {value!r}, expected a positive integer"
            )
    version = distribution_version(spec.module)
    weights = state_hash(model)
    provenance = dict(getattr(model, "provenance", None) or {"weights": "unknown"})
    if spec.weights:
        provenance.setdefault("file", Path(spec.weights).name)
    if weights:
        provenance["state_sha256"] = weights
    source = read_source(spec.module)
    # Of models without tensors: the package or the file that they are.
    tensors = tensors_hash(model) or provenance.get("package") or file_hash(spec.weights)
    identity = ModelIdentity(
        module=spec.module,
        code=source.digest,
        version=version,
        options=dict(spec.options),
        weights=tensors or "none",
        sample_rate=int(model.sample_rate),
        dtype=spec.dtype,
        device=device_class(device),
        tf32=spec.tf32 and device_class(device) == "cuda",
        compiled=spec.compiled,
    )
    if spec.compiled:
        compile_blocks(model)
    loaded = LoadedModel(
        spec,
        module,
        model,
        torch.device(device),
        identity,
        provenance,
        source.distributions,
        state,
        remark=remark,
    )
    loaded.settle()
    return loaded


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise UserError(f"no module {name!r}{near_modules(name)}") from None
        raise UserError(
            f"{name} needs the package {error.name!r}, which is not installed"
        ) from error
    except Exception as error:
        raise UserError(f"{name} cannot be imported: {one_line(error)}") from error


def _call_load_model(spec: ModelSpec, module: ModuleType, device: str | torch.device) -> Any:
    if spec.weights and not Path(spec.weights).exists():
        raise UserError(f"{spec.module}: no weights file {spec.weights}")
    arguments = [spec.weights] if spec.weights else []
    _check_options(spec, module.load_model, arguments)
    try:
        model = module.load_model(*arguments, **spec.options)
        if isinstance(model, torch.nn.Module):
            model.to(device)
    except Exception as error:
        raise UserError(f"{spec.module} does not load: {one_line(error)}") from error
    if spec.all_options != spec.options and not isinstance(model, torch.nn.Module):
        raise UserError(f"{spec.module} is no torch module; --dtype and --compile need one")
    if not isinstance(model, torch.nn.Module) and not _is_tensorflow(model):
        raise UserError(
            f"{spec.module}.load_model gives a {type(model).__name__}, expected a torch.nn.Module"
        )
    return model


def _check_options(spec: ModelSpec, function: Any, arguments: list[str]) -> None:
    """Explain options that `load_model` does not take; a TypeError would only name the first."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*arguments, **spec.options)
    except TypeError as error:
        options = [name for name in signature.parameters if name != "model_file_path"]
        raise UserError(
            f"{spec.module}.load_model: {error}; its options are: {', '.join(options) or 'none'}"
        ) from None


def _is_tensorflow(model: Any) -> bool:
    # Asked without importing TensorFlow, which takes seconds and is rarely there.
    return "tensorflow" in sys.modules and any(
        base.__module__.partition(".")[0] == "tensorflow" for base in type(model).__mro__
    )
