"""The error that the user can mend."""

from __future__ import annotations

LONGEST_TEXT = 500  # characters of somebody else's message


class UserError(Exception):
    """Something the user can mend; the text is one line: what is wrong and what to do."""


class DiskFullError(UserError):
    """No space left where results go: nothing else can go on either."""


class BusyError(UserError):
    """Another process is at the same work; it can be waited for."""


def one_line(error: BaseException) -> str:
    """The text of an exception on one line; its kind comes first where the text alone is vague."""
    text = " ".join(_text(error).split())
    text = "".join(character if character.isprintable() else "?" for character in text)
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]} ..."
    if text and isinstance(error, (RuntimeError, ValueError, ImportError, UserError)):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as its_error:  # of an exception of somebody else's making
        return f"it cannot say why: {type(its_error).__name__}"
