"""Embeddings of any HEAR modules side by side, as one model.

A module that offers such a model loads its parts, and calls the functions here:

    model = concatenate([(first, first.load_model()), (second, second.load_model())])
    embeddings = scene_embeddings(audio, model)

Parts take audio of one sample rate, and their timestamps coincide.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any, Protocol

import torch
from torch import Tensor, nn

TOLERANCE_MS = 0.01
"""By how much timestamps that coincide may differ: float32 holds an hour to 0.25 ms, and both
modules round the same number."""


class HearModule(Protocol):
    """What is called of a module with the HEAR API."""

    def get_scene_embeddings(self, audio: Tensor, model: Any) -> Tensor:
        """(n_sounds, n_samples) -> (n_sounds, size)."""

    def get_timestamp_embeddings(self, audio: Tensor, model: Any) -> tuple[Tensor, Tensor]:
        """(n_sounds, n_samples) -> (n_sounds, count, size), (n_sounds, count) in ms."""


Part = tuple["HearModule | ModuleType", nn.Module]
"""A module with the HEAR API, and what its `load_model` returned."""


class Concatenation(nn.Module):
    """What `concatenate` returns: modules with their models, in the order of their values."""

    def __init__(self, parts: Sequence[Part]) -> None:
        super().__init__()
        self.modules_of_parts = [module for module, _ in parts]
        self.models = nn.ModuleList(model for _, model in parts)
        self.sample_rate: int = self._attributes("sample_rate")[0]
        self.scene_embedding_size: int = sum(self._attributes("scene_embedding_size"))
        self.timestamp_embedding_size: int = sum(self._attributes("timestamp_embedding_size"))
        self.provenance: dict[str, Any] = {}

    def _attributes(self, name: str) -> list[Any]:
        return [getattr(model, name) for model in self.models]

    @property
    def names(self) -> list[str]:
        """Of the parts, for errors and records."""
        return [_name(module) for module in self.modules_of_parts]


def concatenate(parts: Sequence[Part]) -> Concatenation:
    """One model of several.

    Its `provenance` is that of the part whose weights say most (random, else a file's, else a
    package's), and has that of each part under "parts".

    Raises
    ------
    ValueError
        No parts, or parts with different sample rates.
    """
    rates = {_name(module): getattr(model, "sample_rate", None) for module, model in parts}
    if len(set(rates.values())) != 1:
        stated = ", ".join(f"{name} takes {rate} Hz" for name, rate in rates.items())
        raise ValueError(f"{stated or 'no parts'}; expected models of one sample rate")
    whole = Concatenation(parts)
    origins = [dict(getattr(model, "provenance", {})) for _, model in parts]
    ranked = ("random", "file", "package", "none")
    first = min(
        origins,
        key=lambda x: ranked.index(x["weights"]) if x.get("weights") in ranked else len(ranked),
    )
    named = [{"module": name, **origin} for name, origin in zip(whole.names, origins, strict=True)]
    whole.provenance = {"weights": "unknown", **first, "parts": named}
    return whole.eval()


def scene_embeddings(audio: Tensor, model: Concatenation) -> Tensor:
    """The parts' scene embeddings side by side: (n_sounds, scene_embedding_size), float32.

    Raises
    ------
    ValueError
        As the first part.
    """
    each = zip(model.modules_of_parts, model.models, strict=True)
    return torch.cat([module.get_scene_embeddings(audio, part) for module, part in each], dim=1)


def timestamp_embeddings(audio: Tensor, model: Concatenation) -> tuple[Tensor, Tensor]:
    """The parts' timestamp embeddings side by side, with the timestamps of the first.

    Returns
    -------
    embeddings : Tensor (n_sounds, n_timestamps, timestamp_embedding_size), float32
    timestamps : Tensor (n_sounds, n_timestamps), float32, in ms

    Raises
    ------
    ValueError
        As the first part; the timestamps of two parts do not coincide.
    """
    embeddings: list[Tensor] = []
    first: Tensor | None = None
    for name, module, part in zip(model.names, model.modules_of_parts, model.models, strict=True):
        values, times = module.get_timestamp_embeddings(audio, part)
        if first is None:
            first = times
        elif first.shape != times.shape or (first - times).abs().max() > TOLERANCE_MS:
            raise ValueError(
                f"timestamps do not coincide: {model.names[0]} has {_described(first)}, {name} has"
                f" {_described(times)}; expected parts with the same hop and the same first one"
            )
        embeddings.append(values)
    assert first is not None
    return torch.cat(embeddings, dim=2), first


def _described(times: Tensor) -> str:
    shown = ", ".join(f"{ms:g}" for ms in times[0, :3].tolist())
    return f"{times.shape[1]} ({shown}{', ...' if times.shape[1] > 3 else ''} ms)"


def _name(module: object) -> str:
    return str(getattr(module, "__name__", type(module).__name__))
