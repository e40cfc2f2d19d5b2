"""Windows and timestamps."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from hear_plugins.api.framing import centred_windows, frame_times


def test_timestamps_do_not_drift_over_an_hour() -> None:
    times = frame_times(2, 155_040, 1000 / 43.0664, 5.0, "cpu")
    assert times.shape == (2, 155_040) and times.dtype == torch.float32
    assert abs(times[1, -1].item() - (5.0 + 155_039 * 1000 / 43.0664)) < 0.2  # float32 at 3.6e6


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 50))
def test_windows_are_centred_on_multiples_of_the_hop(n: int, length: int, hop: int) -> None:
    audio = torch.arange(1.0, n + 1)[None].repeat(2, 1)
    windows = centred_windows(audio, length, hop)
    assert windows.shape == (2, n // hop + 1, length)
    for index, window in enumerate(windows[1].tolist()):
        start = index * hop - length // 2
        assert window == [s + 1.0 if 0 <= s < n else 0.0 for s in range(start, start + length)]
