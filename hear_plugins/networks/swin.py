"""The Swin transformer: attention inside windows that shift from block to block.

Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV 2021,
with the tensor names of its authors' code, which HTS-AT kept. The MLP is the ViT's.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .linear import Linear, PatchConv2d
from .vit import Mlp, patchify

LAYER_NORM_EPS = 1e-5
WINDOW = 8
_APART = -100.0  # added to the scores of positions that only the shift put side by side


class WindowAttention(nn.Module):
    """Self-attention among the 64 tokens of a window, with a bias for each relative position."""

    relative_position: Tensor

    def __init__(self, embed_dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        reach = 2 * WINDOW - 1
        self.relative_position_bias_table = nn.Parameter(torch.zeros(reach * reach, heads))
        self.qkv = Linear(embed_dim, 3 * embed_dim)
        self.proj = Linear(embed_dim, embed_dim)
        place = torch.cartesian_prod(torch.arange(WINDOW), torch.arange(WINDOW))
        apart = place[:, None] - place + WINDOW - 1
        index = apart[..., 0] * reach + apart[..., 1]
        self.register_buffer("relative_position", index, persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(batch, windows, 64, embed_dim), mask (windows, 64, 64) -> the same shape as `x`."""
        windows = x.shape[1]
        qkv = self.qkv(x).unflatten(3, (3, self.heads, -1))
        # Windows and heads share an axis: the fused attention takes four.
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5).flatten(2, 3)
        bias = self.relative_position_bias_table[self.relative_position].permute(2, 0, 1)
        bias = bias + (bias.new_zeros(windows, 1, 1, 1) if mask is None else mask.unsqueeze(1))
        mixed = F.scaled_dot_product_attention(q, k, v, bias.flatten(0, 1).unsqueeze(0))
        mixed = mixed.unflatten(1, (windows, self.heads)).transpose(2, 3).flatten(3)
        return self.proj(mixed)


class Block(nn.Module):
    """Windowed attention and MLP, each behind its own LayerNorm and beside a residual path.

    Parameters
    ----------
    side : of the grid of tokens
    shift : by which the windows are moved along both axes, around the edges
    """

    mask: Tensor | None

    def __init__(self, embed_dim: int, heads: int, side: int, shift: int) -> None:
        super().__init__()
        self.shift = shift
        self.norm1 = nn.LayerNorm(embed_dim, eps=LAYER_NORM_EPS)
        self.attn = WindowAttention(embed_dim, heads)
        self.norm2 = nn.LayerNorm(embed_dim, eps=LAYER_NORM_EPS)
        self.mlp = Mlp(embed_dim, 4 * embed_dim)
        self.register_buffer("mask", _mask(side, shift) if shift else None, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, side, side, embed_dim) -> the same."""
        y = self.norm1(x)
        if self.shift:
            y = y.roll((-self.shift, -self.shift), (1, 2))
        y = _joined(self.attn(_windows(y), self.mask), x.shape[1])
        if self.shift:
            y = y.roll((self.shift, self.shift), (1, 2))
        x = x + y
        return x + self.mlp(self.norm2(x))


def _windows(x: Tensor) -> Tensor:
    """(batch, side, side, embed_dim) -> (batch, windows, 64, embed_dim)."""
    x = x.unflatten(2, (-1, WINDOW)).unflatten(1, (-1, WINDOW))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def _joined(x: Tensor, side: int) -> Tensor:
    """(batch, windows, 64, embed_dim) -> (batch, side, side, embed_dim)."""
    x = x.unflatten(2, (WINDOW, WINDOW)).unflatten(1, (side // WINDOW, -1))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def _mask(side: int, shift: int) -> Tensor:
    """(windows, 64, 64): 0 between tokens of one region, `_APART` between those of two."""
    region = torch.zeros(side)
    region[-WINDOW:-shift], region[-shift:] = 1, 2
    grid = region[:, None] * 3 + region
    regions = _windows(grid[None, :, :, None])[0, :, :, 0]
    return torch.where(regions[:, None] == regions[:, :, None], 0.0, _APART)


class PatchMerging(nn.Module):
    """Four neighbours become one token of twice the size."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * embed_dim, eps=LAYER_NORM_EPS)
        self.reduction = Linear(4 * embed_dim, 2 * embed_dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, side, side, embed_dim) -> (batch, side / 2, side / 2, 2 embed_dim)."""
        # (row, column) of the neighbours: (0, 0), (1, 0), (0, 1), (1, 1).
        x = x.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).permute(0, 1, 3, 4, 2, 5).flatten(3)
        return self.reduction(self.norm(x))


class Stage(nn.Module):
    """Blocks on one grid, every second one shifted, and the merging to the next grid."""

    def __init__(self, embed_dim: int, depth: int, heads: int, side: int, merge: bool) -> None:
        super().__init__()
        shift = WINDOW // 2 if side > WINDOW else 0
        self.blocks = nn.ModuleList(
            Block(embed_dim, heads, side, shift * (i % 2)) for i in range(depth)
        )
        self.downsample = PatchMerging(embed_dim) if merge else None

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class PatchEmbed(nn.Module):
    """Patches of 4 x 4 pixels, each projected to one token and normalised."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.proj = PatchConv2d(1, embed_dim, (4, 4))
        self.norm = nn.LayerNorm(embed_dim, eps=LAYER_NORM_EPS)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, rows, columns) -> (batch, rows / 4, columns / 4, embed_dim)."""
        return self.norm(self.proj(patchify(image.to(self.proj.weight.dtype), (4, 4))))


class Swin(nn.Module):
    """Images to a grid of tokens, 32 pixels apart.

    Parameters
    ----------
    side : of the image, in pixels
    embed_dim : of the first stage's tokens
    depths, heads : blocks and attention heads of each stage
    """

    def __init__(
        self, side: int, embed_dim: int, depths: tuple[int, ...], heads: tuple[int, ...]
    ) -> None:
        super().__init__()
        last = len(depths) - 1
        self.patch_embed = PatchEmbed(embed_dim)
        self.layers = nn.ModuleList(
            Stage(embed_dim << i, depth, heads[i], side // 4 >> i, i < last)
            for i, depth in enumerate(depths)
        )
        self.norm = nn.LayerNorm(embed_dim << last, eps=LAYER_NORM_EPS)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, side, side) -> (batch, side / 32, side / 32, 8 embed_dim)."""
        x = self.patch_embed(image)
        for stage in self.layers:
            x = stage(x)
        return self.norm(x)

    def outputs(self, image: Tensor) -> Iterator[Tensor]:
        """(batch, side, side) -> of each block (batch, grid, grid, embed_dim of its stage).

        The last one is behind the final LayerNorm.
        """
        x = self.patch_embed(image)
        for stage in self.layers:
            assert isinstance(stage, Stage)
            for block in stage.blocks:
                x = block(x)
                is_last = stage.downsample is None and block is stage.blocks[-1]
                yield self.norm(x) if is_last else x
            if stage.downsample is not None:
                x = stage.downsample(x)
