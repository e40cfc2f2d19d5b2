"""ATST-Frame and ATST-Clip against their authors' numbers, on files of the published layouts."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from layouts import atst_clip as clip_layout
from layouts import atst_frame as frame_layout
from layouts import empty, fixture
from parity_fixtures import GOLDEN, audio, save
from torch import Tensor

from hear_plugins import atst_clip, atst_frame
from hear_plugins.families import atst
from hear_plugins.weights.loading import WeightsError

TOLERANCE = 1e-3  # of values up to 4.6
EVERY = 24  # of the embeddings' values are in tests/golden
MODULES = {"atst_frame": atst_frame, "atst_clip": atst_clip}


def training_file(name: str, path: Path) -> str:
    """A file nested as published, with training state that plain containers do not hold."""
    if name == "atst_frame":
        state = {"pytorch-lightning_version": "1.5", "optimizer_states": [{"lr": np.float64(0.1)}]}
        return save({"state_dict": fixture(frame_layout()), **state}, path)
    state = {"args": argparse.Namespace(arch="ast_base"), "byol_loss": np.float64(0.5)}
    teacher = fixture(clip_layout()) | {"module.head.mlp.0.weight": torch.zeros(4096, 768)}
    return save({"teacher": teacher, "student": {}, **state}, path)


class Models:
    """Both models as the default and as the original, from one file each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loaded: dict[str, Any] = {}

    def __call__(self, name: str, *, last_blocks: int = 12, upstream_quirks: bool = False) -> Any:
        if name not in self.loaded:
            file = training_file(name, self.folder / f"{name}.ckpt")
            self.loaded[name] = MODULES[name].load_model(file)
            os.unlink(file)  # 340 MB
        default = self.loaded[name]
        return type(default)(default.network, last_blocks, upstream_quirks).eval()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    made = Models(tmp_path_factory.mktemp("atst"))
    yield made
    made.loaded.clear()


@pytest.fixture(scope="module", params=MODULES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def golden(name: str) -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN / f"{name}.npz"))


@pytest.fixture
def module(name: str) -> ModuleType:
    return MODULES[name]


def difference(got: Tensor, golden: np.ndarray) -> float:
    assert got.shape == golden.shape
    return float(np.abs(got.numpy() - golden).max())


def test_the_default_is_the_original_up_to_one_chunk(
    name: str, module: ModuleType, models: Models, golden: dict[str, np.ndarray]
) -> None:
    sounds, model = audio(1, 1.07, 16000), models(name)
    assert difference(atst.spectrogram(sounds)[0, ::4, :50:5], golden["short_s1/frontend"]) < 1e-4
    scene = module.get_scene_embeddings(sounds, model)
    assert difference(scene[:, ::EVERY], golden["short_s1/scene"]) < TOLERANCE
    frames, times = module.get_timestamp_embeddings(sounds, model)
    assert frames.shape == (2, 27, model.timestamp_embedding_size)
    assert difference(frames[:, :2, ::EVERY], golden["short_s1/head"]) < TOLERANCE
    assert difference(frames[:, -1:, ::EVERY], golden["short_s1/tail"]) < TOLERANCE
    assert times[1].tolist() == [15.0 + 40 * i for i in range(27)]


def test_quirks_are_the_original_beyond_a_chunk(
    name: str, module: ModuleType, models: Models, golden: dict[str, np.ndarray]
) -> None:
    sounds, model = audio(1, 12.5, 16000), models(name, upstream_quirks=True)
    scene = module.get_scene_embeddings(sounds, model)
    assert difference(scene[:, ::EVERY], golden["long_s1/scene"]) < TOLERANCE
    frames, times = module.get_timestamp_embeddings(sounds, model)
    assert frames.shape[1] == 312
    assert difference(frames[:, :2, ::EVERY], golden["long_s1/head"]) < TOLERANCE
    assert difference(frames[:, -1:, ::EVERY], golden["long_s1/tail"]) < TOLERANCE
    assert times[0, 0] == (0 if name == "atst_frame" else atst.CENTRE_MS)


def test_the_clip_models_last_block_and_discarded_rest(models: Models) -> None:
    golden = np.load(GOLDEN / "atst_clip.npz")
    model = models("atst_clip", last_blocks=1, upstream_quirks=True)
    for case, seconds in (("short_s1", 1.07), ("sixhalf_s1", 6.5), ("long_s1", 12.5)):
        scene = atst_clip.get_scene_embeddings(audio(1, seconds, 16000), model)
        assert difference(scene[:, :: EVERY // 2], golden[f"{case}/scene1536"]) < TOLERANCE


@pytest.mark.long
def test_all_golden_arrays(name: str, module: ModuleType, models: Models, shared: Path) -> None:
    arrays = np.load(shared / "parity" / name / "golden.npz")
    model = models(name, upstream_quirks=True)
    for case in sorted({key.split("/")[0] for key in arrays}):
        seed, seconds = int(arrays[f"{case}/audio_seed"]), float(arrays[f"{case}/seconds"])
        sounds = audio(seed, seconds, 16000)
        of = {key[len(case) + 1 :]: arrays[key] for key in arrays if key.startswith(f"{case}/")}
        scene = module.get_scene_embeddings(sounds, model)
        if "scene" in of:
            assert difference(scene, of["scene"]) < TOLERANCE
        if "scene1536" in of:
            last = scene.unflatten(1, (2, 12, 768))[:, :, -1].flatten(1)
            assert difference(last, of["scene1536"]) < TOLERANCE
        if "timestamp_head" not in of:
            continue
        frames, times = module.get_timestamp_embeddings(sounds, model)
        head, tail = of["timestamp_head"], of["timestamp_tail"]
        assert difference(frames[:, : head.shape[1]], head) < TOLERANCE
        assert difference(frames[:, -tail.shape[1] :], tail) < TOLERANCE
        if "timestamps_ms" in of:
            assert difference(times, of["timestamps_ms"]) == 0
        if "timestamp_last768" in of:
            assert difference(frames[:, :20, -768:], of["timestamp_last768"]) < TOLERANCE


@pytest.mark.parametrize(
    "change", [{"scale": "slaney"}, {"norm": "slaney"}, {"padding": "constant"}, {"f_min": 0}]
)
def test_parity_notices_another_frontend(
    change: dict[str, Any],
    name: str,
    module: ModuleType,
    models: Models,
    golden: dict[str, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(atst, "FRONTEND", dataclasses.replace(atst.FRONTEND, **change))
    frames, _ = module.get_timestamp_embeddings(audio(1, 1.07, 16000), models(name))
    assert difference(frames[:, :2, ::EVERY], golden["short_s1/head"]) > 10 * TOLERANCE


def test_parity_notices_swapped_blocks(
    name: str, module: ModuleType, models: Models, golden: dict[str, np.ndarray]
) -> None:
    model = models(name)
    blocks = model.network.blocks
    for here, there in ((3, 4), (4, 3)):  # and back
        blocks[here], blocks[there] = blocks[there], blocks[here]
        scene = module.get_scene_embeddings(audio(1, 1.07, 16000), model)[:, ::EVERY]
        assert (difference(scene, golden["short_s1/scene"]) > 10 * TOLERANCE) == (here == 3)


def test_a_scene_is_the_mean_of_all_patches(models: Models) -> None:
    sounds = audio(3, 10.08, 16000, clips=1)  # a second chunk of two patches
    frame = models("atst_frame", last_blocks=1)
    frames, _ = atst_frame.get_timestamp_embeddings(sounds, frame)
    scene = atst_frame.get_scene_embeddings(sounds, frame)
    assert torch.allclose(scene, frames[:, :252].mean(1), atol=1e-4)
    clip = models("atst_clip", last_blocks=1)
    frames, _ = atst_clip.get_timestamp_embeddings(sounds, clip)
    scene = atst_clip.get_scene_embeddings(sounds, clip)
    assert torch.allclose(scene[:, 768:], frames[:, :252].mean(1), atol=1e-4)


def test_a_rest_short_of_a_patch_changes_nothing(models: Models) -> None:
    """The original's scene of 10.02 s is half of that of 10.01 s."""
    sounds = audio(3, 10.02, 16000, clips=1)  # 1003 columns
    model, original = models("atst_frame"), models("atst_frame", upstream_quirks=True)
    whole, half = (atst_frame.get_scene_embeddings(sounds, m) for m in (model, original))
    assert torch.allclose(whole, 2 * half, atol=0.05)
    assert not torch.allclose(whole, half, atol=0.05)


@pytest.mark.parametrize("seconds", [1 / 16000, 0.05, 0.615, 10.03, 20.5])
def test_timestamps_reach_the_end(
    seconds: float, name: str, module: ModuleType, models: Models
) -> None:
    sounds = audio(4, seconds, 16000, clips=1)
    _, times = module.get_timestamp_embeddings(sounds, models(name, last_blocks=1))
    assert torch.equal(times[0], 15 + 40 * torch.arange(times.shape[1]))
    assert times[0, -1] > 1000 * seconds - 40


def test_last_blocks_are_the_end_of_all(models: Models) -> None:
    sounds = audio(5, 0.5, 16000)
    scenes = [
        atst_frame.get_scene_embeddings(sounds, models("atst_frame", last_blocks=n))
        for n in (12, 2)
    ]
    assert torch.equal(scenes[0][:, -2 * 768 :], scenes[1])


def test_the_small_size_is_read_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "small.ckpt"
    frame = atst_frame.load_model(save({"state_dict": empty(frame_layout(384))}, path))
    assert (frame.scene_embedding_size, frame.timestamp_embedding_size) == (4608, 4608)
    layout = clip_layout(384, "model.teacher.encoder.")
    clip = atst_clip.load_model(save({"state_dict": empty(layout)}, path), last_blocks=1)
    assert (clip.scene_embedding_size, clip.timestamp_embedding_size) == (768, 384)
    sounds = audio(1, 0.3, 16000)
    assert frame.network.blocks[0].attn.heads == clip.network.blocks[0].attn.heads == 6
    assert atst_clip.get_scene_embeddings(sounds, clip).shape == (2, 768)


def test_one_model_is_not_taken_for_the_other(tmp_path: Path) -> None:
    frame = save({"state_dict": empty(frame_layout())}, tmp_path / "frame.ckpt")
    with pytest.raises(WeightsError, match=r"cls_token is missing .* looks like .* atst_frame"):
        atst_clip.load_model(frame)
    clip = save({"teacher": empty(clip_layout())}, tmp_path / "clip.ckpt")
    with pytest.raises(WeightsError, match=r"encoder\.\S+ is missing .* looks like .* atst_clip"):
        atst_frame.load_model(clip)


class Touch:
    """Pickles as a call that writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_nothing_else_in_training_state_is_accepted(tmp_path: Path) -> None:
    file, trace = tmp_path / "evil.ckpt", tmp_path / "ran"
    args = argparse.Namespace(arch=Touch(trace))
    save({"teacher": empty(clip_layout()), "args": args}, file)
    with pytest.raises(WeightsError, match="mkdir"):
        atst_clip.load_model(str(file))
    assert not trace.exists()


def test_without_a_file_the_error_says_where_it_is() -> None:
    with pytest.raises(WeightsError, match=r"atstframe_base.ckpt .*drive.google.com.*CC-BY-4.0"):
        atst_frame.load_model()


@pytest.mark.parametrize("last_blocks", [0, 13, "all"])
def test_options_out_of_range(last_blocks: Any, module: ModuleType) -> None:
    with pytest.raises(ValueError, match="last_blocks"):
        module.load_model(random_weights=0, last_blocks=last_blocks)
