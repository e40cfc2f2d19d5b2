"""What people see while they wait."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmark.progress import progress_bar, write_line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextmanager
def terminal() -> Iterator[Terminal]:
    """A terminal in place of stderr."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HEAR_BENCHMARK_QUIET", raising=False)
        shown = Terminal()
        patch.setattr(sys, "stderr", shown)
        yield shown


def test_parts_of_tasks_have_no_float_noise() -> None:
    with (
        terminal() as shown,
        progress_bar("evaluating", total=2.0, unit="task") as advance,
    ):
        for _ in range(12):
            advance(0.07)
            advance(0.0)
        write_line("in between")  # draws the bar anew
    counts = re.findall(r"([\d.]+)/([\d.]+) \[", shown.getvalue())
    assert ("0.84", "2") in counts
    assert all(len(number) <= 4 for pair in counts for number in pair)


def test_lines_are_never_on_the_bar() -> None:
    with terminal() as shown, progress_bar("embedding", total=3) as advance:
        advance()
        write_line("embedded tiny_hear on tiny")
        advance()
    # What stands on a line in the end: everything after the last return to its begin.
    lines = [line.rpartition("\r")[2] for line in shown.getvalue().split("\n")]
    assert "embedded tiny_hear on tiny" in lines


def test_nothing_is_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("embedding", total=3) as advance:
        advance()
        write_line("a line")
    assert capsys.readouterr().err == "a line\n"
