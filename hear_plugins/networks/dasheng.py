"""Dasheng's encoder: a Vision Transformer over columns of 4 log-mel frames."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from .vit import LAYER_NORM_EPS, Block, PatchEmbed

N_MELS, PATCH_FRAMES, CHUNK_STEPS = 64, 4, 252


class Dasheng(nn.Module):
    """Batch normalisation, patches with trained positions, pre-norm blocks.

    Tensor names are those of the original (XiaoMi/dasheng).
    """

    def __init__(self, embed_dim: int = 768, depth: int = 12, heads: int = 12) -> None:
        super().__init__()
        self.init_bn = nn.Sequential(nn.Identity(), nn.BatchNorm2d(N_MELS))
        self.patch_embed = PatchEmbed(embed_dim, (N_MELS, PATCH_FRAMES))
        self.time_pos_embed = nn.Parameter(torch.zeros(1, embed_dim, 1, CHUNK_STEPS))
        self.freq_pos_embed = nn.Parameter(torch.zeros(1, embed_dim, 1, 1))
        self.blocks = nn.Sequential(*(Block(embed_dim, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(embed_dim, eps=LAYER_NORM_EPS)

    def normalised(self, decibels: Tensor) -> Tensor:
        """(n, mels, frames) -> the same, each mel with the statistics of training."""
        out: Tensor = self.init_bn(decibels.to(self.norm.weight.dtype).unsqueeze(2))
        return out.squeeze(2)

    def layers(self, spectrogram: Tensor) -> Iterator[Tensor]:
        """Each block's output (n, steps, embed_dim) in turn, the last after the final LayerNorm.

        `spectrogram` (n, mels, frames) has been normalised, and has at most `CHUNK_STEPS` steps.
        """
        x = self.patch_embed(spectrogram)[:, 0]
        positions = self.time_pos_embed + self.freq_pos_embed
        x = x + positions[0, :, 0, : x.shape[1]].T
        *blocks, last = self.blocks.children()
        for block in blocks:
            x = block(x)
            yield x
        yield self.norm(last(x))

    def forward(self, spectrogram: Tensor) -> Tensor:
        """The last of `layers`."""
        *_, x = self.layers(spectrogram)
        return x
