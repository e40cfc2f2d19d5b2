"""AudioNTT2020, the convolutional encoder of BYOL-A and of BYOL-S' default model; AudioNTT2022.

Niizumi et al., "BYOL for Audio", IJCNN 2021, arXiv:2103.06695, section III-E; IEEE/ACM TASLP 31,
2023, arXiv:2204.07402; tensor names are those of the published files. Three blocks (2022: two) of
convolution, normalisation and 2 x 2 max pooling turn 64 mels x T frames into T // 8 (4) time steps
of 8 (16) x 64 values, and two linear layers act on each step. A step sees 22 (10) frames: its own 8
(4) and 7 (3) on either side, so long sounds are encoded in pieces with one step of context, and
nothing changes but rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..api.pooling import max_over_steps, mean_max_pool
from .linear import Linear

MELS, CHANNELS = 64, 64


def frame_budget(device: torch.device) -> int:
    """Log-mel frames to encode at once: on a CPU what its caches and allocator like best."""
    return 1664 if device.type == "cpu" else 1 << 16


def _block(channels: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, CHANNELS, 3, padding=1),
        nn.BatchNorm2d(CHANNELS),
        nn.ReLU(),
        nn.MaxPool2d(2),
    ]


class AudioNTT2020(nn.Module):
    """Log-mel spectrogram -> time steps of `d` non-negative values.

    Normalisation is by running statistics, in training too.
    """

    blocks = 3

    def __init__(self, d: int) -> None:
        super().__init__()
        self.embedding_size = d
        self.stride = self.min_frames = 2**self.blocks
        self.features = nn.Sequential(*_block(1))
        for _ in range(self.blocks - 1):
            self.features.extend(_block(CHANNELS))
        convolved = [MELS // 2**i * CHANNELS for i in range(1, self.blocks + 1)]
        self.layer_sizes = (*convolved, d, d)
        self.fc = nn.Sequential(
            Linear(convolved[-1], d), nn.ReLU(), nn.Dropout(0.3), Linear(d, d), nn.ReLU()
        )
        # Pooling and convolution are several times faster on a CPU with the channels last.
        self.features.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(n, 64, T) standardised log-mels, T >= stride -> (n, time steps, embedding size)."""
        *_, last = self.outputs(spectrogram)
        return last

    def outputs(self, spectrogram: Tensor) -> Iterator[Tensor]:
        """(n, 64, T) -> of each block, then of each linear layer.

        Blocks give (n, T // 2, 32 mels, 64), (n, T // 4, 16 mels, 64), ..., linear layers
        (n, time steps, d).
        """
        x = spectrogram.to(next(self.parameters()).dtype).unsqueeze(1)
        for index in range(0, len(self.features), 4):
            x = _convolve(x, self.features[index], self.features[index + 1])
            # The maximum of the rectified is the rectified maximum, over a quarter of the values.
            x = F.relu(F.max_pool2d(x, 2))
            yield x.permute(0, 3, 2, 1)
        x = x.permute(0, 3, 2, 1).flatten(2)  # index = mel * 64 + channel
        for index in (0, 3):
            x = F.relu(self.fc[index](x))
            yield x

    def steps(
        self,
        spectrogram: Tensor,
        first: int = 0,
        stop: int | None = None,
        function: Callable[[Tensor], Tensor] | None = None,
    ) -> Iterator[Tensor]:
        """Time steps `first` to `stop` of `forward` in pieces (n, some, d), in bounded memory.

        Where `function` is given, those of it in the place of `forward`.
        """
        stride, function = self.stride, function or self.__call__
        total = spectrogram.shape[-1] // stride
        stop = total if stop is None else stop
        some = max(8, frame_budget(spectrogram.device) // (len(spectrogram) * stride))
        for start in range(first, stop, some):
            end = min(start + some, stop)
            before = min(start, 1)
            last = spectrogram.shape[-1] if end + 1 >= total else (end + 1) * stride
            piece = function(spectrogram[..., (start - before) * stride : last])
            yield piece[:, before : before + end - start]

    def clip(self, spectrogram: Tensor) -> Tensor:
        """Mean plus maximum over the time steps: (n, 64, T) -> (n, d)."""
        return mean_max_pool(self.steps(spectrogram))

    def layer_embeddings(self, spectrogram: Tensor) -> Tensor:
        """The same of each of `outputs`, concatenated: (n, 64, T) -> (n, sum of `layer_sizes`)."""
        return mean_max_pool(self.steps(spectrogram, function=self._at_last_stride))

    def _at_last_stride(self, spectrogram: Tensor) -> Tensor:
        """`outputs` concatenated, those of blocks with finer steps as maxima over them."""
        blocks = enumerate(self.outputs(spectrogram), start=1)
        return torch.cat(
            [max_over_steps(x.flatten(2), 2 ** max(0, self.blocks - i)) for i, x in blocks], dim=-1
        )


class AudioNTT2022(AudioNTT2020):
    """Log-mel spectrogram -> time steps of 1024 + `d` non-negative values.

    The output of the convolutions, then that of the linear layers.
    """

    blocks = 2

    def __init__(self, d: int = 2048) -> None:
        super().__init__(d)
        self.embedding_size = MELS // self.stride * CHANNELS + d

    def forward(self, spectrogram: Tensor) -> Tensor:
        *_, convolved, _, last = self.outputs(spectrogram)
        return torch.cat((convolved.flatten(2), last), dim=-1)


def _convolve(x: Tensor, conv: nn.Module, norm: nn.Module) -> Tensor:
    """Convolution and normalisation by running statistics, as one convolution."""
    assert isinstance(conv, nn.Conv2d) and conv.bias is not None
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    bias = (conv.bias - norm.running_mean) * scale + norm.bias
    return F.conv2d(x, conv.weight * scale.view(-1, 1, 1, 1), bias, padding=1)
