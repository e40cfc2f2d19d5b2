"""NumPy arrays in weights files, read without NumPy's constructors.

Those would take a file's bytes for addresses if the file claims that they are an array of objects.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .checkpoint_file import load_content
from .errors import WeightsError

_FAULTS = (
    *(ValueError, TypeError, AttributeError, LookupError),  # of values that are no array's
    *(zipfile.BadZipFile, zlib.error, OSError, EOFError),
)


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
        if _is_npz(path):
            with np.load(path, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        content = load_content(path, training_state=True, stand_in=Stored)
        if not isinstance(content, Mapping):
            raise ValueError("it holds no names")
        return {str(name): _tensor(value) for name, value in content.items()}
    except _FAULTS as error:
        raise WeightsError(
            f"{path} is damaged or not a file of named arrays of floats ({error})"
        ) from None


def _is_npz(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return all(name.endswith(".npy") for name in archive.namelist())


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
