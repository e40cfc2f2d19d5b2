"""The encoder of MAE-AST.

Baade, Peng, Harwath, "MAE-AST: Masked Autoencoding Audio Spectrogram Transformer", Interspeech
2022, arXiv:2203.16691. Tensor names are those of the published files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .linear import Linear
from .post_norm import Attention, Encoder, FbankTransformer
from .vit import patchify

MELS = 128
PATCHES = {"patch": (16, 16), "frame": (2, MELS)}  # frames, mels
HEADS, LAYERS = 12, 12


class MaeAst(FbankTransformer):
    """The encoder with patches of (frames, mels)."""

    embed_dim = 768

    def __init__(self, patch: tuple[int, int]) -> None:
        super().__init__()
        self.patch = patch
        self.patch_frames, self.freq_patches = patch[0], MELS // patch[1]
        self.batch_norm = nn.BatchNorm2d(1, affine=False)
        self.post_extract_proj = Linear(patch[0] * patch[1], self.embed_dim)
        attentions = [Attention(self.embed_dim, HEADS) for _ in range(LAYERS)]
        self.encoder = Encoder(attentions, self.embed_dim, 4 * self.embed_dim)

    def standardise(self, fbank: Tensor) -> Tensor:
        norm, flat = self.batch_norm, fbank.unsqueeze(1)
        assert norm.running_mean is not None and norm.running_var is not None
        mean, var = norm.running_mean.to(fbank.dtype), norm.running_var.to(fbank.dtype)
        return 0.5 * F.batch_norm(flat, mean, var, eps=norm.eps)[:, 0]

    def layers(self, spectrogram: Tensor) -> Iterator[Tensor]:
        patches = patchify(spectrogram.transpose(1, 2), self.patch)
        dtype = self.post_extract_proj.weight.dtype
        x = self.post_extract_proj(patches.flatten(1, 2).to(dtype))
        x = (x + positions(x.shape[1], self.embed_dim, x.device)).to(dtype)
        for output in self.encoder.outputs(x):
            yield output.unflatten(1, patches.shape[1:3])


def positions(tokens: int, embed_dim: int, device: torch.device) -> Tensor:
    """Sines and cosines of a token's number, (tokens, embed_dim).

    As in Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.5.
    """
    rates = torch.exp(torch.arange(0, embed_dim, 2, device=device) * (-math.log(10000) / embed_dim))
    angles = torch.arange(tokens, device=device)[:, None] * rates
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)
