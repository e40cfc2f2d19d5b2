"""Tensors put into a network: every one must be there, fit, and be known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from .catalogue import recognise
from .errors import WeightsError
from .messages import quoted, shown


def wrong_model(path: Path, fault: str, names: Iterable[str]) -> WeightsError:
    """The error for a file of another model, with that model's name when `names` tell it."""
    look = recognise(name for name in names if isinstance(name, str))
    hint = f"; the file looks like a checkpoint of {look}" if look else ""
    return WeightsError(f"{path} is not a checkpoint of this model: {fault}{hint}")


def load_strict(
    network: torch.nn.Module,
    tensors: Mapping[str, Tensor],
    path: Path,
    ignored: Sequence[str] = (),
    name_in_file: Callable[[str], str] = str,
) -> None:
    """Load `tensors` into `network`; every tensor must be there, fit, be finite, and be known.

    Parameters
    ----------
    network, tensors, path, ignored, name_in_file : as of `check_fit`.

    Raises
    ------
    WeightsError
        As `check_fit`, or naming the first tensor that is not finite.
    """
    check_fit(network, tensors, path, ignored, name_in_file)
    given = {name: tensors[name_in_file(name)] for name in network.state_dict()}
    for name, own in network.state_dict().items():
        if fault := _not_finite(name_in_file(name), given[name], own.dtype):
            raise wrong_model(path, fault, tensors)
    network.load_state_dict(given, strict=True)


def check_fit(
    network: torch.nn.Module,
    tensors: Mapping[str, Tensor],
    path: Path,
    ignored: Sequence[str] = (),
    name_in_file: Callable[[str], str] = str,
) -> None:
    """Refuse tensors that are not those of `network`, by names, shapes and types.

    Parameters
    ----------
    network : its `state_dict()` names what is expected; it may be on the device "meta".
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
    expected = {name_in_file(name): value for name, value in network.state_dict().items()}
    prefixes = tuple(name for name in ignored if name.endswith("."))
    given = {
        name: value
        for name, value in tensors.items()
        if name in expected or not (name in ignored or (prefixes and name.startswith(prefixes)))
    }
    if missing := [name for name in expected if name not in given]:
        fault: str | None = f"tensor {quoted(missing[0])} is missing" + _and_more(missing)
    elif extra := [name for name in given if name not in expected]:
        fault = f"tensor {quoted(extra[0])} is unexpected" + _and_more(extra)
    else:
        faults = (_misfit(name, value, expected[name]) for name, value in given.items())
        fault = next((fault for fault in faults if fault), None)
    if fault:
        raise wrong_model(path, fault, tensors)


def _misfit(name: str, value: Tensor, expected: Tensor) -> str | None:
    """Why a tensor cannot take the place of `expected`, or None."""
    if value.shape != expected.shape:
        shapes = f"{shown(tuple(value.shape))}, expected {tuple(expected.shape)}"
        return f"tensor {quoted(name)} has shape {shapes}"
    if expected.is_floating_point() and not value.is_floating_point():
        return f"tensor {quoted(name)} has {value.dtype}, expected floats"
    return None


@torch.no_grad()
def _not_finite(name: str, value: Tensor, dtype: torch.dtype) -> str | None:
    """What is wrong with a tensor's values once they have `dtype`, or None."""
    if not dtype.is_floating_point:
        return None
    value = value if value.dtype == dtype else value.to(dtype)
    # One pass at the speed of memory; a sum that overflowed is no proof, and is looked into.
    if not value.sum().isfinite() and not bool(value.isfinite().all()):
        return f"tensor {quoted(name)} holds values that are not finite in {dtype}"
    if name.endswith("running_var") and bool((value < 0).any()):
        return f"tensor {quoted(name)} is a variance and holds values below 0"
    return None


def axis_size(
    path: Path,
    tensors: Mapping[str, Tensor],
    name: str,
    axis: int,
    *,
    dims: int,
    default: int,
    largest: int,
) -> int:
    """The size of an axis of a tensor, from which a network is built.

    Parameters
    ----------
    path : of the file, for the error.
    tensors, name, axis : from `load_tensors`; which one, and which of its axes.
    dims : number of axes that it must have.
    default : for a file without it; `load_strict` will then name it as missing.
    largest : size beyond which no network is built.

    Raises
    ------
    WeightsError
        The tensor has another number of axes, or a size that no such network has.
    """
    value = tensors.get(name)
    if value is None:
        return default
    if value.ndim != dims or not 1 <= value.shape[axis] <= largest:
        shape = f"{shown(tuple(value.shape))}, expected {dims} axes"
        fault = f"tensor {name} has shape {shape}, that of axis {axis} from 1 to {largest}"
        raise wrong_model(path, fault, tensors)
    return value.shape[axis]


def _and_more(names: Sequence[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""
