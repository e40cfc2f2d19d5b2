"""A HEAR module for tests with layers of its own, that counts its passes and fails on demand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SIZES = (4, 4, 4)


class Layered(torch.nn.Module):
    sample_rate = 16000

    def __init__(self, sizes: tuple[int, ...], scene: tuple[int, ...], fault: str) -> None:
        super().__init__()
        self.scene = scene
        self.scene_embedding_size = sum(sizes[number - 1] for number in scene)
        self.timestamp_embedding_size = sizes[-1]
        self.fault = fault
        self.calls_before_fault = 10**9
        self.passes: list[int] = []  # clips of each
        generator = torch.Generator().manual_seed(0)
        self.weights = torch.nn.ParameterList(
            torch.randn(fan_in, fan_out, generator=generator)
            for fan_in, fan_out in zip((4, *sizes), sizes, strict=False)
        )

    def blocks(self, audio: Tensor) -> list[Tensor]:
        self.passes.append(len(audio))
        if len(self.passes) > self.calls_before_fault:
            raise KeyboardInterrupt
        absolute = audio.abs()
        x = torch.stack([audio.mean(1), audio.std(1), absolute.mean(1), absolute.amax(1)], 1)
        found = []
        for weight in self.weights:
            x = (x @ weight).tanh()
            found.append(x)
        return found


def load_model(
    model_file_path: str = "",
    *,
    sizes: list[int] | tuple[int, ...] = SIZES,
    scene: list[int] | tuple[int, ...] = (3,),
    fault: str = "",
) -> Layered:
    """`scene`: the layers that are the scene embedding."""
    return Layered(tuple(sizes), tuple(scene), fault).eval()


def get_scene_embeddings(audio: Tensor, model: Layered) -> Tensor:
    layers = model.blocks(audio)
    return torch.cat([layers[number - 1] for number in model.scene], dim=1)


def get_timestamp_embeddings(audio: Tensor, model: Layered) -> tuple[Tensor, Tensor]:
    return model.blocks(audio)[-1][:, None], torch.full((len(audio), 1), 25.0)


def get_layer_embeddings(audio: Tensor, model: Layered) -> Any:
    if model.fault == "none":
        raise NotImplementedError("Layered is no network")
    layers = model.blocks(audio)
    faults = {
        "tensor": lambda: torch.cat(layers, 1),
        "over time": lambda: [layer[:, None] for layer in layers],
        "empty": lambda: [],
        "dtype": lambda: [layer.double() for layer in layers],
        "nan": lambda: [layer / 0 for layer in layers],
        "sizes": lambda: layers[: len(model.passes)],
    }
    return faults.get(model.fault, lambda: layers)()
