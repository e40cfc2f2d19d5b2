"""The error that the user can mend."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend; the text is one line: what is wrong and what to do."""


class DiskFullError(UserError):
    """No space left where results go: nothing else can go on either."""


def one_line(error: BaseException) -> str:
    """The text of an exception on one line; its kind comes first where the text alone is vague."""
    text = " ".join(str(error).split())
    if text and isinstance(error, (RuntimeError, ValueError, ImportError, UserError)):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
