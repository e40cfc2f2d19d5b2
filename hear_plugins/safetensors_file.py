"""Files of the safetensors format, in which Hugging Face's models are.

https://huggingface.co/docs/safetensors: the length of a header, the header in JSON, and the bytes
of the tensors, to which it points. A file that lies about lengths is refused.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_LENGTH = 8  # bytes of the header's length
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def is_safetensors(path: Path) -> bool:
    """Whether the file begins as one of this format."""
    with open(path, "rb") as file:
        start = file.read(_LENGTH + 1)
    return start[_LENGTH:] == b"{" and _header_length(start) <= path.stat().st_size - _LENGTH


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of the file, by name.

    Raises
    ------
    ValueError, TypeError, RuntimeError
        The file is damaged, or holds numbers of another kind.
    """
    with open(path, "rb") as file:
        length = _header_length(file.read(_LENGTH))
        header = json.loads(file.read(length))
        if not isinstance(header, dict):
            raise ValueError("its header is no JSON object")
        header.pop("__metadata__", None)
        start = _LENGTH + length
        size = path.stat().st_size - start
        tensors = {}
        for name, entry in header.items():
            dtype, shape, begin, end = _fields(name, entry)
            if end > size:
                raise ValueError(f"tensor {name} ends {end - size} bytes behind the file")
            if begin == end:  # which torch.frombuffer refuses
                tensors[name] = torch.empty(shape, dtype=dtype)
                continue
            file.seek(start + begin)
            data = torch.frombuffer(bytearray(file.read(end - begin)), dtype=dtype)
            tensors[name] = data.reshape(shape)
    return tensors


def _header_length(start: bytes) -> int:
    return int.from_bytes(start[:_LENGTH], "little")


def _fields(name: str, entry: object) -> tuple[torch.dtype, list[int], int, int]:
    """What the header says of a tensor: its dtype, shape, first byte, and the byte behind it."""
    fields = entry if isinstance(entry, dict) else {}
    dtype = _DTYPES.get(str(fields.get("dtype")))
    shape: Any = fields.get("shape")
    offsets: Any = fields.get("data_offsets")
    if dtype and _are_sizes(shape) and _are_sizes(offsets) and len(offsets) == 2:
        begin, end = offsets
        if end - begin == dtype.itemsize * math.prod(shape):
            return dtype, shape, begin, end
    raise ValueError(f"tensor {name} is described as {entry}")


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(size) is int and size >= 0 for size in value)
