"""Embeddings of several models, concatenated, as one model.

Parts take audio of one sample rate, and their timestamps coincide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .hear_model import HearModel

TOLERANCE_MS = 0.01
"""By how much timestamps that coincide may differ: float32 holds an hour to 0.25 ms, and both
models round the same number."""


class Concatenation(HearModel):
    """What `concatenate` returns: models in the order of their values, and the names of them."""

    def __init__(self, parts: Mapping[str, HearModel]) -> None:
        super().__init__()
        self.names = list(parts)
        models = list(parts.values())
        self.models = nn.ModuleList(models)
        self.sample_rate = models[0].sample_rate
        self.scene_embedding_size = sum(model.scene_embedding_size for model in models)
        self.timestamp_embedding_size = sum(model.timestamp_embedding_size for model in models)

    def scenes(self, audio: Tensor) -> Tensor:
        return torch.cat([model.scenes(audio) for model in self._parts()], dim=1)

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """The parts' timestamp embeddings, concatenated, with the timestamps of the first.

        Raises
        ------
        ValueError
            The timestamps of two parts do not coincide.
        """
        embeddings, times = zip(*(model.timestamps(audio) for model in self._parts()), strict=True)
        first = times[0]
        for name, others in zip(self.names, times, strict=True):
            if first.shape != others.shape or (first - others).abs().max() > TOLERANCE_MS:
                raise ValueError(
                    f"timestamps do not coincide: {self.names[0]} has {_described(first)}, {name}"
                    f" has {_described(others)}; expected parts with the same hop and first one"
                )
        return torch.cat(embeddings, dim=2), first

    def layers(self, audio: Tensor) -> list[Tensor]:
        """The layers of the first part, then those of the second, ...; each must have some."""
        return [layer for model in self._parts() for layer in model.layers(audio)]

    def _parts(self) -> Iterator[HearModel]:
        for model in self.models:
            assert isinstance(model, HearModel)
            yield model


def concatenate(parts: Mapping[str, HearModel]) -> Concatenation:
    """One model of several, by the names of their modules.

    Its `provenance` is that of the part whose weights say most (random, else a file's, else a
    package's), and has that of each part under "parts".

    Raises
    ------
    ValueError
        No parts, or parts with different sample rates.
    """
    rates = {name: model.sample_rate for name, model in parts.items()}
    if len(set(rates.values())) != 1:
        stated = ", ".join(f"{name} takes {rate} Hz" for name, rate in rates.items())
        raise ValueError(f"{stated or 'no parts'}; expected models of one sample rate")
    ranked = ("random", "file", "package", "none")
    origins = {name: dict(model.provenance) for name, model in parts.items()}
    first = min(
        origins.values(),
        key=lambda x: ranked.index(x["weights"]) if x.get("weights") in ranked else len(ranked),
    )
    named: list[dict[str, Any]] = [{"module": name, **origin} for name, origin in origins.items()]
    return Concatenation(parts).ready({"weights": "unknown", **first, "parts": named})


def _described(times: Tensor) -> str:
    shown = ", ".join(f"{time:g}" for time in times[0, :3].tolist())
    return f"{times.shape[1]} ({shown}{', ...' if times.shape[1] > 3 else ''} ms)"
