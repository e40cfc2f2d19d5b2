"""Checkpoint files read without running what they hold."""

from __future__ import annotations

import mmap
import pickle
import re
import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from .archive_inspection import torch_pickle
from .errors import WeightsError
from .file_type import PICKLE, SAFETENSORS, ZIP, file_type
from .messages import quoted, shown
from .pickle_inspection import DICT, LIST, PickleError, pickles
from .strict import wrong_model

_LEGACY_PICKLES = 5  # magic number, protocol, system, content, names of storages; then the storages
FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)


class Discarded:
    """Stands for a value of a training file that no model needs; keeps nothing and runs nothing."""

    def __init__(self, *parts: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


# What a file of tensors names.
_NEEDED = (
    *("collections.OrderedDict", "collections.Counter", "builtins.set"),
    *("torch.Size", "torch.device", "torch.nn.parameter.Parameter", "_codecs.encode"),
    *("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"),
    "torch._utils._rebuild_parameter",
    *(f"torch.{kind}Storage" for kind in ("Float", "Double", "Half", "BFloat16", "Long", "Int")),
    *(f"torch.{kind}Storage" for kind in ("Short", "Char", "Byte", "Bool")),
    *("torch.storage.UntypedStorage", "torch.storage._UntypedStorage"),
    *map(str, (*FLOATS, *_INTEGERS)),
)
# Never beside weights, not even unexecuted: such a file means harm.
_HOSTILE = ("os", "posix", "nt", "sys", "subprocess", "runpy", "pty", "socket", "shutil", "ctypes")
_HOSTILE_BUILTINS = ("eval", "exec", "compile", "open", "__import__", "breakpoint")


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
    tensors = _named_tensors(path, content) if isinstance(content, Mapping) else {}
    if not tensors:
        raise WeightsError(f"{path} holds no named tensors; expected the state dict of a model")
    return tensors


def _named_tensors(path: Path, content: Mapping[Any, Any]) -> dict[str, Tensor]:
    tensors = {}
    for name, value in content.items():
        if not isinstance(value, Tensor):
            continue
        if not isinstance(name, str):
            fault = f"a tensor is named by {shown(name)}; expected text"
        elif value.layout is not torch.strided or value.device.type != "cpu":
            fault = f"tensor {quoted(name)} is {value.layout} on {value.device}; expected dense"
        elif value.dtype not in FLOATS + _INTEGERS:
            fault = f"tensor {quoted(name)} has {value.dtype}; expected floats or integers"
        else:
            tensors[name] = value
            continue
        raise WeightsError(f"{path} is not a state dict of a model: {fault}")
    return tensors


def load_content(
    path: Path, training_state: bool = False, stand_in: type[object] = Discarded
) -> Any:
    """What `torch.save` wrote into `path`: tensors, on the CPU, in plain containers.

    Parameters
    ----------
    path : of the file; one of safetensors is a plain dictionary of tensors.
    training_state : let the file name classes that weights do not need, as training files do;
        an inert value takes the place of each: a plain dictionary or list where keys or elements
        are put into it, else a `stand_in`.
    stand_in : class with the constructor and `__setstate__` of `Discarded`.

    Raises
    ------
    WeightsError
        Unreadable, truncated, not a checkpoint, too large when unpacked, or naming code beside
        plain containers.
    """
    try:
        kind = file_type(path)
        if kind == SAFETENSORS:
            return _load_safetensors(path)
        named = _named_globals(path, kind)
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror or error})") from None
    except Exception as error:  # zipfile reports damaged files by many exception types
        raise _not_a_checkpoint(path, str(error)) from None
    inert: list[Any] = []
    for name, use in named.items():
        if name in _NEEDED:
            continue
        if _is_hostile(name) or not training_state:
            raise _refused(path, name)
        inert.append(({DICT: OrderedDict, LIST: list}.get(use, stand_in), name))
    try:
        with torch.serialization.safe_globals(inert), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols; what matters is an error
            return torch.load(path, map_location="cpu", weights_only=True, mmap=kind == ZIP)
    except pickle.UnpicklingError as error:
        if refused := re.search(r"(?:GLOBAL |global )([\w.]+\.[\w.]+)", str(error)):
            raise _refused(path, refused[1]) from None
        raise _not_a_checkpoint(path) from None
    except Exception:  # torch reports damaged files by many exception types
        raise _not_a_checkpoint(path) from None


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except Exception as error:  # as torch
        reason = quoted(str(error))
        raise WeightsError(
            f"{path} is a damaged safetensors file: {reason}; download it again"
        ) from None


def _named_globals(path: Path, kind: str | None) -> dict[str, str]:
    """The globals that the pickles of the file name, and what is made of each."""
    if kind == ZIP:
        return next(pickles(torch_pickle(path), 1))
    if kind != PICKLE:
        raise PickleError(f"it is {kind}" if kind else "it is of no known kind")
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return {name: use for part in pickles(data, _LEGACY_PICKLES) for name, use in part.items()}


def _is_hostile(name: str) -> bool:
    module, _, leaf = name.rpartition(".")
    # PyTorch would not discard its own private functions but call them.
    return (
        module.split(".")[0] in _HOSTILE
        or (module == "builtins" and leaf in (*_HOSTILE_BUILTINS, "bytearray", "complex"))
        or name.startswith(("torch._", "torch.serialization.", "torch.sparse.", "torch.cuda."))
        or (module == "torch" and leaf != "Tensor" and hasattr(torch, leaf))
        or name == "torch.Tensor"
    )


def _refused(path: Path, name: str) -> WeightsError:
    return WeightsError(
        f"{path} refused: it names {quoted(name)}, which weights do not need; nothing in it was"
        " executed; expected a checkpoint of plain tensors"
    )


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
        As `load_tensors`, or the file holds other things.
    """
    content = load_content(path, training_state)
    if not isinstance(content, Mapping):
        content = {}
    cfg, tensors = content.get("cfg"), content.get("model")
    if isinstance(cfg, Mapping) and isinstance(tensors, Mapping):
        return cfg, _named_tensors(path, tensors)
    raise wrong_model(path, 'it has no configuration "cfg" beside the tensors, "model"', content)


def _not_a_checkpoint(path: Path, reason: str = "") -> WeightsError:
    why = f" ({quoted(reason)})" if reason else ""
    return WeightsError(
        f"{path} ({path.stat().st_size} bytes) is truncated or not a PyTorch checkpoint{why};"
        " download it again or give the original published file"
    )
