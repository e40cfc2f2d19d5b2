"""Provenance of weights files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from hear_plugins.weights import provenance
from hear_plugins.weights.catalogue import Checkpoint


def test_provenance_tells_published_files_from_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "model.pth"
    file.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert provenance.file_provenance(file) == {
        "weights": "file",
        "file": "model.pth",
        "sha256": digest,
    }
    for sha256 in (digest, digest[:8]):
        known = Checkpoint("m", "v", "m.pth", "https://x/m.pth", None, sha256, None, "MIT", "s")
        monkeypatch.setattr(provenance, "CHECKPOINTS", (known,))
        facts = provenance.file_provenance(file)
        assert (facts["url"], facts["licence"]) == ("https://x/m.pth", "MIT")
