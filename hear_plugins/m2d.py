"""M2D (Masked Modeling Duo): ViT-B, masked latent prediction on AudioSet.

Also          "Masked Modeling Duo: Towards a Universal Audio Pre-training Framework", IEEE/ACM
              TASLP 2024, arXiv:2404.06095
Weights       checkpoint-300.pth of m2d_vit_base-80x608p16x16-221006-mr7_enconly.zip, downloaded
              when no file is given, and the 16 kHz files of the other archives of nttcslab/m2d,
              under NTT's licence for evaluation (internal, non-commercial). Size of the patches,
              longest chunk and statistics are read from the file; tensors beside the encoder's
              are ignored.
Input         80 log-mels, 50 - 8000 Hz, 25 ms window, 10 ms hop, standardised by two constants:
              those of the file, or -7.1 and 4.2
Scene         mean over the time steps (160 ms) of their 5 patch embeddings, concatenated, in chunks
              of 608 frames without overlap, the last one at its own length
Timestamps    the time steps, each centred on the 175 ms that it sees, every 40 ms from 35 ms: four
              passes over the spectrogram, shifted by 40 ms and interleaved. Those at 75, 235, ...
              ms are the original's; steps centred after the end are left out.
Layers        the same as scenes of each block, the last one after the final LayerNorm

Options of `load_model`
    hop_ms=40              160 (with patches of 160 ms): one pass, from 75 ms; 80, 40, 20, 10: more
    upstream_quirks=False  True: keep time steps centred after the end, and give the original's
                           times: the starts of the steps, scaled so that they divide the sound
                           evenly
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

from .api.card import Card
from .api.framing import frame_times, pad_to
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .api.options import check_choice
from .frontends.log_mel import LogMel
from .matpac import EMBED_DIM, Matpac
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

CARD = Card(
    authors="Niizumi, Takeuchi, Ohishi, Harada, Kashino",
    title=(
        "Masked Modeling Duo: Learning Representations by Encouraging Both Networks to Model"
        " the Input"
    ),
    venue="ICASSP 2023",
    link="arXiv:2210.14648",
    sample_rate=16000,
    scene_embedding_size=3840,
    timestamp_embedding_size=3840,
    parameters=85_400_832,
    released="2023-03-06",
    training_data=("AudioSet",),
    training_code="https://github.com/nttcslab/m2d",
    public_data=True,
)
FRONTEND = LogMel(16000, 400, 160, 80, 50, 8000, scale="slaney", norm="slaney")
_ENCODER = ("cls_token", "pos_embed", "patch_embed.", "blocks.", "norm.")


class Encoder(ViT):
    """The ViT, with the mean and standard deviation of the log-mels of its training data."""

    statistics = (-7.1, 4.2)


class M2d(Matpac):
    """The encoder, its frontend and its settings."""

    def __init__(self, network: Encoder, hop_ms: int, upstream_quirks: bool) -> None:
        super().__init__(network, hop_ms, network.grid[0] * EMBED_DIM, upstream_quirks)
        self.mean, self.std = network.statistics
        self.centre_ms = (self.step_frames - 1) / 2 * self.frame_ms

    def spectrogram(self, audio: Tensor) -> Tensor:
        mel = FRONTEND(pad_to(audio, FRONTEND.n_fft // 2 + 1))
        return mel.sub_(self.mean).div_(self.std)

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        embeddings, times = super().timestamps(audio)
        if self.upstream_quirks:
            n_sounds, count = times.shape
            step_ms = 1000 * audio.shape[-1] / self.sample_rate / count
            times = frame_times(n_sounds, count, step_ms, 0, times.device)
        return embeddings, times


def load_model(
    model_file_path: str = "",
    *,
    hop_ms: int = 40,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> M2d:
    """Load M2D; options: see the module. Raises as `weights.loading.load_network`."""
    network, provenance = load_network(
        model_file_path, checkpoints.M2D[0], random_weights, _load_file, lambda: Encoder((5, 38))
    )
    model = M2d(network, hop_ms, upstream_quirks)
    step_ms = model.step_frames * model.frame_ms
    check_choice("hop_ms", hop_ms, [ms for ms in (160, 80, 40, 20, 10) if step_ms % ms == 0])
    return model.ready(provenance)


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
    patch = [
        axis_size(path, tensors, "patch_embed.proj.weight", axis, dims=4, default=16, largest=most)
        for axis, most in ((2, FRONTEND.n_mels), (3, 1001))
    ]
    freq_patches = FRONTEND.n_mels // patch[0]
    count = axis_size(path, tensors, "pos_embed", 1, dims=3, default=191, largest=20_001)
    network = Encoder((freq_patches, (count - 1) // freq_patches), (patch[0], patch[1]))
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
