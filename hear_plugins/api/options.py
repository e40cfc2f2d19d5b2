"""Checks of the options of `load_model`."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def check_choice(name: str, value: object, choices: Collection[object]) -> None:
    """ValueError unless the option `name` has one of the `choices`."""
    if value not in choices:
        listed = ", ".join(map(str, choices))
        raise ValueError(f"{name}={value!r}; expected one of {listed}")


def chosen_layers(layers: Sequence[int], known: Collection[int]) -> tuple[int, ...]:
    """The option `layers` in the network's order; ValueError unless each is one of `known`."""
    valid = isinstance(layers, (list, tuple)) and all(type(i) is int for i in layers)
    if not valid or not layers or len(set(layers)) < len(layers) or not set(layers) <= set(known):
        raise ValueError(f"layers={layers!r}; expected different ones of {sorted(known)}")
    return tuple(sorted(layers))


def samples_of(milliseconds: float, sample_rate: int, name: str, multiple: int = 1) -> int:
    """A duration option in samples, exactly.

    Parameters
    ----------
    milliseconds : float
        The option's value.
    sample_rate : int
        In Hz.
    name : str
        The option's name, for the error.
    multiple : int
        The result must be a multiple of this many samples.

    Raises
    ------
    ValueError
        The duration is not positive or not a whole multiple.
    """
    steps = milliseconds * sample_rate / (1000 * multiple)
    if not (steps >= 1 and abs(steps - round(steps)) < 1e-6):
        raise ValueError(
            f"{name}={milliseconds} ms; expected a positive multiple of"
            f" {1000 * multiple / sample_rate:g} ms ({multiple} samples at {sample_rate} Hz)"
        )
    return round(steps) * multiple
