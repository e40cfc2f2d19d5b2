"""The sha256 of a downloaded file, written down at first sight and held ever after.

For most published checkpoints no digest is known. The first copy is trusted; a later one must be
the same. The record stands beside the file, in the form of the command `sha256sum`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from .messages import say


def record_of(path: Path) -> Path:
    """Where the sha256 of the cached file `path` is written down."""
    return path.with_name(path.name + ".sha256")


def hold(path: Path, sha256: str) -> str | None:
    """Write `sha256` down for the cached file `path`, or say how it differs from the record.

    Returns
    -------
    str or None : what is wrong, and the cure.
    """
    record = record_of(path)
    try:
        seen = record.read_bytes()[:100].decode("ascii", "replace")
    except FileNotFoundError:
        _write(record, f"{sha256}  {path.name}\n")
        return None
    except OSError as error:
        return f"its record {record} cannot be read ({error.strerror})"
    if not re.match(r"[0-9a-f]{64}\b", seen):
        return f"its record {record} holds no sha256; delete it if you trust the file"
    if seen[:64] == sha256:
        return None
    return (
        f"sha256 {sha256}, but {seen[:64]} when it was first seen, and no digest is published;"
        f" delete {record} if you trust the new file"
    )


def _write(record: Path, line: str) -> None:
    part = record.with_name(f"{record.name}.{os.getpid()}")
    try:
        part.write_text(line)
        os.replace(part, record)
    except OSError as error:  # a cache that is shared and read-only
        say(f"the sha256 of a file cannot be written to {record} ({error.strerror})")
