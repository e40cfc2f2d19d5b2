"""Where the weights of a model come from, for the records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .cache import cache_dir
from .catalogue import CHECKPOINTS
from .digests import digests


def file_provenance(path: Path) -> dict[str, Any]:
    """What a record says of a model loaded from `path`: name and sha256, and source and licence
    when the content is a published file that `checkpoints` knows."""
    sha256, git_blob = digests(path)
    known = next(
        (
            c
            for c in CHECKPOINTS
            if (c.sha256 and sha256.startswith(c.sha256)) or git_blob == c.git_blob
        ),
        # Without published digests the name is all there is; `resolve` put the file there.
        next((c for c in CHECKPOINTS if path == cache_dir() / c.file), None),
    )
    provenance: dict[str, Any] = {"weights": "file", "file": path.name, "sha256": sha256}
    if known:
        provenance |= {"url": known.url, "licence": known.licence}
    return provenance
