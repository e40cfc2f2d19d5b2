"""Checks of options."""

from __future__ import annotations

import pytest

from hear_plugins.api.options import samples_of


def test_durations_are_whole_samples() -> None:
    assert samples_of(50, 16000, "hop_ms") == 800
    assert samples_of(12.5, 16000, "hop_ms", multiple=200) == 200
    for value, multiple in ((0, 1), (-50, 1), (0.01, 1), (45, 160), (float("nan"), 1)):
        with pytest.raises(ValueError, match=f"hop_ms={value} ms; expected a positive multiple"):
            samples_of(value, 16000, "hop_ms", multiple)
