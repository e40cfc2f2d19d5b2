"""Linear layers at the speed that the machine has."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_HAS_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(
    torch.ops.mkldnn, "_linear_pointwise"
)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`x @ weight.T + bias`, (..., i) with (o, i) -> (..., o).

    In float32 on a CPU, oneDNN does it twice as fast as the MKL that torch would choose, unless
    the CPU is Intel's.
    """
    if (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and _HAS_ONEDNN
    ):
        through = _sealed if torch.compiler.is_compiling() else _onednn
        return through(x, weight, bias)
    return F.linear(x, weight, bias)


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    out: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return out


# The compiler takes oneDNN's own operator for one that it made itself, of constant weights.
_sealed = torch.library.custom_op(
    "hear_plugins::linear",
    _onednn,
    mutates_args=(),
    schema="(Tensor x, Tensor weight, Tensor? bias) -> Tensor",
)


@_sealed.register_fake
def _shape(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return x.new_empty((*x.shape[:-1], len(weight)))


class Linear(nn.Linear):
    """`nn.Linear` through `linear`."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


class PatchConv2d(nn.Conv2d):
    """A convolution that is given its patches, each as one row: a linear layer through `linear`."""

    def forward(self, patches: Tensor) -> Tensor:
        """(..., channels * kernel) -> (..., out_channels)."""
        return linear(patches, self.weight.flatten(1), self.bias)


def is_plain(layer: nn.Module) -> bool:
    """Whether a layer is nothing but its weights, so that a shorter computation may read them.

    Hooks, adapters (LoRA), parametrisation and quantisation need the layer itself to be called.
    """
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return type(layer) is Linear and not any(getattr(layer, name) for name in hooks)


def use_fast_linear(network: nn.Module) -> None:
    """Let the linear layers of a network that was written elsewhere go through `linear`."""
    for module in network.modules():
        if type(module) is nn.Linear:
            module.__class__ = Linear
