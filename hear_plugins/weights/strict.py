"""Tensors put into a network: every one must be there, fit, and be known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from .catalogue import recognise
from .errors import WeightsError


def wrong_model(path: Path, fault: str, names: Iterable[str]) -> WeightsError:
    """The error for a file of another model, with that model's name when `names` tell it."""
    look = recognise(names)
    hint = f"; the file looks like a checkpoint of {look}" if look else ""
    return WeightsError(f"{path} is not a checkpoint of this model: {fault}{hint}")


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
