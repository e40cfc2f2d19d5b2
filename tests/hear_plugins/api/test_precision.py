"""Lower precision and compilation: they act, they change little, and records tell them apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from parity_fixtures import audio
from tiny_task import make_task
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from benchmark.cli.main import main
from benchmark.embeddings.store import finished_embeddings, read_info
from benchmark.models.calling import call, check_output
from benchmark.models.hear_module import LoadedModel, ModelSpec, load_model
from hear_plugins import byol_s, crepe
from hear_plugins.api.precision import autocast, compile_blocks, full_precision
from hear_plugins.frontends.log_mel import LogMel
from hear_plugins.networks.crepe import CAPACITIES, Crepe, SpectralConv
from hear_plugins.networks.linear import Linear

CPU = torch.device("cpu")


def loaded(dtype: str = "float32", compiled: bool = False) -> LoadedModel:
    options = {"random_weights": 1}
    return load_model(ModelSpec("hear_plugins.byol_a", "", options, dtype, compiled))


def scenes(model: LoadedModel) -> Tensor:
    sounds = audio(1, 0.5, model.sample_rate).numpy()
    output, _ = check_output(model, "scene", 2, call(model, "scene", sounds))
    return torch.from_numpy(output)


@pytest.fixture
def fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize(("dtype", "most"), [("bfloat16", 0.05), ("float16", 0.01)])
def test_lower_precision_changes_embeddings_a_little(dtype: str, most: float) -> None:
    exact, lower = scenes(loaded()), scenes(loaded(dtype))
    difference = (lower - exact).norm() / exact.norm()
    assert 1e-6 < difference < most


def test_precision_is_a_part_of_the_models_name() -> None:
    models = [loaded(), loaded("bfloat16"), loaded("float16"), loaded("float32", compiled=True)]
    assert len({model.identity.folder for model in models}) == 4
    assert [model.spec.all_options for model in models] == [
        {"random_weights": 1},
        {"random_weights": 1, "--dtype": "bfloat16"},
        {"random_weights": 1, "--dtype": "float16"},
        {"random_weights": 1, "--compile": True},
    ]


def test_embeddings_on_disk_say_how_they_were_made(tmp_path: Path) -> None:
    make_task(tmp_path / "tasks", clips=1)
    words = ["embed", "hear_plugins.byol_a", "--model-options", '{"random_weights": 1}']
    words += ["--tasks-dir", str(tmp_path / "tasks"), "--out", str(tmp_path), "--device", "cpu"]
    assert main([*words, "--dtype", "bfloat16"]) == main(words) == 0
    infos = [read_info(folder) or {} for folder in finished_embeddings(tmp_path)]
    assert len({info["model"] for info in infos}) == 2
    chosen = sorted(str(info["options"].get("--dtype")) for info in infos)
    assert chosen == ["None", "bfloat16"]


@pytest.mark.parametrize("name", ["byol_s", "crepe"])
def test_no_float64_on_a_device_that_has_none(name: str) -> None:
    """Apple's devices, of which a tensor here has the shape and type, but no values."""

    class NoFloat64(TorchDispatchMode):
        def __torch_dispatch__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            out = function(*args, **(kwargs or {}))
            for x in pytree.tree_leaves(out):
                if isinstance(x, Tensor) and x.device.type == "mps":
                    assert x.dtype not in (torch.float64, torch.complex128), function
            return out

    conv = Crepe(CAPACITIES["tiny"]).get_submodule("conv2")
    assert isinstance(conv, SpectralConv)
    with FakeTensorMode(), NoFloat64():
        if name == "crepe":
            frames = torch.empty(4, 1024, device="mps")
            assert crepe.normalise(frames).device.type == "mps"
            weight = torch.empty(conv.weight.shape, device="mps")
            assert conv.transformed(weight).device.type == "mps"
        else:
            mel = torch.empty(2, 64, 100, device="mps")
            mean, std = byol_s._statistics(byol_s._moments(mel))
            assert byol_s._standardise(mel, mean, std).device.type == "mps"


def test_timestamps_stay_exact() -> None:
    sounds = audio(1, 0.5, 16000).numpy()
    (_, exact), (frames, lower) = (
        call(model, "event", sounds) for model in (loaded(), loaded("bfloat16"))
    )
    assert frames.dtype == "float32" and (exact == lower).all()


def test_spectrograms_stay_in_float32() -> None:
    frontend = LogMel(16000, 512, 160, 64, 0, 8000)
    sounds = audio(1, 0.3, 16000)
    exact = frontend(sounds)
    with autocast(CPU, "bfloat16"):
        assert torch.equal(frontend(sounds), exact)
        assert (sounds[:, :64] @ sounds[:, :64].T).dtype == torch.bfloat16  # as networks do

    class Owner:
        @full_precision
        def product(self, x: Tensor) -> Tensor:
            return x @ x.T

    with autocast(CPU, "bfloat16"):
        assert Owner().product(sounds[:, :64]).dtype == torch.float32


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(Linear(4, 4), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.inner(x)
        return y


class Network(nn.Module):
    """With everything that may be compiled, and is not, once each."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(Linear(4, 4))
        self.blocks = nn.ModuleList(Block() for _ in range(3))
        self.last = Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        y: Tensor = self.last(x)
        return y


def test_repeated_blocks_and_sequences_are_compiled(fresh_compiler: None) -> None:
    model = nn.ModuleList([Network()]).requires_grad_(False)
    x = torch.randn(3, 4)
    with torch.no_grad():
        exact = model[0](x)
        assert compile_blocks(model) == 4
        compiled = [n for n, m in model.named_modules() if m._compiled_call_impl is not None]
        assert compiled == ["0.first"] + [f"0.blocks.{i}" for i in range(3)]
        assert torch.allclose(model[0](x), exact, atol=1e-6)
    frames = torch._dynamo.utils.counters["frames"]
    assert frames["ok"] == frames["total"] == 2  # blocks of one class share one
