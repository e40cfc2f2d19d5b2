"""Dasheng against the package dasheng 0.0.9, on files of the published layout.

The golden arrays are of the original on one sound at a time (on two for "with_silence"), with
torchaudio 2.11 and the weights made here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import layouts
import pytest
import torch
from parity_fixtures import (
    GOLDEN,
    case_audio,
    filled,
    frames_error,
    golden_cases,
    relative_error,
    save,
)
from torch import Tensor

from hear_plugins import dasheng
from hear_plugins.networks.dasheng import Dasheng
from hear_plugins.weights.loading import WeightsError

TOLERANCE = 1e-4
RATE = dasheng.CARD.sample_rate
CASES = golden_cases(GOLDEN / "dasheng.npz")


def published() -> dict[str, Tensor]:
    kinds = {True: "int64", False: "float32"}
    tensors = filled(
        (name, shape, kinds[name.endswith("tracked")]) for name, shape in layouts.dasheng().items()
    )
    tensors["init_bn.1.running_mean"] = tensors["init_bn.1.running_mean"] * 100 - 30  # decibels
    tensors["init_bn.1.running_var"] *= 400
    return tensors


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dasheng.DashengModel]:
    path = tmp_path_factory.mktemp("dasheng") / "dasheng_base.pt"
    tables = {"front_end.0.spectrogram.window": torch.zeros(512)}
    file = save({"model": published() | tables, "config": {"embed_dim": 768}}, path)
    yield dasheng.load_model(file)
    path.unlink()  # 340 MB


@pytest.fixture
def original(model: dasheng.DashengModel) -> Iterator[dasheng.DashengModel]:
    """The model as `upstream_quirks=True` makes it, without loading it a second time."""
    model.upstream_quirks = True
    yield model
    model.upstream_quirks = False


def test_the_spectrogram_is_the_originals(model: dasheng.DashengModel) -> None:
    case = CASES["short"]
    with torch.no_grad():
        got = model.spectrogram(case_audio(case, RATE))[0, ::4, ::10]
    assert relative_error(got, case["spectrogram"]) < TOLERANCE


@pytest.mark.parametrize("name", ["short", pytest.param("long", marks=pytest.mark.long)])
def test_scenes_and_frames_are_the_originals(name: str, original: dasheng.DashengModel) -> None:
    case = CASES[name]
    sounds = case_audio(case, RATE)
    for i in range(2):
        scene = dasheng.get_scene_embeddings(sounds[i : i + 1], original)
        assert relative_error(scene, case["scene"][i : i + 1]) < TOLERANCE
    frames, times = dasheng.get_timestamp_embeddings(sounds, original)
    assert frames.shape[1] == case["count"] and times[0, :2].tolist() == [15, 55]
    assert frames_error(frames[..., ::8], case) < TOLERANCE


def test_the_floor_is_the_sounds_own_or_the_batchs(model: dasheng.DashengModel) -> None:
    case = CASES["short"]
    sounds = case_audio(case, RATE) * torch.tensor([[1.0], [0.0]])
    scene = dasheng.get_scene_embeddings(sounds, model)
    assert relative_error(scene[1:], case["scene_of_silence"]) < TOLERANCE
    model.upstream_quirks = True
    try:
        scene = dasheng.get_scene_embeddings(sounds, model)
    finally:
        model.upstream_quirks = False
    assert relative_error(scene, case["scene_with_silence"]) < TOLERANCE
    assert relative_error(case["scene_with_silence"][1:], case["scene_of_silence"]) > 0.1


def test_finer_timestamps_hold_the_coarse_ones(model: dasheng.DashengModel) -> None:
    sounds = case_audio(CASES["short"], RATE)
    coarse, times = dasheng.get_timestamp_embeddings(sounds, model)
    model.hop_ms = 20
    try:
        fine, fine_times = dasheng.get_timestamp_embeddings(sounds, model)
    finally:
        model.hop_ms = 40
    assert fine_times[0, :3].tolist() == [15, 35, 55]
    torch.testing.assert_close(fine[:, :54:2], coarse[:, :27], atol=1e-3, rtol=1e-3)
    assert torch.equal(fine_times[:, ::2][:, : times.shape[1]], times)


@pytest.mark.parametrize(("variant", "millions"), [("base", 85.4), ("0.6B", 630), ("1.2B", 1134)])
def test_sizes_are_the_papers(variant: str, millions: float) -> None:
    with torch.device("meta"):
        network = Dasheng(*dasheng.SIZES[variant])
    count = sum(parameter.numel() for parameter in network.parameters())
    assert abs(count / 1e6 - millions) < 0.5


def test_other_sizes_are_refused(tmp_path: Path) -> None:
    path = save({"model": {"norm.weight": torch.zeros(512)}}, tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match="norm.weight has 512 values; expected one of"):
        dasheng.load_model(path)
    with pytest.raises(ValueError, match="variant='tiny'; expected one of base, 0.6B, 1.2B"):
        dasheng.load_model(variant="tiny", random_weights=0)
