"""Check a module in a process of its own; see `benchmark.models.conformance.validate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmark.execution.isolation import Failure, Worker
from benchmark.execution.model_process import Validate, serve_model
from benchmark.models.conformance import Check

TIME_LIMIT = 600.0  # seconds for one rule


def validate_apart(
    module: str,
    weights: str,
    device: str | None,
    options: Mapping[str, Any],
    on_check: Callable[[Check], None],
    time_limit: float | None = TIME_LIMIT,
) -> None:
    """Check a module; `on_check` gets each `Check` as it comes.

    What ends the process, or takes longer than `time_limit` (s), is the last one, and not ok.
    """
    worker = Worker(serve_model, time_limit)
    try:
        path = str(Path(weights).absolute()) if weights else ""
        answer = worker.call(Validate(module, path, device, options), on_check)
    finally:
        worker.close()
    if isinstance(answer, Failure):
        on_check(Check("process", False, answer.text, trace=answer.trace))
