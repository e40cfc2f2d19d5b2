"""CNN14 of PANNs: six blocks of two convolutions, and the features of any of them.

Kong et al., "PANNs: Large-scale pretrained audio neural networks for audio pattern recognition",
TASLP 2020, arXiv:1912.10211; tensor names are those of the published files. Five average poolings
turn 64 mels x T frames into T // 32 time steps. A step sees 126 frames beyond its own on either
side, so long sounds are encoded in pieces with context, and nothing changes but rounding.

Time steps at a finer hop than 32 frames are what the network gives for shifted spectrograms. Shifts
part only at the poolings that make the hop coarser, where both phases are kept: 8 shifts take 3
times the work of one, not 8 times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .linear import Linear

STRIDE = 32
MELS = 64
CHANNELS = (64, 128, 256, 512, 1024, 2048)
LAYER_SIZES = {i: 4096 if i == 6 else 2048 for i in range(1, 7)}
"""Values of each block's time step, channel x mel: only the sixth does not pool."""

_POOLINGS = 5
_BEFORE, _BEHIND = 4, 7  # steps of context; behind, the last phase lies almost a step later
_MAX_STEPS = 90  # about 160 MB of work space


class Block(nn.Module):
    """Two convolutions, each normalised and rectified."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(out)
        self.bn2: nn.Module = nn.BatchNorm2d(out)

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
    """Log-mels in dB -> time steps of the blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm1d(MELS)
        for i, (channels, out) in enumerate(zip((1, *CHANNELS), CHANNELS, strict=False), 1):
            self.add_module(f"conv_block{i}", Block(channels, out))
        self.fc1 = Linear(CHANNELS[-1], CHANNELS[-1])

    def fuse(self) -> None:
        """Make it fast, once its tensors are loaded."""
        self.eval()
        for module in self.children():
            if isinstance(module, Block):
                module.fuse()
        # On a CPU convolutions and poolings are several times faster with the channels last.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def normalise(self, spectrogram: Tensor) -> Tensor:
        """(n, 64, T) dB -> (n, 64, T), of mean 0 in the training data."""
        out: Tensor = self.bn0(spectrogram.to(self.bn0.weight.dtype))
        return out

    def embed(self, pooled: Tensor) -> Tensor:
        """The linear layer: (n, 2048) -> (n, 2048), not negative."""
        return self.fc1(pooled.to(self.fc1.weight.dtype)).relu_()

    def forward(self, spectrogram: Tensor, layers: Sequence[int] = (6,), hop: int = 32) -> Tensor:
        """Time steps of the chosen blocks, concatenated, every `hop` frames.

        Parameters
        ----------
        spectrogram : Tensor (n, 64, T), normalised, T >= 64 - hop
        layers : blocks 1 to 6, ascending
        hop : 32, 16, 8, 4, 2 or 1

        Returns
        -------
        Tensor (n, steps, size): step i sees frames from i * hop, index = channel * mels + mel;
        (32 // hop) * (T // 32) steps, or a few less.
        """
        x = spectrogram.transpose(1, 2).unsqueeze(1)
        found = []
        for i in range(1, layers[-1] + 1):
            x = self.get_submodule(f"conv_block{i}")(x)
            if i <= _POOLINGS:
                x = _pool(x, both_phases=hop < 1 << i)
            if i in layers:
                found.append(_on_grid(x, len(spectrogram), min(i, _POOLINGS), hop))
        count = min(steps.shape[1] for steps in found)
        return torch.cat([steps[:, :count] for steps in found], dim=-1)

    def steps(
        self, spectrogram: Tensor, layers: Sequence[int] = (6,), hop: int = 32
    ) -> Iterator[Tensor]:
        """The time steps of `forward` in pieces (n, some, size), in bounded memory."""
        phases = STRIDE // hop
        total = (spectrogram.shape[-1] - (STRIDE - hop)) // STRIDE
        for start in range(0, total, _MAX_STEPS):
            end = min(start + _MAX_STEPS, total)
            first = max(0, start - _BEFORE)
            last = (end + _BEHIND) * STRIDE
            piece = self(spectrogram[..., first * STRIDE : last], layers, hop)
            yield piece[:, (start - first) * phases : (end - first) * phases]


def _pool(x: Tensor, both_phases: bool) -> Tensor:
    """Mean over 2 x 2; where both phases are kept, the second follows the first in the batch."""
    if not both_phases:
        return F.avg_pool2d(x, 2)
    reach = (x.shape[2] - 1) // 2 * 2
    return torch.cat([F.avg_pool2d(x[:, :, i : i + reach], 2) for i in (0, 1)])


def _on_grid(x: Tensor, n: int, poolings: int, hop: int) -> Tensor:
    """A block's output in all phases, (phases * n, C, T, F) -> (n, steps, C * F)."""
    steps = x.unflatten(0, (-1, n)).permute(1, 3, 0, 2, 4)  # n, T, phases, C, F
    steps = steps.flatten(1, 2).flatten(2)
    stride = 1 << poolings  # frames from a step to the next
    if poolings == _POOLINGS:
        return steps
    step = min(hop, stride)
    pooled = F.max_pool1d(
        steps.transpose(1, 2), STRIDE // stride, hop // step, dilation=stride // step
    )
    return pooled.transpose(1, 2)
