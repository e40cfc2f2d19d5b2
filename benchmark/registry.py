"""Registries of protocols, probes and metrics: the built-in ones and those of other packages.

A built-in one is declared in a file of its package, which the registry finds by itself; another
package declares entry points, whose names are those of the objects that they give.
"""

from __future__ import annotations

import difflib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any, Generic, TypeVar

from benchmark.errors import UserError

T = TypeVar("T")


@dataclass(frozen=True)
class Registry(Generic[T]):
    """Things by name.

    Parameters
    ----------
    what
        One of them, in words.
    kind
        Their class; it has a `name`.
    package
        Built-in ones are declared in its files, and in `<what>.py` of its folders.
    attribute
        Name of the tuple in which a file declares them.
    group
        Entry points of other packages.
    """

    what: str
    kind: type[T]
    package: str
    attribute: str
    group: str
    _loaded: dict[str, T] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def built_in(self) -> dict[str, T]:
        """Those that files of the package declare, by name."""
        found: dict[str, T] = {}
        for module in self._modules():
            for one in getattr(module, self.attribute, ()):
                if self._name(one) in found:
                    raise ValueError(f"two built-in {self.what}s are called {self._name(one)!r}")
                found[self._name(one)] = one
        return found

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in sorted(entry_points(group=self.group), key=str)}

    def names(self) -> tuple[str, ...]:
        """All names, the built-in ones first."""
        return tuple(dict.fromkeys((*self.built_in, *self._entry_points)))

    def get(self, name: str) -> T:
        """The one of that name.

        Raises
        ------
        UserError
            There is none, or the package that declares it cannot give it.
        """
        if name in self.built_in:
            return self.built_in[name]
        if name not in self._loaded:
            if name not in self._entry_points:
                raise UserError(
                    f"unknown {self.what} {name!r}{near_name(name, self.names())};"
                    f" there are: {', '.join(self.names())}"
                )
            self._loaded[name] = self._load(self._entry_points[name])
        return self._loaded[name]

    def all(self, on_failure: Callable[[str], None] | None = None) -> Iterator[T]:
        """Every one; those that another package cannot give are told to `on_failure`, or raised."""
        for name in self.names():
            try:
                yield self.get(name)
            except UserError as error:
                if on_failure is None:
                    raise
                on_failure(str(error))

    def _load(self, point: EntryPoint) -> T:
        where = f"{self.what} {point.name!r} of entry point {point.value!r}"
        try:
            one = point.load()
        except Exception as error:  # another package's code may raise anything
            raise UserError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
        if not isinstance(one, self.kind):
            raise UserError(f"{where} is a {type(one).__name__}, expected a {self.kind.__name__}")
        if self._name(one) != point.name:
            raise UserError(f"{where} calls itself {self._name(one)!r}; both names must agree")
        return one

    def _modules(self) -> Iterator[Any]:
        package = import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__):
            name = f"{self.package}.{module.name}"
            if not module.ispkg:
                yield import_module(name)
            elif find_spec(f"{name}.{self.what}"):
                yield import_module(f"{name}.{self.what}")

    @staticmethod
    def _name(one: Any) -> str:
        return str(one.name)


def near_name(name: str, known: Iterable[str]) -> str:
    """``", did you mean 'mAP'?"`` for a name that is nearly one of the known; else nothing."""
    by_lower = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f", did you mean {by_lower[near[0]]!r}?" if near else ""
