"""A file from a server, however often the connection breaks."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

BLOCK = 1 << 20
TOO_MANY_REQUESTS = 429
_TIMEOUT_S = 30.0
_RETRIES = 2  # without a byte gained
_PAUSE_S = 0.5
_AGENT = {"User-Agent": "hear-plugins"}

# Called with the bytes of the file that are here.
OnBytes = Callable[[int], None]


def fetch(
    url: str, part: Path, on_bytes: OnBytes = lambda _: None, etag: Path | None = None
) -> None:
    """Bring `part` to the full length that the server states, continuing what is there.

    Parameters
    ----------
    url : what `urllib` opens. A server without ranges sends all of it again.
    part : the file, or the beginning of it that an earlier call left.
    on_bytes : called after every block with the length of `part`; what it raises ends the fetch.
    etag : where to keep the server's name of this version of the file, so that a later call does
        not continue one version with another; deleted once `part` is complete.

    Raises
    ------
    OSError, HTTPException
        The server refuses (`urllib.error.HTTPError`), sends nothing more in several tries, or the
        disk is full. What came is kept in `part`.
    """
    stalls = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _fetch_once(url, part, before, on_bytes, etag)
            if etag is not None:
                etag.unlink(missing_ok=True)
            return
        except (OSError, HTTPException) as error:
            if _is_final(error):
                raise
            progress = part.exists() and part.stat().st_size > before
            stalls = 0 if progress else stalls + 1
            if stalls > _RETRIES:
                raise
        time.sleep(stalls * _PAUSE_S)


def stated_length(url: str) -> int | None:
    """Bytes that the server says the file has, without fetching it; None if it does not say.

    Raises
    ------
    OSError, HTTPException
        As `fetch`.
    """
    stalls = 0
    method = "HEAD"
    while True:
        request = urllib.request.Request(url, headers=_AGENT, method=method)
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
                length = response.headers.get("Content-Length")
                return int(length) if length is not None else None
        except (OSError, HTTPException) as error:
            if _is_final(error):
                if method == "GET":
                    raise
                method = "GET"  # some servers refuse to be asked without sending; it is not read
                continue
            stalls += 1
            if stalls > _RETRIES:
                raise
        time.sleep(stalls * _PAUSE_S)


def _is_final(error: Exception) -> bool:
    """Whether asking again is in vain: the server has refused, and not for being busy."""
    if not isinstance(error, urllib.error.HTTPError):
        return False
    return error.code < 500 and error.code != TOO_MANY_REQUESTS


def _fetch_once(url: str, part: Path, have: int, on_bytes: OnBytes, etag: Path | None) -> None:
    request = urllib.request.Request(url, headers=_AGENT)
    if have:
        request.add_header("Range", f"bytes={have}-")
        if etag is not None and etag.is_file():
            request.add_header("If-Range", etag.read_text())
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing beyond what we have: complete, or not this file
            total = error.headers.get("Content-Range", "").rpartition("/")[2]
            if total == str(have):
                return
            part.unlink()
            raise ConnectionError("what was kept does not fit the file; start over") from None
        raise
    with response:
        stated = response.headers.get("Content-Range", "")
        appending = response.status == 206 and stated.startswith(f"bytes {have}-")
        length = response.headers.get("Content-Length")
        got, start = 0, have if appending else 0
        if etag is not None and not appending:
            version = response.headers.get("ETag", "")
            etag.unlink(missing_ok=True)
            if version and not version.startswith("W/"):  # weak ones do not promise the same bytes
                etag.write_text(version)
        with open(part, "ab" if appending else "wb") as file:
            while block := response.read(BLOCK):
                file.write(block)
                got += len(block)
                on_bytes(start + got)
    if length is not None and got < int(length):
        raise ConnectionError(f"connection lost after {got} of {length} bytes")
