"""M2D against its authors' numbers, on files of the published layouts."""

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

from hear_plugins import m2d
from hear_plugins.weights.loading import WeightsError

TOLERANCE = 5e-3  # of values with standard deviation 1: the original's STFT is another
RATE = 16000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[m2d.M2d]:
    """From a full training file, without statistics; used as the original."""
    tensors = layouts.fixture(layouts.vit_columns())
    for name in ("mask_token", "decoder_blocks.0.norm1.bias", "target_blocks.0.attn.qkv.bias"):
        tensors[name] = torch.zeros(3)
    path = tmp_path_factory.mktemp("m2d") / "checkpoint-300.pth"
    loaded = m2d.load_model(save({"model": tensors}, path), hop_ms=160, upstream_quirks=True)
    path.unlink()  # 340 MB
    yield loaded


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN / "m2d.npz"))


def difference(got: Tensor, golden: np.ndarray) -> float:
    assert got.shape == golden.shape
    return float(np.abs(got.numpy() - golden).max())


def test_embeddings_are_the_originals(model: m2d.M2d, golden: dict[str, np.ndarray]) -> None:
    sounds = audio(1, 1.07, RATE)
    frontend = model.spectrogram(sounds)[0, :, :10]
    assert difference(frontend, golden["short_s1/frontend"]) < 1e-3
    scene = m2d.get_scene_embeddings(sounds, model)
    assert difference(scene[:, ::2], golden["short_s1/scene"]) < TOLERANCE
    frames, times = m2d.get_timestamp_embeddings(sounds, model)
    assert difference(frames[..., ::8], golden["short_s1/frames"]) < TOLERANCE
    assert difference(times, golden["short_s1/timestamps_ms"]) < 1e-3


@pytest.mark.parametrize(
    ("case", "samples"), [("tiny_s2", 800), ("exact608_s2", 97120), ("over608_s2", 97280)]
)
def test_lengths(case: str, samples: int, model: m2d.M2d, golden: dict[str, np.ndarray]) -> None:
    scene = m2d.get_scene_embeddings(audio(2, samples / RATE, RATE), model)
    assert difference(scene[:, ::8], golden[f"{case}/scene"]) < TOLERANCE


def test_statistics_of_the_file_count(
    model: m2d.M2d, golden: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    sounds, stats = audio(1, 1.07, RATE), golden["short_s1/stats_scene"]
    scene = m2d.get_scene_embeddings(sounds, model)[:, ::8]
    assert difference(scene, stats) > 2 * TOLERANCE
    monkeypatch.setattr(model, "mean", -7.261779)
    monkeypatch.setattr(model, "std", 4.350965)
    assert difference(m2d.get_scene_embeddings(sounds, model)[:, ::8], stats) < TOLERANCE


@pytest.mark.long
def test_all_golden_arrays(model: m2d.M2d, shared: Path) -> None:
    arrays = np.load(shared / "parity" / "m2d" / "golden.npz")
    for case in sorted({name.split("/")[0] for name in arrays}):
        seed, seconds = int(arrays[f"{case}/audio_seed"]), float(arrays[f"{case}/seconds"])
        sounds = audio(seed, seconds, RATE)
        frames, times = m2d.get_timestamp_embeddings(sounds, model)
        assert frames.shape == tuple(arrays[f"{case}/timestamp_shape"])
        assert difference(frames.mean(1), arrays[f"{case}/scene"]) < TOLERANCE
        if (frontend := arrays.get(f"{case}/frontend")) is not None:
            assert difference(model.spectrogram(sounds)[0, :, :50], frontend) < 1e-3
        if (head := arrays.get(f"{case}/timestamp_head")) is not None:
            assert difference(frames[:, : head.shape[1]], head) < TOLERANCE
            assert difference(times, arrays[f"{case}/timestamps_ms"]) < 1e-2
        if (tail := arrays.get(f"{case}/timestamp_tail")) is not None:
            assert difference(frames[:, -tail.shape[1] :], tail) < TOLERANCE


@pytest.mark.parametrize(
    "change",
    [{"scale": "htk"}, {"norm": None}, {"padding": "constant"}, {"f_max": 7800.0}],
    ids=lambda change: next(iter(change)),
)
def test_parity_notices_another_frontend(
    change: dict[str, object],
    model: m2d.M2d,
    golden: dict[str, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(m2d, "FRONTEND", dataclasses.replace(m2d.FRONTEND, **change))
    scene = m2d.get_scene_embeddings(audio(1, 1.07, RATE), model)
    assert difference(scene[:, ::2], golden["short_s1/scene"]) > 2 * TOLERANCE


def test_parity_notices_swapped_blocks(model: m2d.M2d, golden: dict[str, np.ndarray]) -> None:
    blocks = model.network.blocks
    for here, there in ((3, 4), (4, 3)):  # and back
        blocks[here], blocks[there] = blocks[there], blocks[here]
        scene = m2d.get_scene_embeddings(audio(1, 1.07, RATE), model)[:, ::2]
        assert (difference(scene, golden["short_s1/scene"]) > 10 * TOLERANCE) == (here == 3)


def test_finer_hops_hold_the_originals_steps(model: m2d.M2d) -> None:
    sounds = audio(5, 1.3, RATE)
    steps, _ = m2d.get_timestamp_embeddings(sounds, model)
    for hop_ms in (160, 80, 40):
        fine = m2d.M2d(model.network, hop_ms, False)
        frames, times = m2d.get_timestamp_embeddings(sounds, fine)
        assert times[0].tolist() == [75 % hop_ms + hop_ms * i for i in range(frames.shape[1])]
        assert times[0, -1] <= 1300 < times[0, -1] + hop_ms
        at = [int((75 + 160 * i - 75 % hop_ms) / hop_ms) for i in range(8)]
        assert torch.allclose(frames[:, at], steps[:, :8], atol=1e-4)


@pytest.mark.parametrize("prefix", ["", "backbone.", "module.ar.runtime.backbone."])
def test_geometry_and_statistics_are_read_from_the_file(prefix: str, tmp_path: Path) -> None:
    tensors = layouts.empty(layouts.vit_columns(50, patch=(16, 4)))
    tensors["norm_stats"] = torch.tensor([-7.25, 4.25])
    file = {prefix + name: x for name, x in tensors.items()} | {"text_encoder.x": torch.zeros(1)}
    model = m2d.load_model(save(file, tmp_path / "80x200p16x4.pth"))
    assert (model.network.grid, model.step_frames) == ((5, 50), 4)
    assert (model.mean, model.std) == (-7.25, 4.25)
    frames, times = m2d.get_timestamp_embeddings(torch.zeros(1, RATE), model)
    assert frames.shape == (1, 25, 3840)
    assert times[0].tolist() == [15 + 40 * i for i in range(25)]
    with pytest.raises(ValueError, match="hop_ms=160"):
        m2d.load_model(str(tmp_path / "80x200p16x4.pth"), hop_ms=160)


@pytest.mark.parametrize("wrong", [[-7.1], [-7.1, 0.0], [-7.1, float("nan")], [1.0, 2.0, 3.0]])
def test_wrong_statistics_are_refused(wrong: list[float], tmp_path: Path) -> None:
    tensors = layouts.empty(layouts.vit_columns()) | {"norm_stats": torch.tensor(wrong)}
    with pytest.raises(WeightsError, match="norm_stats is"):
        m2d.load_model(save(tensors, tmp_path / "a.pth"))


def test_matpac_is_not_taken_for_m2d(tmp_path: Path) -> None:
    tensors = layouts.empty(layouts.vit_columns(encoder="student_encoder."))
    with pytest.raises(WeightsError, match=r"blocks\.\S+ is missing.*looks like.*matpac"):
        m2d.load_model(save(tensors, tmp_path / "matpac.pt"))


def test_options_out_of_range() -> None:
    with pytest.raises(ValueError, match="hop_ms=50"):
        m2d.load_model(random_weights=0, hop_ms=50)
