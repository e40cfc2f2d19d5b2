"""One kind of error for all functions of the Python API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmark.errors import UserError
from benchmark.records.json_form import RecordError
from tasks.errors import TaskError


@contextmanager
def user_errors() -> Iterator[None]:
    """Raise `UserError` where a task or a record is at fault; a decorator too."""
    try:
        yield
    except (TaskError, RecordError) as error:
        raise UserError(str(error)) from None
