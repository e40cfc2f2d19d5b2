"""The encoder of PaSST: a ViT with separate positions over frequency and time.

Koutini, Schlueter, Eghbal-zadeh, Widmer, "Efficient Training of Audio Transformers with Patchout",
Interspeech 2022, arXiv:2110.05069. Tensor names are those of the published files.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .vit import LAYER_NORM_EPS, Block, PatchEmbed

EMBED_DIM, HEADS, PATCH = 768, 12, 16
STRIDES = {12: 10, 10: 12, 9: 14, 8: 16}  # of the patches, by their number over frequency


class Passt(nn.Module):
    """The transformer with its classifier.

    Parameters
    ----------
    grid : (freq patches, time steps) of the tables of positions
    stride : from one patch to the next, in mels and frames
    depth, classes : number of blocks and of logits
    """

    def __init__(self, grid: tuple[int, int], stride: int, depth: int, classes: int) -> None:
        super().__init__()
        self.grid = grid
        self.stride = stride
        self.embedding_size = classes + EMBED_DIM
        self.cls_token = nn.Parameter(torch.zeros(1, 1, EMBED_DIM))
        self.dist_token = nn.Parameter(torch.zeros(1, 1, EMBED_DIM))
        self.new_pos_embed = nn.Parameter(torch.zeros(1, 2, EMBED_DIM))
        self.freq_new_pos_embed = nn.Parameter(torch.zeros(1, EMBED_DIM, grid[0], 1))
        self.time_new_pos_embed = nn.Parameter(torch.zeros(1, EMBED_DIM, 1, grid[1]))
        self.patch_embed = PatchEmbed(EMBED_DIM, (PATCH, PATCH), stride=(stride, stride))
        self.blocks = nn.ModuleList(Block(EMBED_DIM, HEADS) for _ in range(depth))
        self.norm = nn.LayerNorm(EMBED_DIM, eps=LAYER_NORM_EPS)
        self.head = nn.Sequential(nn.LayerNorm(EMBED_DIM), nn.Linear(EMBED_DIM, classes))

    def tokens(self, spectrogram: Tensor) -> Tensor:
        """(n, mels, frames) -> (n, 2 + patches, embed_dim)."""
        patches = self.patch_embed(spectrogram)
        times = self.time_new_pos_embed[..., : patches.shape[2]]
        patches = patches + (self.freq_new_pos_embed + times).permute(0, 2, 3, 1)
        first = torch.cat((self.cls_token, self.dist_token), dim=1) + self.new_pos_embed
        return torch.cat((first.expand(len(patches), -1, -1), patches.flatten(1, 2)), dim=1)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(n, mels, frames) -> logits and features (n, classes + embed_dim)."""
        x = self.tokens(spectrogram)
        for block in self.blocks[:-1]:
            x = block(x)
        features = self.norm(self.blocks[-1](x, first=2)).mean(1)
        return torch.cat((self.head(features), features), dim=1)

    def layer_embeddings(self, spectrogram: Tensor) -> Tensor:
        """Mean of the class and distillation tokens of each block, after the final LayerNorm.

        (n, mels, frames) -> (n, depth * embed_dim).
        """
        x, found = self.tokens(spectrogram), []
        for block in self.blocks:
            x = block(x)
            found.append(self.norm(x[:, :2]).mean(1))
        return torch.cat(found, dim=1)
