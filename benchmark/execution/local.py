"""Several evaluations at once, each in a process of its own.

An evaluation seeds its own random stream and sets its own threads, so what runs beside it does not
change its numbers.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import cast

from benchmark.errors import UserError
from benchmark.protocols.options import ProtocolOptions
from benchmark.protocols.registry import Protocol, protocol

# Fork would copy a process whose torch already has threads.
_CONTEXT = multiprocessing.get_context("spawn")

OnProgress = Callable[[Path, float, str], None]


def evaluate_in_processes(
    folders: Sequence[Path],
    out: Path,
    chosen: Protocol,
    options: ProtocolOptions,
    jobs: int,
    on_progress: OnProgress,
) -> Iterator[tuple[Path, Path | UserError]]:
    """Evaluate folders of embeddings, `jobs` at a time, each with `options.threads` threads.

    Parameters
    ----------
    on_progress
        Called with the folder, the part of its work that is done (0 to 1), and what is being done.

    Yields
    ------
    folder, record or error
        As they come; see `benchmark.execution.evaluate.evaluate`.
    """
    todo = list(reversed(folders))
    running: dict[Connection, tuple[Path, SpawnProcess]] = {}
    try:
        while todo or running:
            while todo and len(running) < jobs:
                folder = todo.pop()
                receiver, sender = _CONTEXT.Pipe(duplex=False)
                process = _CONTEXT.Process(
                    target=_work, args=(sender, folder, out, chosen.name, options), daemon=True
                )
                process.start()
                sender.close()  # else the end of the process would not end the pipe
                running[receiver] = folder, process
            for receiver in cast("list[Connection]", wait(list(running))):
                folder, process = running[receiver]
                try:
                    message = receiver.recv()
                except EOFError:
                    message = UserError("its process ended abruptly (out of memory?)")
                if isinstance(message, tuple):
                    on_progress(folder, *message)
                    continue
                del running[receiver]
                process.join()
                yield folder, message
    finally:
        for _, process in running.values():
            process.terminate()
        for _, process in running.values():
            process.join()


def _work(sender: Connection, folder: Path, out: Path, name: str, options: ProtocolOptions) -> None:
    """In the process: send parts of progress, at the end the record's path or the error."""
    from benchmark.execution.evaluate import evaluate

    # Only the parent answers Ctrl-C; it then ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        result: Path | UserError = evaluate(
            folder, out, protocol(name), options, lambda part, text: sender.send((part, text))
        )
    except UserError as error:
        result = error
    sender.send(result)
