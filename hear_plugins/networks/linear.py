"""Dense layers at the speed that the machine has."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`x @ weight.T + bias`, (..., i) with (o, i) -> (..., o).

    In float32 on a CPU, oneDNN does it twice as fast as the MKL that torch would choose, unless
    the CPU is Intel's.
    """
    if x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_grad_enabled():
        fast = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
        if fast is not None and torch.backends.mkldnn.is_available():
            return fast(x, weight, bias, "none", [], "")
    return F.linear(x, weight, bias)


class Linear(nn.Linear):
    """`nn.Linear` through `linear`."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


def quicken(network: nn.Module) -> None:
    """Let the dense layers of a network that was written elsewhere go through `linear`."""
    for module in network.modules():
        if type(module) is nn.Linear:
            module.__class__ = Linear
