"""Files of a task that anyone may have written: regular files only, of bounded size and depth."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from .errors import TaskError, is_unshowable

MOST_BYTES = 128 << 20
MOST_NAME_BYTES = 240  # of 255 that file systems have, for what is added to names of parts
MOST_VALUES = 10_000_000  # of a JSON file: they take some 600 MB as Python objects


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """All of a file.

    Parameters
    ----------
    path
        A regular file or a link to one: others may never end, or wait for ever.
    most
        Bytes.

    Raises
    ------
    FileNotFoundError
        No such file.
    TaskError
        It is no regular file, is larger than `most`, or cannot be read.
    """
    try:
        # Without waiting for the other end of a FIFO; regular files do not care.
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise TaskError(f"{path}: cannot be read ({_reason(error)})") from None
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise TaskError(f"{path}: is {_kind(status.st_mode)}, expected a regular file")
        with os.fdopen(file, "rb", closefd=False) as opened:
            content = opened.read(most + 1)
    except OSError as error:
        raise TaskError(f"{path}: cannot be read ({_reason(error)})") from None
    finally:
        os.close(file)
    if len(content) > most:
        raise TaskError(f"{path}: has more than {most} bytes; no task has such a file")
    return content


def read_text(path: Path, most: int = MOST_BYTES, encoding: str = "utf-8") -> str:
    """All of a text file; as `read_bytes`, TaskError too where it is not of that encoding."""
    try:
        return read_bytes(path, most).decode(encoding)
    except UnicodeDecodeError as error:
        raise TaskError(f"{path}: is not {encoding.upper()} ({error.reason})") from None


def read_json(path: Path, most: int = MOST_BYTES) -> Any:
    """The content of a JSON file.

    Raises
    ------
    TaskError
        As `read_bytes`; no such file, not JSON, nested too deeply, or more than `MOST_VALUES`.
    """
    try:
        text = read_text(path, most)
    except FileNotFoundError:
        raise TaskError(f"{path}: missing; the task folder is not complete") from None
    if sum(map(text.count, ",[{")) > MOST_VALUES:
        raise TaskError(f"{path}: has more than {MOST_VALUES} values; no task has so many")
    try:
        return json.loads(text)
    except RecursionError:
        raise TaskError(f"{path}: is nested too deeply; no task's JSON is") from None
    except ValueError as error:
        raise TaskError(f"{path}: not JSON ({error})") from None


def is_regular(entry: Path | os.DirEntry[str]) -> bool:
    """Whether a path is a regular file, by links too; false where that cannot be told."""
    try:
        return entry.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether a path is a folder; false where that cannot be told (a name too long, a loop)."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def names_in(folder: Path) -> set[str]:
    """Names of the regular files in a folder; none where there is no folder.

    Raises
    ------
    TaskError
        The folder cannot be read.
    """
    if not is_folder(folder):
        return set()
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if is_regular(entry)}
    except OSError as error:
        raise TaskError(f"{folder}: cannot be read ({_reason(error)})") from None


def is_sound_name(name: str) -> bool:
    """Whether a name can be that of a file or folder in any file system, and be shown."""
    return (
        0 < len(name.encode("utf-8", "replace")) <= MOST_NAME_BYTES
        and name not in (".", "..")
        and not set(name) & {"/", "\\"}
        and not any(map(is_unshowable, name))
    )


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "no file")
