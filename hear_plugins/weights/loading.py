"""Published weights: find, download, verify, and load them without running what they hold.

A plugin's `load_model` reads

    def from_file(path):
        tensors = load_tensors(path)
        network = Network(...)  # sized from the tensors
        load_strict(network, tensors, path)
        return network

    network, provenance = load_network(
        model_file_path, CHECKPOINT, random_weights, from_file, blank=Network
    )
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
import pickle
import re
import shutil
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar

import platformdirs
import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from .catalogue import CHECKPOINTS, Checkpoint, recognise
from .download import BLOCK, fetch

Network = TypeVar("Network", bound=torch.nn.Module)

CACHE_VARIABLE = "HEAR_PLUGINS_CACHE"
RANDOM_VARIABLE = "HEAR_PLUGINS_RANDOM_WEIGHTS"


class Discarded:
    """Stands for a value of a training file that no model needs; keeps nothing and runs nothing."""

    def __init__(self, *parts: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


# What published training files name beside their tensors. NumPy's own constructors are not called
# even for honest values: bytes that claim to be an array of objects would be taken as addresses.
DISCARDED = (
    "argparse.Namespace",
    "numpy.core.multiarray.scalar",  # as NumPy 1 wrote it
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.ndarray",
    "numpy.dtype",
    "numpy.dtypes.Float32DType",
    "numpy.dtypes.Float64DType",
    "numpy.dtypes.Int64DType",
)


class WeightsError(RuntimeError):
    """Weights are missing, damaged, or not this model's; the message is one line with the cure."""


# --- finding and fetching -------------------------------------------------------------------------


def cache_dir() -> Path:
    """Folder of downloaded weights: `HEAR_PLUGINS_CACHE`, else the platform's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("hear_plugins")


def resolve(model_file_path: str | os.PathLike[str], default: Checkpoint) -> Path:
    """The weights file to load.

    Parameters
    ----------
    model_file_path : path of a published file (or one of its layout), or "" for `default`.
    default : looked up in the cache folder, and downloaded there when absent.

    Raises
    ------
    WeightsError
        The path is not a readable file; the cached file is damaged; the download failed.
    """
    if str(model_file_path):
        return existing(model_file_path)
    path = cache_dir() / default.file
    if not path.is_file():
        download(default, path)
    elif fault := _mismatch(path, default):
        raise WeightsError(f"{path} is damaged: {fault}; delete it and run again to download it")
    return path


def existing(model_file_path: str | os.PathLike[str]) -> Path:
    """The path of a weights file that is there; WeightsError otherwise."""
    path = Path(model_file_path).expanduser()
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "missing"
        raise WeightsError(f"weights file {path} is {kind}; expected a checkpoint file")
    return path


def download(checkpoint: Checkpoint, path: Path) -> None:
    """Download `checkpoint` to `path`: resumed, verified, then moved into place atomically.

    An interrupted download is kept beside `path` as `*.part` and continued by the next call; two
    processes that want the same file fetch it once.

    Raises
    ------
    WeightsError
        Naming file, URL, licence and where to put the file by hand.
    """
    part = path.with_name(path.name + ".part")
    cure = f"get it from {checkpoint.url} (licence: {checkpoint.licence}) and put it at {path}"
    if checkpoint.by_hand:
        raise WeightsError(
            f"{checkpoint.file} cannot be downloaded from here ({checkpoint.note}); {cure}"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if path.is_file():  # another process was faster
                return
            _say(f"downloading {checkpoint.url} to {path} (licence: {checkpoint.licence})")
            for last in (False, True):
                resumed = part.exists()
                fetch(checkpoint.url, part)
                fault = _unpack(part, checkpoint.member) if checkpoint.member else None
                fault = fault or _mismatch(part, checkpoint)
                if fault is None:
                    os.replace(part, path)
                    return
                part.unlink()
                # A stale part may have spoilt the file; only a whole new one condemns the source.
                if last or not resumed:
                    raise WeightsError(
                        f"{checkpoint.file}: what {checkpoint.url} sent is not the published file"
                        f" ({fault}); {cure}"
                    )
    except (OSError, HTTPException) as error:
        fault = f"{checkpoint.file} could not be downloaded ({error})"
        raise WeightsError(f"{fault}; {cure}") from None


def _unpack(archive: Path, member: str) -> str | None:
    """Put `member` of the zip file in the place of the archive; what is wrong with it, or None."""
    unpacked = archive.with_name(archive.name + ".unpacked")
    try:
        with (
            zipfile.ZipFile(archive) as content,
            content.open(member) as source,
            open(unpacked, "wb") as target,
        ):
            shutil.copyfileobj(source, target, BLOCK)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
        unpacked.unlink(missing_ok=True)
        return f"no zip archive with {member}: {error}"
    os.replace(unpacked, archive)
    return None


def _mismatch(path: Path, checkpoint: Checkpoint) -> str | None:
    """What of size and digests differs from the published ones, or None."""
    size = path.stat().st_size
    if checkpoint.size is not None and size != checkpoint.size:
        return f"{size} bytes, expected {checkpoint.size}"
    sha256, git_blob = digests(path)
    for name, got, expected in (
        ("sha256", sha256, checkpoint.sha256),
        ("git blob", git_blob, checkpoint.git_blob),
    ):
        if expected is not None and not got.startswith(expected):
            return f"{name} {got}, expected {expected}"
    return None


def digests(path: Path) -> tuple[str, str]:
    """sha256 of a file, and the sha1 that `git hash-object` prints; read once for each content."""
    status = path.stat()
    return _digests(path.resolve(), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _digests(path: Path, size: int, mtime_ns: int) -> tuple[str, str]:
    sha256, git_blob = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            sha256.update(block)
            git_blob.update(block)
    return sha256.hexdigest(), git_blob.hexdigest()


def file_provenance(path: Path) -> dict[str, Any]:
    """What a record says of a model loaded from `path`: name and sha256, and source and licence
    when the content is a published file that `checkpoints` knows."""
    sha256, git_blob = digests(path)
    known = next(
        (
            c
            for c in CHECKPOINTS
            if (c.sha256 and sha256.startswith(c.sha256)) or git_blob == c.git_blob
        ),
        # Without published digests the name is all there is; `resolve` put the file there.
        next((c for c in CHECKPOINTS if path == cache_dir() / c.file), None),
    )
    provenance: dict[str, Any] = {"weights": "file", "file": path.name, "sha256": sha256}
    if known:
        provenance |= {"url": known.url, "licence": known.licence}
    return provenance


# --- loading ------------------------------------------------------------------------------------


def load_tensors(
    path: Path, unwrap: Sequence[str] = (), training_state: bool = False
) -> dict[str, Tensor]:
    """The tensors of a checkpoint, on the CPU; nothing in the file is executed.

    Parameters
    ----------
    path : a file written by `torch.save`, or one of safetensors.
    unwrap : keys under which the state dict may lie, outermost first; a key that is absent is
        passed over, so that bare and wrapped files both load.
    training_state : as of `load_content`.

    Raises
    ------
    WeightsError
        Truncated, not a checkpoint, without tensors, or naming code beside plain containers.
    """
    content = load_content(path, training_state)
    for key in unwrap:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if isinstance(content, Mapping):
        tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
        if tensors:
            return tensors
    raise WeightsError(f"{path} holds no named tensors; expected the state dict of a model")


def load_content(
    path: Path, training_state: bool = False, stand_in: type[object] = Discarded
) -> Any:
    """What `torch.save` wrote into `path`: tensors, on the CPU, in plain containers.

    Parameters
    ----------
    path : of the file; one of safetensors is a plain dictionary of tensors.
    training_state : let the file name what is in `DISCARDED`, as some published training files
        do; a `stand_in` takes the place of each such value.
    stand_in : class with the constructor and `__setstate__` of `Discarded`.

    Raises
    ------
    WeightsError
        Truncated, not a checkpoint, or naming code beside plain containers.
    """
    if _is_safetensors(path):
        try:
            return load_file(path)
        except SafetensorError as error:
            raise WeightsError(
                f"{path} is a damaged safetensors file: {error}; download it again"
            ) from None
    allowed: list[Any] = [(stand_in, name) for name in DISCARDED] if training_state else []
    try:
        with torch.serialization.safe_globals(allowed), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols; what matters is an error
            return torch.load(
                path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
            )
    except pickle.UnpicklingError as error:
        if refused := re.search(r"(?:GLOBAL |global )([\w.]+\.[\w.]+)", str(error)):
            raise WeightsError(
                f"{path} refused: it names {refused[1]}, which weights do not need; nothing in it"
                " was executed; expected a checkpoint of plain tensors"
            ) from None
        raise WeightsError(_not_a_checkpoint(path)) from None
    except Exception:  # torch reports damaged files by many exception types
        raise WeightsError(_not_a_checkpoint(path)) from None


def _is_safetensors(path: Path) -> bool:
    """Whether the file begins as one: the length of a header, and the header in JSON."""
    with open(path, "rb") as file:
        start = file.read(9)
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size


def load_configured(
    path: Path, training_state: bool = False
) -> tuple[Mapping[str, Any], dict[str, Tensor]]:
    """Configuration and tensors of a file that holds them as "cfg" and "model".

    Parameters
    ----------
    path, training_state : as of `load_content`.

    Raises
    ------
    WeightsError
        As `load_content`, or the file holds other things.
    """
    content = load_content(path, training_state)
    if not isinstance(content, Mapping):
        content = {}
    cfg, tensors = content.get("cfg"), content.get("model")
    if isinstance(cfg, Mapping) and isinstance(tensors, Mapping):
        return cfg, {str(k): v for k, v in tensors.items() if isinstance(v, Tensor)}
    raise wrong_model(path, 'it has no configuration "cfg" beside the tensors, "model"', content)


def wrong_model(path: Path, fault: str, names: Iterable[str]) -> WeightsError:
    """The error for a file of another model, with that model's name when `names` tell it."""
    look = recognise(names)
    hint = f"; the file looks like a checkpoint of {look}" if look else ""
    return WeightsError(f"{path} is not a checkpoint of this model: {fault}{hint}")


def _not_a_checkpoint(path: Path) -> str:
    size = path.stat().st_size
    return (
        f"{path} ({size} bytes) is truncated or not a PyTorch checkpoint;"
        " download it again or give the original published file"
    )


def load_strict(
    network: torch.nn.Module,
    tensors: Mapping[str, Tensor],
    path: Path,
    ignored: Sequence[str] = (),
    name_in_file: Callable[[str], str] = str,
) -> None:
    """Load `tensors` into `network`; every tensor must be there, fit, and be known.

    Parameters
    ----------
    network : its `state_dict()` names what is expected.
    tensors : from `load_tensors`; converted to the network's dtypes.
    path : of the file, for the error.
    ignored : names, or prefixes ending in ".", that the file may hold and the network does not use.
    name_in_file : from the network's name of a tensor to the file's, where they differ.

    Raises
    ------
    WeightsError
        Naming the first tensor that is missing, misshapen or unexpected, and the model that the
        file looks like when that can be told.
    """
    own = network.state_dict()
    names = {name_in_file(name): name for name in own}
    expected = {name: own[names[name]] for name in names}
    skip = tuple(name for name in ignored if name.endswith("."))
    given = {
        name: value
        for name, value in tensors.items()
        if name in expected or not (name in ignored or (skip and name.startswith(skip)))
    }
    fault = None
    if missing := [name for name in expected if name not in given]:
        fault = f"tensor {missing[0]} is missing" + _and_more(missing)
    elif extra := [name for name in given if name not in expected]:
        fault = f"tensor {extra[0]} is unexpected" + _and_more(extra)
    else:
        for name, value in given.items():
            if value.shape != expected[name].shape:
                fault = (
                    f"tensor {name} has shape {tuple(value.shape)},"
                    f" expected {tuple(expected[name].shape)}"
                )
                break
    if fault:
        raise wrong_model(path, fault, tensors)
    network.load_state_dict({names[name]: value for name, value in given.items()}, strict=True)


def _and_more(names: Sequence[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


# --- random weights -----------------------------------------------------------------------------


def load_network(
    model_file_path: str,
    default: Checkpoint,
    random_weights: int | None,
    from_file: Callable[[Path], Network],
    blank: Callable[[], Network],
) -> tuple[Network, dict[str, Any]]:
    """A network with the weights that the user chose, and its provenance.

    Parameters
    ----------
    model_file_path, default : as of `resolve`.
    random_weights : as of `random_seed`.
    from_file : makes the network of a weights file.
    blank : makes the network of `default`, to be filled with random weights.

    Raises
    ------
    ValueError, WeightsError
        As `random_seed`, `resolve` and `from_file`.
    """
    seed = random_seed(random_weights, model_file_path)
    if seed is None:
        path = resolve(model_file_path, default)
        return from_file(path), file_provenance(path)
    network = blank()
    return network, fill_random(network, seed, default.module)


def random_seed(
    random_weights: int | None, model_file_path: str | os.PathLike[str] = ""
) -> int | None:
    """The seed of random weights, or None for real ones.

    The option `random_weights` comes first; the environment variable HEAR_PLUGINS_RANDOM_WEIGHTS
    counts only where no file is given.

    Raises
    ------
    ValueError
        Not a whole number >= 0, or both a seed and a file are given.
    """
    if random_weights is not None:
        if str(model_file_path):
            raise ValueError(
                f"random_weights={random_weights} and the file {model_file_path} are both given;"
                " expected one of them"
            )
        value: object = random_weights
    elif not str(model_file_path) and os.environ.get(RANDOM_VARIABLE):
        value = os.environ[RANDOM_VARIABLE]
    else:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError(f"random_weights={value!r}; expected a whole number >= 0 as seed")
    return value


def fill_random(network: torch.nn.Module, seed: int, module_name: str) -> dict[str, Any]:
    """Fill `network` with numbers drawn from `seed` and each tensor's name; say so on stderr.

    Scales follow the tensor's role so that activations stay finite through deep stacks. For tests
    and timing only.

    Returns
    -------
    dict : the model's `provenance`.
    """
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if not tensor.is_floating_point():
                tensor.zero_()
                continue
            draw = torch.Generator().manual_seed(zlib.crc32(f"{seed} {name}".encode()))
            noise = torch.randn(tensor.shape, generator=draw)
            leaf = name.rsplit(".", 1)[-1]
            if leaf == "running_var":
                noise = 1 + 0.1 * noise.abs()
            elif leaf in ("weight", "gamma", "g") and noise.squeeze().ndim <= 1:
                noise = 1 + 0.1 * noise
            elif noise.ndim <= 1:
                noise = 0.02 * noise
            else:
                noise = noise / math.sqrt(math.prod(tensor.shape[1:]))
            tensor.copy_(noise)
    _say(f"{module_name} has random weights (seed {seed}); its embeddings mean nothing")
    return {"weights": "random", "random_weights": seed}


def _say(message: str) -> None:
    with suppress(AttributeError, OSError):  # no stderr (pythonw), or a closed one
        sys.stderr.write(f"hear_plugins: {message}\n")
