"""The transformer of BEATs and MAE-AST: post-norm layers, with fairseq's tensor names.

Vaswani et al., "Attention is all you need", NeurIPS 2017: the LayerNorm stands behind each residual
path (that of `vit` before it), and queries, keys and values are projected apart. What differs
between the models is an argument: how much the residual path counts (DeepNorm), and whether
attention is biased by relative positions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from .linear import linear


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """(n, tokens, width), (heads, tokens, tokens) -> (n, tokens, width)."""
        q, k, v = (
            linear(x, layer.weight, layer.bias).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        if bias is not None:
            bias = self.gate(q, bias)
        mixed = F.scaled_dot_product_attention(q, k, v, bias).transpose(1, 2).flatten(2)
        return linear(mixed, self.out_proj.weight, self.out_proj.bias)

    def gate(self, queries: Tensor, bias: Tensor) -> Tensor:
        """What of the bias the queries (n, heads, tokens, width / heads) let through: all."""
        return bias.expand(len(queries), -1, -1, -1)


class Layer(nn.Module):
    """Attention and two dense layers with an exact (erf) GELU, each followed by a LayerNorm.

    Parameters
    ----------
    attention : an `Attention`.
    width, hidden : of a token, and between the dense layers.
    residual : factor of the residual paths.
    """

    def __init__(self, attention: Attention, width: int, hidden: int, residual: float) -> None:
        super().__init__()
        self.residual = residual
        self.self_attn = attention
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        x = self.self_attn_layer_norm(x * self.residual + self.self_attn(x, bias))
        hidden = F.gelu(linear(x, self.fc1.weight, self.fc1.bias))
        hidden = linear(hidden, self.fc2.weight, self.fc2.bias)
        return self.final_layer_norm(x * self.residual + hidden)


class Encoder(nn.Module):
    """A LayerNorm, then the layers.

    Parameters
    ----------
    attentions : one for each layer.
    width, hidden, residual : as of `Layer`.
    """

    def __init__(
        self, attentions: Sequence[Attention], width: int, hidden: int, residual: float = 1.0
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(a, width, hidden, residual) for a in attentions)
        self.layer_norm = nn.LayerNorm(width)

    def outputs(self, x: Tensor, bias: Tensor | None = None) -> Iterator[Tensor]:
        """The output (n, tokens, width) of each layer in turn."""
        x = self.layer_norm(x)
        for layer in self.layers:
            x = layer(x, bias)
            yield x
