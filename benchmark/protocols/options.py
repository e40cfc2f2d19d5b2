"""Options of protocols: declared once as fields of a frozen dataclass.

From the declaration come the command-line option, its help, the check of its value and what goes
into keys and records.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

Parse = Callable[[str], Any]
# What an option is in a unit of work: one of its settings, or what has a field there ("windows",
# their seconds, in the embeddings' representation); an engine and what is "local" change no score.
Role = Literal["settings", "seeds", "threads", "device", "engine", "windows", "local"]


@dataclass(frozen=True)
class OptionSpec:
    """How one option is spelled, read, explained and recorded.

    Two protocols may have an option of the same flag only if all but the default agree.

    Attributes
    ----------
    flag
        On the command line, such as ``--grid-points``; empty for an option of Python only.
    help
        What it does, without its default.
    choices
        The values that it may have; empty if any.
    metavar
        What stands for its value in help.
    parse
        Makes the value of a word; None for a switch. Raises ValueError with what was expected.
    role
        What it is in a unit of work (`Role`).
    only_if_chosen
        Whether it goes into settings only where it is not the default; so an option that is added
        later leaves the keys of what was done before as they are.
    """

    flag: str
    help: str
    choices: tuple[str, ...]
    metavar: str | None
    parse: Parse | None
    role: Role
    only_if_chosen: bool


def option(
    default: Any,
    help: str,
    *,
    flag: str | None = None,
    choices: Sequence[str] = (),
    metavar: str | None = None,
    parse: Parse | None = None,
    role: Role = "settings",
    only_if_chosen: bool = False,
) -> Any:
    """A field of a `ProtocolOptions`.

    Parameters
    ----------
    default
        Of the field. Its type decides how words are read where `parse` is not given: a switch for
        a bool (False), a whole number of at least 1 for an int, text for a str.
    flag
        None for the field's name with dashes.
    help, choices, metavar, parse, role, only_if_chosen
        See `OptionSpec`.
    """
    if parse is None and not isinstance(default, bool):
        parse = at_least(1) if isinstance(default, int) else type(default)
    spec = OptionSpec(
        flag if flag is not None else "?",
        help,
        tuple(choices),
        metavar,
        parse,
        role,
        only_if_chosen,
    )
    return dataclasses.field(default=default, metadata={"option": spec})


@dataclass(frozen=True)
class ProtocolOptions:
    """Base of every protocol's options, all of them declared with `option`.

    Raises
    ------
    ValueError
        A value is not one of the choices, or a whole number is not one.
    """

    def __post_init__(self) -> None:
        for name, (spec, default) in declared_options(type(self)).items():
            value = getattr(self, name)
            if spec.choices and value not in spec.choices:
                raise ValueError(
                    f"unknown {name} {value!r}: choose one of {', '.join(spec.choices)}"
                )
            if type(default) is int and spec.parse is not None:
                try:
                    spec.parse(str(value))
                except ValueError as error:
                    raise ValueError(f"{name} is {value!r}: {error}") from None

    def remarks(self) -> tuple[str, ...]:
        """What the user should know of the values that were chosen, a line each."""
        return ()

    def that_change_scores(self) -> dict[str, Any]:
        """All options that can change a score, as JSON."""
        return self._of_roles("settings", "seeds", "threads", "device")

    def settings(self) -> dict[str, Any]:
        """Those of them that have no field of their own in a unit of work, as JSON."""
        return self._of_roles("settings")

    def value_of(self, role: Role, default: Any = None) -> Any:
        """Value of the option of a role; `default` where there is no such option."""
        for name, (spec, _) in declared_options(type(self)).items():
            if spec.role == role:
                return getattr(self, name)
        return default

    def _of_roles(self, *roles: Role) -> dict[str, Any]:
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, (spec, default) in declared_options(type(self)).items()
            if spec.role in roles
            and not ((value := getattr(self, name)) == default and spec.only_if_chosen)
        }


def threads_option(default: int) -> Any:
    """The option ``threads``, which every protocol that trains on a CPU has alike."""
    return option(
        default,
        "CPU threads of an evaluation; part of the recipe, since it changes the last digits",
        metavar="N",
        role="threads",
    )


def declared_options(options: type[ProtocolOptions]) -> dict[str, tuple[OptionSpec, Any]]:
    """Declaration and default of every option, by field name."""
    found = {}
    for field in dataclasses.fields(options):
        if "option" not in field.metadata:
            raise TypeError(f"{options.__name__}.{field.name} is not declared with option()")
        spec: OptionSpec = field.metadata["option"]
        if spec.flag == "?":
            spec = dataclasses.replace(spec, flag=f"--{field.name.replace('_', '-')}")
        found[field.name] = spec, field.default
    return found


@cache  # so that two options that are declared alike are equal
def at_least(least: int) -> Parse:
    """Reader of whole numbers from `least` on."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise ValueError(f"expected a whole number of at least {least}")
        return int(text)

    return parse


def distinct_seeds(text: str) -> tuple[int, ...]:
    """Seeds of a list such as ``0,1,2``; ValueError if they are not different whole numbers."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    seeds = tuple(int(word) for word in words if word.isascii() and word.isdigit())
    if not words or len(set(seeds)) != len(words):
        raise ValueError("expected different whole numbers from 0 such as 0,1,2")
    return seeds
