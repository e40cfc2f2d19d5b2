"""The probes there are: what is fitted to embeddings and predicts labels.

A probe is declared as a `Probe` in the tuple ``PROBES`` of a file of this package; another package
gives one by an entry point of the group ``hear_plugins.probes``. Protocols choose among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from benchmark.embeddings.dataset import Rows
from benchmark.registry import Registry


class FittedProbe(Protocol):
    """A probe that was fitted."""

    def predict(self, rows: Rows) -> Tensor:
        """(rows, labels) float32: a probability of each label for each row."""
        ...


@dataclass(frozen=True)
class ProbeData:
    """What a probe is fitted to.

    Attributes
    ----------
    embed_dim
        Length of an embedding.
    train
        Rows to learn from.
    valid
        Rows to choose the best state by; probes that have no states leave them.
    score
        Of probabilities (rows, labels) for `valid`, how good they are; more is better.
    """

    embed_dim: int
    train: Rows
    valid: Rows
    score: Callable[[Tensor], float]


@dataclass(frozen=True)
class Probe:
    """One way to predict labels from embeddings.

    Attributes
    ----------
    name
        As protocols and records have it.
    summary
        One line.
    hparams
        Its hyperparameters and their defaults.
    fit
        ``fit(data, hparams, generator)``: a fitted probe. All its random numbers come from
        `generator`. Raises `UserError` where it cannot be fitted.
    """

    name: str
    summary: str
    hparams: Mapping[str, Any]
    fit: Callable[[ProbeData, Mapping[str, Any], torch.Generator], FittedProbe]


PROBES_REGISTRY: Registry[Probe] = Registry(
    "probe", Probe, "benchmark.probes", "PROBES", "hear_plugins.probes"
)


def probe(name: str) -> Probe:
    """The probe of that name; `UserError` with near names if there is none."""
    return PROBES_REGISTRY.get(name)
