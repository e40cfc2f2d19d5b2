"""OpenL3: a convolutional network that learnt whether sound and image belong together.

Paper         Cramer, Wu, Salamon, Bello, "Look, Listen and Learn More: Design Choices for Deep
              Audio Embeddings", ICASSP 2019
Weights       torchopenl3_mel256_music_6144.pth.tar from torchopenl3/torchopenl3-models, a port of
              the authors' weights (CC BY 4.0), or another of its mel files: their number of mels is
              read from the file; those that end in 512 hold the same network
Input         48 kHz; windows of 1 s, centred, with zeros beyond both ends: 256 mels of the file's
              own table, 0 - 24 kHz, 43 ms window, 5 ms hop, in decibels below the window's maximum,
              at least -80
Scene         mean over windows every 250 ms: 6144 values (hear-baseline), or 512
Timestamps    windows centred on 0, 50, 100, ... ms

Options of `load_model`
    embedding_size=6144    or 512, as HEAR's leaderboard had it: the last pooling
    hop_ms=50              step of timestamps
    scene_hop_ms=250       step of the windows in a scene's mean; openl3-hear took 500
    random_weights         seed, for tests and timing

Differences from the original
    Windows of all sounds share batches, and batch norms are folded into the convolutions. Values
    agree to 1e-3. These are the numbers of openl3 below version 0.4, which changed the spectrogram.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .api.framing import centred_windows, check_audio, map_windows, samples_of, timestamps
from .api.precision import full_precision
from .weights import catalogue as checkpoints
from .weights.loading import check_tables, dft_tables, load_network, load_strict, load_tensors

N_FFT, HOP = 2048, 242
SIZES = (6144, 512)

_WINDOW = 48000
_EDGE = 982  # zeros on both sides of a window: one column every HOP samples, the last one partial
_COLUMNS = 199
_FLOOR, _RANGE_DB = 1e-10, 80.0
_EPS = 1e-3
_CHANNELS = (64, 64, 128, 128, 256, 256, 512, 512)
_LAST = "audio_embedding_layer"
_BATCH_WINDOWS = 8  # about 200 MB in the first layers
_IGNORED = ("speclayer.dft_real_kernels", "speclayer.dft_imag_kernels")


class Network(nn.Module):
    """Windows of 1 s to the last convolution; the names are the file's.

    Parameters
    ----------
    mels : rows of the spectrogram
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

    @property
    def mels(self) -> int:
        """Rows of the spectrogram."""
        return len(self.speclayer.get_parameter("mel_basis"))

    @full_precision
    def spectrogram(self, windows: Tensor) -> Tensor:
        """(n, 48000) -> (n, mels, 199), 0 to -80 dB."""
        frames = F.pad(windows, (_EDGE, _EDGE)).unfold(-1, N_FFT, HOP)
        hann = torch.hann_window(N_FFT, periodic=True, device=windows.device)
        spectrum = torch.fft.rfft(frames * hann)
        power = spectrum.real.square() + spectrum.imag.square()
        magnitude = (power @ self.speclayer.mel_basis.T).transpose(1, 2).sqrt()
        decibels = 10 * magnitude.clamp(min=_FLOOR).log10()
        return (decibels - decibels.amax((1, 2), keepdim=True)).clamp(min=-_RANGE_DB)

    def fuse(self) -> None:
        """Make it fast, once its tensors are loaded: batch norms go into the convolutions."""
        self.eval().requires_grad_(False)
        for i in range(1, len(_CHANNELS)):
            conv = self.get_submodule(f"conv2d_{i}")
            norm = self.get_submodule(f"batch_normalization_{i + 1}")
            assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
            setattr(self, f"conv2d_{i}", fuse_conv_bn_eval(conv, norm))
            setattr(self, f"batch_normalization_{i + 1}", nn.Identity())
        # On a CPU convolutions and poolings are faster with the channels last.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, spectrogram: Tensor, size: int) -> Tensor:
        """(n, mels, 199) -> (n, size)."""
        x = self.batch_normalization_1(spectrogram.unsqueeze(1))
        for i in range(1, len(_CHANNELS)):
            x = self.get_submodule(f"conv2d_{i}")(x)
            x = self.get_submodule(f"batch_normalization_{i + 1}")(x).relu_()
            if i in (2, 4, 6):
                x = F.max_pool2d(x, 2)
        x = self.get_submodule(_LAST)(x)
        rows, columns = self.mels // 8, _COLUMNS // 8
        area = (rows, columns) if size == SIZES[1] else (rows // 4, columns // 3)
        return F.max_pool2d(x, area).permute(0, 2, 3, 1).flatten(1)


class OpenL3(nn.Module):
    """What `load_model` returns: the network and its framing."""

    sample_rate = 48000

    def __init__(
        self, network: Network, embedding_size: int, hop_ms: float, scene_hop_ms: float
    ) -> None:
        super().__init__()
        self.network = network
        self.scene_embedding_size = self.timestamp_embedding_size = embedding_size
        self.hop_ms = hop_ms
        self.hop = samples_of(hop_ms, self.sample_rate, "hop_ms")
        self.scene_hop = samples_of(scene_hop_ms, self.sample_rate, "scene_hop_ms")
        self.provenance: dict[str, Any] = {}

    def windows(self, audio: Tensor, hop: int) -> Tensor:
        """(n_sounds, n_samples) -> (n_sounds, n_samples // hop + 1, embedding size)."""
        windows = centred_windows(audio, _WINDOW, hop)
        size = self.scene_embedding_size

        def embed(some: Tensor) -> Tensor:
            embedded: Tensor = self.network(self.network.spectrogram(some), size)
            return embedded

        return map_windows(embed, windows, _BATCH_WINDOWS * _WINDOW)


def load_model(
    model_file_path: str = "",
    *,
    embedding_size: int = 6144,
    hop_ms: float = 50,
    scene_hop_ms: float = 250,
    random_weights: int | None = None,
) -> OpenL3:
    """Load OpenL3; the options are on the module's card.

    Raises
    ------
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """
    if embedding_size not in SIZES:
        raise ValueError(f"embedding_size={embedding_size!r}; expected one of {list(SIZES)}")
    default = checkpoints.OPENL3[SIZES.index(embedding_size)]
    network, provenance = load_network(
        model_file_path, default, random_weights, _load_file, Network
    )
    model = OpenL3(network, embedding_size, hop_ms, scene_hop_ms)
    model.provenance = provenance
    if provenance["weights"] == "random":
        # Energies are not negative, and what is drawn is.
        network.speclayer.get_parameter("mel_basis").data.abs_()
    network.fuse()
    return model.eval()


def _load_file(path: Path) -> Network:
    tensors = load_tensors(path)
    table = tensors.get("speclayer.mel_basis", torch.empty(0))
    network = Network(128 if table.shape[:1] == (128,) else 256)
    load_strict(network, tensors, path, ignored=_IGNORED)
    check_tables(path, tensors, dict(zip(_IGNORED, dft_tables(N_FFT), strict=True)))
    return network


@torch.no_grad()
def get_scene_embeddings(audio: Tensor, model: OpenL3) -> Tensor:
    """One embedding a sound.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at 48 kHz
    model : from `load_model`

    Returns
    -------
    Tensor (n_sounds, scene_embedding_size), float32.

    Raises
    ------
    ValueError
        As `hear.check_audio`.
    """
    return model.windows(check_audio(audio, model), model.scene_hop).mean(1)


@torch.no_grad()
def get_timestamp_embeddings(audio: Tensor, model: OpenL3) -> tuple[Tensor, Tensor]:
    """Embeddings of windows centred on 0, hop_ms, 2 hop_ms, ...

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at 48 kHz
    model : from `load_model`

    Returns
    -------
    embeddings : Tensor (n_sounds, n_timestamps, timestamp_embedding_size), float32
    timestamps : Tensor (n_sounds, n_timestamps), float32, in ms

    Raises
    ------
    ValueError
        As `hear.check_audio`.
    """
    audio = check_audio(audio, model)
    embeddings = model.windows(audio, model.hop)
    n_sounds, count, _ = embeddings.shape
    return embeddings, timestamps(n_sounds, count, model.hop_ms, 0.0, audio.device)
