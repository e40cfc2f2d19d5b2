"""The error of weights that cannot be used."""

from __future__ import annotations

from .messages import one_line


class WeightsError(RuntimeError):
    """Weights are missing, damaged, or not this model's; the message is one line with the cure."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))
