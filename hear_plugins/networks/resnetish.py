"""ResNetish-34, an encoder of BYOL-S: ResNet-34 on a spectrogram.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, arXiv:1512.03385, with a first
convolution of one channel and stride 1, and without what follows the last block; tensor names are
torchvision's, which the published file has. 64 mels x T frames turn into ceil(T / 16) time steps
of 4 x 512 values. A step sees 453 frames, so long sounds are encoded in pieces with 15 steps of
context, and nothing changes but rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..api.pooling import max_over_steps, mean_max_pool

STRIDE = 16
_CONTEXT = 15  # time steps
_MAX_STEPS = 400
_STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))  # channels, blocks


def _conv(channels: int, out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False)


class Block(nn.Module):
    """Two convolutions beside a residual path."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(channels, out, 3, stride), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = _conv(out, out, 3), nn.BatchNorm2d(out)
        self.downsample: nn.Module | None = None
        if stride > 1:
            self.downsample = nn.Sequential(_conv(channels, out, 1, stride), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return F.relu(out, inplace=True)


class ResNetish34(nn.Module):
    """Log-mel spectrogram -> time steps of 2048 non-negative values."""

    embedding_size = 4 * 512  # mel positions that are left x channels
    min_frames = 1
    layer_sizes: tuple[int, ...] = (embedding_size,) * sum(blocks for _, blocks in _STAGES)

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(1, 64, 7), nn.BatchNorm2d(64)
        channels = 64
        for i, (out, blocks) in enumerate(_STAGES):
            stage = nn.Sequential(Block(channels, out, 1 if i == 0 else 2))
            stage.extend(Block(out, out, 1) for _ in range(blocks - 1))
            self.add_module(f"layer{i + 1}", stage)
            channels = out
        # On a CPU convolutions are several times faster with the channels last.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(n, 64, T) standardised log-mels -> (n, ceil(T / 16), 2048)."""
        x = self._stem(spectrogram)
        for i in range(len(_STAGES)):
            x = self.get_submodule(f"layer{i + 1}")(x)
        return _flat(x)

    def _stem(self, spectrogram: Tensor) -> Tensor:
        x = self.bn1(self.conv1(spectrogram.to(self.conv1.weight.dtype).unsqueeze(1)))
        # The maximum of the rectified is the rectified maximum, over a quarter of the values.
        return F.relu(F.max_pool2d(x, 3, 2, 1), inplace=True)

    def steps(
        self, spectrogram: Tensor, function: Callable[[Tensor], Tensor] | None = None
    ) -> Iterator[Tensor]:
        """Steps of `forward`, or of `function`, in pieces (n, some, size), in bounded memory."""
        function = function or self.__call__
        total = -(-spectrogram.shape[-1] // STRIDE)
        some = total if total <= _MAX_STEPS else _MAX_STEPS - 2 * _CONTEXT
        for start in range(0, total, some):
            end = min(start + some, total)
            first = max(0, start - _CONTEXT)
            last = (end + _CONTEXT) * STRIDE
            piece = function(spectrogram[..., first * STRIDE : last])
            yield piece[:, start - first : end - first]

    def clip(self, spectrogram: Tensor) -> Tensor:
        """Mean plus maximum over the time steps: (n, 64, T) -> (n, 2048)."""
        return mean_max_pool(self.steps(spectrogram))

    def layer_embeddings(self, spectrogram: Tensor) -> Tensor:
        """The same of each block, concatenated: (n, 64, T) -> (n, sum of `layer_sizes`)."""
        return mean_max_pool(self.steps(spectrogram, self._blocks))

    def _blocks(self, spectrogram: Tensor) -> Tensor:
        """(n, 64, T) -> the blocks' outputs (n, ceil(T / 16), 16 * 2048)."""
        x, found = self._stem(spectrogram), []
        for i in range(len(_STAGES)):
            for block in self.get_submodule(f"layer{i + 1}").children():
                x = block(x)
                found.append(max_over_steps(_flat(x), STRIDE >> i + 1, ceil_mode=True))
        return torch.cat(found, dim=-1)


def _flat(x: Tensor) -> Tensor:
    """(n, channels, mels, steps) -> (n, steps, mels * channels)."""
    return x.permute(0, 3, 2, 1).flatten(2)
