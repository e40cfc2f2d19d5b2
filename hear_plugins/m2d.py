"""M2D (Masked Modeling Duo): a ViT-B that learnt from AudioSet by predicting masked latents.

Papers        Niizumi, Takeuchi, Ohishi, Harada, Kashino, "Masked Modeling Duo: Learning
              Representations by Encouraging Both Networks to Model the Input", ICASSP 2023,
              arXiv:2210.14648; "Masked Modeling Duo: Towards a Universal Audio Pre-training
              Framework", IEEE/ACM TASLP 2024, arXiv:2404.06095
Weights       checkpoint-300.pth of m2d_vit_base-80x608p16x16-221006-mr7_enconly.zip, downloaded
              when no file is given, and the 16 kHz files of the other archives of nttcslab/m2d,
              under NTT's licence for evaluation (internal, non-commercial). Size of the patches,
              longest chunk and statistics are read from the file; tensors beside the encoder's
              are ignored.
Input         16 kHz; 80 log-mels, 50 - 8000 Hz, 25 ms window, 10 ms hop, standardised by two
              constants: those of the file, or -7.1 and 4.2
Scene         mean over columns of patches (160 ms), the 5 tokens of a column side by side: 3840
              values, in chunks of 608 frames without overlap, the last one at its own length
Timestamps    the columns, each centred on the 175 ms that it sees, every 40 ms from 35 ms: four
              passes over the spectrogram, shifted by 40 ms and interleaved. Those at 75, 235, ...
              ms are the original's; columns centred after the end are left out.

Options of `load_model`
    hop_ms=40              160 (with patches of 160 ms): one pass, from 75 ms; 80, 40, 20, 10: more
    upstream_quirks=False  True: keep columns centred after the end, and give the original's times:
                           the starts of columns, stretched so that they divide the sound evenly
    random_weights         seed, for tests and timing

Differences from the original
    With hop_ms=160 and upstream_quirks=True timestamps are its sequence. It reads the geometry from
    the name of the file's folder. Its chunks for files of 1001 frames lose the last 9: here they
    are 992 frames long. It fails below 201 samples: here zeros follow.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from torch import Tensor

from . import matpac
from .api.framing import pad_to, timestamps
from .frontends.log_mel import LogMel
from .matpac import FRAME_MS, WIDTH, Matpac
from .matpac import get_scene_embeddings as get_scene_embeddings
from .networks.vit import ViT
from .weights import catalogue as checkpoints
from .weights.loading import (
    WeightsError,
    axis_size,
    load_network,
    load_strict,
    load_tensors,
    wrong_model,
)

FRONTEND = LogMel(16000, 400, 160, 80, 50, 8000, scale="slaney", norm="slaney")
_ENCODER = ("cls_token", "pos_embed", "patch_embed.", "blocks.", "norm.")


class Encoder(ViT):
    """The ViT, with the mean and standard deviation of the log-mels that it learnt from."""

    statistics = (-7.1, 4.2)


class M2d(Matpac):
    """What `load_model` returns: the encoder, its frontend and its settings."""

    def __init__(self, network: Encoder, hop_ms: int, upstream_quirks: bool) -> None:
        super().__init__(network, hop_ms, network.grid[0] * WIDTH, upstream_quirks)
        self.mean, self.std = network.statistics
        self.centre_ms = (self.patch - 1) / 2 * FRAME_MS

    def spectrogram(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) -> standardised log-mels (n_sounds, 80, frames)."""
        columns = FRONTEND(pad_to(audio, FRONTEND.n_fft // 2 + 1))
        return columns.sub_(self.mean).div_(self.std)


def load_model(
    model_file_path: str = "",
    *,
    hop_ms: int = 40,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> M2d:
    """Load M2D; the options are on the module's card.

    Raises
    ------
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """
    network, provenance = load_network(
        model_file_path, checkpoints.M2D[0], random_weights, _load_file, lambda: Encoder((5, 38))
    )
    model = M2d(network, hop_ms, upstream_quirks)
    steps = [ms for ms in (160, 80, 40, 20, 10) if model.patch * FRAME_MS % ms == 0]
    if hop_ms not in steps:
        raise ValueError(f"hop_ms={hop_ms!r}; expected one of {steps}")
    model.provenance = provenance
    return model.eval()


def _load_file(path: Path) -> Encoder:
    # The tensors of the files for 32 kHz have the same shapes; only their folder's name tells.
    if other := re.search(r"p(\d+)k\b", f"{path.parent.name} {path.name}"):
        raise WeightsError(f"{path} is M2D at {other[1]} kHz by its name; only 16 kHz is built")
    tensors = load_tensors(path, ("model",))
    statistics = tensors.pop("norm_stats", None)
    # Where the encoder is a part of a larger model, it is its backbone.
    if any("backbone." in name for name in tensors):
        parts = ((name.rpartition("backbone."), x) for name, x in tensors.items())
        tensors = {name: x for (_, inside, name), x in parts if inside}
        statistics = tensors.pop("norm_stats", statistics)
    height, width = (
        axis_size(path, tensors, "patch_embed.proj.weight", axis, dims=4, default=16, largest=most)
        for axis, most in ((2, FRONTEND.n_mels), (3, 1001))
    )
    size, rows = (height, width), FRONTEND.n_mels // height
    count = axis_size(path, tensors, "pos_embed", 1, dims=3, default=191, largest=20_001)
    network = Encoder((rows, (count - 1) // rows), size)
    load_strict(
        network,
        tensors,
        path,
        ignored=[name for name in tensors if not name.startswith(_ENCODER)],
    )
    if statistics is not None:
        mean, std = (*statistics.flatten().tolist(), 0.0, 0.0)[:2]
        if not (statistics.numel() == 2 and math.isfinite(mean) and 0 < std < math.inf):
            fault = f"norm_stats is {statistics.tolist()}, expected mean and standard deviation"
            raise wrong_model(path, fault, tensors)
        network.statistics = mean, std
    return network


def get_timestamp_embeddings(audio: Tensor, model: M2d) -> tuple[Tensor, Tensor]:
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
    embeddings, times = matpac.get_timestamp_embeddings(audio, model)
    if model.upstream_quirks:
        n_sounds, count = times.shape
        step_ms = 1000 * audio.shape[-1] / model.sample_rate / count
        times = timestamps(n_sounds, count, step_ms, 0, times.device)
    return embeddings, times
