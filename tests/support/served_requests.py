"""What a worker process of the tests serves: requests that go well, and every way to end badly."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmark.execution.isolation import Report


def serve(report: Report) -> Callable[[Any], Any]:
    served = []

    def handle(request: Any) -> Any:
        served.append(request)
        if isinstance(request, tuple):
            what, *rest = request
            {
                "exit": lambda: sys.exit(*rest),
                "abrupt exit": lambda: os._exit(*rest),
                "kill": lambda: os.kill(os.getpid(), *rest),
                "sleep": lambda: time.sleep(*rest),
                "interrupt": _interrupt,
                "raise": lambda: _raise(*rest),
                "print": lambda: print(*rest, flush=True),
            }[what]()
        for _ in range(3):
            report("working")
        return len(served), os.getpid(), request

    return handle


def _interrupt() -> None:
    raise KeyboardInterrupt


def _raise(error: Exception) -> None:
    raise error
