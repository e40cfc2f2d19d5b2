"""Zip files of weights looked through before anything in them is inflated."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

MAX_DIRECTORY_BYTES = 8 << 20  # names and sizes of the members: some 80,000
MAX_PICKLE_BYTES = 512 << 20
MAX_ARRAYS_BYTES = 256 << 20
_END, _END_BYTES = b"PK\x05\x06", 22
_LOCATOR, _LOCATOR_BYTES = b"PK\x06\x07", 20


class ArchiveError(ValueError):
    """The archive is not one that PyTorch or NumPy writes, or goes beyond the limits."""


def torch_pickle(path: Path) -> bytes:
    """The pickle in a file of `torch.save`, whose members must all be stored as they are.

    PyTorch maps tensors from the file, so that a compressed one would be read as noise; and what
    is not compressed is no larger than the file.

    Raises
    ------
    ArchiveError, OSError, zipfile.BadZipFile
        Not such a file, or damaged.
    """
    with _opened(path) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
                raise ArchiveError("it is compressed or encrypted, which PyTorch's files are not")
        found = [m for m in archive.infolist() if m.filename.split("/")[1:] == ["data.pkl"]]
        if len(found) != 1 or found[0].file_size > MAX_PICKLE_BYTES:
            raise ArchiveError("it has no data.pkl of a size that can be")
        return archive.read(found[0])


def member_names(path: Path) -> list[str]:
    """Names of the members; errors as of `torch_pickle`."""
    with _opened(path) as archive:
        return archive.namelist()


def check_npz(path: Path) -> None:
    """Refuse a file of `numpy.savez` that would take much memory.

    Raises
    ------
    ArchiveError, OSError, zipfile.BadZipFile
        Not such a file, damaged, or too large when inflated.
    """
    with _opened(path) as archive:
        members = archive.infolist()
        plain = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if any(m.compress_type not in plain or m.flag_bits & 1 for m in members):
            raise ArchiveError("it is compressed in a way that NumPy does not use")
        size = sum(m.file_size for m in members)
        if size > MAX_ARRAYS_BYTES:
            raise ArchiveError(f"it inflates to {size} bytes; expected {MAX_ARRAYS_BYTES} at most")


def _opened(path: Path) -> zipfile.ZipFile:
    # Only one end, without a comment, lest PyTorch and this find different directories.
    size = path.stat().st_size
    with open(path, "rb") as file:
        file.seek(max(0, size - _END_BYTES - _LOCATOR_BYTES))
        tail = file.read()
    end = tail[-_END_BYTES:]
    if len(end) < _END_BYTES or not end.startswith(_END) or end[-2:] != b"\0\0":
        raise ArchiveError("its end is missing")
    (length,) = struct.unpack("<L", end[12:16])
    if tail.startswith(_LOCATOR):
        with open(path, "rb") as file:
            file.seek(min(size, struct.unpack("<Q", tail[8:16])[0]))
            record = file.read(56)
        if len(record) == 56 and length == 0xFFFFFFFF:
            (length,) = struct.unpack("<Q", record[40:48])
    if length > MAX_DIRECTORY_BYTES:
        raise ArchiveError(f"its list of members takes {length} bytes")
    return zipfile.ZipFile(path)
