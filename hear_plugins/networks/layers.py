"""The option of models that put features of several layers beside each other."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def chosen_layers(layers: Sequence[int], known: Collection[int]) -> tuple[int, ...]:
    """The option `layers` in the network's order; ValueError unless each is one of `known`."""
    valid = isinstance(layers, (list, tuple)) and all(type(i) is int for i in layers)
    if not valid or not layers or len(set(layers)) < len(layers) or not set(layers) <= set(known):
        raise ValueError(f"layers={layers!r}; expected different ones of {sorted(known)}")
    return tuple(sorted(layers))
