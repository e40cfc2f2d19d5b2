"""Checkpoint files damaged at random: an error of one line, or weights that are finite.

The examples follow from the tests' names (derandomised), so that a failure comes again.
"""

from __future__ import annotations

import io
import json
import pickle
import pickletools
import resource
import time
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save as safetensors_bytes

from hear_plugins.byol_a import load_encoder
from hear_plugins.networks.byol_cnn import AudioNTT2020
from hear_plugins.weights.catalogue import BYOL_A
from hear_plugins.weights.checkpoint_file import load_configured, load_tensors
from hear_plugins.weights.errors import WeightsError
from hear_plugins.weights.stored_arrays import load_arrays

SECONDS, BYTES = 60, 2 << 30
EXAMPLES = settings(
    max_examples=1000,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def saved(content: Any, zipped: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, pca_means=np.zeros(4, np.float32), pca_eigen_vectors=np.eye(4))
    return file.getvalue()


@cache
def encoder_tensors() -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in AudioNTT2020(1).state_dict().items()}


@cache
def originals() -> dict[str, bytes]:
    """Small files of every published form."""
    state = {"conv.weight": torch.ones(2, 1, 3, 3), "bn.running_var": torch.ones(2)}
    training = {"state_dict": state, "epoch": 3, "loss": np.float64(1), "queue": np.zeros(3)}
    arrays = {"pca_means": np.zeros(4), "pca_eigen_vectors": torch.eye(4)}
    return {
        "zip": saved(state),
        "legacy": saved(state, zipped=False),
        "training": saved(training),
        "legacy training": saved(training, zipped=False),
        "configured": saved({"cfg": {"encoder_layers": 12, "model": {}}, "model": state}),
        "arrays": saved(arrays),
        "npz": npz(),
        "safetensors": safetensors_bytes(state),
    }


def load_byol_a(path: Path) -> None:
    network, _ = load_encoder(str(path), BYOL_A[0], 1, None)
    for value in network.state_dict().values():
        assert torch.isfinite(value).all()


LOADERS: tuple[Callable[[Path], object], ...] = (
    lambda path: load_tensors(path, ("state_dict", "model"), training_state=True),
    load_configured,
    load_arrays,
    load_byol_a,
)


def outlives(path: Path, content: bytes) -> None:
    """Load the file in every way; only WeightsError may be raised, within time and memory."""
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for load in LOADERS:
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                load(path)
            except WeightsError as error:
                assert str(error).isprintable() and len(str(error)) <= 1000
                assert str(path) in str(error)
        assert time.perf_counter() - started < SECONDS
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < BYTES


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzzed") / "some.pth"


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes changed, cut out, put in, or taken from another form."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(["flip", "put", "cut", "end", "splice"]))
        if kind == "flip" and at < len(data):
            data[at] ^= draw(st.integers(1, 255))
        elif kind == "put":
            data[at:at] = draw(st.binary(max_size=12))
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 40))]
        elif kind == "end":
            del data[max(at, 1) :]
        else:
            other = draw(st.sampled_from(sorted(originals().values())))
            start = draw(st.integers(0, len(other)))
            data[at:at] = other[start : start + draw(st.integers(0, 80))]
        data = data or bytearray(b"\0")
    return bytes(data)


@pytest.mark.long
@pytest.mark.parametrize("form", sorted(originals()))
def test_damaged_files(form: str, path: Path) -> None:
    @EXAMPLES
    @given(st.data())
    def run(data: st.DataObject) -> None:
        outlives(path, data.draw(damaged(originals()[form])))

    run()


def rezipped(members: dict[str, bytes]) -> bytes:
    """As PyTorch packs it, with right checksums, so that the damage reaches the unpickler."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.long
@pytest.mark.parametrize("form", ["zip", "training", "configured", "arrays"])
def test_damaged_pickles_in_whole_archives(form: str, path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(originals()[form])) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    inner = next(name for name in members if name.endswith("data.pkl"))

    @EXAMPLES
    @given(st.data())
    def run(data: st.DataObject) -> None:
        outlives(path, rezipped(members | {inner: data.draw(damaged(members[inner]))}))

    run()


OPCODES = [op.code.encode("latin1") for op in pickletools.opcodes]
GLOBALS = [
    b"ccollections\nOrderedDict\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch\nFloatStorage\n",
    b"c_codecs\nencode\n",
    b"cnumpy.core.multiarray\n_reconstruct\n",
    b"cbuiltins\nset\n",
    b"cposix\nsystem\n",
    b"csome.module\nClass\n",
]
PIECES = st.one_of(
    st.sampled_from(OPCODES),
    st.sampled_from(GLOBALS),
    st.sampled_from([b"q\0", b"h\0", b"K\x05", b"X\x01\0\0\0a", b"(", b")", b"R", b"b", b"u"]),
    st.builds(lambda op, count: op * count, st.sampled_from(OPCODES), st.integers(1, 300_000)),
    st.binary(max_size=8),
)


@pytest.mark.long
@pytest.mark.parametrize("zipped", [True, False])
def test_made_up_pickles(zipped: bool, path: Path) -> None:
    @EXAMPLES
    @given(st.lists(PIECES, max_size=30))
    def run(pieces: list[bytes]) -> None:
        made = b"\x80\x02" + b"".join(pieces) + b"."
        if zipped:
            outlives(path, rezipped({"archive/data.pkl": made, "archive/version": b"3\n"}))
        else:
            head = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
            outlives(path, b"".join(pickle.dumps(part, 2) for part in head) + made)

    run()


SIZES = st.integers(0, 5) | st.sampled_from([512, 1 << 12])  # their product stays below 2**63
SHAPES = st.lists(SIZES, max_size=5).map(tuple) | st.just((1 << 50,))
DTYPES = st.sampled_from([torch.float32, torch.float64, torch.float16, torch.int64, torch.bool])
VALUES = st.sampled_from([0.0, 1.0, -1.0, 3e38, float("nan"), float("inf")])


@st.composite
def tensors(draw: st.DrawFn) -> Any:
    return torch.tensor(draw(VALUES)).to(draw(DTYPES)).expand(draw(SHAPES))


@pytest.mark.long
def test_tensors_of_other_shapes_types_and_values(path: Path) -> None:
    @EXAMPLES
    @given(st.dictionaries(st.sampled_from(sorted(encoder_tensors())), tensors(), max_size=3))
    def run(changes: dict[str, torch.Tensor]) -> None:
        outlives(path, saved(encoder_tensors() | changes))

    run()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@pytest.mark.long
def test_configurations_of_other_values(path: Path) -> None:
    beats = pytest.importorskip("hear_plugins.beats")
    names = ["encoder_layers", "encoder_embed_dim", "conv_pos", "num_buckets", "max_distance"]

    @EXAMPLES
    @given(st.dictionaries(st.sampled_from(names), JSON_VALUES, min_size=1))
    def run(changes: dict[str, Any]) -> None:
        content = saved({"cfg": changes, "model": {"layer_norm.weight": torch.ones(512)}})
        path.write_bytes(content)
        with pytest.raises(WeightsError):
            beats.load_model(str(path))

    run()


def test_a_few_damaged_files(path: Path) -> None:
    """What runs every day: each form whole, cut, and with one byte changed here and there."""
    for content in originals().values():
        outlives(path, content)
        for at in range(0, len(content), max(1, len(content) // 12)):
            outlives(path, content[:at])
            outlives(path, content[:at] + bytes([content[at] ^ 0x5A]) + content[at + 1 :])
    outlives(path, json.dumps({"weight": 1}).encode())
