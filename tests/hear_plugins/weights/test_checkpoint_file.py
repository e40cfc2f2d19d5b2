"""Checkpoint files: what loads, what is refused, and that nothing in them is executed."""

from __future__ import annotations

import argparse
import io
import os
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hear_plugins.weights.checkpoint_file import Discarded, load_content, load_tensors
from hear_plugins.weights.errors import WeightsError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model.pth"


@pytest.mark.parametrize("zipped", [True, False])
def test_bare_and_wrapped_state_dicts_load(file: Path, zipped: bool) -> None:
    state = torch.nn.Linear(3, 2).state_dict()
    for content in (state, {"state_dict": state, "epoch": 3}, {"outer": {"state_dict": state}}):
        torch.save(content, file, _use_new_zipfile_serialization=zipped)
        loaded = load_tensors(file, ("outer", "state_dict"))
        assert {name: value.tolist() for name, value in loaded.items()} == {
            name: value.tolist() for name, value in state.items()
        }


def test_truncated_files_are_named(file: Path) -> None:
    torch.save(torch.nn.Linear(30, 20).state_dict(), file)
    whole = file.read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 10):
        file.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match="truncated or not a PyTorch checkpoint") as caught:
            load_tensors(file)
        assert str(file) in str(caught.value) and "\n" not in str(caught.value)


def not_checkpoints() -> dict[str, bytes]:
    page = b"<!DOCTYPE html><html>Not Found</html>"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("readme.txt", "hello")
    return {"page": page, "noise": bytes(range(7, 256)) * 99, "zip": archive.getvalue()}


@pytest.mark.parametrize("kind", ["page", "noise", "zip"])
def test_other_files_are_named(file: Path, kind: str) -> None:
    file.write_bytes(not_checkpoints()[kind])
    with pytest.raises(WeightsError, match="not a PyTorch checkpoint"):
        load_tensors(file)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {}, torch.zeros(3)])
def test_files_without_named_tensors_are_named(file: Path, content: Any) -> None:
    torch.save(content, file)
    with pytest.raises(WeightsError, match="no named tensors"):
        load_tensors(file)


def test_safetensors_are_read(tmp_path: Path) -> None:
    tensors = {"weight": torch.arange(6.0).reshape(2, 3), "half": torch.ones(2).half()}
    path = tmp_path / "model.safetensors"
    save_file(tensors, path)
    read = load_tensors(path)
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("kept", [0, 7, 8, 40, -1])
def test_damaged_safetensors_are_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(2, 3)}, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=re.escape(str(path))):
        load_tensors(path)


class Attack:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_code_in_a_file_is_refused_and_not_executed(file: Path, form: str) -> None:
    trace = file.with_name("trace")
    content = {"weight": torch.zeros(2), "attack": Attack(trace)}
    if form == "pickle":
        file.write_bytes(pickle.dumps({"attack": Attack(trace)}))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(WeightsError) as caught:
        load_tensors(file)
    assert not trace.exists()
    assert "\n" not in str(caught.value)
    if form != "pickle":
        assert "mkdir" in str(caught.value)


class Setting:
    """Pickles as an object of an allowed kind whose state is an attack."""

    def __init__(self, kind: type, arguments: tuple[Any, ...], state: Any) -> None:
        self.parts = kind, arguments, state

    def __reduce__(self) -> tuple[Any, ...]:
        return self.parts


POSITIONS: dict[str, Callable[[Attack], Any]] = {
    "alone": lambda attack: attack,
    "beside the tensors": lambda attack: {"weight": torch.zeros(2), "more": attack},
    "before the tensors": lambda attack: {"more": attack, "weight": torch.zeros(2)},
    "in place of a tensor": lambda attack: {"model": {"weight": attack}},
    "as a key": lambda attack: {attack: torch.zeros(2)},
    "in a list": lambda attack: {"weight": torch.zeros(2), "epochs": [1, [2, attack]]},
    "in a tuple": lambda attack: {"weight": torch.zeros(2), "epochs": (1, (2, attack))},
    "in an ordered dict's attributes": lambda attack: Setting(OrderedDict, (), {"a": attack}),
    "in the state of a namespace": lambda attack: {"args": argparse.Namespace(arch=attack)},
    "in an array of objects": lambda attack: {"array": np.array([attack, 1], object)},
    "as an argument of an array": lambda attack: Setting(np.ndarray, (attack,), None),
    "as the state of a dtype": lambda attack: Setting(np.dtype, ("f8",), attack),
}


@pytest.mark.parametrize("training_state", [False, True])
@pytest.mark.parametrize("position", POSITIONS)
def test_code_is_refused_wherever_it_is(file: Path, position: str, training_state: bool) -> None:
    trace = file.with_name("trace")
    torch.save(POSITIONS[position](Attack(trace)), file)
    with pytest.raises(WeightsError):
        load_content(file, training_state)
    assert not trace.exists()


def test_training_state_is_discarded_unmade(file: Path) -> None:
    state = {"loss": np.float64(1), "queue": np.zeros(3), "args": argparse.Namespace(arch="vit")}
    torch.save({"weight": torch.ones(2), **state}, file)
    with pytest.raises(WeightsError, match="refused"):
        load_content(file)
    content = load_content(file, training_state=True)
    assert torch.equal(content["weight"], torch.ones(2))
    assert all(type(content[name]) is Discarded for name in state)
