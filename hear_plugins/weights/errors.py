"""The error of weights that cannot be used."""

from __future__ import annotations


class WeightsError(RuntimeError):
    """Weights are missing, damaged, or not this model's; the message is one line with the cure."""
