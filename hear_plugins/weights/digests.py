"""Digests of files, read once for each content."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from .download import BLOCK


def digests(path: Path) -> tuple[str, str]:
    """sha256 of a file, and the sha1 that `git hash-object` prints; read once for each content."""
    status = path.stat()
    return _digests(path.resolve(), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _digests(path: Path, size: int, mtime_ns: int) -> tuple[str, str]:
    sha256, git_blob = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            sha256.update(block)
            git_blob.update(block)
    return sha256.hexdigest(), git_blob.hexdigest()


def md5(path: Path) -> str:
    """The md5 of a file, which some archives publish instead of a sha256."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
