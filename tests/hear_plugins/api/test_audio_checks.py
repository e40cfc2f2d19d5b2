"""What the HEAR functions refuse, and what they pass on."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from hear_plugins.api.audio_checks import check_audio


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
        check_audio(audio, Model())
    assert "expected" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_audio_becomes_float32_without_gradient(dtype: torch.dtype) -> None:
    audio = torch.ones(2, 3, dtype=dtype, requires_grad=True)
    checked = check_audio(audio, Model())
    assert checked.dtype == torch.float32 and not checked.requires_grad
    assert checked.tolist() == audio.tolist()
