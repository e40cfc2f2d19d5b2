"""The convolutional network of OpenL3, with its spectrogram.

Cramer, Wu, Salamon, Bello, "Look, Listen and Learn More: Design Choices for Deep Audio Embeddings",
ICASSP 2019. Tensor names are those of torchopenl3's files.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..api.precision import full_precision

N_FFT, HOP = 2048, 242
WINDOW = 48000
SIZES = (6144, 512)
"""Of the embedding, by how far the last pooling reaches."""

_EDGE = 982  # zeros on both sides of a window: a frame every HOP samples, the last one partial
_FRAMES = 199
_FLOOR, _RANGE_DB = 1e-10, 80.0
_EPS = 1e-3
_CHANNELS = (64, 64, 128, 128, 256, 256, 512, 512)
_POOLED = (2, 4, 6)
_LAST = "audio_embedding_layer"


class OpenL3Network(nn.Module):
    """Windows of 1 s to embeddings.

    Parameters
    ----------
    mels : bins of the spectrogram
    """

    def __init__(self, mels: int = 256) -> None:
        super().__init__()
        self.speclayer = nn.Module()
        self.speclayer.mel_basis = nn.Parameter(torch.zeros(mels, N_FFT // 2 + 1))
        self.batch_normalization_1 = nn.BatchNorm2d(1, eps=_EPS)
        before = 1
        for i, channels in enumerate(_CHANNELS, start=1):
            name = f"conv2d_{i}" if i < len(_CHANNELS) else _LAST
            setattr(self, name, nn.Conv2d(before, channels, 3, padding=1))
            if i < len(_CHANNELS):
                setattr(self, f"batch_normalization_{i + 1}", nn.BatchNorm2d(channels, eps=_EPS))
            before = channels
        self.block_sizes = tuple(mels // 2**i * _CHANNELS[n - 1] for i, n in enumerate(_POOLED, 1))

    @property
    def mels(self) -> int:
        """Bins of the spectrogram."""
        return len(self.speclayer.get_parameter("mel_basis"))

    @full_precision
    def spectrogram(self, windows: Tensor) -> Tensor:
        """(n, 48000) -> (n, mels, 199), 0 to -80 dB."""
        frames = F.pad(windows, (_EDGE, _EDGE)).unfold(-1, N_FFT, HOP)
        hann = torch.hann_window(N_FFT, periodic=True, device=windows.device)
        spectrum = torch.fft.rfft(frames * hann)
        power = spectrum.real.square() + spectrum.imag.square()
        energy = (power @ self.speclayer.mel_basis.T.to(power.dtype)).transpose(1, 2)
        magnitude = energy.clamp(min=1e-30).sqrt()  # at 0 the root has no gradient
        decibels = 10 * magnitude.clamp(min=_FLOOR).log10()
        return (decibels - decibels.amax((1, 2), keepdim=True)).clamp(min=-_RANGE_DB)

    def fuse(self) -> None:
        """Fold the batch norms into the convolutions, once the tensors are loaded."""
        self.eval()
        for i in range(1, len(_CHANNELS)):
            conv = self.get_submodule(f"conv2d_{i}")
            norm = self.get_submodule(f"batch_normalization_{i + 1}")
            assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
            setattr(self, f"conv2d_{i}", fuse_conv_bn_eval(conv, norm))
            setattr(self, f"batch_normalization_{i + 1}", nn.Identity())
        # On a CPU convolutions and poolings are faster with the channels last.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def outputs(self, spectrogram: Tensor, size: int) -> Iterator[Tensor]:
        """(n, mels, 199) -> of three blocks (n, channels, mels, frames), then (n, size)."""
        first = self.batch_normalization_1
        x = first(spectrogram.to(first.weight.dtype).unsqueeze(1))
        for i in range(1, len(_CHANNELS)):
            x = self.get_submodule(f"conv2d_{i}")(x)
            x = self.get_submodule(f"batch_normalization_{i + 1}")(x).relu_()
            if i in _POOLED:
                x = F.max_pool2d(x, 2)
                yield x
        x = self.get_submodule(_LAST)(x)
        bins, frames = self.mels // 8, _FRAMES // 8
        area = (bins, frames) if size == SIZES[1] else (bins // 4, frames // 3)
        yield F.max_pool2d(x, area).permute(0, 2, 3, 1).flatten(1)

    def forward(self, spectrogram: Tensor, size: int) -> Tensor:
        """(n, mels, 199) -> (n, size)."""
        *_, last = self.outputs(spectrogram, size)
        return last

    def layer_embeddings(self, spectrogram: Tensor, size: int) -> Tensor:
        """Means over time of the blocks, channel x mel, and the embedding, concatenated.

        (n, mels, 199) -> (n, sum of `block_sizes` + size).
        """
        *blocks, last = self.outputs(spectrogram, size)
        return torch.cat([*(x.mean(-1).flatten(1) for x in blocks), last], dim=-1)
