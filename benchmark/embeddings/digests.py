"""Digests of the files of embeddings, so that what was damaged or replaced is not evaluated.

SHA-256, which processors compute themselves: on one core 1.5 to 2 GB/s; files are read in threads.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmark.errors import UserError

BLOCK = 1 << 20


def digests_of(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of files of a folder, hexadecimal, by name."""
    names = sorted(names)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return dict(zip(names, pool.map(_digest, (folder / name for name in names)), strict=True))


def damaged_files(folder: Path, digests: Mapping[str, str]) -> list[str]:
    """Names of files that are not there, or not as their digests say."""
    there = [name for name in digests if (folder / name).is_file()]
    found = digests_of(folder, there)
    return sorted(name for name, digest in digests.items() if found.get(name) != digest)


def check_files(folder: Path, info: Mapping[str, Any]) -> None:
    """See that complete embeddings are what was written, by the content of ``embedding.json``.

    Raises
    ------
    UserError
        Naming the files that are damaged.
    """
    if wrong := _wrong_files(folder, info):
        raise UserError(
            f"{folder}: {', '.join(wrong[:3])} {'is' if len(wrong) == 1 else 'are'} not as written;"
            " embed again, which makes anew what is damaged"
        )


def _wrong_files(folder: Path, info: Mapping[str, Any]) -> list[str]:
    digests = info.get("files")
    if not isinstance(digests, dict) or not digests:
        return ["embedding.json"]
    return damaged_files(folder, digests)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    block = memoryview(bytearray(BLOCK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(block):
            digest.update(block[:count])
    return digest.hexdigest()
