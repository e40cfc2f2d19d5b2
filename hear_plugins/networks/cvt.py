"""CvT, the convolutional transformer of hybrid BYOL-S.

Wu et al., "CvT: Introducing Convolutions to Vision Transformers", ICCV 2021, arXiv:2103.15808, in
the variant of lucidrains' vit-pytorch that BYOL-S trained: three stages of depth one, no position
embedding, no class token; tensor names are those of the published file. Each token is a place in
time and frequency, and tokens are kept channels last, (n, mel, time, channel), so that every 1 x 1
convolution is a linear layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .linear import PatchConv2d

HEAD_SIZE = 64
STAGES = (  # kernel, stride, embed_dim, heads
    (7, 4, 64, 1),
    (3, 2, 256, 3),
    (3, 2, 512, 6),
)
_EPS = 1e-5


class ChannelNorm(nn.Module):
    """Normalisation over channels; unlike torch's, eps is added to the standard deviation."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(1, embed_dim, 1, 1))
        self.b = nn.Parameter(torch.zeros(1, embed_dim, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = x - x.mean(-1, keepdim=True)
        deviation = x.square().mean(-1, keepdim=True).sqrt()
        return x / (deviation + _EPS) * self.g.flatten() + self.b.flatten()


class PreNorm(nn.Module):
    """`fn` behind a normalisation and beside a residual path."""

    def __init__(self, embed_dim: int, fn: nn.Module) -> None:
        super().__init__()
        self.norm = ChannelNorm(embed_dim)
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        return self.fn(self.norm(x)) + x


class Projection(nn.Module):
    """Depthwise 3 x 3 convolution, normalisation by running statistics, linear layer."""

    def __init__(self, embed_dim: int, inner: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.net = nn.Sequential(
            nn.Conv2d(embed_dim, embed_dim, 3, stride, 1, groups=embed_dim, bias=False),
            nn.BatchNorm2d(embed_dim, eps=_EPS),
            PatchConv2d(embed_dim, inner, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, mel, time, embed_dim) -> (n, positions, inner)."""
        x = self.net[1](self.net[0](x.permute(0, 3, 1, 2)))
        projected: Tensor = self.net[2](x.permute(0, 2, 3, 1).flatten(1, 2))
        return projected


class Attention(nn.Module):
    """Every place attends to the places of a grid half as fine in both directions."""

    def __init__(self, embed_dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * HEAD_SIZE
        self.to_q = Projection(embed_dim, inner, stride=1)
        self.to_kv = Projection(embed_dim, 2 * inner, stride=2)
        self.to_out = nn.Sequential(PatchConv2d(inner, embed_dim, 1))

    def forward(self, x: Tensor) -> Tensor:
        q = self.to_q(x).unflatten(-1, (self.heads, HEAD_SIZE)).transpose(1, 2)
        k, v = self.to_kv(x).unflatten(-1, (2, self.heads, HEAD_SIZE)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.to_out(attended).view_as(x)


class FeedForward(nn.Module):
    """Two linear layers with an exact (erf) GELU between."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            PatchConv2d(embed_dim, 4 * embed_dim, 1),
            nn.GELU(),
            nn.Dropout(0),
            PatchConv2d(4 * embed_dim, embed_dim, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Transformer(nn.Module):
    """One block of attention and feed-forward."""

    def __init__(self, embed_dim: int, heads: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Sequential(
                PreNorm(embed_dim, Attention(embed_dim, heads)),
                PreNorm(embed_dim, FeedForward(embed_dim)),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class TokenEmbedding(nn.Conv2d):
    """Strided convolution to a coarser grid of wider tokens."""

    def __init__(self, channels: int, embed_dim: int, kernel: int, stride: int) -> None:
        super().__init__(channels, embed_dim, kernel, stride, kernel // 2)
        # On a CPU convolutions are several times faster with the channels last.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.weight.dtype).permute(0, 3, 1, 2)
        return super().forward(x).permute(0, 2, 3, 1)


class CvT(nn.Module):
    """Log-mel spectrogram -> time steps of 2048 values of either sign, one in 160 ms.

    Attention costs the square of the length: `clip` cuts what is longer than `max_frames` into
    equal segments, each on its own; None: never.
    """

    embedding_size = 4 * 512  # mel positions that are left x channels
    min_frames = 8
    layer_sizes: tuple[int, ...] = (1024, 2048, 2048)

    def __init__(self, max_frames: int | None = None) -> None:
        super().__init__()
        self.max_frames = max_frames
        self.layers = nn.Sequential()
        channels = 1
        for kernel, stride, embed_dim, heads in STAGES:
            embedding = TokenEmbedding(channels, embed_dim, kernel, stride)
            self.layers.append(
                nn.Sequential(embedding, ChannelNorm(embed_dim), Transformer(embed_dim, heads))
            )
            channels = embed_dim

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(n, 64, T) standardised log-mels -> (n, about T / 16, 2048)."""
        return _flat(self.layers(spectrogram.unsqueeze(-1)))

    def outputs(self, spectrogram: Tensor) -> Iterator[Tensor]:
        """(n, 64, T) -> of each stage (n, time steps, mels * channels)."""
        x = spectrogram.unsqueeze(-1)
        for stage in self.layers:
            x = stage(x)
            yield _flat(x)

    def clip(self, spectrogram: Tensor) -> Tensor:
        """Mean plus maximum over the time steps: (n, 64, T) -> (n, 2048)."""
        return _pooled([self(part) for part in self._segments(spectrogram)])

    def layer_embeddings(self, spectrogram: Tensor) -> Tensor:
        """The same of each stage, concatenated: (n, 64, T) -> (n, sum of `layer_sizes`)."""
        segments = [list(self.outputs(part)) for part in self._segments(spectrogram)]
        return torch.cat([_pooled(parts) for parts in zip(*segments, strict=True)], 1)

    def _segments(self, spectrogram: Tensor) -> Sequence[Tensor]:
        total = spectrogram.shape[-1]
        return spectrogram.tensor_split(-(-total // (self.max_frames or total)), -1)


def _pooled(segments: Sequence[Tensor]) -> Tensor:
    """Mean plus maximum over the steps of all segments (n, steps, size), in float32."""
    steps = torch.cat(list(segments), 1).float()
    return steps.mean(1) + steps.amax(1)


def _flat(x: Tensor) -> Tensor:
    """(n, mels, steps, channels) -> (n, steps, mels * channels)."""
    return x.transpose(1, 2).flatten(2)
