"""What is said of the machine, the versions and the commit a result was made with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark.records import environment
from benchmark.records.environment import peak_memory

HELD = 600 << 20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="getrusage is asked elsewhere")
def test_the_peak_is_not_that_of_the_parent() -> None:
    before = peak_memory()
    held = np.ones(HELD, np.uint8)
    assert peak_memory() >= max(before, held.nbytes)
    code = "from benchmark.records.environment import peak_memory; print(peak_memory())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 1 << 20 < int(ended.stdout) < HELD


def test_machine_and_versions_are_json() -> None:
    described = environment.describe_machine()
    assert described == json.loads(json.dumps(described))
    assert described["cpu"] and described["cores"] >= 1
    versions = environment.package_versions(["numpy", "no-such-package"])
    assert set(versions) == {"python", "numpy"}


def test_commit_is_only_that_of_a_checkout_of_this_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment in somebody else's repository holds our files, but does not track them."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "theirs.txt").touch()
    subprocess.run([*git, "add", "theirs.txt"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "theirs"], check=True)
    ours = tmp_path / "benchmark" / "environment.py"
    ours.parent.mkdir()
    ours.touch()
    monkeypatch.setattr(environment, "__file__", str(ours))
    assert environment.git_commit() is None
    subprocess.run([*git, "add", "benchmark"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "ours"], check=True)
    commit = environment.git_commit()
    assert commit and len(commit) == 40
    ours.write_text("changed")
    assert environment.git_commit() == f"{commit}+changes"
