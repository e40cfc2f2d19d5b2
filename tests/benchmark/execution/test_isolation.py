"""Work in a process of its own: every way it can end is told, and the next request is served."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served_requests import serve

from benchmark.errors import DiskFullError, UserError
from benchmark.execution.isolation import Done, Failure, Worker, close, receive
from benchmark.import_path import check_packages, user_folder_last


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker(serve)
    yield worker
    worker.close()


def served(answer: Done | Failure) -> tuple[int, int, Any]:
    assert isinstance(answer, Done)
    count, pid, request = answer.result
    return count, pid, request


def test_requests_are_served_by_one_process(worker: Worker) -> None:
    reports: list[Any] = []
    first = served(worker.call("a", reports.append))
    second = served(worker.call("b", reports.append))
    assert second == (first[0] + 1, first[1], "b") and first[1] != os.getpid()
    assert reports == ["working"] * 6


@pytest.mark.parametrize(
    ("request_", "text", "survives"),
    [
        (("exit", 0), "SystemExit: 0", True),
        (("interrupt",), "KeyboardInterrupt", True),
        (("raise", ValueError("a\n \x1b[31mb")), "a ?[31mb", True),
        (("raise", ValueError("x" * 10_000)), "x" * 500 + " ...", True),
        (("raise", UserError("no such thing")), "no such thing", True),
        (("abrupt exit", 0), "its process ended by itself with exit code 0", False),
        (("kill", signal.SIGSEGV), "its process was ended by signal SIGSEGV", False),
        (("kill", signal.SIGKILL), "its process was ended by signal SIGKILL (out of", False),
    ],
)
def test_every_end_is_a_failure_and_the_next_request_is_served(
    worker: Worker, request_: Any, text: str, survives: bool
) -> None:
    before = served(worker.call("before", print))[1]
    failure = worker.call(request_, print)
    assert isinstance(failure, Failure)
    assert failure.text.startswith(text) and "\n" not in failure.text
    assert ("Traceback" in failure.trace) is survives
    assert (served(worker.call("after", print))[1] == before) is survives


def test_kinds_of_errors_are_kept(worker: Worker) -> None:
    failure = worker.call(("raise", DiskFullError("full")), print)
    assert isinstance(failure, Failure) and failure.error is DiskFullError


def test_no_sign_of_life_for_too_long() -> None:
    worker = Worker(serve, time_limit=1.0)
    try:
        worker._time_limit = 60.0
        first = served(worker.call("start", print))[1]
        worker._time_limit = 1.0
        start = time.monotonic()
        failure = worker.call(("sleep", 600), print)
        assert isinstance(failure, Failure) and failure.text.startswith("no sign of life for 1 s")
        assert time.monotonic() - start < 30
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)
    finally:
        worker.close()


def test_several_at_once() -> None:
    workers = [Worker(serve), Worker(serve)]
    try:
        for number, worker in enumerate(workers):
            worker.submit(number)
        answers = []
        while any(worker.busy for worker in workers):
            worker, message = receive(workers)
            if isinstance(message, Done):
                answers.append((workers.index(worker), message.result[2]))
        assert sorted(answers) == [(0, 0), (1, 1)]
    finally:
        close(workers)
    assert not any(worker.alive for worker in workers)


def test_what_is_printed_there_is_not_our_output(
    worker: Worker, capfd: pytest.CaptureFixture[str]
) -> None:
    fresh = Worker(serve)
    try:
        fresh.call(("print", "from a module"), lambda _: None)
    finally:
        fresh.close()
    out, err = capfd.readouterr()
    assert "from a module" not in out and "from a module" in err


def test_the_users_folder_comes_last(tmp_path: Path) -> None:
    here = str(tmp_path)
    assert user_folder_last(["", "/lib", here, "/more"], here) == ["/lib", "/more", here]
    root = str(Path(__file__).parents[3])
    assert user_folder_last(["", "/lib"], root) == ["", "/lib"], "from our own checkout"


def test_a_file_that_hides_ours_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_packages()
    (tmp_path / "tasks.py").write_text("mine = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "tasks"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError, match=r"tasks\.py hides the package tasks of hear-plugins"):
        check_packages()
