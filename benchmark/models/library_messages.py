"""What libraries say while a model is loaded or called: shown where it concerns the numbers.

Libraries warn of much that a user cannot act on; what says that weights were drawn at random, left
out or cast must not be lost among it.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

LONGEST = 300  # characters
_CONCERNS = re.compile(
    r"weight|checkpoint|state.?dict|initiali[sz]|(missing|unexpected) key|not used when|mismatch"
    r"|dtype|float16|half precision|lower precision|\bcast|\bnan\b|overflow|divide by zero"
    r"|converge|ill.defined|(not |un)defined|invalid value|sampl\w+.rate|resampl|random",
    re.IGNORECASE,
)
_OF_DEVELOPERS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)


@contextmanager
def messages_of_libraries(tell: Callable[[str], None]) -> Iterator[None]:
    """Silence warnings and log messages; `tell` each that concerns weights or numbers, once."""
    told: set[str] = set()

    def consider(message: str) -> None:
        text = " ".join(message.split())
        if text not in told and _CONCERNS.search(text):
            told.add(text)
            tell(text if len(text) <= LONGEST else f"{text[:LONGEST]} ...")

    def showwarning(
        message: Warning | str, category: type[Warning], *_rest: Any, **_more: Any
    ) -> None:
        if not issubclass(category, _OF_DEVELOPERS):
            consider(str(message))

    def handle(_logger: logging.Logger, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            consider(record.getMessage())

    # Not a handler: libraries keep their loggers from handing messages on to the root's.
    own_handle = logging.Logger.handle
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = showwarning
        logging.Logger.handle = handle  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            logging.Logger.handle = own_handle  # type: ignore[method-assign]
