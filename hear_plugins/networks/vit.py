"""The Vision Transformer over spectrogram patches that several audio models share.

Pre-norm blocks as in Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, with the
tensor names of timm's VisionTransformer, which the published audio checkpoints kept. What differs
between models (patch size, grid, width, depth) is an argument.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LAYER_NORM_EPS = 1e-6


def linear(x: Tensor, layer: nn.Linear) -> Tensor:
    """`layer(x)`; through oneDNN on a CPU, where MKL runs at half speed unless Intel made it."""
    if x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_grad_enabled():
        fused = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
        if fused is not None and torch.backends.mkldnn.is_available():
            return fused(x, layer.weight, layer.bias, "none", [], "")
    return layer(x)


class Attention(nn.Module):
    """Multi-head self-attention with one projection for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = linear(x, self.qkv).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return linear(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2), self.proj)


class Mlp(nn.Module):
    """Two layers with an exact (erf) GELU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return linear(F.gelu(linear(x, self.fc1)), self.fc2)


class Block(nn.Module):
    """Attention and MLP, each behind its own LayerNorm and beside a residual path."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.mlp = Mlp(width, 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    """Non-overlapping patches of a spectrogram, each projected to one token."""

    def __init__(self, width: int, patch: tuple[int, int]) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, width, patch, stride=patch)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(batch, bands, frames) -> (batch, rows, columns, width)."""
        return self.proj(spectrogram.unsqueeze(1)).permute(0, 2, 3, 1)


class ViT(nn.Module):
    """Transformer over a grid of patches, with a class token and a table of positions.

    Parameters
    ----------
    grid : (rows, columns)
        Rows of patches over frequency and the most columns over time; a shorter input takes the
        positions of the first columns.
    patch : (bands, frames)
        Size of a patch.
    width, depth, heads : int
        Token width, number of blocks, attention heads.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        patch: tuple[int, int] = (16, 16),
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
    ) -> None:
        super().__init__()
        self.grid = grid
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + grid[0] * grid[1], width))
        self.patch_embed = PatchEmbed(width, patch)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)

    def tokens(self, spectrogram: Tensor) -> Tensor:
        """(batch, bands, frames) -> (batch, 1 + rows * columns, width), the class token first."""
        patches = self.patch_embed(spectrogram)
        positions = self.pos_embed[:, 1:].unflatten(1, self.grid)[:, :, : patches.shape[2]]
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(patches), -1, -1)
        return torch.cat([first, (patches + positions).flatten(1, 2)], dim=1)

    def layers(self, spectrogram: Tensor) -> Iterator[Tensor]:
        """The output of each block in turn, the last one after the final LayerNorm."""
        x = self.tokens(spectrogram)
        for block in self.blocks[:-1]:
            x = block(x)
            yield x
        yield self.norm(self.blocks[-1](x))

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(batch, bands, frames) -> (batch, rows, columns, width), the class token left out."""
        *_, x = self.layers(spectrogram)
        return x[:, 1:].unflatten(1, (self.grid[0], -1))
