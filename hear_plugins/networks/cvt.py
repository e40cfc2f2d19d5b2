"""CvT, the convolutional transformer of hybrid BYOL-S.

Wu et al., "CvT: Introducing Convolutions to Vision Transformers", ICCV 2021, arXiv:2103.15808, in
the variant of lucidrains' vit-pytorch that BYOL-S trained: three stages of depth one, no position
embedding, no class token; tensor names are those of the published file. Each token is a place in
time and frequency, and tokens are kept channels last, (n, mel, time, channel), so that every 1 x 1
convolution is a dense layer.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .linear import linear

HEAD_SIZE = 64
STAGES = (  # kernel, stride, width, heads
    (7, 4, 64, 1),
    (3, 2, 256, 3),
    (3, 2, 512, 6),
)
_EPS = 1e-5


class ChannelNorm(nn.Module):
    """Normalisation over channels; unlike torch's, eps is added to the standard deviation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(1, width, 1, 1))
        self.b = nn.Parameter(torch.zeros(1, width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = x - x.mean(-1, keepdim=True)
        deviation = x.square().mean(-1, keepdim=True).sqrt()
        return x / (deviation + _EPS) * self.g.flatten() + self.b.flatten()


class PreNorm(nn.Module):
    """`fn` behind a normalisation and beside a residual path."""

    def __init__(self, width: int, fn: nn.Module) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        return self.fn(self.norm(x)) + x


class Projection(nn.Module):
    """Depthwise 3 x 3 convolution, normalisation by running statistics, dense layer."""

    def __init__(self, width: int, inner: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.net = nn.Sequential(
            nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False),
            nn.BatchNorm2d(width, eps=_EPS),
            nn.Conv2d(width, inner, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, mel, time, width) -> (n, positions, inner)."""
        x = self.net[1](self.net[0](x.permute(0, 3, 1, 2)))
        return _dense(x.permute(0, 2, 3, 1).flatten(1, 2), self.net[2])


class Attention(nn.Module):
    """Every place attends to the places of a grid half as fine in both directions."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * HEAD_SIZE
        self.to_q = Projection(width, inner, stride=1)
        self.to_kv = Projection(width, 2 * inner, stride=2)
        self.to_out = nn.Sequential(nn.Conv2d(inner, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        q = self.to_q(x).unflatten(-1, (self.heads, HEAD_SIZE)).transpose(1, 2)
        k, v = self.to_kv(x).unflatten(-1, (2, self.heads, HEAD_SIZE)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return _dense(attended, self.to_out[0]).view_as(x)


class FeedForward(nn.Module):
    """Two dense layers with an exact (erf) GELU between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(width, 4 * width, 1), nn.GELU(), nn.Dropout(0), nn.Conv2d(4 * width, width, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return _dense(F.gelu(_dense(x, self.net[0])), self.net[3])


class Transformer(nn.Module):
    """One block of attention and feed-forward."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Sequential(
                PreNorm(width, Attention(width, heads)), PreNorm(width, FeedForward(width))
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class TokenEmbedding(nn.Conv2d):
    """Strided convolution to a coarser grid of wider tokens."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int) -> None:
        super().__init__(channels, width, kernel, stride, kernel // 2)
        # On a CPU convolutions are several times faster with the channels last.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class CvT(nn.Module):
    """Log-mel spectrogram -> frames of 2048 values of either sign, one in 160 ms.

    Attention costs the square of the length: `clip` cuts what is longer than `max_columns` into
    equal segments, each on its own; None: never.
    """

    embedding_size = 4 * 512  # mel positions that are left x channels
    min_columns = 8

    def __init__(self, max_columns: int | None = None) -> None:
        super().__init__()
        self.max_columns = max_columns
        self.layers = nn.Sequential()
        channels = 1
        for kernel, stride, width, heads in STAGES:
            embedding = TokenEmbedding(channels, width, kernel, stride)
            self.layers.append(
                nn.Sequential(embedding, ChannelNorm(width), Transformer(width, heads))
            )
            channels = width

    def forward(self, columns: Tensor) -> Tensor:
        """(n, 64, T) standardised log-mels -> (n, about T / 16, 2048)."""
        x = self.layers(columns.unsqueeze(-1))
        return x.transpose(1, 2).flatten(2)  # index = mel * 512 + channel

    def clip(self, columns: Tensor) -> Tensor:
        """Mean plus maximum over the frames: (n, 64, T) -> (n, 2048)."""
        total = columns.shape[-1]
        segments = -(-total // (self.max_columns or total))
        frames = torch.cat([self(part) for part in columns.tensor_split(segments, -1)], 1)
        return frames.mean(1) + frames.amax(1)


def _dense(x: Tensor, conv: nn.Module) -> Tensor:
    """A 1 x 1 convolution on the last dimension."""
    assert isinstance(conv, nn.Conv2d)
    return linear(x, conv.weight.flatten(1), conv.bias)
