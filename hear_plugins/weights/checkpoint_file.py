"""Checkpoint files read without running what they hold."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from .errors import WeightsError
from .strict import wrong_model


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


def _not_a_checkpoint(path: Path) -> str:
    size = path.stat().st_size
    return (
        f"{path} ({size} bytes) is truncated or not a PyTorch checkpoint;"
        " download it again or give the original published file"
    )
