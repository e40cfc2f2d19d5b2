"""BYOL-A v2 against its authors' code, on files of the published layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import layouts
import numpy as np
import pytest
from parity_fixtures import (
    GOLDEN,
    case_audio,
    frames_error,
    golden_cases,
    relative_error,
    save,
)

from hear_plugins import byol_a, byol_a_v2
from hear_plugins.weights.loading import WeightsError

TOLERANCE = 1e-5  # of the largest value; the original's spectrogram differs a little, and so here:
FRONTEND_TOLERANCE = 2e-4


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save(
        layouts.fixture(layouts.byol_a_v2()), tmp_path_factory.mktemp("byol_a_v2") / "v2.pth"
    )


def assert_golden(file: str, cases: dict[str, dict[str, np.ndarray]]) -> None:
    model = byol_a_v2.load_model(file)
    for name, case in cases.items():
        clips = case_audio(case, 16000)
        scene = byol_a_v2.get_scene_embeddings(clips, model)
        assert relative_error(scene, case["scene"]) < TOLERANCE, name
        embeddings, times = byol_a_v2.get_timestamp_embeddings(clips, model)
        count = case["timestamps_ms"].shape[1]
        # One more frame where the original's end a whole step before the sound does.
        end_ms = clips.shape[1] / 16
        assert times.shape[1] == count + (case["timestamps_ms"][0, -1] + 40 < end_ms), name
        np.testing.assert_array_equal(times[:, :count], case["timestamps_ms"])
        assert list(embeddings[:, :count].shape) == case["timestamp_shape"].tolist(), name
        assert frames_error(embeddings[:, :count], case) < TOLERANCE, name
        if (frontend := case.get("frontend")) is not None:
            mel = model.frontend(clips)[0, :, : frontend.shape[1]]
            assert np.abs(mel.numpy() - frontend).max() < FRONTEND_TOLERANCE, name


def test_golden(file: str) -> None:
    assert_golden(file, golden_cases(GOLDEN / "byol_a_v2.npz"))


@pytest.mark.long
def test_all_golden(file: str, shared: Path) -> None:
    assert_golden(file, golden_cases(shared / "parity" / "byol_a_v2" / "golden.npz"))


@pytest.mark.parametrize(
    "change",
    [{"mel": "htk"}, {"mel": "htk", "mean": -9.660292, "std": 4.7219563}, {"mean": -9.6}],
)
def test_another_frontend_exceeds_the_tolerance(file: str, change: dict[str, Any]) -> None:
    case = golden_cases(GOLDEN / "byol_a_v2.npz")["short_s1"]
    model = byol_a_v2.load_model(file, **change)
    scene = byol_a_v2.get_scene_embeddings(case_audio(case, 16000), model)
    assert relative_error(scene, case["scene"]) > 100 * TOLERANCE


@pytest.mark.parametrize("leaf", ["weight", "bias", "running_mean", "running_var"])
def test_swapped_layers_exceed_the_tolerance(tmp_path: Path, leaf: str) -> None:
    case = golden_cases(GOLDEN / "byol_a_v2.npz")["short_s1"]
    tensors = layouts.fixture(layouts.byol_a_v2())
    one, other = f"features.1.{leaf}", f"features.5.{leaf}"
    tensors[one], tensors[other] = tensors[other], tensors[one]
    model = byol_a_v2.load_model(save(tensors, tmp_path / "swapped.pth"))
    scene = byol_a_v2.get_scene_embeddings(case_audio(case, 16000), model)
    assert relative_error(scene, case["scene"]) > 100 * TOLERANCE


@pytest.mark.parametrize("wrapping", ["state_dict", "model"])
@pytest.mark.parametrize("prefix", ["model.", "body."])
def test_wrapped_and_prefixed_files_load(tmp_path: Path, wrapping: str, prefix: str) -> None:
    tensors = {prefix + name: x for name, x in layouts.fixture(layouts.byol_a_v2()).items()}
    model = byol_a_v2.load_model(save({wrapping: tensors}, tmp_path / "a.pth"))
    assert model.scene_embedding_size == model.timestamp_embedding_size == 3072


def test_neither_version_takes_the_others_file(file: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"features.8.weight is missing.*looks like.*byol_a_v2"):
        byol_a.load_model(file)
    first = layouts.empty({**layouts.byol_a_v2(), "features.9.running_mean": (64,)})
    with pytest.raises(WeightsError, match=r"features.9\S+ is unexpected.*AudioNTT2020"):
        byol_a_v2.load_model(save(first, tmp_path / "v1.pth"))


@pytest.mark.parametrize("option", [{"mel": "HTK"}, {"std": -1.0}, {"mean": float("inf")}])
def test_bad_options_are_named(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(option))):
        byol_a_v2.load_model(random_weights=0, **option)
