"""NumPy arrays in weights files are read, and what only looks like them is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from parity_fixtures import save

from hear_plugins.weights.loading import WeightsError
from hear_plugins.weights.stored_arrays import load_arrays

TABLE = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize(
    "table",
    [TABLE, TABLE.astype("f8"), TABLE.astype(">f4"), np.asfortranarray(TABLE), torch.tensor(TABLE)],
    ids=["float32", "float64", "big-endian", "by columns", "tensor"],
)
def test_arrays_are_read(table: Any, tmp_path: Path) -> None:
    read = load_arrays(Path(save({"table": table, "point": table[0]}, tmp_path / "a.pth")))
    assert torch.equal(read["table"].float(), torch.tensor(TABLE))
    assert torch.equal(read["point"].float(), torch.tensor(TABLE[0]))


def test_archives_of_numpy_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", table=TABLE)
    assert torch.equal(load_arrays(tmp_path / "a.npz")["table"], torch.tensor(TABLE))


class Command:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("ran",)


@pytest.mark.parametrize(
    "content",
    [
        {"table": np.array([None, "a"])},
        {"table": np.arange(3)},
        {"table": "text"},
        {"table": np.float32(1.0)},
        {"table": TABLE.dtype},
        {"table": Command()},
    ],
    ids=["objects", "integers", "text", "number", "dtype", "command"],
)
def test_other_content_is_refused(
    content: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused(Path(save(content, tmp_path / "a.pth")))
    np.savez(tmp_path / "a.npz", table=np.array([content["table"]], dtype=object))
    refused(tmp_path / "a.npz")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["pth", "npz"])
def test_damaged_files_are_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "pth":
        save({"table": TABLE}, path)
    else:
        np.savez(path, table=TABLE)
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], whole[:70] + b"?" * 20 + whole[90:]):
        path.write_bytes(content)
        refused(path)
    torch.save([torch.zeros(1)], path)
    refused(path)


def refused(path: Path) -> None:
    with pytest.raises(WeightsError) as raised:
        load_arrays(path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)
