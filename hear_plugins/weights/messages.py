"""What the user reads: one clean line, on standard error."""

from __future__ import annotations

import reprlib
import sys
from contextlib import suppress

LONGEST_LINE = 1000
LONGEST_QUOTE = 120


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """`text` as one printable line of at most `longest` characters.

    White space becomes a space. What is not printable (control characters, changes of direction,
    surrogates) is written as its escape, so that no file can move a terminal's cursor.
    """
    line = " ".join(text[: 4 * longest].split())
    if not line.isprintable():
        line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
    return line if len(line) <= longest else line[: longest - 3] + "..."


def quoted(value: object) -> str:
    """What a file says, as it may stand in a message: short, of any type and depth."""
    return one_line(value if isinstance(value, str) else reprlib.repr(value), LONGEST_QUOTE)


def say(message: str) -> None:
    """Write a line to standard error, where there is one."""
    with suppress(AttributeError, OSError):  # no stderr (pythonw), or a closed one
        sys.stderr.write(f"hear_plugins: {one_line(message)}\n")
