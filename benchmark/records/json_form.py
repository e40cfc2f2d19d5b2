"""Frozen dataclasses as JSON and back, every key and kind of value checked."""

from __future__ import annotations

import hashlib
import json
import math
import types
from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")

# A number that may be infinite. JSON has no infinity: it is written as "inf" or "-inf".
Extended = Annotated[float, "may be infinite"]
_INFINITE = {"inf": math.inf, "-inf": -math.inf}
# Metadata of a field that was added when there were JSON forms without it: where it has its default
# it is left out, so what was written before stays as it is, keys included.
LATER = {"later": True}


class RecordError(ValueError):
    """A record, or the material for one, is not as it should be; one line naming file and key."""


def to_json(value: Any) -> Any:
    """Dataclasses, mappings, tuples and numbers as what `json` writes; NaN becomes null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_json(content)
            for field in fields(value)
            if not ((content := getattr(value, field.name)) == field.default and _is_later(field))
        }
    if isinstance(value, Mapping):
        return {key: to_json(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def canonical(value: Any) -> str:
    """The one text of a JSON value: keys sorted, no blanks.

    Raises
    ------
    TypeError, ValueError
        The value is not made of JSON's kinds of values.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def short_key(value: Any) -> str:
    """Eight hexadecimal digits over the canonical text of a JSON value."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:8]


def from_json(kind: type[T], data: Any, where: str = "") -> T:
    """A dataclass from its JSON form.

    Parameters
    ----------
    where
        Path to `data` in the document, for messages.

    Raises
    ------
    RecordError
        A key is missing, unknown, or its value of the wrong kind.
    """
    if not isinstance(data, dict):
        raise RecordError(f"{where or 'record'}: expected a mapping, got {data!r:.60}")
    start = f"{where}." if where else ""
    hints = _hints(cast(Any, kind))
    later = {field.name for field in fields(cast(Any, kind)) if _is_later(field)}
    if missing := hints.keys() - later - data.keys():
        raise RecordError(f"missing key '{start}{sorted(missing)[0]}'")
    if unknown := data.keys() - hints.keys():
        raise RecordError(f"unknown key '{start}{sorted(unknown)[0]}'")
    return kind(**{key: _conform(data[key], hints[key], start + key) for key in data})


def _is_later(field: Field[Any]) -> bool:
    return bool(field.metadata.get("later"))


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _conform(value: Any, hint: Any, key: str) -> Any:
    """`value` of a JSON document as the type that `hint` says, or `RecordError` naming `key`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if hint == Extended:
        found = _INFINITE.get(value, value) if isinstance(value, str) else value
        return found if found in _INFINITE.values() else _conform(value, float, key)
    if is_dataclass(hint):
        return from_json(cast("type[Any]", hint), value, key)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        return _conform(value, next(a for a in arguments if a is not types.NoneType), key)
    if origin is dict and isinstance(value, dict):
        return {k: _conform(v, arguments[1], f"{key}.{k}") for k, v in value.items()}
    if origin is tuple and isinstance(value, list):
        return tuple(_conform(v, arguments[0], f"{key}[{i}]") for i, v in enumerate(value))
    is_bool = isinstance(value, bool)
    if hint is float and isinstance(value, (int, float)) and not is_bool and math.isfinite(value):
        return float(value)
    if hint in (str, bool, int) and isinstance(value, hint) and (hint is bool or not is_bool):
        return value
    kinds = {str: "text", bool: "true or false", int: "a whole number", float: "a finite number"}
    kind = kinds.get(hint) or {dict: "a mapping", tuple: "a list"}[cast("Any", origin)]
    raise RecordError(f"{key}: expected {kind}, got {value!r:.60}")
