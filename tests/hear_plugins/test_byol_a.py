"""BYOL-A against its authors' code, on files of the published layout and on the published file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from layouts import byol_a_tensors
from parity_fixtures import (
    GOLDEN,
    audio,
    case_audio,
    frames_error,
    golden_cases,
    relative_error,
    save,
)

from hear_plugins import byol_a
from hear_plugins.networks import byol_cnn
from hear_plugins.weights import loading as weights
from hear_plugins.weights.loading import WeightsError

TOLERANCE = 1e-5  # of the largest value
REAL = "HEAR_PLUGINS_TEST_WEIGHTS"  # a folder with the published files, which we may not pass on


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], str]:
    folder = tmp_path_factory.mktemp("byol_a")

    def file(d: int) -> str:
        path = folder / f"{d}.pth"
        return str(path) if path.exists() else save(byol_a_tensors(d), path)

    return file


def assert_golden(file: str, cases: dict[str, dict[str, np.ndarray]]) -> None:
    model = byol_a.load_model(file, hop_ms=80)
    slaney = byol_a.load_model(file, mel="slaney")
    for name, case in cases.items():
        clips = case_audio(case, 16000)
        scene = byol_a.get_scene_embeddings(clips, model)
        assert relative_error(scene, case["scene"]) < TOLERANCE, name
        scene = byol_a.get_scene_embeddings(clips, slaney)
        assert relative_error(scene, case["alt_scene"]) < TOLERANCE, name
        if "timestamp_head" in case:
            embeddings, times = byol_a.get_timestamp_embeddings(clips, model)
            assert list(embeddings.shape) == case["timestamp_shape"].tolist(), name
            assert frames_error(embeddings, case) < TOLERANCE, name
            np.testing.assert_array_equal(times, case["timestamps_ms"])


def test_golden(files: Callable[[int], str]) -> None:
    assert_golden(files(512), golden_cases(GOLDEN / "byol_a_d512.npz"))


@pytest.mark.parametrize(
    ("d", "array"), [(2048, "golden"), (1024, "golden_d1024"), (512, "golden_d512")]
)
@pytest.mark.long
def test_all_golden(shared: Path, files: Callable[[int], str], d: int, array: str) -> None:
    assert_golden(files(d), golden_cases(shared / "parity" / "byol_a" / f"{array}.npz"))


def test_published_weights(shared: Path) -> None:
    folder = Path(os.environ.get(REAL, Path(__file__).parents[3] / ".cache-weights"))
    file = folder / "AudioNTT2020-BYOLA-64x96d512.pth"
    if not file.is_file():
        pytest.skip(f"needs {file.name}, which may not be passed on; its folder: {REAL}")
    assert_golden(str(file), golden_cases(GOLDEN / "byol_a_real512.npz"))
    assert_golden(str(file), golden_cases(shared / "parity" / "byol_a_real512" / "golden.npz"))
    facts = byol_a.load_model(str(file)).provenance
    assert facts["url"].endswith(file.name) and "Evaluation" in facts["licence"]


@pytest.mark.parametrize(
    "change",
    [
        {"mel": "slaney"},
        {"mel": "slaney", "mean": -5.4919195, "std": 5.0389895},
        {"mean": -5.4},
        {"std": 5.1},
    ],
)
def test_another_frontend_exceeds_the_tolerance(
    files: Callable[[int], str], change: dict[str, Any]
) -> None:
    case = golden_cases(GOLDEN / "byol_a_d512.npz")["short_s1"]
    model = byol_a.load_model(files(512), **change)
    scene = byol_a.get_scene_embeddings(case_audio(case, 16000), model)
    assert relative_error(scene, case["scene"]) > 100 * TOLERANCE


def test_swapped_layers_exceed_the_tolerance(tmp_path: Path) -> None:
    case = golden_cases(GOLDEN / "byol_a_d512.npz")["short_s1"]
    for one, other in (
        ("features.4", "features.8"),
        ("features.5", "features.9"),
        ("fc.0", "fc.3"),
    ):
        tensors = byol_a_tensors()
        for leaf in ("weight", "bias"):
            a, b = f"{one}.{leaf}", f"{other}.{leaf}"
            tensors[a], tensors[b] = tensors[b], tensors[a]
        model = byol_a.load_model(save(tensors, tmp_path / "swapped.pth"))
        scene = byol_a.get_scene_embeddings(case_audio(case, 16000), model)
        assert relative_error(scene, case["scene"]) > 100 * TOLERANCE


@pytest.mark.parametrize("name", [n for n in byol_a_tensors() if "tracked" not in n])
def test_every_tensor_is_required_and_used(tmp_path: Path, name: str) -> None:
    tensors = byol_a_tensors()
    clips = audio(1, 1.0, 16000)
    expected = byol_a.get_scene_embeddings(
        clips, byol_a.load_model(save(tensors, tmp_path / "a.pth"))
    )
    changed = tensors | {name: tensors[name] * 1.5 + 0.1}
    got = byol_a.get_scene_embeddings(clips, byol_a.load_model(save(changed, tmp_path / "a.pth")))
    assert relative_error(got, expected.numpy()) > 100 * TOLERANCE
    del tensors[name]
    with pytest.raises(WeightsError, match=f"{name} is missing"):
        byol_a.load_model(save(tensors, tmp_path / "a.pth"))


@pytest.mark.parametrize("prefix", ["", "module.", "encoder.online."])
@pytest.mark.parametrize("wrapped", [False, True])
def test_wrapped_and_prefixed_files_load(tmp_path: Path, prefix: str, wrapped: bool) -> None:
    tensors = {prefix + name: value for name, value in byol_a_tensors().items()}
    content: Any = {"state_dict": tensors, "epoch": 100} if wrapped else tensors
    assert byol_a.load_model(save(content, tmp_path / "a.pth")).scene_embedding_size == 512


def test_misfits_are_named(tmp_path: Path) -> None:
    tensors = byol_a_tensors() | {"predictor.weight": torch.zeros(1)}
    with pytest.raises(WeightsError, match="predictor.weight is unexpected"):
        byol_a.load_model(save(tensors, tmp_path / "a.pth"))
    tensors = byol_a_tensors() | {"features.4.weight": torch.zeros(64, 64, 5, 5)}
    with pytest.raises(WeightsError, match=r"features.4.weight has shape \(64, 64, 5, 5\)"):
        byol_a.load_model(save(tensors, tmp_path / "a.pth"))
    cvt = {"layers.0.2.layers.0.0.fn.to_q.net.0.weight": torch.zeros(1)}
    with pytest.raises(WeightsError, match="looks like a checkpoint of hybrid_byol_s_cvt"):
        byol_a.load_model(save(cvt, tmp_path / "a.pth"))


def test_sizes_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for d in (512, 1024, 2048):
        assert byol_a.load_model(dimensions=d, random_weights=0).scene_embedding_size == d
        with pytest.raises(WeightsError, match=f"AudioNTT2020-BYOLA-64x96d{d}.pth"):
            byol_a.load_model(dimensions=d)
    monkeypatch.setenv(weights.RANDOM_VARIABLE, "5")
    assert byol_a.load_model().provenance == {"weights": "random", "random_weights": 5}


@pytest.mark.parametrize(
    "option", [{"dimensions": 128}, {"mel": "HTK"}, {"hop_ms": 50}, {"std": 0}, {"mean": np.nan}]
)
def test_bad_options_are_named(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(option))):
        byol_a.load_model(random_weights=0, **option)


def test_shifted_pass_is_the_network_on_the_shifted_sound(files: Callable[[int], str]) -> None:
    clips = audio(5, 2.0, 16000)
    both, times = byol_a.get_timestamp_embeddings(clips, byol_a.load_model(files(512)))
    single = byol_a.load_model(files(512), hop_ms=80)
    even, _ = byol_a.get_timestamp_embeddings(clips, single)
    odd, _ = byol_a.get_timestamp_embeddings(clips[:, 4 * 160 :], single)
    assert times[0, :3].tolist() == [35, 75, 115]
    assert relative_error(both[:, ::2][:, : even.shape[1]], even.numpy()) < TOLERANCE
    # At its ends the shifted sound has its own reflections, and no context.
    inner = slice(2, odd.shape[1] - 2)
    assert relative_error(both[:, 1::2][:, inner], odd[:, inner].numpy()) < TOLERANCE


@given(n_samples=st.integers(1, 30_000), hop_ms=st.sampled_from([40, 80]))
def test_frames_cover_the_sound(n_samples: int, hop_ms: int) -> None:
    model = COVER_MODELS[hop_ms]
    embeddings, times = byol_a.get_timestamp_embeddings(torch.zeros(1, n_samples), model)
    assert embeddings.shape[1] == times.shape[1] and torch.isfinite(embeddings).all()
    assert (times.diff() == hop_ms).all()
    assert times[0, 0] <= hop_ms
    assert abs(n_samples / 16 - times[0, -1].item()) <= hop_ms


COVER_MODELS = {
    hop: byol_a.load_model(dimensions=512, random_weights=0, hop_ms=hop) for hop in (40, 80)
}


@pytest.mark.parametrize("n_frames", [8, 15, 16, 500, 1003])
def test_pieces_equal_the_whole(monkeypatch: pytest.MonkeyPatch, n_frames: int) -> None:
    network = COVER_MODELS[40].network
    sound = torch.randn(2, 64, n_frames, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(byol_cnn, "frame_budget", lambda _: 128)
    with torch.no_grad():
        whole, pieces = network(sound), list(network.steps(sound))
        assert len(pieces) == -(-whole.shape[1] // 8)
        assert relative_error(torch.cat(pieces, 1), whole.numpy()) < TOLERANCE
        clip = whole.mean(1) + whole.amax(1)
        assert relative_error(network.clip(sound), clip.numpy()) < TOLERANCE
