"""What the user reads: one clean line, on standard error."""

from __future__ import annotations

import sys
from contextlib import suppress


def say(message: str) -> None:
    """Write a line to standard error, where there is one."""
    with suppress(AttributeError, OSError):  # no stderr (pythonw), or a closed one
        sys.stderr.write(f"hear_plugins: {message}\n")
