"""OpenL3 against the numbers of its port, on files of the published layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import layouts
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from parity_fixtures import GOLDEN, audio, golden_cases, relative_error, save
from torch import Tensor

from hear_plugins import openl3
from hear_plugins.weights.fixed_tables import dft_tables

TOLERANCE = 1e-4  # of the largest value
RATE = 48000


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    tensors = layouts.fixture(layouts.openl3())
    table = np.load(GOLDEN / "openl3.npz")["file/mel_basis"]
    tensors["speclayer.mel_basis"] = torch.from_numpy(table)
    tensors["speclayer.dft_real_kernels"] = dft_tables(2048)[0].float()[:, None]
    path = tmp_path_factory.mktemp("openl3") / "torchopenl3_mel256_music_6144.pth.tar"
    yield save(tensors, path)
    path.unlink()  # 20 MB


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return golden_cases(GOLDEN / "openl3.npz")["short"]


@pytest.fixture(scope="module")
def sounds(golden: dict[str, np.ndarray]) -> Tensor:
    return audio(int(golden["audio_seed"]), float(golden["seconds"]), RATE)


def test_embeddings_are_the_originals(
    file: str, golden: dict[str, np.ndarray], sounds: Tensor
) -> None:
    model = openl3.load_model(file)
    first = F.pad(sounds[:1], (24000, 0))[:, :RATE]
    decibels = model.network.spectrogram(first)[0].T[60:160]
    assert np.abs(decibels.numpy() - golden["frontend"]).max() < 0.01
    scene = openl3.get_scene_embeddings(sounds, model)[:, ::4]
    assert relative_error(scene, golden["scene"]) < TOLERANCE
    assert relative_error(scene.flip(0), golden["scene"]) > 100 * TOLERANCE
    frames, times = openl3.get_timestamp_embeddings(sounds[:, : RATE // 2 + 2400], model)
    # The first window hears nothing beyond these samples.
    assert relative_error(frames[:, :1, ::12], golden["timestamp_head"]) < TOLERANCE
    assert times[0].tolist() == [50.0 * i for i in range(12)]


def test_the_size_of_hears_leaderboard(
    file: str, golden: dict[str, np.ndarray], sounds: Tensor
) -> None:
    model = openl3.load_model(file, embedding_size=512)
    assert model.scene_embedding_size == model.timestamp_embedding_size == 512
    scene = openl3.get_scene_embeddings(sounds, model)
    assert relative_error(scene, golden["scene_512"]) < TOLERANCE


@pytest.mark.parametrize("wrong", ["order of layers", "table"])
def test_differences_are_noticed(
    wrong: str, file: str, golden: dict[str, np.ndarray], sounds: Tensor
) -> None:
    model = openl3.load_model(file, embedding_size=512, scene_hop_ms=250)
    network = model.network
    if wrong == "table":
        table = network.speclayer.get_parameter("mel_basis")
        table.data = F.normalize(table.data, p=1, dim=1)
    else:
        one, other = network.get_submodule("conv2d_6"), network.get_submodule("conv2d_4")
        one.bias.data[:128], other.bias.data = other.bias.data, one.bias.data[:128].clone()
    scene = openl3.get_scene_embeddings(sounds, model)
    assert relative_error(scene, golden["scene_512"]) > 10 * TOLERANCE


@pytest.mark.long
@pytest.mark.parametrize("name", ["short", "mid", "long"])
def test_all_golden_arrays(name: str, file: str, shared: Path) -> None:
    case = golden_cases(shared / "parity" / "openl3" / "golden.npz")[name]
    clips = audio(int(case["audio_seed"]), float(case["seconds"]), RATE)
    model = openl3.load_model(file)
    assert relative_error(openl3.get_scene_embeddings(clips, model), case["scene"]) < TOLERANCE
    if name != "long":
        frames, times = openl3.get_timestamp_embeddings(clips, model)
        assert frames.shape == tuple(case["timestamp_shape"])
        assert relative_error(frames[:, :20, ::12], case["timestamp_head"]) < TOLERANCE
        assert np.allclose(times, case["timestamps_ms"])


def test_files_with_128_mels_load(tmp_path: Path) -> None:
    tensors = layouts.empty(layouts.openl3())
    tensors["speclayer.mel_basis"] = torch.zeros(128, 1025)
    path = save(tensors, tmp_path / "torchopenl3_mel128_env_512.pth.tar")
    for size in (512, 6144):
        model = openl3.load_model(path, embedding_size=size)
        assert openl3.get_scene_embeddings(torch.zeros(1, 10), model).shape == (1, size)


@pytest.mark.parametrize("options", [{"embedding_size": 1024}, {"hop_ms": 0}, {"scene_hop_ms": -1}])
def test_options_out_of_range(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        openl3.load_model(random_weights=0, **options)
