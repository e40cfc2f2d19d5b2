"""Evaluations in processes of their own on this machine, several at once.

An evaluation seeds its own random stream and sets its own threads, so what runs beside it, or ran
before it in the same process, does not change its numbers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.execution.isolation import (
    EVALUATION_TIME_LIMIT,
    Done,
    Failure,
    Remark,
    Report,
    Worker,
    close,
    receive,
)
from benchmark.protocols.options import ProtocolOptions
from benchmark.records.work_unit import layers_text


@dataclass(frozen=True)
class Evaluate:
    """Evaluate a folder of embeddings by a protocol; answered by the path of the record.

    `check_files` is for embeddings that this run has neither made nor checked; `layers`, of
    embeddings by layers, is which of them are evaluated.
    """

    folder: Path
    out: Path
    protocol: str
    options: ProtocolOptions
    check_files: bool
    layers: str = ""

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.folder.parent.name}  {self.folder.name}{layers_text(self.layers)}"


OnProgress = Callable[[Evaluate, float, str], None]
OnRemark = Callable[[Evaluate, str], None]


class Evaluators:
    """Processes that evaluate; they end with the `with` block.

    Parameters
    ----------
    jobs
        Evaluations at a time.
    time_limit
        Seconds after which an evaluation that shows no sign of life has failed; None for no limit.
    """

    def __init__(self, jobs: int, time_limit: float | None = EVALUATION_TIME_LIMIT) -> None:
        self._workers = [Worker(serve_evaluations, time_limit) for _ in range(jobs)]

    def __enter__(self) -> Evaluators:
        return self

    def __exit__(self, *_: object) -> None:
        close(self._workers)

    def evaluate(
        self, requests: Sequence[Evaluate], on_progress: OnProgress, on_remark: OnRemark
    ) -> Iterator[tuple[Evaluate, Done | Failure]]:
        """Evaluate folders of embeddings.

        Parameters
        ----------
        on_progress
            Called with the request, the part of its work that is done (0 to 1), and what is being
            done.
        on_remark
            Called with the folder and what libraries say there that concerns the numbers.

        Yields
        ------
        request, outcome
            As they come.
        """
        todo = deque(requests)
        running: dict[Worker, Evaluate] = {}
        while todo or running:
            for worker in self._workers:
                if todo and not worker.busy:
                    running[worker] = todo.popleft()
                    worker.submit(running[worker])
            worker, message = receive(self._workers)
            if isinstance(message, (Done, Failure)):
                yield running.pop(worker), message
            elif isinstance(message, Remark):
                on_remark(running[worker], message.text)
            else:
                on_progress(running[worker], *message)


def serve_evaluations(report: Report) -> Callable[[Evaluate], Path]:
    """See `benchmark.execution.isolation.Worker`; it reports `Remark` and (part, what is done)."""
    from benchmark.embeddings.digests import check_files
    from benchmark.embeddings.store import read_info
    from benchmark.execution.evaluate import evaluate
    from benchmark.models.library_messages import messages_of_libraries
    from benchmark.models.process_state import ProcessState
    from benchmark.protocols.registry import protocol

    def handle(request: Evaluate) -> Path:
        state = ProcessState.now()

        def on_progress(part: float, text: str) -> None:
            report((part, text))

        try:
            if request.check_files and (info := read_info(request.folder)) is not None:
                check_files(request.folder, info)
            with messages_of_libraries(lambda text: report(Remark(text))):
                return evaluate(
                    request.folder,
                    request.out,
                    protocol(request.protocol),
                    request.options,
                    on_progress,
                    request.layers,
                )
        finally:
            state.restore()

    return handle
