"""CNN14 of PANNs: six blocks of two convolutions, and the features of any of them.

Kong et al., "PANNs: Large-scale pretrained audio neural networks for audio pattern recognition",
TASLP 2020, arXiv:1912.10211; tensor names are those of the published files. Five average poolings
turn 64 mels x T columns into T // 32 frames. A frame sees 126 columns beyond its own on either
side, so long sounds are encoded in pieces with context, and nothing changes but rounding.

Frames at a finer step than 32 columns are what the network gives for shifted spectrograms. Shifts
part only at the poolings that make the step coarser, where both phases are kept: 8 shifts take 3
times the work of one, not 8 times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .linear import linear

COLUMNS_PER_FRAME = 32
MELS = 64
CHANNELS = (64, 128, 256, 512, 1024, 2048)
LAYER_SIZES = {i: 4096 if i == 6 else 2048 for i in range(1, 7)}
"""Values of each block's frame, channel x mel: only the sixth does not pool."""

_POOLINGS = 5
_BEFORE, _BEHIND = 4, 7  # frames of context; behind, the last phase lies almost a frame later
_MAX_FRAMES = 90  # about 160 MB of work space


class Block(nn.Module):
    """Two convolutions, each normalised and rectified."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(width)
        self.bn2: nn.Module = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(x)).relu_()
        x = self.bn2(self.conv2(x)).relu_()
        return x

    def fuse(self) -> None:
        """Take the normalisation into the convolutions."""
        assert isinstance(self.bn1, nn.BatchNorm2d) and isinstance(self.bn2, nn.BatchNorm2d)
        self.conv1 = fuse_conv_bn_eval(self.conv1, self.bn1)
        self.conv2 = fuse_conv_bn_eval(self.conv2, self.bn2)
        self.bn1, self.bn2 = nn.Identity(), nn.Identity()


class Cnn14(nn.Module):
    """Log-mels in dB -> frames of the blocks; for inference only."""

    def __init__(self) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm1d(MELS)
        for i, (channels, width) in enumerate(zip((1, *CHANNELS), CHANNELS, strict=False), 1):
            self.add_module(f"conv_block{i}", Block(channels, width))
        self.fc1 = nn.Linear(CHANNELS[-1], CHANNELS[-1])

    def fuse(self) -> None:
        """Make it fast, once its tensors are loaded."""
        self.eval().requires_grad_(False)
        for module in self.children():
            if isinstance(module, Block):
                module.fuse()
        # On a CPU convolutions and poolings are several times faster with the channels last.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def normalise(self, columns: Tensor) -> Tensor:
        """(n, 64, T) dB -> (n, 64, T), of mean 0 in the training data."""
        out: Tensor = self.bn0(columns)
        return out

    def embed(self, pooled: Tensor) -> Tensor:
        """The dense layer: (n, 2048) -> (n, 2048), not negative."""
        return linear(pooled, self.fc1.weight, self.fc1.bias).relu_()

    def forward(self, columns: Tensor, layers: Sequence[int] = (6,), hop: int = 32) -> Tensor:
        """Frames of the chosen blocks beside each other, every `hop` columns.

        Parameters
        ----------
        columns : Tensor (n, 64, T), normalised, T >= 64 - hop
        layers : blocks 1 to 6, ascending
        hop : 32, 16, 8, 4, 2 or 1

        Returns
        -------
        Tensor (n, frames, size): frame i sees columns from i * hop, index = channel * mels + mel;
        (32 // hop) * (T // 32) frames, or a few less.
        """
        x = columns.transpose(1, 2).unsqueeze(1)
        found = []
        for i in range(1, layers[-1] + 1):
            x = self.get_submodule(f"conv_block{i}")(x)
            if i <= _POOLINGS:
                x = _pool(x, both_phases=hop < 1 << i)
            if i in layers:
                found.append(_on_grid(x, len(columns), min(i, _POOLINGS), hop))
        count = min(frames.shape[1] for frames in found)
        return torch.cat([frames[:, :count] for frames in found], dim=-1)

    def frames(
        self, columns: Tensor, layers: Sequence[int] = (6,), hop: int = 32
    ) -> Iterator[Tensor]:
        """The frames of `forward` in pieces (n, some, size), in bounded memory."""
        phases = COLUMNS_PER_FRAME // hop
        total = (columns.shape[-1] - (COLUMNS_PER_FRAME - hop)) // COLUMNS_PER_FRAME
        for start in range(0, total, _MAX_FRAMES):
            end = min(start + _MAX_FRAMES, total)
            first = max(0, start - _BEFORE)
            last = (end + _BEHIND) * COLUMNS_PER_FRAME
            piece = self(columns[..., first * COLUMNS_PER_FRAME : last], layers, hop)
            yield piece[:, (start - first) * phases : (end - first) * phases]


def _pool(x: Tensor, both_phases: bool) -> Tensor:
    """Mean over 2 x 2; where both phases are kept, the second follows the first in the batch."""
    if not both_phases:
        return F.avg_pool2d(x, 2)
    reach = (x.shape[2] - 1) // 2 * 2
    return torch.cat([F.avg_pool2d(x[:, :, i : i + reach], 2) for i in (0, 1)])


def _on_grid(x: Tensor, n: int, poolings: int, hop: int) -> Tensor:
    """A block's output in all phases, (phases * n, C, T, F) -> frames (n, count, C * F)."""
    steps = x.unflatten(0, (-1, n)).permute(1, 3, 0, 2, 4)  # n, T, phases, C, F
    steps = steps.flatten(1, 2).flatten(2)
    width = 1 << poolings  # columns of a step
    if poolings == _POOLINGS:
        return steps
    step = min(hop, width)
    pooled = F.max_pool1d(
        steps.transpose(1, 2), COLUMNS_PER_FRAME // width, hop // step, dilation=width // step
    )
    return pooled.transpose(1, 2)
