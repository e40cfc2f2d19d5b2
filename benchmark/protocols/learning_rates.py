"""Learning rates as words of the command line."""

from __future__ import annotations


def learning_rate(text: str) -> float:
    """A learning rate; ValueError if it is not positive."""
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < 1e6:
        raise ValueError("expected a positive learning rate such as 3e-4")
    return rate


def learning_rates(text: str) -> tuple[float, ...]:
    """Learning rates of a list such as ``1e-3,1e-4``; ValueError if they are not different ones."""
    rates = tuple(learning_rate(word) for word in text.split(","))
    if len(set(rates)) < len(rates):
        raise ValueError("expected different learning rates such as 1e-3,1e-4")
    return rates
