"""Log-mel spectrograms against the libraries that the originals use, and against themselves."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from parity_fixtures import GOLDEN, case_audio, golden_cases

from hear_plugins import byol_a, byol_s
from hear_plugins.api.framing import centred_windows
from hear_plugins.frontends import log_mel as frontends
from hear_plugins.frontends.log_mel import LogMel

RECIPES = [
    ("byol_a_d512.npz", "frontend", byol_a.RECIPES["htk"][0]),  # torchaudio
    ("byol_a_d512.npz", "alt_frontend", byol_a.RECIPES["slaney"][0]),  # nnAudio
    ("byol_s_default.npz", "frontend", byol_s.FRONTEND),  # torchaudio, short window
]


def worst(file: str, array: str, spec: LogMel) -> float:
    case = golden_cases(GOLDEN / file)["short_s1"]
    mel = spec(case_audio(case, 16000))[0, :, : case[array].shape[1]]
    return float(np.abs(mel.numpy() - case[array]).max())


@pytest.mark.parametrize(("file", "array", "spec"), RECIPES)
def test_golden_log_mels(file: str, array: str, spec: LogMel) -> None:
    assert worst(file, array, spec) < 2e-4  # natural logs; nnAudio and torchaudio differ by 1e-4


@pytest.mark.parametrize(
    "change",
    [
        {"scale": "slaney"},
        {"norm": "slaney"},
        {"win_length": 400},
        {"padding": "constant"},
        {"power": 1.0},
        {"f_max": 8000},
        {"f_min": 50},
    ],
)
def test_every_setting_of_a_recipe_matters(change: dict[str, object]) -> None:
    file, array, spec = RECIPES[0]
    assert worst(file, array, dataclasses.replace(spec, **change)) > 1e-2  # type: ignore[arg-type]


def test_silence_is_the_floor() -> None:
    spec = dataclasses.replace(RECIPES[0][2], floor=1e-6)
    torch.testing.assert_close(
        spec(torch.zeros(1, 2000)), torch.full((1, 64, 13), float(np.log(1e-6)))
    )


@given(
    length=st.integers(1120, 20000),
    step=st.integers(1, 7),
    n_samples=st.integers(1, 30000),
    win_length=st.sampled_from([400, 512]),
)
def test_windows_share_frames_exactly(
    length: int, step: int, n_samples: int, win_length: int
) -> None:
    spec = LogMel(16000, 512, 160, 8, 60, 7800, win_length=win_length)
    audio = torch.rand(1, n_samples, generator=torch.Generator().manual_seed(n_samples)) - 0.5
    windows = centred_windows(audio, length, step * 160)[0][:9]
    torch.testing.assert_close(
        spec.of_windows(windows, step * 160), spec(windows), rtol=0, atol=2e-5
    )


def test_batches_of_frames_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    audio = torch.rand(3, 40_000) - 0.5
    spec = byol_s.FRONTEND
    whole = spec(audio)
    monkeypatch.setattr(frontends, "MAX_FRAMES", 50)
    torch.testing.assert_close(spec(audio), whole, rtol=0, atol=1e-5)
    torch.testing.assert_close(spec(audio[1:2])[0], whole[1], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("padding", "shortest"), [("reflect", 513), ("constant", 1), (None, 1024)])
def test_shortest_sound(padding: str | None, shortest: int) -> None:
    spec = LogMel(16000, 1024, 160, 64, 60, 7800, padding=padding)
    assert spec(torch.zeros(1, shortest)).shape == (1, 64, spec.n_frames(shortest))
    if shortest > 1:
        with pytest.raises(ValueError, match=f"expected at least {shortest}"):
            spec(torch.zeros(1, shortest - 1))


@pytest.mark.parametrize("pack", ["byol_a", "byol_s_default", "byol_s_cvt", "matpac"])
def test_all_golden_log_mels(shared: Path, pack: str) -> None:
    slaney = LogMel(
        16000, 400, 160, 80, 50, 8000, scale="slaney", norm="slaney", padding=None
    )  # MATPAC's, whose arrays are standardised
    spec = {"byol_a": byol_a.RECIPES["htk"][0], "matpac": slaney}.get(pack, byol_s.FRONTEND)
    shift, scale = (-7.056, 4.193) if pack == "matpac" else (0.0, 1.0)
    for name, case in golden_cases(shared / "parity" / pack / "golden.npz").items():
        if "frontend" in case:
            mel = (spec(case_audio(case, 16000))[0] - shift) / scale
            golden = case["frontend"]
            assert np.abs(mel[:, : golden.shape[1]].numpy() - golden).max() < 2e-4, name
