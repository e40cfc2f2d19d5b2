"""Files of safetensors are read as their specification says, and damaged ones are refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from parity_fixtures import safetensors_bytes
from torch import Tensor

from hear_plugins.weights import WeightsError, load_tensors

TENSORS: dict[str, Tensor] = {
    "weight": torch.arange(6.0).reshape(2, 3),
    "half": torch.tensor([0.5, 1.5], dtype=torch.float16),
    "count": torch.tensor(7),
    "empty": torch.zeros(0, 3),
}


def written(header: bytes, data: bytes, path: Path) -> Path:
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


def test_tensors_are_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors_bytes(TENSORS))
    read = load_tensors(path)
    assert read.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert read[name].dtype == tensor.dtype and torch.equal(read[name], tensor)


WEIGHT: dict[str, Any] = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "F31"},
        {"dtype": None},
        {"shape": [2, 4]},
        {"shape": [-2, -3]},
        {"shape": "23"},
        {"shape": [1 << 62, 1 << 62]},
        {"shape": [0, 1 << 70], "data_offsets": [0, 0]},
        {"data_offsets": [8, 32]},
        {"data_offsets": [-24, 0]},
        {"data_offsets": [24, 0]},
        {"data_offsets": 24},
        {"data_offsets": [0.0, 24.0]},
    ],
    ids=str,
)
def test_lies_about_a_tensor_are_refused(change: dict[str, Any], tmp_path: Path) -> None:
    header = json.dumps({"weight": WEIGHT | change}).encode()
    path = written(header, bytes(24), tmp_path / "model.safetensors")
    with pytest.raises(
        WeightsError, match=f"^{re.escape(str(path))} is a damaged safetensors file"
    ):
        load_tensors(path)


@pytest.mark.parametrize(
    "header",
    [b"{", b"{]", b'{"weight": 3}', b'{"weight": "\xff"}', b"{}", b'{"a":' + b"[" * 100_000],
    ids=["cut", "no JSON", "number", "no UTF-8", "empty", "deep"],
)
def test_other_headers_are_refused(header: bytes, tmp_path: Path) -> None:
    path = written(header, bytes(24), tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match=re.escape(str(path))):
        load_tensors(path)


def test_every_cut_is_refused(tmp_path: Path) -> None:
    path, whole = tmp_path / "model.safetensors", safetensors_bytes(TENSORS)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError):
            load_tensors(path)
