"""Folders that appear complete or not at all."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def staging(final: Path) -> Iterator[Path]:
    """A hidden folder beside `final`, not yet made, to fill and then `move_into_place`.

    It does not outlive the block; what a killed process of this machine left is deleted.
    """
    prefix = f".{final.name}.{socket.gethostname()}-"
    for stale in final.parent.glob(f"{prefix}*.part"):
        if not _is_running(int(stale.name[len(prefix) : -len(".part")])):
            shutil.rmtree(stale, ignore_errors=True)
    path = final.with_name(f"{prefix}{os.getpid()}.part")
    shutil.rmtree(path, ignore_errors=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def move_into_place(path: Path, final: Path) -> None:
    """Give a complete folder its name, once all of it is on the disk."""
    if hasattr(os, "sync"):
        os.sync()  # one call: a flush of each of 50,000 files would take minutes
    path.rename(final)
    if os.name == "posix":  # elsewhere folders cannot be opened
        folder = os.open(final.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _is_running(pid: int) -> bool:
    if os.name != "posix":
        return True  # there, os.kill would end the process
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
