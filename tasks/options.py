"""The options of `tasks.prepare.prepare`: their types, values given as text, and help."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from .entries import ENTRIES, find_entry
from .folder import TaskError, near_names


@dataclass(frozen=True)
class PrepareOption:
    """An option of a task's preparation.

    Attributes
    ----------
    name
        Keyword of `prepare`; ``--some-name`` on a command line.
    expects
        What its value is, in a few words.
    is_flag
        Whether it is true or false, so that its name alone can say true.
    default
        Value without the option; None too where it must be given.
    help
        One line.
    """

    name: str
    expects: str
    is_flag: bool
    default: Any
    help: str


def prepare_options(name: str) -> tuple[PrepareOption, ...]:
    """All options that `prepare` takes for a task: those of its corpus, then those of every task.

    Raises
    ------
    TaskError
        No such task, or one that is not prepared from a corpus.
    """
    from .prepare import prepare  # which imports this module

    defaults = find_entry(name).options if name != "custom" else {}
    found: dict[str, PrepareOption] = {}
    for function in (*_functions(name), prepare):
        types = typing.get_type_hints(function)
        for key, parameter in inspect.signature(function).parameters.items():
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY or key == "on_progress":
                continue
            is_flag = types[key] in (bool, bool | str)
            default = None if parameter.default is parameter.empty else parameter.default
            found.setdefault(
                key,
                PrepareOption(
                    key,
                    "true or false" if is_flag else _expects(types[key]),
                    is_flag,
                    defaults.get(key, default),
                    _help(function, key),
                ),
            )
    return tuple(found.values())


def option_types(name: str) -> dict[str, Any]:
    """The options of a task's corpus and their types."""
    return {
        key: typing.get_type_hints(function)[key]
        for function in _functions(name)
        for key, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def option_values(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a task's corpus, those given as text converted; TaskError for an unknown one."""
    types = option_types(name)
    for key in options:
        if key not in types:
            known = ", ".join(types) or "none"
            raise TaskError(
                f"{name} has no option {key!r}{near_names(key, types)}; options: {known}"
            )
    return {key: convert(value, types[key], key) for key, value in options.items()}


def convert(value: Any, wanted: Any, key: str) -> Any:
    """An option given as text, as the type its function declares.

    Raises
    ------
    TaskError
        The text is not of that type.
    """
    if not isinstance(value, str) or wanted is str:
        return value
    kind = next(kind for kind in _CONVERTERS if kind[0] == wanted)
    try:
        return kind[1](value)
    except (ValueError, KeyError, RecursionError):
        raise TaskError(f"{key} is {value!r}; expected {kind[2]}") from None


def corpus_module(corpus: str) -> ModuleType:
    """Module of `tasks.corpora`."""
    return importlib.import_module(f"tasks.corpora.{corpus}")


def preparable() -> tuple[str, ...]:
    """Names that `prepare` takes."""
    return (*(name for name, entry in ENTRIES.items() if entry.corpus), "custom")


def _functions(name: str) -> list[Callable[..., Any]]:
    """Functions whose keywords are the options of a task's corpus."""
    if name == "custom":
        return [corpus_module("custom").make, corpus_module("custom").read]
    if not find_entry(name).corpus:
        raise TaskError(f"{name} is built in; `make_demo_tasks` writes it, without a corpus")
    return [corpus_module(find_entry(name).corpus).read]


def _expects(kind: Any) -> str:
    return next((text for known, _, text in _CONVERTERS if known == kind), "text")


def _help(function: Callable[..., Any], key: str) -> str:
    """What the Parameters of a docstring say of one, else its first line."""
    text = inspect.getdoc(function) or ""
    parameters = text.partition("Parameters\n----------\n")[2].partition("\n\n")[0]
    for names, lines in re.findall(r"^(\S.*)\n((?:    .*\n?)+)", parameters, re.MULTILINE):
        if key in re.split(r", ", names):
            return " ".join(lines.split()).replace("``", "").replace("`", "")
    return text.partition("\n")[0].replace("``", "").replace("`", "")


def _number(text: str) -> float | None:
    if text == "none":
        return None
    return int(text) if text.isdecimal() else float(text)


def _whole_numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


_CONVERTERS: tuple[tuple[Any, Callable[[str], Any], str], ...] = (
    (int, int, "a whole number"),
    (int | str, int, "a whole number"),
    (float | None, _number, "a number or none"),
    (bool, lambda text: {"true": True, "false": False}[text.lower()], "true or false"),
    (Sequence[str], lambda text: tuple(text.split(",")), "names with commas"),
    (Sequence[int], _whole_numbers, "whole numbers with commas"),
    (Sequence[int] | str, _whole_numbers, "whole numbers with commas"),
    (Mapping[str, Any] | None, json.loads, "a JSON object"),
)
