"""What kind of file it is, from its first bytes."""

from __future__ import annotations

import json
from pathlib import Path

ZIP, PICKLE, SAFETENSORS, JSON = "a zip file", "a pickle", "a safetensors file", "JSON"
_JSON_BYTES = 1 << 20
_STARTS = (
    (b"PK\x03\x04", ZIP),
    (b"\x80\x02", PICKLE),
    (b"version https://git-lfs", "a Git LFS pointer, not the file that it stands for"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89HDF", "an HDF5 file"),
    (b"%PDF", "a PDF document"),
)


def file_type(path: Path) -> str | None:
    """One of the constants here, another kind in words, or None for no known kind."""
    with open(path, "rb") as file:
        start = file.read(512)
    for magic, kind in _STARTS:
        if start.startswith(magic):
            return kind
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size:
        return SAFETENSORS
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"<":
        return "a web page (HTML or XML)"
    return JSON if text[:1] == b"{" else None


def not_weights(path: Path, name: str) -> str | None:
    """Why the file cannot be the published `name`, a checkpoint or a `.json`; None if it can."""
    kind = file_type(path)
    if not name.endswith(".json"):
        if kind in (ZIP, PICKLE, SAFETENSORS):
            return None
        return f"it is {kind or 'of no known kind'}; expected a PyTorch or safetensors file"
    try:
        if kind == JSON and path.stat().st_size <= _JSON_BYTES:
            json.loads(path.read_bytes())
            return None
    except (ValueError, RecursionError):
        pass
    return f"it is {kind if kind != JSON else 'damaged JSON'}; expected JSON"
