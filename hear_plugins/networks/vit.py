"""The Vision Transformer over spectrogram patches that several audio models share.

Pre-norm blocks as in Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, with the
tensor names of timm's VisionTransformer, which the published audio checkpoints kept. What differs
between models (patch size, grid, embed_dim, depth, biases, class token) is an argument.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .linear import Linear, PatchConv2d, is_plain, linear

LAYER_NORM_EPS = 1e-6


class Attention(nn.Module):
    """Multi-head self-attention with one projection for queries, keys and values."""

    def __init__(self, embed_dim: int, heads: int, qkv_bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(embed_dim, 3 * embed_dim, bias=qkv_bias)
        self.proj = Linear(embed_dim, embed_dim)

    def forward(self, x: Tensor, first: int | None = None) -> Tensor:
        """(batch, tokens, embed_dim) -> the same, or only the `first` tokens of it."""
        if first is None or not is_plain(self.qkv):
            qkv = self.qkv(x).unflatten(2, (3, self.heads, -1))
            q, k, v = qkv.permute(2, 0, 3, 1, 4)
            q = q[:, :, :first]
        else:
            weight, bias, embed_dim = self.qkv.weight, self.qkv.bias, x.shape[2]
            biases = (None, None) if bias is None else (bias[:embed_dim], bias[embed_dim:])
            query = linear(x[:, :first].contiguous(), weight[:embed_dim], biases[0])
            q = query.unflatten(2, (self.heads, -1)).transpose(1, 2)
            kv = linear(x, weight[embed_dim:], biases[1]).unflatten(2, (2, self.heads, -1))
            k, v = kv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.proj(mixed)


class Mlp(nn.Module):
    """Two layers with an exact (erf) GELU between."""

    def __init__(self, embed_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.fc1 = Linear(embed_dim, hidden_dim)
        self.fc2 = Linear(hidden_dim, embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Attention and MLP, each behind its own LayerNorm and beside a residual path."""

    def __init__(self, embed_dim: int, heads: int, qkv_bias: bool = True) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim, eps=LAYER_NORM_EPS)
        self.attn = Attention(embed_dim, heads, qkv_bias)
        self.norm2 = nn.LayerNorm(embed_dim, eps=LAYER_NORM_EPS)
        self.mlp = Mlp(embed_dim, 4 * embed_dim)

    def forward(self, x: Tensor, first: int | None = None) -> Tensor:
        """(batch, tokens, embed_dim) -> the same, or its `first` tokens at less cost."""
        x = x[:, :first] + self.attn(self.norm1(x), first)
        return x + self.mlp(self.norm2(x))


def patchify(
    spectrogram: Tensor, patch: tuple[int, int], stride: tuple[int, int] | None = None
) -> Tensor:
    """Patches, by default without overlap; what does not fill one is left out.

    Parameters
    ----------
    spectrogram : Tensor (batch, bins, frames), or with its axes in another order.
    patch : its size along these axes.
    stride : from one patch to the next along these axes.

    Returns
    -------
    Tensor (batch, patches along axis 1, along axis 2, values of a patch): the patch's last axis
    runs fastest.
    """
    first, second = stride or patch
    return spectrogram.unfold(1, patch[0], first).unfold(2, patch[1], second).flatten(3)


class PatchEmbed(nn.Module):
    """Patches of a spectrogram, each projected to one token.

    Parameters
    ----------
    embed_dim : of a token.
    patch : (bins, frames)
    flat : the weight is stored as a matrix instead of a convolution's kernel.
    stride : as of `patchify`.
    """

    def __init__(
        self,
        embed_dim: int,
        patch: tuple[int, int],
        flat: bool = False,
        stride: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.patch = patch
        self.stride = stride
        self.proj: Linear | PatchConv2d
        if flat:
            self.proj = Linear(math.prod(patch), embed_dim)
        else:
            self.proj = PatchConv2d(1, embed_dim, patch)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(batch, bins, frames) -> (batch, freq patches, time steps, embed_dim)."""
        spectrogram = spectrogram.to(self.proj.weight.dtype)
        tokens: Tensor = self.proj(patchify(spectrogram, self.patch, self.stride))
        return tokens


class ViT(nn.Module):
    """Transformer over a grid of patches, with a table of positions.

    Parameters
    ----------
    grid : (freq patches, time steps)
        Patches over frequency and the most of them over time; a shorter input takes the positions
        of the first time steps.
    patch : (bins, frames)
        Size of a patch.
    embed_dim, depth, heads : int
        Size of a token, number of blocks, attention heads.
    class_token : bool
        Whether a class token comes first; the table has a row for it in any case.
    distilled : bool
        Whether a distillation token follows the class token.
    qkv_bias : bool
        Whether queries, keys and values have a bias.
    flat_patches : bool
        As `flat` of `PatchEmbed`.
    stride : (bins, frames)
        As of `patchify`.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        patch: tuple[int, int] = (16, 16),
        embed_dim: int = 768,
        depth: int = 12,
        heads: int = 12,
        class_token: bool = True,
        qkv_bias: bool = True,
        flat_patches: bool = False,
        distilled: bool = False,
        stride: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.grid = grid
        self.first_tokens = class_token + distilled
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim)) if class_token else None
        self.dist_token = nn.Parameter(torch.zeros(1, 1, embed_dim)) if distilled else None
        rows = 1 + distilled + grid[0] * grid[1]
        self.pos_embed = nn.Parameter(torch.zeros(1, rows, embed_dim))
        self.patch_embed = PatchEmbed(embed_dim, patch, flat_patches, stride)
        self.blocks = nn.ModuleList(Block(embed_dim, heads, qkv_bias) for _ in range(depth))
        self.norm = nn.LayerNorm(embed_dim, eps=LAYER_NORM_EPS)

    def tokens(self, spectrogram: Tensor) -> Tensor:
        """(batch, bins, frames) -> (batch, first_tokens + freq patches * time steps, embed_dim)."""
        patches = self.patch_embed(spectrogram)
        of_patches = self.pos_embed[:, -self.grid[0] * self.grid[1] :].unflatten(1, self.grid)
        tokens = (patches + self.positions(of_patches, patches.shape[2])).flatten(1, 2)
        own: list[Tensor] = [x for x in (self.cls_token, self.dist_token) if x is not None]
        if not own:
            return tokens
        first = torch.cat(own, dim=1) + self.pos_embed[:, : len(own)]
        return torch.cat([first.expand(len(tokens), -1, -1), tokens], dim=1)

    def positions(self, table: Tensor, steps: int) -> Tensor:
        """Of so many time steps, out of `table` (1, freq patches, time steps, embed_dim)."""
        return table[:, :, :steps]

    def layers(self, spectrogram: Tensor, norm_all: bool = False) -> Iterator[Tensor]:
        """The output of each block in turn; the last one, or each, after the final LayerNorm."""
        x = self.tokens(spectrogram)
        for block in self.blocks[:-1]:
            x = block(x)
            yield self.norm(x) if norm_all else x
        yield self.norm(self.blocks[-1](x))

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(batch, bins, frames) -> (batch, freq patches, time steps, embed_dim): the patches."""
        *_, x = self.layers(spectrogram)
        return x[:, self.first_tokens :].unflatten(1, (self.grid[0], -1))
