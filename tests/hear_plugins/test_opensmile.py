"""openSMILE's features, bit by bit, and what is done about its edges."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from parity_fixtures import GOLDEN, audio

from hear_plugins import opensmile

pytest.importorskip("opensmile", reason="pip install opensmile==2.6.0")


@pytest.fixture(scope="module")
def model() -> opensmile.OpenSmile:
    return opensmile.load_model(num_workers=2)


def assert_same(got: torch.Tensor, golden: np.ndarray) -> None:
    # The same binary gives the same bits; another platform's may round otherwise.
    np.testing.assert_allclose(got.numpy(), golden, rtol=1e-5, atol=1e-6)


def test_features_are_the_packages(model: opensmile.OpenSmile) -> None:
    golden = np.load(GOLDEN / "opensmile.npz")
    sounds = audio(1, 1.07, 16000)
    assert_same(opensmile.get_scene_embeddings(sounds, model), golden["short_s1/scene"])
    frames, times = opensmile.get_timestamp_embeddings(sounds[:1], model)
    assert frames.shape == (1, 22, 6373)
    assert_same(frames[:, :1], golden["short_s1/frames"][:1])
    assert_same(frames[:, -1:], golden["short_s1/last"])
    assert times.tolist() == [[50.0 * i for i in range(22)]]


@pytest.mark.long
@pytest.mark.parametrize("case", ["short_s1", "short_s2", "mid_s1", "mid_s2", "long_s1", "long_s2"])
def test_all_golden_arrays(case: str, model: opensmile.OpenSmile, shared: Path) -> None:
    pack = np.load(shared / "parity" / "opensmile_compare" / "golden.npz")
    arrays = {name.split("/")[1]: pack[name] for name in pack if name.startswith(f"{case}/")}
    sounds = audio(int(arrays["audio_seed"]), float(arrays["seconds"]), 16000)
    assert_same(opensmile.get_scene_embeddings(sounds, model), arrays["scene"])
    frames, times = opensmile.get_timestamp_embeddings(sounds, model)
    assert frames.shape == tuple(arrays["timestamp_shape"])
    head = arrays["timestamp_head"]
    assert_same(frames[:, : head.shape[1]], head)
    assert_same(frames[:, -1:], arrays["timestamp_last"])
    assert np.array_equal(times, arrays["timestamps_ms"])


def test_full_scale_does_not_wrap(model: opensmile.OpenSmile) -> None:
    loud = audio(1, 0.5, 16000, clips=1)
    loud[0, 4000:4010] = 1.0
    almost = loud.clamp(max=32767 / 32768)
    wrapped = loud.where(loud < 1, -1.0)
    quirky = opensmile.load_model(upstream_quirks=True)
    scene = opensmile.get_scene_embeddings
    assert torch.equal(scene(loud, model), scene(almost, model))
    assert torch.equal(scene(loud, quirky), scene(wrapped, quirky))
    assert not torch.equal(scene(loud, quirky), scene(loud, model))


def test_short_sounds_get_zeros(model: opensmile.OpenSmile) -> None:
    sound = audio(1, 0.02, 16000)
    padded = torch.nn.functional.pad(sound, (0, 960 - 320))
    scene = opensmile.get_scene_embeddings(sound, model)
    assert torch.equal(scene, opensmile.get_scene_embeddings(padded, model))
    assert scene.isfinite().all() and scene.any()


def test_workers_change_nothing(model: opensmile.OpenSmile) -> None:
    sounds = audio(3, 0.3, 16000, clips=3)
    one = opensmile.load_model(num_workers=1, window_ms=200, hop_ms=100)
    many = opensmile.load_model(num_workers=4, window_ms=200, hop_ms=100)
    frames, times = opensmile.get_timestamp_embeddings(sounds, one)
    assert torch.equal(frames, opensmile.get_timestamp_embeddings(sounds, many)[0])
    assert times[0].tolist() == [0, 100, 200, 300]


@pytest.mark.parametrize("options", [{"num_workers": 0}, {"hop_ms": -1}, {"window_ms": 0}])
def test_options_out_of_range(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        opensmile.load_model(**options)


def test_without_the_package_the_error_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(ImportError, match=r"pip install opensmile==2\.6\.0"):
        opensmile.load_model()


def test_log_scaling_keeps_sign_and_order() -> None:
    sounds = audio(1, 0.5, 16000)
    raw = opensmile.get_scene_embeddings(sounds, opensmile.load_model())
    scaled = opensmile.get_scene_embeddings(sounds, opensmile.load_model(scaling="log"))
    back = scaled.sign() * scaled.abs().double().expm1().float()
    torch.testing.assert_close(back, raw, rtol=1e-5, atol=1e-6)
    assert raw.abs().max() > 1e5 and scaled.abs().max() < 30
    with pytest.raises(ValueError, match="scaling='cube'; expected one of none, log"):
        opensmile.load_model(scaling="cube")
