"""Folders that appear complete or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def staging(final: Path) -> Iterator[Path]:
    """A hidden folder beside `final`, not yet made, to fill and then `move_into_place`.

    It does not outlive the block; what a killed process of this machine left is deleted.
    """
    prefix = f".{final.name}.{socket.gethostname()}-"
    name = re.compile(re.escape(prefix) + r"([0-9]{1,9})(\.old)?\.part")
    for stale in final.parent.iterdir():
        match = name.fullmatch(stale.name)
        if match and not _is_running(int(match[1])):
            shutil.rmtree(stale, ignore_errors=True)
    path = final.with_name(f"{prefix}{os.getpid()}.part")
    shutil.rmtree(path, ignore_errors=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def move_into_place(path: Path, final: Path) -> None:
    """Give a complete folder its name, once all of it is on the disk.

    A folder that has the name is deleted: between two renamings there is none.
    """
    if hasattr(os, "sync"):
        os.sync()  # one call: a flush of each of 50,000 files would take minutes
    old = path.with_name(f"{path.name.removesuffix('.part')}.old.part")
    if final.exists():
        final.rename(old)
    path.rename(final)
    shutil.rmtree(old, ignore_errors=True)
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
