"""Weights: downloads that survive a bad network, files that are not what they should be."""

from __future__ import annotations

import argparse
import hashlib
import http.server
import io
import os
import pickle
import re
import subprocess
import sys
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hear_plugins.weights import download as fetch
from hear_plugins.weights import loading as weights
from hear_plugins.weights.catalogue import CHECKPOINTS, Checkpoint
from hear_plugins.weights.loading import WeightsError

CONTENT = bytes(range(256)) * 4096  # 1 MiB


class Server(http.server.ThreadingHTTPServer):
    """One file, served as well or as badly as a test wants."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.status = 200
        self.ranges = True
        self.cuts: list[int] = []  # bytes after which each of the next answers breaks off
        self.asked: list[str | None] = []  # the Range of each request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/weights.pth"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        start = int(wanted[6:-1]) if wanted and self.server.ranges else 0
        if self.server.status != 200:
            self.send_error(self.server.status)
            return
        body = self.server.content[start:]
        if start and not body:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(self.server.content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            end = len(self.server.content)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cuts.pop(0)] if self.server.cuts else body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "_PAUSE_S", 0.0)
    return tmp_path / "cache"


def published(server: Server, **changes: Any) -> Checkpoint:
    facts = {
        "module": "some_model",
        "variant": "base",
        "file": "weights.pth",
        "url": server.url,
        "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "git_blob": hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest(),
        "licence": "Some Licence 1.0",
        "source": "someone/some-model@0123456",
    }
    return Checkpoint(**(facts | changes))


def test_download_is_verified_kept_and_not_repeated(server: Server, cache: Path) -> None:
    path = weights.resolve("", published(server))
    assert path == cache / "weights.pth"
    assert path.read_bytes() == CONTENT
    assert weights.resolve("", published(server)) == path
    assert server.asked == [None]
    assert not list(cache.glob("*.part"))


@pytest.mark.parametrize("cuts", [[1], [1000, 500_000], [0, 70_000]])
def test_a_cut_connection_is_resumed_where_it_broke(server: Server, cuts: list[int]) -> None:
    server.cuts = list(cuts)
    assert weights.resolve("", published(server)).read_bytes() == CONTENT
    got = [sum(cuts[: n + 1]) for n in range(len(cuts))]
    assert server.asked == [None, *(f"bytes={n}-" if n else None for n in got)]


def test_a_killed_download_is_resumed_by_the_next_call(server: Server, cache: Path) -> None:
    cache.mkdir()
    (cache / "weights.pth.part").write_bytes(CONTENT[:4321])
    assert weights.resolve("", published(server)).read_bytes() == CONTENT
    assert server.asked == ["bytes=4321-"]


def test_a_complete_part_is_accepted(server: Server, cache: Path) -> None:
    cache.mkdir()
    (cache / "weights.pth.part").write_bytes(CONTENT)
    assert weights.resolve("", published(server)).read_bytes() == CONTENT


@pytest.mark.parametrize("stale", [b"x" * 4321, CONTENT + b"more"])
def test_a_stale_part_does_not_spoil_the_file(server: Server, cache: Path, stale: bytes) -> None:
    cache.mkdir()
    (cache / "weights.pth.part").write_bytes(stale)
    assert weights.resolve("", published(server)).read_bytes() == CONTENT


def test_a_server_without_ranges_starts_over(server: Server) -> None:
    server.ranges, server.cuts = False, [1000]
    assert weights.resolve("", published(server)).read_bytes() == CONTENT


def test_the_beginning_of_a_digest_is_verified(server: Server) -> None:
    begins = hashlib.sha256(CONTENT).hexdigest()[:8]
    path = weights.resolve("", published(server, sha256=begins, git_blob=None, size=None))
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": "0" * 8},
        {"sha256": "0" * 64},
        {"git_blob": "0" * 40, "sha256": None},
        {"size": 5, "sha256": None},
    ],
)
def test_a_wrong_file_is_refused_and_not_kept(
    server: Server, cache: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(WeightsError, match="not the published file") as caught:
        weights.resolve("", published(server, **changes))
    assert_names_the_way_out(caught.value, server.url, cache)
    assert not (cache / "weights.pth").exists() and not (cache / "weights.pth.part").exists()


def test_a_file_inside_an_archive_is_unpacked(server: Server, cache: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("some_model/weights.pth", CONTENT)
    server.content = packed.getvalue()
    server.cuts = [500]
    path = weights.resolve("", published(server, member="some_model/weights.pth"))
    assert path == cache / "weights.pth" and path.read_bytes() == CONTENT
    assert sorted(p.name for p in cache.iterdir() if p.suffix != ".lock") == ["weights.pth"]


@pytest.mark.parametrize("member", ["other.pth", "weights.pth"])
def test_an_archive_without_the_file_is_refused(server: Server, cache: Path, member: str) -> None:
    if member == "other.pth":
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("weights.pth", CONTENT)
        server.content = packed.getvalue()
    with pytest.raises(WeightsError, match=f"no zip archive with {member}") as caught:
        weights.resolve("", published(server, member=member))
    assert_names_the_way_out(caught.value, server.url, cache)
    assert not [p for p in cache.iterdir() if p.suffix != ".lock"]


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_refusal_says_where_to_get_the_file(server: Server, cache: Path, status: int) -> None:
    server.status = status
    with pytest.raises(WeightsError, match=str(status)) as caught:
        weights.resolve("", published(server))
    assert_names_the_way_out(caught.value, server.url, cache)
    assert len(server.asked) == (1 if status < 500 else 3)


def test_a_server_that_always_breaks_off_is_given_up(server: Server) -> None:
    server.ranges, server.cuts = False, [1000] * 50
    with pytest.raises(WeightsError, match="connection lost after 1000 of 1048576 bytes"):
        weights.resolve("", published(server))


def test_without_a_network_the_error_names_file_url_licence_and_place(cache: Path) -> None:
    for checkpoint in CHECKPOINTS:
        with pytest.raises(WeightsError) as caught:  # conftest.py refuses other machines
            weights.resolve("", checkpoint)
        assert checkpoint.file in str(caught.value)
        assert checkpoint.licence in str(caught.value)
        assert_names_the_way_out(caught.value, checkpoint.url, cache)


def assert_names_the_way_out(error: WeightsError, url: str, cache: Path) -> None:
    assert url in str(error) and str(cache) in str(error) and "licence" in str(error)
    assert "\n" not in str(error)


def test_a_damaged_cached_file_is_noticed(server: Server, cache: Path) -> None:
    path = weights.resolve("", published(server))
    path.write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(WeightsError, match="damaged.*sha256.*delete it"):
        weights.resolve("", published(server))


def test_two_processes_download_once(server: Server, cache: Path) -> None:
    program = (
        "import sys\n"
        "from hear_plugins.weights import loading as weights\n"
        "from hear_plugins.weights.catalogue import Checkpoint\n"
        "weights.resolve('', Checkpoint('m', 'v', 'weights.pth', sys.argv[1], None, sys.argv[2],"
        " None, 'L', 'S'))"
    )
    digest = hashlib.sha256(CONTENT).hexdigest()
    command = [sys.executable, "-c", program, server.url, digest]
    both = [subprocess.Popen(command, cwd=Path(__file__).parents[3]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert (cache / "weights.pth").read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_a_given_path_must_be_a_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="nowhere.pth is missing"):
        weights.resolve(str(tmp_path / "nowhere.pth"), CHECKPOINTS[0])
    with pytest.raises(WeightsError, match="is a folder"):
        weights.resolve(str(tmp_path), CHECKPOINTS[0])


# --- loading ------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model.pth"


@pytest.mark.parametrize("zipped", [True, False])
def test_bare_and_wrapped_state_dicts_load(file: Path, zipped: bool) -> None:
    state = torch.nn.Linear(3, 2).state_dict()
    for content in (state, {"state_dict": state, "epoch": 3}, {"outer": {"state_dict": state}}):
        torch.save(content, file, _use_new_zipfile_serialization=zipped)
        loaded = weights.load_tensors(file, ("outer", "state_dict"))
        assert {name: value.tolist() for name, value in loaded.items()} == {
            name: value.tolist() for name, value in state.items()
        }


def test_truncated_files_are_named(file: Path) -> None:
    torch.save(torch.nn.Linear(30, 20).state_dict(), file)
    whole = file.read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 10):
        file.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match="truncated or not a PyTorch checkpoint") as caught:
            weights.load_tensors(file)
        assert str(file) in str(caught.value) and "\n" not in str(caught.value)


def not_checkpoints() -> dict[str, bytes]:
    page = b"<!DOCTYPE html><html>Not Found</html>"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("readme.txt", "hello")
    return {"page": page, "noise": CONTENT[7:], "zip": archive.getvalue()}


@pytest.mark.parametrize("kind", ["page", "noise", "zip"])
def test_other_files_are_named(file: Path, kind: str) -> None:
    file.write_bytes(not_checkpoints()[kind])
    with pytest.raises(WeightsError, match="not a PyTorch checkpoint"):
        weights.load_tensors(file)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {}, torch.zeros(3)])
def test_files_without_named_tensors_are_named(file: Path, content: Any) -> None:
    torch.save(content, file)
    with pytest.raises(WeightsError, match="no named tensors"):
        weights.load_tensors(file)


def test_safetensors_are_read(tmp_path: Path) -> None:
    tensors = {"weight": torch.arange(6.0).reshape(2, 3), "half": torch.ones(2).half()}
    path = tmp_path / "model.safetensors"
    save_file(tensors, path)
    read = weights.load_tensors(path)
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("kept", [0, 7, 8, 40, -1])
def test_damaged_safetensors_are_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(2, 3)}, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=re.escape(str(path))):
        weights.load_tensors(path)


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
        weights.load_tensors(file)
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
        weights.load_content(file, training_state)
    assert not trace.exists()


def test_training_state_is_discarded_unmade(file: Path) -> None:
    state = {"loss": np.float64(1), "queue": np.zeros(3), "args": argparse.Namespace(arch="vit")}
    torch.save({"weight": torch.ones(2), **state}, file)
    with pytest.raises(WeightsError, match="refused"):
        weights.load_content(file)
    content = weights.load_content(file, training_state=True)
    assert torch.equal(content["weight"], torch.ones(2))
    assert all(type(content[name]) is weights.Discarded for name in state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("1.bias"), "tensor 1.bias is missing"),
        (lambda state: state.update(extra=torch.zeros(1)), "tensor extra is unexpected"),
        (
            lambda state: state.update({"0.weight": torch.zeros(3, 4)}),
            r"tensor 0.weight has shape \(3, 4\), expected \(4, 3\)",
        ),
        (lambda state: state.update({"1.wait": state.pop("1.weight")}), "1.weight is missing"),
        (lambda state: state.clear(), r"0.weight is missing \(and 3 more\)"),
    ],
)
def test_strict_loading_names_the_tensor(change: Any, message: str) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 5))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = dict(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 5)).state_dict())
    change(state)
    with pytest.raises(WeightsError, match=message):
        weights.load_strict(network, state, Path("some.pth"))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_ignored_tensors_may_be_there_or_not() -> None:
    network = torch.nn.Linear(3, 4)
    state = dict(torch.nn.Linear(3, 4).state_dict())
    weights.load_strict(network, state, Path("some.pth"), ignored=("head.", "step"))
    state |= {"head.weight": torch.zeros(2), "step": torch.zeros(())}
    weights.load_strict(network, state, Path("some.pth"), ignored=("head.", "step"))
    with pytest.raises(WeightsError, match="head.weight is unexpected"):
        weights.load_strict(network, state, Path("some.pth"), ignored=("step", "hea"))


def test_another_models_checkpoint_is_recognised() -> None:
    other = {"student_encoder.blocks.0.attn.qkv.weight": torch.zeros(1)}
    with pytest.raises(WeightsError, match="looks like a checkpoint of matpac"):
        weights.load_strict(torch.nn.Linear(3, 4), other, Path("some.pth"))


# --- random weights -----------------------------------------------------------------------------


def test_random_weights_depend_on_the_seed_alone(capfd: pytest.CaptureFixture[str]) -> None:
    def drawn(seed: int) -> torch.Tensor:
        network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8)).eval()
        facts = weights.fill_random(network, seed, "some_model")
        assert facts == {"weights": "random", "random_weights": seed}
        return network(torch.ones(1, 3, 9, 9))

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.allclose(drawn(1), drawn(2))
    assert torch.isfinite(drawn(3)).all()
    out, err = capfd.readouterr()
    assert out == "" and "some_model has random weights (seed 1)" in err.splitlines()[0]


def test_where_the_seed_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    assert weights.random_seed(None) is None
    assert weights.random_seed(0) == 0
    monkeypatch.setenv(weights.RANDOM_VARIABLE, "7")
    assert weights.random_seed(None) == 7
    assert weights.random_seed(3) == 3
    assert weights.random_seed(None, "file.pth") is None
    with pytest.raises(ValueError, match="both given"):
        weights.random_seed(3, "file.pth")
    for bad in ("x", "-1", "1.5"):
        monkeypatch.setenv(weights.RANDOM_VARIABLE, bad)
        with pytest.raises(ValueError, match="whole number"):
            weights.random_seed(None)
    for wrong in (True, 1.5, -1, 2**63):
        with pytest.raises(ValueError, match="whole number"):
            weights.random_seed(wrong)  # type: ignore[arg-type]


def test_provenance_tells_published_files_from_others(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_bytes(CONTENT)
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert weights.file_provenance(file) == {
        "weights": "file",
        "file": "model.pth",
        "sha256": digest,
    }
    for sha256 in (digest, digest[:8]):
        known = Checkpoint("m", "v", "m.pth", "https://x/m.pth", None, sha256, None, "MIT", "s")
        monkeypatch.setattr(weights, "CHECKPOINTS", (known,))
        facts = weights.file_provenance(file)
        assert (facts["url"], facts["licence"]) == ("https://x/m.pth", "MIT")
