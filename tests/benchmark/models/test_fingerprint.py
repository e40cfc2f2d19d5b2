"""A model's key must change with every file that decides its embeddings, and with no other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmark.models.discovery import our_modules
from benchmark.models.fingerprint import source_hash

FILES = {
    "__init__.py": "",
    "model.py": "from .front import mel\nimport math\ndef f():\n    from made_up.deep import net\n",
    "front.py": "import made_up.scale as scale\nmel = 1\n",
    "scale.py": "",
    "deep/__init__.py": "from . import net\n",
    "deep/net.py": "from ..shared import block\n",
    "shared.py": "block = 1\n",
    "other.py": "",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "made_up"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "made_up"]:
        monkeypatch.delitem(sys.modules, name)
    return folder


@pytest.mark.parametrize("name", FILES)
def test_the_hash_changes_with_what_is_imported(package: Path, name: str) -> None:
    before = source_hash("made_up.model")
    assert before == source_hash("made_up.model")
    (package / name).write_text(FILES[name] + "# changed\n")
    assert (source_hash("made_up.model") != before) is (name != "other.py")


def test_a_module_without_source_has_none() -> None:
    assert source_hash("math") is None
    assert source_hash("no_such_module") is None


def test_every_plugin_has_its_own() -> None:
    modules = our_modules()
    assert len({source_hash(module) for module in modules}) == len(modules)
