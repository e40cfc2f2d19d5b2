"""NumPy arrays in weights files are read, and what only looks like them is refused."""

from __future__ import annotations

import os
import tracemalloc
import zipfile
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


def npz(path: Path, members: dict[str, bytes], packed: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", packed) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def npy(header: str) -> bytes:
    return b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header.encode()


HEADERS = {
    "not ended": "{'descr': '<f4', 'shape': (",
    "a string not ended": '{\'descr\': """',
    "deep": "(" * 9000,
    "a type left out": "{'fortran_order': False, 'shape': (1 << 60,)}",
    "too many values": "{'descr': '<f8', 'fortran_order': False, 'shape': (1152921504606846976,)}",
    "more than 64 bits": "{'descr': '<f8', 'fortran_order': False, 'shape': (" + "9" * 40 + ",)}",
    "another type": "{'descr': '<U4', 'fortran_order': False, 'shape': (0,)}",
}


@pytest.mark.parametrize("name", HEADERS)
def test_damaged_headers_are_refused(name: str, tmp_path: Path) -> None:
    refused(npz(tmp_path / "a.npz", {"table.npy": npy(HEADERS[name])}))


@pytest.mark.parametrize("packed", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(packed: int, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", table=TABLE)
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        content = archive.read("table.npy")
    refused(npz(tmp_path / "b.npz", {"table.npy": content}, packed))


def test_what_inflates_beyond_measure_is_refused_unread(tmp_path: Path) -> None:
    header = npy(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({100 << 20},)}}")
    path = npz(tmp_path / "a.npz", {"table.npy": header + bytes(400 << 20)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    refused(path)
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()
