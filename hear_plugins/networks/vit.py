"""The Vision Transformer over spectrogram patches that several audio models share.

Pre-norm blocks as in Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, with the
tensor names of timm's VisionTransformer, which the published audio checkpoints kept. What differs
between models (patch size, grid, width, depth, biases, class token) is an argument.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .linear import linear

LAYER_NORM_EPS = 1e-6


class Attention(nn.Module):
    """Multi-head self-attention with one projection for queries, keys and values."""

    def __init__(self, width: int, heads: int, qkv_bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, first: int | None = None) -> Tensor:
        """(batch, tokens, width) -> the same, or only the `first` tokens of it."""
        weight, bias = self.qkv.weight, self.qkv.bias
        if first is None:
            qkv = linear(x, weight, bias).unflatten(2, (3, self.heads, -1))
            q, k, v = qkv.permute(2, 0, 3, 1, 4)
        else:
            width = x.shape[2]
            biases = (None, None) if bias is None else (bias[:width], bias[width:])
            query = linear(x[:, :first].contiguous(), weight[:width], biases[0])
            q = query.unflatten(2, (self.heads, -1)).transpose(1, 2)
            kv = linear(x, weight[width:], biases[1]).unflatten(2, (2, self.heads, -1))
            k, v = kv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return linear(mixed, self.proj.weight, self.proj.bias)


class Mlp(nn.Module):
    """Two layers with an exact (erf) GELU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.gelu(linear(x, self.fc1.weight, self.fc1.bias))
        return linear(hidden, self.fc2.weight, self.fc2.bias)


class Block(nn.Module):
    """Attention and MLP, each behind its own LayerNorm and beside a residual path."""

    def __init__(self, width: int, heads: int, qkv_bias: bool = True) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.attn = Attention(width, heads, qkv_bias)
        self.norm2 = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.mlp = Mlp(width, 4 * width)

    def forward(self, x: Tensor, first: int | None = None) -> Tensor:
        """(batch, tokens, width) -> the same, or only the `first` tokens of it, at less cost."""
        x = x[:, :first] + self.attn(self.norm1(x), first)
        return x + self.mlp(self.norm2(x))


def cut(
    spectrogram: Tensor, patch: tuple[int, int], stride: tuple[int, int] | None = None
) -> Tensor:
    """Patches, by default without overlap; what does not fill one is left out.

    Parameters
    ----------
    spectrogram : Tensor (batch, bands, frames), or with its axes in another order.
    patch : its size along these axes.
    stride : from one patch to the next along these axes.

    Returns
    -------
    Tensor (batch, rows, columns, values of a patch): the patch's last axis runs fastest.
    """
    rows, columns = stride or patch
    return spectrogram.unfold(1, patch[0], rows).unfold(2, patch[1], columns).flatten(3)


class PatchEmbed(nn.Module):
    """Patches of a spectrogram, each projected to one token.

    Parameters
    ----------
    width : of a token.
    patch : (bands, frames)
    flat : the weight is stored as a matrix instead of a convolution's kernel.
    stride : as of `cut`.
    """

    def __init__(
        self,
        width: int,
        patch: tuple[int, int],
        flat: bool = False,
        stride: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.patch = patch
        self.stride = stride
        self.proj: nn.Linear | nn.Conv2d
        self.proj = nn.Linear(math.prod(patch), width) if flat else nn.Conv2d(1, width, patch)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(batch, bands, frames) -> (batch, rows, columns, width)."""
        patches = cut(spectrogram, self.patch, self.stride)
        return linear(patches, self.proj.weight.flatten(1), self.proj.bias)


class ViT(nn.Module):
    """Transformer over a grid of patches, with a table of positions.

    Parameters
    ----------
    grid : (rows, columns)
        Rows of patches over frequency and the most columns over time; a shorter input takes the
        positions of the first columns.
    patch : (bands, frames)
        Size of a patch.
    width, depth, heads : int
        Token width, number of blocks, attention heads.
    class_token : bool
        Whether a class token comes first; the table has a row for it in any case.
    distilled : bool
        Whether a distillation token follows the class token.
    qkv_bias : bool
        Whether queries, keys and values have a bias.
    flat_patches : bool
        As `flat` of `PatchEmbed`.
    stride : (bands, frames)
        As of `cut`.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        patch: tuple[int, int] = (16, 16),
        width: int = 768,
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
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width)) if class_token else None
        self.dist_token = nn.Parameter(torch.zeros(1, 1, width)) if distilled else None
        rows = 1 + distilled + grid[0] * grid[1]
        self.pos_embed = nn.Parameter(torch.zeros(1, rows, width))
        self.patch_embed = PatchEmbed(width, patch, flat_patches, stride)
        self.blocks = nn.ModuleList(Block(width, heads, qkv_bias) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)

    def tokens(self, spectrogram: Tensor) -> Tensor:
        """(batch, bands, frames) -> (batch, first_tokens + rows * columns, width)."""
        patches = self.patch_embed(spectrogram)
        of_patches = self.pos_embed[:, -self.grid[0] * self.grid[1] :].unflatten(1, self.grid)
        tokens = (patches + self.positions(of_patches, patches.shape[2])).flatten(1, 2)
        own: list[Tensor] = [x for x in (self.cls_token, self.dist_token) if x is not None]
        if not own:
            return tokens
        first = torch.cat(own, dim=1) + self.pos_embed[:, : len(own)]
        return torch.cat([first.expand(len(tokens), -1, -1), tokens], dim=1)

    def positions(self, table: Tensor, columns: int) -> Tensor:
        """Of `columns` columns, out of `table` (1, rows, columns, width)."""
        return table[:, :, :columns]

    def layers(self, spectrogram: Tensor, norm_all: bool = False) -> Iterator[Tensor]:
        """The output of each block in turn; the last one, or each, after the final LayerNorm."""
        x = self.tokens(spectrogram)
        for block in self.blocks[:-1]:
            x = block(x)
            yield self.norm(x) if norm_all else x
        yield self.norm(self.blocks[-1](x))

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(batch, bands, frames) -> (batch, rows, columns, width), without what is not a patch."""
        *_, x = self.layers(spectrogram)
        return x[:, self.first_tokens :].unflatten(1, (self.grid[0], -1))
