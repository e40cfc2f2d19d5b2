"""Weights files in the local cache: found there, or downloaded and verified."""

from __future__ import annotations

import lzma
import os
import shutil
import zipfile
import zlib
from http.client import HTTPException
from pathlib import Path

import platformdirs
from filelock import FileLock

from .catalogue import Checkpoint
from .digests import digests, md5
from .download import BLOCK, fetch
from .errors import WeightsError
from .file_type import not_weights
from .first_seen import hold, record_of
from .hugging_face import cached_weights, hub_weights
from .messages import quoted, say

CACHE_VARIABLE = "HEAR_PLUGINS_CACHE"
_LARGEST = 8 << 30  # bytes that a member of a downloaded archive may inflate to
_BAD_ZIP = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError)


def cache_dir() -> Path:
    """Folder of downloaded weights: `HEAR_PLUGINS_CACHE`, else the platform's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("hear_plugins")


def resolve(model_file_path: str | os.PathLike[str], default: Checkpoint) -> Path:
    """The weights file to load.

    Parameters
    ----------
    model_file_path : path of a published file (or one of its layout), or "" for `default`.
    default : looked up in the cache folder, and downloaded there when absent.

    Raises
    ------
    WeightsError
        The path is not a readable file; the cached file is damaged, or not the one that was first
        seen; the download failed.
    """
    if str(model_file_path):
        return existing(model_file_path)
    if default.hub:
        return hub_weights(default.file, default.licence)
    path = cache_dir() / default.file
    try:
        if not path.is_file():
            _download(default, path)
        elif fault := _fault(path, default, path):
            raise WeightsError(
                f"{path} is damaged: {fault}; delete it and run again to download it"
            )
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror or error})") from None
    return path


def here(checkpoint: Checkpoint) -> Path | None:
    """Where a published file is on this machine, unverified; None if it is not."""
    if checkpoint.hub:
        return cached_weights(checkpoint.file)
    path = cache_dir() / checkpoint.file
    return path if path.is_file() else None


def existing(model_file_path: str | os.PathLike[str]) -> Path:
    """The path of a weights file that is there; WeightsError otherwise."""
    path = Path(model_file_path).expanduser()
    try:
        if path.is_file():
            return path
        kind = "a folder" if path.is_dir() else "no file" if path.exists() else "missing"
    except (OSError, ValueError) as error:  # a name that the system does not take
        raise WeightsError(f"weights file {path} cannot be read ({error})") from None
    raise WeightsError(f"weights file {path} is {kind}; expected a checkpoint file")


def _download(checkpoint: Checkpoint, path: Path) -> None:
    """Download `checkpoint` to `path`: resumed, verified, then moved into place atomically.

    An interrupted download is kept beside `path` as `*.part` and continued by the next call; two
    processes that want the same file fetch it once.

    Raises
    ------
    WeightsError
        Naming file, URL, licence and where to put the file by hand.
    """
    part = path.with_name(path.name + ".part")
    cure = f"get it from {checkpoint.url} (licence: {checkpoint.licence}) and put it at {path}"
    if checkpoint.by_hand:
        raise WeightsError(
            f"{checkpoint.file} cannot be downloaded from here ({checkpoint.note}); {cure}"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if path.is_file():  # another process was faster
                return
            say(f"downloading {checkpoint.url} to {path} (licence: {checkpoint.licence})")
            for last in (False, True):
                resumed = part.exists()
                fetch(checkpoint.url, part, etag=part.with_name(part.name + ".etag"))
                fault = _unpack(part, checkpoint.member) if checkpoint.member else None
                fault = fault or _fault(part, checkpoint, path)
                if fault is None:
                    os.replace(part, path)
                    return
                part.unlink()
                # A stale part may have spoilt the file; only a whole new one condemns the source.
                if last or not resumed:
                    raise WeightsError(
                        f"{checkpoint.file}: what {checkpoint.url} sent is not the published file"
                        f" ({fault}); {cure}"
                    )
    except (OSError, HTTPException) as error:
        fault = f"{checkpoint.file} could not be downloaded ({error})"
        raise WeightsError(f"{fault}; {cure}") from None


def _unpack(archive: Path, member: str) -> str | None:
    """Put `member` of the zip file in the place of the archive; what is wrong with it, or None."""
    unpacked = archive.with_name(archive.name + ".unpacked")
    try:
        with zipfile.ZipFile(archive) as content:
            size = content.getinfo(member).file_size
            if size > _LARGEST:
                raise zipfile.BadZipFile(f"it inflates to {size} bytes")
            with content.open(member) as source, open(unpacked, "wb") as target:
                shutil.copyfileobj(source, target, BLOCK)
    except (*_BAD_ZIP, EOFError, KeyError) as error:
        unpacked.unlink(missing_ok=True)
        return f"no zip archive with {member}: {quoted(str(error))}"
    os.replace(unpacked, archive)
    return None


def _fault(file: Path, checkpoint: Checkpoint, path: Path) -> str | None:
    """Why `file` cannot be the cached `path` of `checkpoint`, or None."""
    if (fault := not_weights(file, checkpoint.file)) or (fault := _mismatch(file, checkpoint)):
        return fault
    sha256, _ = digests(file)
    if sha256 == checkpoint.sha256 or checkpoint.git_blob is not None:
        return None
    first = not record_of(path).exists()
    if first and checkpoint.md5 is not None and (got := md5(file)) != checkpoint.md5:
        return f"md5 {got}, expected {checkpoint.md5}"
    return hold(path, sha256)


def _mismatch(path: Path, checkpoint: Checkpoint) -> str | None:
    """What of size and digests differs from the published ones, or None."""
    size = path.stat().st_size
    if checkpoint.size is not None and size != checkpoint.size:
        return f"{size} bytes, expected {checkpoint.size}"
    sha256, git_blob = digests(path)
    for name, got, expected in (
        ("sha256", sha256, checkpoint.sha256),
        ("git blob", git_blob, checkpoint.git_blob),
    ):
        if expected is not None and not got.startswith(expected):
            return f"{name} {got}, expected {expected}"
    return None
