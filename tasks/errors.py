"""The error of tasks, whose message is one line however odd the data that it names."""

from __future__ import annotations

import reprlib
import unicodedata

MOST_CHARACTERS = 2000

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 200
_short.maxlevel = 3


class TaskError(ValueError):
    """A task or its data is not what it must be; one line naming the file and the key."""

    def __init__(self, message: object) -> None:
        super().__init__(one_line(str(message)))


def one_line(text: str) -> str:
    """A text of bounded length without line breaks, control characters and lone surrogates.

    Names and labels come from files that anyone may have written; a terminal would obey their
    escape sequences, and an encoder fail on their surrogates.
    """
    if len(text) > MOST_CHARACTERS:
        text = f"{text[: MOST_CHARACTERS * 3 // 4]} [...] {text[-MOST_CHARACTERS // 5 :]}"
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode() if is_unshowable(character) else character
        for character in text
    )


def is_unshowable(character: str) -> bool:
    """Whether a character is a control, a lone surrogate or a line break."""
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def shown(value: object) -> str:
    """`repr` of bounded length and depth."""
    return _short.repr(value)
