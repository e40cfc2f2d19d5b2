"""Options that several commands take, each declared once, and what they mean."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.embeddings.layers import parse_layers

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Commands = Any

Command = Callable[[argparse.Namespace], int]

TASKS_DIR = "hear-tasks"


def add_command(
    commands: Commands, name: str, function: Command, text: str
) -> argparse.ArgumentParser:
    """A command whose help and description are `text`, done by `function`."""
    parser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False
    )
    parser.set_defaults(command=function)
    return parser


def add_out(parser: argparse.ArgumentParser, what: str = "folder of the run") -> None:
    parser.add_argument("--out", required=True, metavar="DIR", help=what)


def add_tasks_dir(parser: argparse.ArgumentParser, what: str, *names: str) -> None:
    parser.add_argument(
        *names,
        "--tasks-dir",
        dest="tasks_dir",
        default=TASKS_DIR,
        metavar="DIR",
        help=f"{what} (default: {TASKS_DIR})",
    )


def add_verbose(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--verbose", action="store_true", help="show the tracebacks of failures")


def add_layers(parser: argparse.ArgumentParser, what: str) -> None:
    """``--layers``: selections of `benchmark.embeddings.layers`, none by default."""
    parser.add_argument("--layers", type=_layers, default=(), metavar="A,B", help=what)


def _layers(text: str) -> tuple[str, ...]:
    try:
        return parse_layers(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


def module_name(text: str) -> str:
    """Import path of a module; of a file, the error says how the module is named."""
    path = Path(text)
    if text.endswith(".py") or len(path.parts) > 1:
        name = path.name.removesuffix(".py")
        where = "" if path.parent == Path() else f" (with PYTHONPATH={path.parent})"
        raise argparse.ArgumentTypeError(
            f"{text} is a file, expected a module; did you mean {name}{where}?"
        )
    return text


def count(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number of at least 1")
    return int(text)


def names(text: str) -> list[str]:
    """Names separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]
