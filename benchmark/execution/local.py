"""Evaluations in processes of their own on this machine, several at once.

An evaluation seeds its own random stream and sets its own threads, so what runs beside it, or ran
before it in the same process, does not change its numbers.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import BusyError
from benchmark.execution.isolation import Done, Failure, Report, Worker, close, receive
from benchmark.protocols.options import ProtocolOptions

BUSY_SECONDS = 2.0  # between two looks at what another process is evaluating

OnProgress = Callable[[Path, float, str], None]


@dataclass(frozen=True)
class Evaluate:
    """Evaluate a folder of embeddings by a protocol; answered by the path of the record."""

    folder: Path
    out: Path
    protocol: str
    options: ProtocolOptions


class Evaluators:
    """Processes that evaluate; they end with the `with` block.

    Parameters
    ----------
    jobs
        Evaluations at a time.
    """

    def __init__(self, jobs: int) -> None:
        self._workers = [Worker(serve_evaluations) for _ in range(jobs)]

    def __enter__(self) -> Evaluators:
        return self

    def __exit__(self, *_: object) -> None:
        close(self._workers)

    def evaluate(
        self, requests: Sequence[Evaluate], on_progress: OnProgress
    ) -> Iterator[tuple[Path, Done | Failure]]:
        """Evaluate folders of embeddings; those that another process is at come last.

        Parameters
        ----------
        on_progress
            Called with the folder, the part of its work that is done (0 to 1), and what is being
            done.

        Yields
        ------
        folder, outcome
            As they come.
        """
        todo = deque(requests)
        running: dict[Worker, Evaluate] = {}
        elsewhere = 0  # of `todo`, at its end: those that another process is at
        while todo or running:
            for worker in self._workers:
                if todo and not worker.busy:
                    if elsewhere == len(todo):
                        if running:  # what ends first may leave something better to do
                            break
                        time.sleep(BUSY_SECONDS)
                        elsewhere = 0
                    running[worker] = todo.popleft()
                    worker.submit(running[worker])
            worker, message = receive(self._workers)
            if not isinstance(message, (Done, Failure)):
                on_progress(running[worker].folder, *message)
                continue
            request = running.pop(worker)
            if isinstance(message, Failure) and message.error is BusyError:
                todo.append(request)
                elsewhere += 1
            else:
                yield request.folder, message


def serve_evaluations(report: Report) -> Callable[[Evaluate], Path]:
    """See `benchmark.execution.isolation.Worker`; it reports (part that is done, what is done)."""
    from benchmark.execution.evaluate import evaluate
    from benchmark.models.process_state import ProcessState
    from benchmark.protocols.registry import protocol

    def handle(request: Evaluate) -> Path:
        state = ProcessState.now()

        def on_progress(part: float, text: str) -> None:
            report((part, text))

        try:
            return evaluate(
                request.folder,
                request.out,
                protocol(request.protocol),
                request.options,
                on_progress,
            )
        finally:
            state.restore()

    return handle
