"""AudioNTT2020, the convolutional encoder of BYOL-A and of BYOL-S' default model; AudioNTT2022.

Niizumi et al., "BYOL for Audio", IJCNN 2021, arXiv:2103.06695, section III-E; IEEE/ACM TASLP 31,
2023, arXiv:2204.07402; tensor names are those of the published files. Three blocks (2022: two) of
convolution, normalisation and 2 x 2 max pooling turn 64 mels x T columns into T // 8 (4) frames of
8 (16) x 64 values, and two dense layers act on each frame. A frame sees 22 (10) columns: its own 8
(4) and 7 (3) on either side, so long sounds are encoded in pieces with one frame of context, and
nothing changes but rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .linear import linear

MELS, CHANNELS = 64, 64


def column_budget(device: torch.device) -> int:
    """Columns to encode at once: on a CPU what its caches and allocator like best."""
    return 1664 if device.type == "cpu" else 1 << 16


def _block(channels: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, CHANNELS, 3, padding=1),
        nn.BatchNorm2d(CHANNELS),
        nn.ReLU(),
        nn.MaxPool2d(2),
    ]


class AudioNTT2020(nn.Module):
    """Log-mel spectrogram -> frames of `d` non-negative values; for inference only."""

    blocks = 3

    def __init__(self, d: int) -> None:
        super().__init__()
        self.embedding_size = d
        self.columns_per_frame = self.min_columns = 2**self.blocks
        self.features = nn.Sequential(*_block(1))
        for _ in range(self.blocks - 1):
            self.features.extend(_block(CHANNELS))
        width = MELS // self.columns_per_frame * CHANNELS
        self.fc = nn.Sequential(
            nn.Linear(width, d), nn.ReLU(), nn.Dropout(0.3), nn.Linear(d, d), nn.ReLU()
        )
        # Pooling and convolution are several times faster on a CPU with the channels last.
        self.features.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, columns: Tensor) -> Tensor:
        """(n, 64, T) standardised log-mels, at least a frame -> (n, frames, embedding size)."""
        return self.dense(self.convolved(columns))

    def convolved(self, columns: Tensor) -> Tensor:
        """(n, 64, T) -> (n, frames, values of the last block)."""
        x = columns.unsqueeze(1)
        for index in range(0, len(self.features), 4):
            x = _convolve(x, self.features[index], self.features[index + 1])
            # The maximum of the rectified is the rectified maximum, over a quarter of the values.
            x = F.relu(F.max_pool2d(x, 2))
        return x.permute(0, 3, 2, 1).flatten(2)  # index = mel * 64 + channel

    def dense(self, x: Tensor) -> Tensor:
        """(n, frames, values of the last block) -> (n, frames, d)."""
        for index in (0, 3):
            dense = self.fc[index]
            assert isinstance(dense, nn.Linear)
            x = F.relu(linear(x, dense.weight, dense.bias))
        return x

    def frames(self, columns: Tensor, first: int = 0, stop: int | None = None) -> Iterator[Tensor]:
        """Frames `first` to `stop` of `forward` in pieces (n, some, d), in bounded memory."""
        width = self.columns_per_frame
        total = columns.shape[-1] // width
        stop = total if stop is None else stop
        step = max(8, column_budget(columns.device) // (len(columns) * width))
        for start in range(first, stop, step):
            end = min(start + step, stop)
            before = min(start, 1)
            last = columns.shape[-1] if end + 1 >= total else (end + 1) * width
            piece = self(columns[..., (start - before) * width : last])
            yield piece[:, before : before + end - start]

    def clip(self, columns: Tensor) -> Tensor:
        """Maximum plus mean over the frames: (n, 64, T) -> (n, d)."""
        return mean_plus_maximum(self.frames(columns))


class AudioNTT2022(AudioNTT2020):
    """Log-mel spectrogram -> frames of 1024 + `d` non-negative values; for inference only.

    What the convolutions make stands before what the dense layers make of it.
    """

    blocks = 2

    def __init__(self, d: int = 2048) -> None:
        super().__init__(d)
        self.embedding_size = MELS // self.columns_per_frame * CHANNELS + d

    def forward(self, columns: Tensor) -> Tensor:
        convolved = self.convolved(columns)
        return torch.cat((convolved, self.dense(convolved)), dim=-1)


def mean_plus_maximum(pieces: Iterable[Tensor]) -> Tensor:
    """Over all frames of pieces (n, some, size) in turn: (n, size)."""
    highest: Tensor | None = None
    total, count = torch.zeros(()), 0
    for frames in pieces:
        top = frames.amax(1)
        highest = top if highest is None else torch.maximum(highest, top)
        total = frames.sum(1) + total.to(frames.device)
        count += frames.shape[1]
    assert highest is not None
    return highest + total / count


def _convolve(x: Tensor, conv: nn.Module, norm: nn.Module) -> Tensor:
    """Convolution and normalisation by running statistics, as one convolution."""
    assert isinstance(conv, nn.Conv2d) and conv.bias is not None
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    bias = (conv.bias - norm.running_mean) * scale + norm.bias
    return F.conv2d(x, conv.weight * scale.view(-1, 1, 1, 1), bias, padding=1)
