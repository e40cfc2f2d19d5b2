"""What all plugins stand on: input checks, windows, batches and timestamps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hear_plugins.api import framing as hear


class Model(torch.nn.Module):
    sample_rate = 16000


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        ([[0.0]], "audio is a list"),
        (torch.zeros(5), r"shape \(5,\)"),
        (torch.zeros(1, 2, 3), r"shape \(1, 2, 3\)"),
        (torch.zeros(1, 5, dtype=torch.int16), "torch.int16"),
        (torch.zeros(1, 5, dtype=torch.complex64), "torch.complex64"),
        (torch.zeros(0, 5), "at least one sound"),
        (torch.zeros(2, 0), "at least one sound"),
        (torch.tensor([[0.0] * 8000 + [float("nan")]]), r"nan \(sound 0, sample 8000, 0.500 s\)"),
        (torch.tensor([[0.0, 0.0], [0.0, -float("inf")]]), r"-inf \(sound 1, sample 1,"),
    ],
)
def test_bad_audio_is_named(audio: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        hear.check_audio(audio, Model())
    assert "expected" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_audio_becomes_float32_without_gradient(dtype: torch.dtype) -> None:
    audio = torch.ones(2, 3, dtype=dtype, requires_grad=True)
    checked = hear.check_audio(audio, Model())
    assert checked.dtype == torch.float32 and not checked.requires_grad
    assert checked.tolist() == audio.tolist()


def test_timestamps_do_not_drift_over_an_hour() -> None:
    times = hear.timestamps(2, 155_040, 1000 / 43.0664, 5.0, "cpu")
    assert times.shape == (2, 155_040) and times.dtype == torch.float32
    assert abs(times[1, -1].item() - (5.0 + 155_039 * 1000 / 43.0664)) < 0.2  # float32 at 3.6e6


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 50))
def test_windows_are_centred_on_multiples_of_the_hop(n: int, length: int, hop: int) -> None:
    audio = torch.arange(1.0, n + 1)[None].repeat(2, 1)
    windows = hear.centred_windows(audio, length, hop)
    assert windows.shape == (2, n // hop + 1, length)
    for index, window in enumerate(windows[1].tolist()):
        start = index * hop - length // 2
        assert window == [s + 1.0 if 0 <= s < n else 0.0 for s in range(start, start + length)]


@given(st.integers(1, 4), st.integers(1, 30), st.integers(1, 100))
def test_batches_are_bounded_and_in_order(n_sounds: int, count: int, max_samples: int) -> None:
    windows = torch.rand(n_sounds, count + 3).unfold(-1, 4, 1)
    seen = []

    def function(batch: torch.Tensor) -> torch.Tensor:
        seen.append(batch.numel())
        return batch.sum(-1, keepdim=True)

    out = hear.map_windows(function, windows, max_samples)
    assert torch.equal(out, windows.sum(-1, keepdim=True))
    assert max(seen) <= max(max_samples, 4)


def test_durations_are_whole_samples() -> None:
    assert hear.samples_of(50, 16000, "hop_ms") == 800
    assert hear.samples_of(12.5, 16000, "hop_ms", multiple=200) == 200
    for value, multiple in ((0, 1), (-50, 1), (0.01, 1), (45, 160), (float("nan"), 1)):
        with pytest.raises(ValueError, match=f"hop_ms={value} ms; expected a positive multiple"):
            hear.samples_of(value, 16000, "hop_ms", multiple)
