"""Progress bars: what they print where somebody watches."""

from __future__ import annotations

import io
import time

import pytest

from benchmark.progress import QUIET_VARIABLE, progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_parts_of_steps_have_two_decimals(monkeypatch: pytest.MonkeyPatch) -> None:
    """It read 0.8400000000000001/2.0."""
    monkeypatch.delenv(QUIET_VARIABLE, raising=False)
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with progress_bar("evaluating", 2.0, "task") as advance:
        for step in (0.28, 0.28, 0.28, 0.001):
            time.sleep(0.11)  # a bar is drawn ten times a second
            advance(step)
    assert "0.84/2.0" in terminal.getvalue()
    assert "0.8400" not in terminal.getvalue()
