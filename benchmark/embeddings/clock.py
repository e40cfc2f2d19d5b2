"""Wall and CPU seconds of embedding a task, by phase, where phases of several threads overlap."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class Clock:
    """Seconds by phase; since phases overlap, their wall seconds may sum to more than the total."""

    def __init__(self) -> None:
        self._start = time.perf_counter(), time.process_time()
        self._wall: dict[str, float] = defaultdict(float)
        self._cpu: dict[str, float] = defaultdict(float)
        self._background = 0.0  # CPU seconds of readers and writer
        self._lock = Lock()

    @contextmanager
    def thread(self, phase: str) -> Iterator[None]:
        """Time a phase of a reader or the writer by the CPU time of its own thread."""
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
            with self._lock:
                self._wall[phase] += wall
                self._cpu[phase] += cpu
                self._background += cpu

    @contextmanager
    def model(self) -> Iterator[None]:
        """Time the model by the CPU time of the process, less that of readers and writer."""
        wall, cpu = time.perf_counter(), time.process_time() - self._background
        try:
            yield
        finally:
            wall = time.perf_counter() - wall
            cpu = time.process_time() - self._background - cpu
            with self._lock:
                self._wall["model"] += wall
                self._cpu["model"] += max(0.0, cpu)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time the wait for the readers."""
        wall = time.perf_counter()
        yield
        with self._lock:
            self._wall["wait"] += time.perf_counter() - wall

    def spent(self) -> tuple[dict[str, float], dict[str, float]]:
        """Wall and CPU seconds so far."""
        wall, cpu = time.perf_counter() - self._start[0], time.process_time() - self._start[1]
        cpu_phases = ("decode", "resample", "model", "write")
        with self._lock:
            return (
                {phase: self._wall[phase] for phase in (*cpu_phases, "wait")} | {"total": wall},
                {phase: self._cpu[phase] for phase in cpu_phases} | {"total": cpu},
            )
