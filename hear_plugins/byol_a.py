"""BYOL-A (2021): a small convolutional network that learnt from AudioSet without labels.

Paper         Niizumi, Takeuchi, Ohishi, Harada, Kashino, "BYOL for Audio: Self-Supervised Learning
              for General-Purpose Audio Representation", IJCNN 2021, arXiv:2103.06695
Weights       AudioNTT2020-BYOLA-64x96d{2048,1024,512}.pth from nttcslab/byol-a, under NTT's licence
              for evaluation (internal use only, not to be passed on). The size is read from the
              file; without a file the 2048 one is downloaded.
Input         16 kHz; 64 log-mels, 60 - 7800 Hz, 64 ms window, 10 ms hop, standardised by two
              constants
Scene         maximum plus mean over the frames of the whole clip: 2048, 1024 or 512 values
Timestamps    the frames: 80 ms long with a view of 220 ms, centred, every 40 ms

Options of `load_model`
    dimensions=2048     size of the published weights to use when no file is given
    mel="htk"           "htk": the recipe of the repository's README, as most users run it;
                        "slaney": that of NTT's evaluation package, nearer to pre-training
    mean, std           standardisation; None: the constants published with the recipe
    hop_ms=40           80: the network's own frames; 40: a second pass, shifted by half a frame,
                        on the sound extended by its reflection
    random_weights      seed, for tests and timing

Differences from the original
    It standardises by statistics of each downstream task's training set, which the HEAR API cannot
    see: here they are published constants. Its evaluation crops or pads clips to a fixed length at
    random; here the whole clip counts. There is no original timestamp embedding.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .api.framing import check_audio, map_rows, pad_to, timestamps
from .frontends.log_mel import LogMel
from .networks.byol_cnn import AudioNTT2020, column_budget
from .weights import catalogue as checkpoints
from .weights.loading import axis_size, load_network, load_strict, load_tensors

_HTK = LogMel(sample_rate=16000, n_fft=1024, hop=160, n_mels=64, f_min=60, f_max=7800)
_SLANEY = LogMel(16000, 1024, 160, 64, 60, 7800, scale="slaney", norm="slaney")

RECIPES: dict[str, tuple[LogMel, float, float]] = {
    "htk": (_HTK, -5.4919195, 5.0389895),
    "slaney": (_SLANEY, -9.660292, 4.7219563),  # statistics of Speech Commands v2
}
"""Log-mel recipe, mean and standard deviation, as published together."""


class ByolA(torch.nn.Module):
    """What `load_model` returns: the network, its frontend and its settings."""

    sample_rate = 16000

    def __init__(
        self, network: AudioNTT2020, frontend: LogMel, mean: float, std: float, hop: int
    ) -> None:
        super().__init__()
        self.network = network
        # Reflection needs more than half a transform.
        needed = (network.min_columns - 1) * frontend.hop
        self.min_samples = max(needed, frontend.n_fft // 2 + 1)
        self.scene_embedding_size = self.timestamp_embedding_size = network.embedding_size
        self.frontend, self.mean, self.std = frontend, mean, std
        self.hop = hop  # of timestamps, in columns
        self.provenance: dict[str, Any] = {}

    def columns(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) -> standardised log-mels (n_sounds, 64, at least a frame)."""
        return self.frontend(pad_to(audio, self.min_samples)).sub_(self.mean).div_(self.std)


def load_model(
    model_file_path: str = "",
    *,
    dimensions: int = 2048,
    mel: str = "htk",
    mean: float | None = None,
    std: float | None = None,
    hop_ms: int = 40,
    random_weights: int | None = None,
) -> ByolA:
    """Load BYOL-A; the options are on the module's card.

    Raises
    ------
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """
    published = {int(c.variant[1:]): c for c in checkpoints.BYOL_A}
    if dimensions not in published:
        raise ValueError(f"dimensions={dimensions!r}; expected one of {sorted(published)}")
    if hop_ms not in (40, 80):
        raise ValueError(f"hop_ms={hop_ms!r}; expected 40 or 80")
    frontend, mean, std = standardisation(mel, mean, std)
    network, provenance = load_encoder(
        model_file_path, published[dimensions], dimensions, random_weights
    )
    model = ByolA(network, frontend, mean, std, hop_ms // 10)
    model.provenance = provenance
    return model.eval()


def standardisation(mel: str, mean: float | None, std: float | None) -> tuple[LogMel, float, float]:
    """The recipe that these options of `load_model` choose; ValueError for a wrong one."""
    if mel not in RECIPES:
        raise ValueError(f"mel={mel!r}; expected one of {sorted(RECIPES)}")
    frontend, usual_mean, usual_std = RECIPES[mel]
    mean = usual_mean if mean is None else float(mean)
    std = usual_std if std is None else float(std)
    if not (math.isfinite(mean) and math.isfinite(std) and std > 0):
        raise ValueError(f"mean={mean}, std={std}; expected finite numbers, std above 0")
    return frontend, mean, std


def get_scene_embeddings(audio: Tensor, model: ByolA) -> Tensor:
    """One embedding a sound.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at 16 kHz
    model : from `load_model`

    Returns
    -------
    Tensor (n_sounds, scene_embedding_size), float32, >= 0.

    Raises
    ------
    ValueError
        As `hear.check_audio`.
    """
    with torch.no_grad():
        columns = model.columns(check_audio(audio, model))
        return map_rows(model.network.clip, columns, _sounds_at_once(columns))


def get_timestamp_embeddings(audio: Tensor, model: ByolA) -> tuple[Tensor, Tensor]:
    """Frames of the network, centred on their timestamps.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at 16 kHz
    model : from `load_model`

    Returns
    -------
    embeddings : Tensor (n_sounds, n_timestamps, timestamp_embedding_size), float32, >= 0
    timestamps : Tensor (n_sounds, n_timestamps), float32, in ms

    Raises
    ------
    ValueError
        As `hear.check_audio`.
    """
    with torch.no_grad():
        audio = check_audio(audio, model)
        columns = model.columns(audio)
        width = model.network.columns_per_frame
        centre = (width - 1) / 2  # of a frame, in columns from its first
        # The network drops a part of a frame at the end: go on to within a step of the sound's.
        whole = (columns.shape[-1] - width) // model.hop + 1
        reached = math.ceil((audio.shape[-1] / model.frontend.hop - centre) / model.hop)
        count = max(whole, reached)

        def frames(rows: Tensor) -> Tensor:
            return _every_hop(rows, count, model)

        embeddings = map_rows(frames, columns, _sounds_at_once(columns))
    column_ms = 1000 * model.frontend.hop / model.sample_rate
    times = timestamps(len(audio), count, model.hop * column_ms, centre * column_ms, audio.device)
    return embeddings, times


def _every_hop(columns: Tensor, count: int, model: ByolA) -> Tensor:
    """Frames starting at columns 0, hop, 2 hop, ...: (n, 64, T) -> (n, count, d).

    Zeros inside the network change a frame at an edge by half; so the sound is extended by its
    reflection, except for the first and last of the frames that the original has.
    """
    out = columns.new_empty(len(columns), count, model.timestamp_embedding_size)
    width = model.network.columns_per_frame
    passes = width // model.hop
    wide = _reflected(columns, width, 3 * width)
    for first in range(passes):
        slots, done = out[:, first::passes], 0
        stop = 1 + slots.shape[1]  # frame 0 lies in the extension
        for piece in model.network.frames(wide[..., first * model.hop :], 1, stop):
            slots[:, done : done + piece.shape[1]] = piece
            done += piece.shape[1]
    own = columns.shape[-1] // width
    before_last = max(0, own - 2) * width
    out[:, 0] = model.network(columns[..., : 3 * width])[:, 0]
    out[:, (own - 1) * passes] = model.network(columns[..., before_last:])[:, -1]
    return out


def _reflected(columns: Tensor, before: int, after: int) -> Tensor:
    """`columns` with reflections of any length on both sides (torch's must be shorter than it)."""
    last = columns.shape[-1] - 1
    index = torch.arange(-before, last + 1 + after, device=columns.device) % (2 * last)
    return columns[..., torch.minimum(index, 2 * last - index)]


def _sounds_at_once(columns: Tensor) -> int:
    return max(1, column_budget(columns.device) // columns.shape[-1])


def load_encoder(
    model_file_path: str,
    default: checkpoints.Checkpoint,
    dimensions: int,
    random_weights: int | None,
    encoder: type[AudioNTT2020] = AudioNTT2020,
) -> tuple[AudioNTT2020, dict[str, Any]]:
    """The encoder of BYOL-A and BYOL-S, of the size that the file holds, and its provenance.

    A state dict may be wrapped in "state_dict" or "model", and its names may have a prefix.
    """

    def from_file(path: Path) -> AudioNTT2020:
        wrapped = load_tensors(path, ("state_dict", "model"))
        tensors = {_bare(name): x for name, x in wrapped.items()}
        size = axis_size(path, tensors, "fc.3.bias", 0, dims=1, default=dimensions, largest=8192)
        network = encoder(size)
        load_strict(network, tensors, path)
        return network

    def blank() -> AudioNTT2020:
        return encoder(dimensions)

    return load_network(model_file_path, default, random_weights, from_file, blank)


def _bare(name: str) -> str:
    """A tensor's name without what stands before "features." or "fc."."""
    starts = [at for part in ("features.", "fc.") if (at := name.find(part)) >= 0]
    return name[min(starts) :] if starts else name
