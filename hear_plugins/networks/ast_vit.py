"""The encoder of AST: a ViT whose patches overlap, for any number of them over time.

Gong, Chung, Glass, "AST: Audio Spectrogram Transformer", Interspeech 2021, arXiv:2104.01778.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .vit import ViT

BLOCKS, EMBED_DIM = 12, 768
PATCH, STRIDE = 16, 10  # frames, and mels
GRID = 12, 101  # freq patches, time steps of 1024 frames


class AstViT(ViT):
    """The ViT with a distillation token; its table of positions has `GRID`."""

    def __init__(self) -> None:
        super().__init__(GRID, distilled=True, stride=(STRIDE, STRIDE))

    def positions(self, table: Tensor, steps: int) -> Tensor:
        """Those from the middle of the table or, where more are needed, the table stretched."""
        most = table.shape[2]
        if steps <= most:
            start = most // 2 - steps // 2
            return table[:, :, start : start + steps]
        size = (table.shape[1], steps)
        stretched = F.interpolate(table.permute(0, 3, 1, 2), size=size, mode="bilinear")
        return stretched.permute(0, 2, 3, 1)

    def outputs(self, spectrogram: Tensor, layers: Sequence[int], first: int | None) -> Tensor:
        """Tokens of some blocks, each after the final LayerNorm, concatenated.

        Parameters
        ----------
        spectrogram : Tensor (n, mels, frames)
        layers : numbers of the blocks, from 1.
        first : only so many of the tokens, which costs less; None: all.

        Returns
        -------
        Tensor (n, tokens, len(layers) * EMBED_DIM).
        """
        x, last, found = self.tokens(spectrogram), max(layers), {}
        for number, block in enumerate(self.blocks[:last], start=1):
            x = block(x, first if number == last else None)
            if number in layers:
                found[number] = self.norm(x[:, :first])
        return torch.cat([found[number] for number in layers], dim=2)
