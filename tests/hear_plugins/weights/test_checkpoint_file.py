"""Checkpoint files: what loads, what is refused, and that nothing in them is executed."""

from __future__ import annotations

import argparse
import fractions
import io
import os
import pathlib
import pickle
import re
import time
import tracemalloc
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
from hear_plugins.weights.strict import load_strict


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


class Inner(dict[str, Any]):
    """Pickles as a dictionary of a class of its own, as Lightning's AttributeDict."""


def test_any_unlisted_class_of_a_training_file_is_discarded_unmade(file: Path) -> None:
    trace = file.with_name("trace")
    beside = {
        "callbacks": {"checkpoint": Setting(pathlib.PurePosixPath, ("a", "b"), None)},
        "hyper_parameters": Inner(lr=0.1, betas=[1, 2]),
        "scheduler": Setting(fractions.Fraction, (3, 4), {"trace": str(trace)}),
    }
    torch.save({"state_dict": {"weight": torch.ones(2)}, **beside}, file)
    with pytest.raises(WeightsError, match="refused"):
        load_tensors(file, ("state_dict",))
    tensors = load_tensors(file, ("state_dict",), training_state=True)
    assert tensors["weight"].tolist() == [1, 1]
    content = load_content(file, training_state=True)
    assert type(content["scheduler"]) is Discarded
    assert isinstance(content["hyper_parameters"], dict)


HOSTILE = ("os.system", "subprocess.Popen", "builtins.eval", "builtins.exec", "torch.hub.load")


@pytest.mark.parametrize("name", [*HOSTILE, "torch._utils._rebuild_qtensor", "torch.load"])
def test_what_never_lies_beside_weights_is_refused_even_unexecuted(file: Path, name: str) -> None:
    module, _, leaf = name.rpartition(".")
    call = f"c{module}\n{leaf}\nX\x01\0\0\0a\x85R".encode("latin1")
    write_zip(file, {"data.pkl": b"\x80\x02" + call + b"."})
    with pytest.raises(WeightsError, match=f"refused: it names {name}"):
        load_content(file, training_state=name != "torch.hub.load")


def write_zip(path: Path, members: dict[str, bytes], packed: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", packed) as archive:
        for name, content in members.items():
            archive.writestr(f"archive/{name}", content)


PICKLES = {
    "nested tuples as a key": b"})" + b"\x85" * 900_000 + b"K\x01s",
    "nested tuples in a list": b"])" + b"\x85" * 5_000 + b"a",
    "nested lists": b"]" + b"]" * 5_000 + b"a" * 5_000,
    "many parts": b"](" + b"]" * 1_200_000 + b"e",
    "a part used over and over": (
        b"cbuiltins\nset\nq\0](" + b"N" * 10**6 + b"eq\x01" + b"](" + b"h\0h\x01\x85R" * 20_000
    ),
    "a slow encoding": b"c_codecs\nencode\nX\x01\0\0\0aX\x04\0\0\0idna\x86R",
    "colliding integers": b"}(" + (b"\x8a\x09" + b"\1" * 9 + b"N") * 2_000 + b"u",
    "an opcode of later protocols": b"\x8c\x01a",
    "a memo that is not there": b"h\x07",
    "nothing on the stack": b"\x85",
    "no end": b"X\xff\xff\xff\xffabc",
}


@pytest.mark.parametrize("form", ["zip", "legacy"])
@pytest.mark.parametrize("name", PICKLES)
def test_pickles_that_would_take_all_time_or_memory_are_refused(
    file: Path, name: str, form: str
) -> None:
    data = b"\x80\x02" + PICKLES[name] + b"."
    if form == "zip":
        write_zip(file, {"data.pkl": data, "byteorder": b"little", "version": b"3\n"})
    else:
        head = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)
        file.write_bytes(head + pickle.dumps({}, 2) + data)
    started = time.perf_counter()
    with pytest.raises(WeightsError, match="truncated or not a PyTorch checkpoint"):
        load_content(file)
    assert time.perf_counter() - started < 20


@pytest.mark.parametrize("member", ["data.pkl", "byteorder", "version", "data/0"])
def test_compressed_members_are_refused_unread(file: Path, member: str) -> None:
    torch.save({"weight": torch.zeros(3)}, file)
    with zipfile.ZipFile(file) as archive:
        members = {n.partition("/")[2]: archive.read(n) for n in archive.namelist()}
    write_zip(file, members)
    assert load_tensors(file)["weight"].tolist() == [0, 0, 0]
    members[member] = bytes(200 << 20)
    write_zip(file, members, zipfile.ZIP_DEFLATED)
    del members
    assert file.stat().st_size < 1 << 20
    tracemalloc.start()
    with pytest.raises(WeightsError, match="compressed"):
        load_tensors(file)
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()


def test_names_must_be_text_and_tensors_dense(file: Path) -> None:
    for content, message in (
        ({3: torch.zeros(1)}, "a tensor is named by 3"),
        ({"weight": torch.zeros(1, dtype=torch.complex64)}, "torch.ComplexFloatStorage"),
        ({"weight": torch.zeros(1, device="meta")}, "_rebuild_meta_tensor_no_storage"),
        ({"weight": torch.zeros(2, 2).to_sparse()}, "_rebuild_sparse_tensor|_get_layout"),
    ):
        torch.save(content, file)
        with pytest.raises(WeightsError, match=message):
            load_tensors(file)


def test_what_a_file_says_reaches_no_terminal(file: Path) -> None:
    clear, bidi = "\x1b[2J\x1b]0;title\x07", "\u202e"
    path = file.with_name(f"a{clear}.pth")
    torch.save({f"{clear}\n{bidi}" + "x" * 10_000: torch.zeros(1)}, path)
    with pytest.raises(WeightsError) as caught:
        load_strict(torch.nn.Identity(), load_tensors(path), path)
    assert "is unexpected" in str(caught.value)
    assert str(caught.value).isprintable() and len(str(caught.value)) <= 1000
    torch.save({f"{clear}{bidi}": torch.zeros(1)}, file)
    with pytest.raises(WeightsError, match=r"tensor \\x1b\[2J.* is unexpected") as caught:
        load_strict(torch.nn.Identity(), load_tensors(file), file)
    assert str(caught.value).isprintable()


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(WeightsError, match=f"{path} cannot be read"):
            load_tensors(path)
