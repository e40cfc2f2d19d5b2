"""Half the sample rate: what is kept, what is removed, and where samples are."""

from __future__ import annotations

import math

import pytest
import torch

from hear_plugins.frontends.half_rate import halve_rate


def tone(hertz: float, rate: int, count: int) -> torch.Tensor:
    return torch.sin(2 * math.pi * hertz * torch.arange(count) / rate)[None]


@pytest.mark.parametrize("hertz", [440, 5000, 8000])
def test_tones_below_the_new_limit_stay_in_place(hertz: float) -> None:
    half = halve_rate(tone(hertz, 48000, 2001))
    assert half.shape == (1, 1001)
    inner = slice(20, -20)
    torch.testing.assert_close(
        half[:, inner], tone(hertz, 24000, 1001)[:, inner], atol=1e-2, rtol=0
    )


@pytest.mark.parametrize("hertz", [15000, 20000])
def test_tones_above_it_are_removed(hertz: float) -> None:
    assert halve_rate(tone(hertz, 48000, 2000))[:, 20:-20].abs().max() < 1e-2


def test_first_numbers_are_those_of_torchaudio() -> None:
    got = halve_rate(torch.tensor([[1.0, -0.5, 0.25, 0.7, -0.1, 0.0, 0.3]]))
    expected = torch.tensor([[0.2772974, 0.1894138, 0.2137464, 0.0659225]])  # version 2.11
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)
