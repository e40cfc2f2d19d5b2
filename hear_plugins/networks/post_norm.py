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

from .linear import Linear


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, embed_dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = Linear(embed_dim, embed_dim)
        self.k_proj = Linear(embed_dim, embed_dim)
        self.v_proj = Linear(embed_dim, embed_dim)
        self.out_proj = Linear(embed_dim, embed_dim)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """(n, tokens, embed_dim), (heads, tokens, tokens) -> (n, tokens, embed_dim)."""
        q, k, v = (
            layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        if bias is not None:
            bias = self.gate(q, bias)
        mixed = F.scaled_dot_product_attention(q, k, v, bias).transpose(1, 2).flatten(2)
        return self.out_proj(mixed)

    def gate(self, queries: Tensor, bias: Tensor) -> Tensor:
        """What of the bias the queries (n, heads, tokens, embed_dim / heads) let through: all."""
        return bias.expand(len(queries), -1, -1, -1)


class Layer(nn.Module):
    """Attention and two linear layers with an exact (erf) GELU, each followed by a LayerNorm.

    Parameters
    ----------
    attention : an `Attention`.
    embed_dim, hidden_dim : of a token, and between the linear layers.
    residual : factor of the residual paths.
    """

    def __init__(
        self, attention: Attention, embed_dim: int, hidden_dim: int, residual: float
    ) -> None:
        super().__init__()
        self.residual = residual
        self.self_attn = attention
        self.self_attn_layer_norm = nn.LayerNorm(embed_dim)
        self.fc1 = Linear(embed_dim, hidden_dim)
        self.fc2 = Linear(hidden_dim, embed_dim)
        self.final_layer_norm = nn.LayerNorm(embed_dim)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        x = self.self_attn_layer_norm(x * self.residual + self.self_attn(x, bias))
        return self.final_layer_norm(x * self.residual + self.fc2(F.gelu(self.fc1(x))))


class Encoder(nn.Module):
    """A LayerNorm, then the layers.

    Parameters
    ----------
    attentions : one for each layer.
    embed_dim, hidden_dim, residual : as of `Layer`.
    """

    def __init__(
        self,
        attentions: Sequence[Attention],
        embed_dim: int,
        hidden_dim: int,
        residual: float = 1.0,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(a, embed_dim, hidden_dim, residual) for a in attentions)
        self.layer_norm = nn.LayerNorm(embed_dim)

    def outputs(self, x: Tensor, bias: Tensor | None = None) -> Iterator[Tensor]:
        """The output (n, tokens, embed_dim) of each layer in turn."""
        x = self.layer_norm(x)
        for layer in self.layers:
            x = layer(x, bias)
            yield x


class FbankTransformer(nn.Module):
    """An encoder of patches of a Kaldi filterbank.

    Attributes
    ----------
    patch_frames : frames of a patch, and from one time step to the next
    freq_patches : patches over frequency
    embed_dim : of a token
    audio_scale : of the samples that the filterbank is computed from
    """

    patch_frames: int
    freq_patches: int
    embed_dim: int
    audio_scale = 1.0

    def standardise(self, fbank: Tensor) -> Tensor:
        """The filterbank (n_sounds, frames, mels) with values about 0."""
        raise NotImplementedError

    def layers(self, spectrogram: Tensor) -> Iterator[Tensor]:
        """(n, mels, frames) -> of each layer (n, time steps, freq_patches, embed_dim)."""
        raise NotImplementedError

    def forward(self, spectrogram: Tensor) -> Tensor:
        """The last of `layers`."""
        *_, last = self.layers(spectrogram)
        return last
