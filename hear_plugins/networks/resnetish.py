"""ResNetish-34, an encoder of BYOL-S: ResNet-34 on a spectrogram.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, arXiv:1512.03385, with a first
convolution of one channel and stride 1, and without what follows the last block; tensor names are
torchvision's, which the published file has. 64 mels x T columns turn into ceil(T / 16) frames of
4 x 512 values. A frame sees 453 columns, so long sounds are encoded in pieces with 15 frames of
context, and nothing changes but rounding.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .byol_cnn import mean_plus_maximum

COLUMNS_PER_FRAME = 16
_CONTEXT = 15  # frames
_MAX_FRAMES = 400
_STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))  # channels, blocks


def _conv(channels: int, width: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=False)


class Block(nn.Module):
    """Two convolutions beside a residual path."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(channels, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _conv(width, width, 3), nn.BatchNorm2d(width)
        self.downsample: nn.Module | None = None
        if stride > 1:
            self.downsample = nn.Sequential(
                _conv(channels, width, 1, stride), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return F.relu(out, inplace=True)


class ResNetish34(nn.Module):
    """Log-mel spectrogram -> frames of 2048 non-negative values; for inference only."""

    embedding_size = 4 * 512  # mel positions that are left x channels
    min_columns = 1

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(1, 64, 7), nn.BatchNorm2d(64)
        channels = 64
        for i, (width, blocks) in enumerate(_STAGES):
            stage = nn.Sequential(Block(channels, width, 1 if i == 0 else 2))
            stage.extend(Block(width, width, 1) for _ in range(blocks - 1))
            self.add_module(f"layer{i + 1}", stage)
            channels = width
        # On a CPU convolutions are several times faster with the channels last.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, columns: Tensor) -> Tensor:
        """(n, 64, T) standardised log-mels -> (n, ceil(T / 16), 2048)."""
        x = self.bn1(self.conv1(columns.unsqueeze(1)))
        # The maximum of the rectified is the rectified maximum, over a quarter of the values.
        x = F.relu(F.max_pool2d(x, 3, 2, 1), inplace=True)
        for i in range(len(_STAGES)):
            x = self.get_submodule(f"layer{i + 1}")(x)
        return x.permute(0, 3, 2, 1).flatten(2)  # index = mel * 512 + channel

    def frames(self, columns: Tensor) -> Iterator[Tensor]:
        """The frames of `forward` in pieces (n, some, 2048), in bounded memory."""
        total = -(-columns.shape[-1] // COLUMNS_PER_FRAME)
        step = total if total <= _MAX_FRAMES else _MAX_FRAMES - 2 * _CONTEXT
        for start in range(0, total, step):
            end = min(start + step, total)
            first = max(0, start - _CONTEXT)
            last = (end + _CONTEXT) * COLUMNS_PER_FRAME
            piece = self(columns[..., first * COLUMNS_PER_FRAME : last])
            yield piece[:, start - first : end - first]

    def clip(self, columns: Tensor) -> Tensor:
        """Mean plus maximum over the frames: (n, 64, T) -> (n, 2048)."""
        return mean_plus_maximum(self.frames(columns))
