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


def quoted(text: str) -> str:
    """A name or message out of a file, short enough to stand in a line."""
    return one_line(text, LONGEST_QUOTE)


def shown(value: object) -> str:
    """A value out of a file, of any type, size and depth, as Python writes it."""
    return one_line(reprlib.repr(value), LONGEST_QUOTE)


def say(message: str) -> None:
    """Write a line to standard error, where there is one."""
    with suppress(AttributeError, OSError):  # no stderr (pythonw), or a closed one
        sys.stderr.write(f"hear_plugins: {one_line(message)}\n")
