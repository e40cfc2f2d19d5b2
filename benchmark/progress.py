"""Progress of long steps on stderr, for people: nothing is shown where nobody watches."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

QUIET_VARIABLE = "HEAR_BENCHMARK_QUIET"


@contextmanager
def progress_bar(
    description: str, total: float | None = None, unit: str = "clip"
) -> Iterator[Callable[..., None]]:
    """A bar with the time left, gone when it is done.

    Silent when stderr is not a terminal or the environment sets `HEAR_BENCHMARK_QUIET`.

    Yields
    ------
    advance(steps=1, audio_seconds=0.0)
        Where audio seconds are given, the bar shows how many of them pass in a second.
    """
    quiet = _is_quiet()
    start, audio, done = time.perf_counter(), 0.0, 0.0
    with tqdm(
        desc=description,
        total=None if total is None else _tidy(total),
        unit=unit,
        disable=quiet,
        leave=False,
        dynamic_ncols=True,
    ) as bar:

        def advance(steps: float = 1, audio_seconds: float = 0.0) -> None:
            nonlocal audio, done
            audio += audio_seconds
            done += steps
            if audio and not quiet:
                speed = audio / max(time.perf_counter() - start, 1e-9)
                bar.set_postfix_str(f"{speed:.3g} s of audio/s", refresh=False)
            # Not by steps: parts of a step would add up to 0.8400000000000001.
            bar.n = _tidy(done)
            bar.update(0)

        yield advance


@contextmanager
def counting_bar(description: str, unit: str = "clip") -> Iterator[Callable[[int, int], None]]:
    """As `progress_bar`, for work that counts by itself; of the unit "B" kB, MB ... are shown.

    Yields
    ------
    on_progress(done, total)
    """
    with tqdm(
        desc=description,
        unit=unit,
        unit_scale=unit == "B",
        disable=_is_quiet(),
        leave=False,
        dynamic_ncols=True,
    ) as bar:

        def on_progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield on_progress


def write_line(line: str) -> None:
    """A line on stderr, above the bars that are shown."""
    tqdm.write(line, file=sys.stderr)
    sys.stderr.flush()


def _tidy(number: float) -> float:
    """At most two decimals, and none where they are zero."""
    rounded = round(number, 2)
    return int(rounded) if rounded == int(rounded) else rounded


def _is_quiet() -> bool:
    return bool(os.environ.get(QUIET_VARIABLE)) or not sys.stderr.isatty()
