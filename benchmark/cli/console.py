"""What every command says on stderr, and its exit codes."""

from __future__ import annotations

from collections.abc import Sequence

DONE, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130


def say(line: str) -> None:
    """A line of progress: on stderr, so that stdout holds the tables alone."""
    from benchmark.progress import write_line

    write_line(line)


def exit_code(failures: Sequence[str]) -> int:
    """List what failed, and give the exit code that says so."""
    if failures:
        say(f"{len(failures)} failed; everything else is kept, type the same line to try again:")
        for failure in failures:
            say(f"  {failure}")
    return FAILED if failures else DONE
