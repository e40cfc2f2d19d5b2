"""Models behind the HEAR API: import, load, name by content, call, and check what comes out."""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib
import importlib.util
import inspect
import json
import pkgutil
import re
import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmark.errors import UserError, one_line
from benchmark.models.fingerprint import source_hash
from hear_plugins.api.precision import compile_blocks, lowered

OUR_PACKAGE = "hear_plugins"
API = ("load_model", "get_scene_embeddings", "get_timestamp_embeddings")
SIZES = ("sample_rate", "scene_embedding_size", "timestamp_embedding_size")

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ModelSpec:
    """What the user asks for: a module with the HEAR API, a weights file, options.

    `dtype` and `compiled` are of `hear_plugins.api.precision`, for any module that is of torch.
    """

    module: str
    weights: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "float32"
    compiled: bool = False

    @property
    def all_options(self) -> dict[str, Any]:
        """`options`, and what is not the default of the command's own, with its dashes."""
        own: dict[str, Any] = {} if self.dtype == "float32" else {"--dtype": self.dtype}
        return {**self.options, **own, **({"--compile": True} if self.compiled else {})}


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to embed, see `load_model`.

    Attributes
    ----------
    key
        Eight hexadecimal digits over everything that decides the embeddings: module (name, source
        with all it imports of its package, version of its distribution), options, sizes, and the
        content of the weights.
    provenance
        Where the weights come from; ``provenance["weights"]`` is none, file, package, random, or
        unknown for modules that do not tell.
    """

    spec: ModelSpec
    module: ModuleType
    model: Any
    device: torch.device
    version: str | None
    provenance: Mapping[str, Any]
    key: str

    @property
    def name(self) -> str:
        return self.spec.module

    @property
    def slug(self) -> str:
        """Folder name: ``<module>-<key>``."""
        return f"{self.spec.module}-{self.key}"

    @property
    def sample_rate(self) -> int:
        """Rate (Hz) of the audio the model takes."""
        return int(self.model.sample_rate)

    @property
    def random_weights(self) -> bool:
        """Whether the weights are random: then the embeddings say nothing about the model."""
        return self.provenance.get("weights") == "random"

    def embedding_size(self, embedding_type: str) -> int:
        """Length of a ``scene`` or ``event`` embedding."""
        kind = "scene" if embedding_type == "scene" else "timestamp"
        return int(getattr(self.model, f"{kind}_embedding_size"))


def our_modules() -> list[str]:
    """Import paths of the models that come with this package, found without importing them."""
    package = importlib.util.find_spec(OUR_PACKAGE)
    folders = list(package.submodule_search_locations or ()) if package else []
    api = re.compile(r"^(def load_model\(|load_model = |from \S+ import .*\bload_model\b)", re.M)
    return [
        f"{OUR_PACKAGE}.{found.name}"
        for folder in folders
        for found in pkgutil.iter_modules([folder])
        if not found.ispkg and api.search((Path(folder) / f"{found.name}.py").read_text("utf-8"))
    ]


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


def load_model(spec: ModelSpec, device: str | torch.device = "cpu") -> LoadedModel:
    """Import a module, load its model on the device and check that it has the HEAR API.

    Raises
    ------
    UserError
        No such module (with near names), a function of the API missing, an unknown option, a model
        that does not load, or without the attributes the API asks for.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries' warnings are nothing the user can act on
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
    version = _distribution_version(spec.module)
    weights = _weights_hash(model)
    provenance = dict(getattr(model, "provenance", None) or {"weights": "unknown"})
    if spec.weights:
        provenance.setdefault("file", Path(spec.weights).name)
    if weights:
        provenance["state_sha256"] = weights
    identity = {
        "module": spec.module,
        "source": source_hash(spec.module),
        "version": version,
        "options": spec.all_options,
        "sizes": [int(getattr(model, name)) for name in SIZES],
        # Of models without tensors: the package or the file that they are.
        "weights": weights or provenance.get("package") or _file_hash(spec.weights),
    }
    key = hashlib.sha256(_canonical(identity, spec)).hexdigest()[:8]
    if spec.compiled:
        compile_blocks(model)
    return LoadedModel(spec, module, model, torch.device(device), version, provenance, key)


def probe(model: LoadedModel, embedding_type: str) -> None:
    """Embed two clips of noise: what is wrong with a model should show before hours are spent.

    Raises
    ------
    UserError
        The model fails, or its output is not what `check_output` asks for.
    """
    noise = np.random.default_rng(0).random((2, model.sample_rate), np.float32) - np.float32(0.5)
    try:
        check_output(model, embedding_type, 2, call(model, embedding_type, noise))
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{model.name} fails on a second of noise: {one_line(error)}") from error


def call(model: LoadedModel, embedding_type: str, audio: Floats) -> tuple[Any, Any]:
    """Embed a batch.

    Parameters
    ----------
    audio
        float32 (n_clips, n_samples) at the model's rate; the model may overwrite it.

    Returns
    -------
    embeddings, timestamps
        As arrays, not checked; timestamps are None for scenes.
    """
    if isinstance(model.model, torch.nn.Module):
        batch: Any = torch.from_numpy(audio)
        if model.device.type == "cuda":
            batch = batch.pin_memory().to(model.device, non_blocking=True)
        else:
            batch = batch.to(model.device)
    else:
        batch = sys.modules["tensorflow"].convert_to_tensor(audio)
    with torch.no_grad(), lowered(model.device, model.spec.dtype):
        if embedding_type == "scene":
            scenes = model.module.get_scene_embeddings(batch, model.model)
            return _array(_restored(scenes, model)), None
        output = model.module.get_timestamp_embeddings(batch, model.model)
    if not isinstance(output, (tuple, list)) or len(output) != 2:
        raise TypeError(f"{API[2]} gives {type(output).__name__}, expected embeddings, timestamps")
    return _array(_restored(output[0], model)), _array(output[1])


def check_output(
    model: LoadedModel, embedding_type: str, clips: int, output: tuple[Any, Any]
) -> tuple[Floats, npt.NDArray[np.float64] | None]:
    """Embeddings and timestamps (ms, float64) of a call, if they are what the HEAR API promises.

    Raises
    ------
    UserError
        Wrong shape or dtype, values that are not finite, timestamps that do not ascend.
    """
    embeddings, timestamps = output
    size = model.embedding_size(embedding_type)
    function = API[1] if embedding_type == "scene" else API[2]

    def check(fits: bool, found: str, expected: str) -> None:
        if not fits:
            raise UserError(f"{model.name}.{function} gives {found}, expected {expected}")

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


def near_modules(name: str) -> str:
    """What the user may have meant: a module of ours (also by its last part) or an importable."""
    ours = our_modules()
    near = [module for module in ours if module.rpartition(".")[2] == name.rpartition(".")[2]]
    short = {module.rpartition(".")[2]: module for module in ours}
    near += [short[n] for n in difflib.get_close_matches(name.rpartition(".")[2], short, n=2)]
    importable = {found.name for found in pkgutil.iter_modules()}
    near += difflib.get_close_matches(name, importable, n=1, cutoff=0.8)
    names = list(dict.fromkeys(near))[:3]
    return f"; did you mean {' or '.join(names)}?" if names else f"; ours are {', '.join(ours)}"


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


def _weights_hash(model: Any) -> str | None:
    """SHA-256 over names, kinds and bytes of the model's tensors; None if it has none."""
    if isinstance(model, torch.nn.Module):
        tensors: Iterable[tuple[str, Any]] = model.state_dict().items()
    else:
        tensors = ((each.name, torch.from_numpy(each.numpy())) for each in model.variables)
    digest, count = hashlib.sha256(), 0
    for name, tensor in tensors:
        if isinstance(tensor, torch.Tensor):
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(flat.view(torch.uint8).numpy().data)
            count += 1
    return digest.hexdigest() if count else None


def _file_hash(path: str) -> str | None:
    if not path or not Path(path).is_file():
        return None
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@functools.cache
def _distribution_version(module: str) -> str | None:
    """Name and version of the installed distribution that a module belongs to, if any."""
    top = module.partition(".")[0]
    try:
        found = metadata.distribution(top)
    except metadata.PackageNotFoundError:
        names = metadata.packages_distributions().get(top)  # slow: reads every distribution
        if not names:
            return None
        found = metadata.distribution(names[0])
    return f"{found.metadata['Name']} {found.version}"


def _canonical(identity: Mapping[str, Any], spec: ModelSpec) -> bytes:
    try:
        return json.dumps(identity, sort_keys=True, default=dict).encode()
    except (TypeError, ValueError):
        raise UserError(f"{spec.module}: options {spec.options!r} are not JSON values") from None
