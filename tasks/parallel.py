"""A function over many jobs in several processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from .folder import TaskError

MAX_WORKERS = 16

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_parallel(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int = 0
) -> Iterator[Result]:
    """Results as they come, in the order of the jobs; the first error ends it.

    Parameters
    ----------
    function, jobs
        Must be picklable.
    workers
        Processes; 0: as many as there are cores, at most 16.

    Raises
    ------
    TaskError
        A process ended abruptly.
    """
    workers = min(workers or _cores(), MAX_WORKERS, len(jobs))
    if workers <= 1:
        yield from map(function, jobs)
        return
    chunk = max(1, min(32, len(jobs) // (4 * workers)))
    # Only the parent answers Ctrl-C; it then ends the others.
    pool = ProcessPoolExecutor(
        workers, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)
    )
    try:
        yield from pool.map(function, jobs, chunksize=chunk)
    except BrokenProcessPool:
        raise TaskError(
            "a worker process ended abruptly (out of memory?); try fewer workers"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return multiprocessing.cpu_count()
