"""The command line's options of an evaluation: ``--protocol`` and what the protocols declare.

An option that several protocols share appears once. One that the chosen protocol does not have is
refused, never ignored.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from benchmark.errors import UserError
from benchmark.protocols.options import OptionSpec, Parse, ProtocolOptions, declared_options
from benchmark.protocols.registry import Protocol, protocol, protocols

DEFAULT_PROTOCOL = "hear"
_PREFIX = "protocol_option_"


def add_protocol_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--protocol`` and the options of all protocols to a parser.

    Raises
    ------
    UserError
        Two protocols declare one flag in different ways.
    """
    parser.add_argument(
        "--protocol",
        default=DEFAULT_PROTOCOL,
        metavar="NAME",
        help="; ".join(f"{one.name}: {one.summary}" for one in protocols()).replace("%", "%%")
        + f" (default: {DEFAULT_PROTOCOL})",
    )
    for flag, owners in _by_flag(protocols()).items():
        spec = next(iter(owners.values()))[0]
        text = f"{spec.help} ({_defaults(owners)})".replace("%", "%%")
        destination = _PREFIX + flag
        if spec.parse is None:
            parser.add_argument(
                flag, dest=destination, action="store_true", default=None, help=text
            )
        else:
            parser.add_argument(
                flag,
                dest=destination,
                type=_argument_type(spec.parse),
                choices=spec.choices or None,
                metavar=spec.metavar,
                help=text,
            )


def protocol_from(
    arguments: argparse.Namespace, say: Callable[[str], None] = lambda line: None
) -> tuple[Protocol, ProtocolOptions]:
    """The protocol that was chosen, and its options, checked.

    Parameters
    ----------
    arguments
        What a parser with `add_protocol_options` gave.
    say
        Told if a former name was used, and the remarks of the options.

    Raises
    ------
    UserError
        There is no such protocol, or it does not have an option that was given, or not that value.
    """
    name: str = arguments.protocol
    chosen = protocol(name)
    if name != chosen.name:
        say(f"protocol {name} is called {chosen.name} now")
    own = {spec.flag: field for field, (spec, _) in declared_options(chosen.options).items()}
    values = {}
    for key, value in vars(arguments).items():
        if not key.startswith(_PREFIX) or value is None:
            continue
        flag = key.removeprefix(_PREFIX)
        if flag not in own:
            others = ", ".join(_by_flag(protocols())[flag])
            raise UserError(
                f"{flag} is not an option of protocol {chosen.name}, but of: {others}; leave it out"
                " or choose another --protocol"
            )
        values[own[flag]] = value
    try:
        options = chosen.options(**values)
    except ValueError as error:
        raise UserError(str(error)) from None
    for remark in options.remarks():
        say(f"note: {remark}")
    return chosen, options


def _by_flag(
    known: tuple[Protocol, ...],
) -> dict[str, dict[str, tuple[OptionSpec, Any]]]:
    """By flag, and by the protocols that have it, its declaration and default."""
    flags: dict[str, dict[str, tuple[OptionSpec, Any]]] = {}
    for one in known:
        for spec, default in declared_options(one.options).values():
            if not spec.flag:
                continue
            owners = flags.setdefault(spec.flag, {})
            for other, (declared, _) in owners.items():
                if declared != spec:
                    raise UserError(
                        f"protocols {other} and {one.name} declare {spec.flag} in different ways;"
                        " rename it in the package that you can change"
                    )
            owners[one.name] = spec, default
    return flags


def _defaults(owners: dict[str, tuple[OptionSpec, Any]]) -> str:
    """``hear: default 8; knn: default 10``; words in quotes, as one of them is "default"."""
    names: dict[str, list[str]] = {}
    for name, (spec, default) in owners.items():
        text = ",".join(map(str, default)) if isinstance(default, tuple) else repr(default)
        names.setdefault("" if spec.parse is None else f": default {text}", []).append(name)
    return "; ".join(", ".join(found) + text for text, found in names.items())


def _argument_type(parse: Parse) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None

    return read
