"""Read the clips of a task ahead of the model, in threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from benchmark.embeddings.clock import Clock
from tasks.audio import TaskAudio
from tasks.folder import TaskFolder

READ_SECONDS = 30.0  # of audio that a reader takes at once: short clips must not cost a task each
READ_CLIPS = 32
AHEAD_SECONDS = 1200.0  # of audio, or two clips
MAX_READERS = 8

Samples = npt.NDArray[np.float32]
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Clip:
    """A clip of a split, and its samples float32 (n,) at the model's rate."""

    split: str
    filename: str
    samples: Samples


def read_ahead(
    source: TaskAudio, names: Sequence[tuple[str, str]], rate: int, clock: Clock
) -> Generator[Clip, None, None]:
    """Clips with their audio, in order, while those that follow are read in threads.

    Parameters
    ----------
    names
        (split, file name) of each clip.
    rate
        Sample rate (Hz).

    Raises
    ------
    TaskError
        A clip cannot be read, said when it is its turn.
    """
    workers = min(MAX_READERS, os.cpu_count() or 1)
    seconds = source.task.sample_duration or _longest_clip(source.task)
    # Of long clips fewer are read ahead, so that what waits in memory does not grow with them.
    depth = max(2, min(workers + 2, int(AHEAD_SECONDS / seconds)))
    size = max(1, min(READ_CLIPS, int(READ_SECONDS / seconds)))

    def read(chunk: Sequence[tuple[str, str]]) -> list[Clip]:
        return [Clip(*name, _read(source, *name, rate, clock)) for name in chunk]

    chunks = (names[start : start + size] for start in range(0, len(names), size))
    for clips in in_threads(read, chunks, workers, depth, clock):
        yield from clips


def in_threads(
    read: Callable[[T], R], items: Iterable[T], workers: int, depth: int, clock: Clock
) -> Generator[R, None, None]:
    """What `read` gives of each item, in order; the next `depth` are read while one is used."""
    items = iter(items)
    with ThreadPoolExecutor(workers) as readers:
        reading = deque(readers.submit(read, item) for item in islice(items, depth))
        try:
            while reading:
                with clock.waiting():
                    result = reading.popleft().result()
                reading.extend(readers.submit(read, item) for item in islice(items, 1))
                yield result
        finally:
            for waiting in reading:
                waiting.cancel()


def _read(source: TaskAudio, split: str, filename: str, rate: int, clock: Clock) -> Samples:
    there = source.is_there(split, filename, [rate])
    with clock.thread("decode" if there else "resample"):
        return source.at_rates(split, filename, [rate])[rate]


def _longest_clip(task: TaskFolder) -> float:
    """Seconds of the longest clip, about, by the sizes of 16-bit files."""
    rate = task.best_rate()
    sizes = (
        task.audio_path(split, name, rate).stat().st_size
        for split in task.splits
        for name in task.items(split)
    )
    return max(sizes) / 2 / rate
