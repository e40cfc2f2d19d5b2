"""A protocol and its options from names and plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmark.errors import UserError
from benchmark.progress import write_line
from benchmark.protocols.options import ProtocolOptions, declared_options
from benchmark.protocols.registry import Protocol, protocol
from tasks.folder import near_names


def protocol_with(
    wanted: str | Protocol, options: Mapping[str, Any] | None
) -> tuple[Protocol, ProtocolOptions]:
    """A protocol by its name or as it is, and its options, checked; remarks go to stderr.

    Parameters
    ----------
    options
        Values by name, such as ``{"seeds": (0, 1)}``; lists may stand for tuples.

    Raises
    ------
    UserError
        There is no such protocol or option, or the option has another value.
    """
    chosen = wanted if isinstance(wanted, Protocol) else protocol(wanted)
    declared = declared_options(chosen.options)
    values = {}
    for name, value in (options or {}).items():
        if name not in declared:
            raise UserError(
                f"protocol {chosen.name} has no option {name!r}{near_names(name, declared)};"
                f" it has: {', '.join(declared)}"
            )
        values[name] = tuple(value) if isinstance(value, list) else value
    try:
        made = chosen.options(**values)
    except ValueError as error:
        raise UserError(f"protocol {chosen.name}: {error}") from None
    if isinstance(wanted, str) and wanted != chosen.name:
        write_line(f"protocol {wanted} is called {chosen.name} now")
    for remark in made.remarks():
        write_line(f"note: {remark}")
    chosen.check(made)
    return chosen, made
