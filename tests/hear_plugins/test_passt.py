"""PaSST against its authors' numbers, on files of the published layouts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import layouts
import numpy as np
import pytest
import torch
from parity_fixtures import GOLDEN, audio, save
from torch import Tensor

from hear_plugins import passt
from hear_plugins.networks.passt import STRIDES, Passt

TOLERANCE = 2e-4  # of values up to 3.4
RATE = 32000


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Passt]:
    path = tmp_path_factory.mktemp("passt") / "passt-s.pt"
    loaded = passt.load_model(save(layouts.fixture(layouts.passt()), path))
    path.unlink()  # 340 MB
    yield loaded.network


@pytest.fixture
def model(network: Passt) -> passt.PasstModel:
    return passt.PasstModel(network, "base", None)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN / "passt.npz"))


def difference(got: Tensor, golden: np.ndarray) -> float:
    assert got.shape == golden.shape
    return float(np.abs(got.numpy() - golden).max())


def test_embeddings_are_the_originals(
    model: passt.PasstModel, golden: dict[str, np.ndarray]
) -> None:
    sounds = audio(1, 1.07, RATE)
    frontend = model.spectrogram(sounds)[0, :, :10].T
    assert difference(frontend, golden["short/frontend"]) < TOLERANCE
    scene = passt.get_scene_embeddings(sounds, model)
    assert difference(scene[:, ::4], golden["short/scene"]) < TOLERANCE
    frames, times = passt.get_timestamp_embeddings(sounds, model)
    assert frames.shape == (2, 22, 1295)
    assert difference(frames[:, :20:5, ::8], golden["short/base"]) < TOLERANCE
    assert times[1].tolist() == [50 * i for i in range(22)]


@pytest.mark.parametrize(("levels", "size"), [("2level", 2590), ("2levelmel", 3358)])
def test_levels(levels: str, size: int, network: Passt, golden: dict[str, np.ndarray]) -> None:
    model = passt.PasstModel(network, levels, None)
    frames, _ = passt.get_timestamp_embeddings(audio(1, 1.07, RATE)[:1], model)
    assert frames.shape == (1, 22, size) and model.timestamp_embedding_size == size
    assert difference(frames[:, :20:5, ::8], golden[f"short/{levels}"]) < TOLERANCE
    assert model.scene_embedding_size == 1295


@pytest.mark.long
@pytest.mark.parametrize(
    ("case", "levels"),
    [(case, "base") for case in ("short", "mid", "long")]
    + [(case, levels) for case in ("short", "mid") for levels in ("2level", "2levelmel")],
)
def test_all_golden_arrays(case: str, levels: str, network: Passt, shared: Path) -> None:
    arrays = np.load(shared / "parity" / "passt_base" / "golden.npz")
    sounds = audio(int(arrays[f"{case}/audio_seed"]), float(arrays[f"{case}/seconds"]), RATE)
    model = passt.PasstModel(network, levels, None)
    name = case if levels == "base" else f"{case}/base{levels}"
    frames, times = passt.get_timestamp_embeddings(sounds, model)
    assert frames.shape == tuple(arrays[f"{name}/timestamp_shape"])
    assert difference(frames[:, :20], arrays[f"{name}/timestamp_head"]) < TOLERANCE
    assert difference(frames.mean(1), arrays[f"{name}/timestamp_mean"]) < TOLERANCE
    assert difference(times, arrays[f"{case}/timestamps_ms"]) == 0
    if levels == "base":
        scene = passt.get_scene_embeddings(sounds, model)
        assert difference(scene, arrays[f"{case}/scene"]) < TOLERANCE
        spectrogram = model.spectrogram(sounds).transpose(1, 2)
        assert difference(spectrogram[0, :50], arrays[f"{case}/frontend"]) < TOLERANCE


@pytest.mark.parametrize(
    "change",
    [{"scale": "htk"}, {"periodic": True}, {"f_max": 15900.0}, {"floor": 1e-6}],
    ids=lambda change: next(iter(change)),
)
def test_parity_notices_another_frontend(
    change: dict[str, object], model: passt.PasstModel, golden: dict[str, np.ndarray]
) -> None:
    model.frontend = dataclasses.replace(model.frontend, **change)  # type: ignore[arg-type]
    frontend = model.spectrogram(audio(1, 1.07, RATE))[0, :, :10].T
    assert difference(frontend, golden["short/frontend"]) > 2 * TOLERANCE


def test_parity_notices_swapped_blocks(
    model: passt.PasstModel, golden: dict[str, np.ndarray]
) -> None:
    blocks = model.network.blocks
    for here, there in ((3, 4), (4, 3)):  # and back
        blocks[here], blocks[there] = blocks[there], blocks[here]
        scene = passt.get_scene_embeddings(audio(1, 1.07, RATE), model)[:, ::4]
        assert (difference(scene, golden["short/scene"]) > 10 * TOLERANCE) == (here == 3)


@pytest.mark.parametrize(
    ("grid", "stft_hop", "hop", "seconds"),
    [
        ((12, 99), None, 320, 10),
        ((8, 62), None, 320, 10),
        ((12, 200), None, 320, 20),
        ((12, 300), None, 320, 30),
        ((12, 200), 160, 160, 10),
        ((12, 320), None, 100, 10),
    ],
)
def test_published_sizes(
    grid: tuple[int, int], stft_hop: int | None, hop: int, seconds: int
) -> None:
    network = Passt(grid, STRIDES[grid[0]], 1, 527)
    for levels in ("base", "2levelmel"):
        model = passt.PasstModel(network, levels, stft_hop)
        assert (model.frontend.hop, model.longest) == (hop, seconds * RATE)
        frames, times = passt.get_timestamp_embeddings(torch.zeros(1, 4000), model)
        assert frames.shape == (1, 3, model.timestamp_embedding_size)
        assert times[0].tolist() == [0, 50, 100]
    wide = 4 if hop == 320 else 5  # times 160 ms
    assert model.windows == [5120, wide * 5120] and model.mel_window == 6 * hop


def test_long_scenes_are_means_over_windows() -> None:
    model = passt.PasstModel(Passt((12, 99), 10, 1, 3), "base", None)
    sound = audio(3, 10.1, RATE, clips=1)
    padded = torch.nn.functional.pad(sound, (160_000, 160_000), mode="reflect")
    starts = range(0, 323_200 + 1, 80_000)
    each = [passt.get_scene_embeddings(padded[:, i : i + 320_000], model) for i in starts]
    scene = passt.get_scene_embeddings(sound, model)
    torch.testing.assert_close(scene, torch.stack(each).mean(0), rtol=0, atol=1e-4)


def test_the_size_is_read_from_the_file(tmp_path: Path) -> None:
    tensors = layouts.empty(layouts.passt((8, 62), depth=7, classes=20))
    model = passt.load_model(save({"model": tensors}, tmp_path / "any.pt"))
    assert (model.network.grid, model.network.stride) == ((8, 62), 16)
    assert len(model.network.blocks) == 7
    assert model.scene_embedding_size == 788


def test_options_out_of_range() -> None:
    with pytest.raises(ValueError, match="levels='3level'"):
        passt.load_model(random_weights=0, levels="3level")
    with pytest.raises(ValueError, match="stft_hop=50"):
        passt.load_model(random_weights=0, stft_hop=50)
