"""A model's key must change with every file that decides its embeddings, and with no other."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.models.discovery import our_modules
from benchmark.models.fingerprint import read_source, state_hash, tensors_hash

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
    before = digest("made_up.model")
    assert before == digest("made_up.model")
    (package / name).write_text(FILES[name] + "changed = 1\n")
    assert (digest("made_up.model") != before) is (name != "other.py")


def digest(module: str) -> str | None:
    return read_source(module).digest


def test_folders_without_init_count_although_nothing_imported_them(package: Path) -> None:
    (package / "a" / "b").mkdir(parents=True)
    (package / "a" / "b" / "net.py").write_text("width = 1\n")
    (package / "model.py").write_text("def f():\n    import made_up.a.b.net\n")
    before = digest("made_up.model")
    (package / "a" / "b" / "net.py").write_text("width = 2\n")
    assert digest("made_up.model") != before


def test_comments_docstrings_and_layout_do_not_count(package: Path) -> None:
    before = digest("made_up.model")
    (package / "shared.py").write_text('"""What it is."""\nblock = (\n    1  # one\n)\n')
    (package / "deep" / "net.py").write_text("from ..shared import (block,)  # noqa\n")
    assert digest("made_up.model") == before
    (package / "shared.py").write_text("block = 1.0\n")
    assert digest("made_up.model") != before


@pytest.mark.parametrize(
    "line",
    [
        "import my_net",
        "def f():\n    from my_net import Net",
        "import importlib\nnet = importlib.import_module('my_net')",
    ],
)
def test_a_users_file_beside_the_module_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_model.py").write_text(f"import torch\nimport numpy.linalg\n{line}\n")
    (tmp_path / "my_net.py").write_text("import my_layers\nwidth = 1\n")
    (tmp_path / "my_layers.py").write_text("depth = 1\n")
    digests = [digest("my_model")]
    for name, text in (("my_net", "import my_layers\nwidth = 2\n"), ("my_layers", "depth = 2\n")):
        (tmp_path / f"{name}.py").write_text(text)
        digests.append(digest("my_model"))
    assert len(set(digests)) == 3
    versions = read_source("my_model").distributions
    assert {"torch", "numpy"} == versions.keys() and versions["torch"].startswith("2.")


def test_a_module_without_source_has_none() -> None:
    assert digest("math") is None
    assert digest("no_such_module") is None


def test_every_plugin_has_its_own() -> None:
    modules = our_modules()
    assert len({digest(module) for module in modules}) == len(modules)


def test_state_beside_the_state_dict_counts() -> None:
    class Model(torch.nn.Module):
        def __init__(self, buffer: float = 1.0, array: float = 1.0, number: float = 1.0) -> None:
            super().__init__()
            self.part = torch.nn.Linear(2, 2)
            self.part.register_buffer("mel", torch.full((2,), buffer), persistent=False)
            self.array = np.full(2, array)
            self.number = number
            with torch.no_grad():
                self.part.weight.fill_(1)
                self.part.bias.fill_(1)

    models = [Model(), Model(buffer=2), Model(array=2), Model(number=2)]
    assert tensors_hash(Model()) == tensors_hash(models[0])
    assert len({tensors_hash(model) for model in models}) == 4
    assert len({state_hash(model) for model in models}) == 1
    assert tensors_hash(Model().eval()) == tensors_hash(Model())
