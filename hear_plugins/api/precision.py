"""Any plugin in bfloat16 or float16, or compiled: options of whoever calls it, not of the plugin.

Matrix products, convolutions and attention are computed in the lower precision (torch.autocast);
spectrograms stay in float32, for their range is beyond what a few digits can hold. Both options
change embeddings: `python -m benchmark.studies.model_speed --dtype bfloat16` measures by how much.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

import torch
from torch import Tensor, nn

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

Owner = TypeVar("Owner")


def autocast(device: torch.device, dtype: str) -> AbstractContextManager[object]:
    """Where plugins are called: their networks compute in `dtype`, one of `DTYPES`."""
    return torch.autocast(device.type, DTYPES[dtype], enabled=dtype != "float32")


def full_precision(
    function: Callable[[Owner, Tensor], Tensor],
) -> Callable[[Owner, Tensor], Tensor]:
    """Decorator of a spectrogram's method (self, audio): float32, whatever is around it."""

    @functools.wraps(function)
    def in_float32(self: Owner, audio: Tensor) -> Tensor:
        with torch.autocast(audio.device.type, enabled=False):
            return function(self, audio)

    return in_float32


WITHOUT_FLOAT64 = {"mps"}
"""Types of devices."""


def to_float64(x: Tensor) -> Tensor:
    """`x` in float64, on the CPU where its device has none."""
    return (x.cpu() if x.device.type in WITHOUT_FLOAT64 else x).double()


def compile_blocks(model: nn.Module) -> int:
    """Compile the parts that a model's network repeats, and its sequences; returns their number.

    Blocks instead of whole networks, because blocks of one class share what is compiled, and
    because plugins call networks in ways of their own. Compilation happens when they are called.
    """
    blocks = list(_blocks(model))
    for block in blocks:
        block.compile()
    return len(blocks)


def _blocks(model: nn.Module) -> Iterator[nn.Module]:
    repeated = Counter(type(module) for module in model.modules())
    containers = (nn.ModuleList, nn.ModuleDict)
    waiting = list(model.children())
    while waiting:
        module = waiting.pop()
        parts = list(module.children())
        if isinstance(module, nn.Sequential) or (
            parts and repeated[type(module)] > 1 and not isinstance(module, containers)
        ):
            yield module
        else:
            waiting += parts
