"""Work in processes of its own: what goes wrong there cannot harm what is outside.

A `Worker` serves requests one after another. An exception of any kind, the end of its process, or
a request that gives no sign of life for too long is a `Failure`, and the next request gets a new
process. Processes are spawned: a fork would copy torch's threads.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import ModuleType
from typing import Any, NoReturn

from benchmark.errors import BusyError, DiskFullError, UserError, one_line
from benchmark.import_path import put_user_folder_last

TIME_LIMIT = 3600  # s without a sign of life from a model: one call, or loading it
EVALUATION_TIME_LIMIT = 86400  # s without one from an evaluation: an epoch, or one fit
GRACE_SECONDS = 5.0  # for a process to put its files in order when it is told to end
_CONTEXT = multiprocessing.get_context("spawn")

Report = Callable[[Any], None]
Serve = Callable[[Report], Callable[[Any], Any]]


@dataclass(frozen=True)
class Done:
    """A request was served; `result` is what it gave."""

    result: Any


@dataclass(frozen=True)
class Failure:
    """A request failed.

    Attributes
    ----------
    text
        One line.
    trace
        The traceback, where there is one that explains more than the line.
    error
        The kind of `UserError` that was raised; None for anything else.
    """

    text: str
    trace: str = ""
    error: type[UserError] | None = None


@dataclass(frozen=True)
class Remark:
    """A report for the user that is no failure: one line."""

    text: str


class Worker:
    """A process that serves requests; started when the first one comes.

    Parameters
    ----------
    serve
        Called in the process, once, with a function that reports to the parent: any value that can
        be pickled. Returns the function that serves a request.
    time_limit
        Seconds without report or answer after which a request is given up; None for no limit.
    """

    def __init__(self, serve: Serve, time_limit: float | None = None) -> None:
        self._serve = serve
        self._time_limit = time_limit
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._deadline = 0.0
        self.busy = False

    @property
    def alive(self) -> bool:
        """Whether its process is there; the next request will start one if not."""
        return self._process is not None and self._process.is_alive()

    def submit(self, request: Any) -> None:
        """Send a request; `receive` gives what comes back."""
        assert not self.busy
        if not self.alive:
            self.close()
            self._connection, theirs = _CONTEXT.Pipe()
            self._process = _CONTEXT.Process(target=_work, args=(theirs, self._serve))
            with _clean_start():
                self._process.start()
            theirs.close()  # else the end of the process would not end the pipe
        assert self._connection is not None
        self.busy = True
        self._await()
        with suppress(OSError):  # it has just ended: `receive` will tell
            self._connection.send(request)

    def call(self, request: Any, on_report: Callable[[Any], None]) -> Done | Failure:
        """Submit a request and wait for its end."""
        self.submit(request)
        while True:
            _, message = receive([self])
            if isinstance(message, (Done, Failure)):
                return message
            on_report(message)

    def close(self) -> None:
        """End the process: it is asked to, then made to."""
        close([self])

    def _await(self) -> None:
        self._deadline = time.monotonic() + (self._time_limit or float("inf"))

    def _message(self) -> Any:
        """What the process has sent, or the failure that it has ended; None if nothing came."""
        assert self._connection is not None and self._process is not None
        try:
            ended = not self._process.is_alive()  # asked first: its last message must not be lost
            message = self._connection.recv() if self._connection.poll() else None
            if message is None and ended:
                message = self._ended()
        except (EOFError, OSError):
            message = self._ended()
        except Exception as error:  # something else has written to the pipe
            message = Failure(f"what its process sent cannot be read: {one_line(error)}")
            self.close()
        if message is None and time.monotonic() > self._deadline:
            message = Failure(f"no sign of life for {self._time_limit:g} s; its process was ended")
            self.close()
        if message is not None:
            self.busy = self.busy and not isinstance(message, (Done, Failure))
            self._await()
        return message

    def _ended(self) -> Failure:
        assert self._process is not None
        self._process.join(GRACE_SECONDS)
        code = self._process.exitcode
        self.close()
        if code is not None and code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"{-code}"
            hint = " (out of memory?)" if name == "SIGKILL" else ""
            return Failure(f"its process was ended by signal {name}{hint}")
        return Failure(f"its process ended by itself with exit code {code}")


def receive(workers: Sequence[Worker]) -> tuple[Worker, Any]:
    """The next report, `Done` or `Failure` of workers, of which at least one is busy."""
    busy = [worker for worker in workers if worker.busy]
    while True:
        for worker in busy:
            if (message := worker._message()) is not None:
                return worker, message
        left = min(worker._deadline for worker in busy) - time.monotonic()
        signs: list[Any] = [worker._connection for worker in busy]
        signs += [worker._process.sentinel for worker in busy if worker._process is not None]
        wait(signs, None if left == float("inf") else max(0.0, left))


def close(workers: Sequence[Worker]) -> None:
    """End the processes of workers, all at once."""
    processes = [worker._process for worker in workers if worker._process is not None]
    for process in processes:
        process.terminate()
    until = time.monotonic() + GRACE_SECONDS
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()
    for worker in workers:
        if worker._connection is not None:
            worker._connection.close()
        worker._process = worker._connection = None
        worker.busy = False


@contextmanager
def _clean_start() -> Iterator[None]:
    """Start a process without the script that is running here, and without its folder's modules.

    It would import the script again, and before it takes over our `sys.path` it would look for
    Python's own modules in the current folder. It inherits that it takes no notice of Ctrl-C.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main_thread else None
    main, path = sys.modules["__main__"], sys.path[:]
    safe = os.environ.get("PYTHONSAFEPATH")
    sys.modules["__main__"] = ModuleType("__main__")
    os.environ["PYTHONSAFEPATH"] = "1"
    put_user_folder_last()
    try:
        yield
    finally:
        if in_main_thread:
            signal.signal(signal.SIGINT, interrupt)
        sys.modules["__main__"] = main
        sys.path[:] = path
        if safe is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = safe


class _Stopped(BaseException):
    """The parent has asked this process to end."""


def _work(connection: Connection, serve: Serve) -> None:
    """The process: serve requests until the parent is gone or asks to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # only the parent answers Ctrl-C
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.dup2(2, 1)  # what modules print is not the program's output
    with suppress(_Stopped, EOFError, BrokenPipeError):
        handle = serve(connection.send)
        while True:
            connection.send(_answer(handle, connection.recv()))
    # Not the interpreter's own end, which waits for threads that a module may have left.
    sys.stderr.flush()
    os._exit(0)


def _answer(handle: Callable[[Any], Any], request: Any) -> Done | Failure:
    try:
        return Done(handle(request))
    except _Stopped:
        raise
    except UserError as error:
        kinds = (DiskFullError, BusyError, UserError)
        return Failure(str(error), _trace(), next(k for k in kinds if isinstance(error, k)))
    except BaseException as error:  # SystemExit and KeyboardInterrupt of a module too
        return Failure(one_line(error), _trace())


def _trace() -> str:
    return traceback.format_exc().rstrip()


def _stop(_signal: int, _frame: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Stopped


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
