"""NumPy arrays in weights files, read without NumPy's constructors.

Those would take a file's bytes for addresses if the file claims that they are an array of objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .archive_inspection import check_npz, member_names
from .checkpoint_file import load_content
from .errors import WeightsError
from .file_type import ZIP, file_type
from .messages import quoted, shown


class Stored:
    """What `torch.save` wrote of an array or its dtype; runs nothing."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def load_arrays(path: Path) -> dict[str, Tensor]:
    """Arrays of floats by name, from a file of `numpy.savez` or a dictionary of `torch.save`.

    Parameters
    ----------
    path : of the file; in a dictionary, arrays or tensors.

    Raises
    ------
    WeightsError
        Damaged, or not such a file.
    """
    try:
        return _load_npz(path) if _is_npz(path) else _load_saved(path)
    except WeightsError:
        raise
    except Exception as error:  # NumPy and zipfile report damaged files by many exception types
        raise WeightsError(
            f"{path} is damaged or not a file of named arrays of floats ({quoted(str(error))})"
        ) from None


def _load_npz(path: Path) -> dict[str, Tensor]:
    check_npz(path)
    tensors = {}
    with np.load(path, allow_pickle=False) as arrays:
        for name in arrays.files:
            try:
                tensors[name] = torch.from_numpy(arrays[name])
            except Exception as error:
                reason = quoted(str(error))
                raise WeightsError(f"{path}: array {quoted(name)} is damaged ({reason})") from None
    return tensors


def _load_saved(path: Path) -> dict[str, Tensor]:
    content = load_content(path, training_state=True, stand_in=Stored)
    if not isinstance(content, Mapping):
        raise ValueError("it holds no names")
    tensors = {}
    for name, value in content.items():
        try:
            tensors[str(name)] = _tensor(value)
        except Exception as error:
            reason = quoted(str(error))
            raise WeightsError(f"{path}: array {shown(name)} is damaged ({reason})") from None
    return tensors


def _is_npz(path: Path) -> bool:
    return file_type(path) == ZIP and all(name.endswith(".npy") for name in member_names(path))


def _tensor(value: object) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if not isinstance(value, Stored) or not isinstance(value.state, tuple):
        raise ValueError(f"a {type(value).__name__} is among them")
    _, shape, dtype, by_columns, data = value.state
    kind, order = dtype.arguments[0], dtype.state[1]
    if kind not in ("f4", "f8") or order not in ("<", ">") or not isinstance(data, bytes):
        raise ValueError(f"an array of {order}{kind} is among them")
    array = np.frombuffer(data, order + kind).reshape(shape, order="F" if by_columns else "C")
    return torch.from_numpy(array.astype(np.float64))
