"""What ATST-Clip and ATST-Frame share: frontend, encoder, chunks, and how a file is loaded.

Li, Shao, Li, "Self-supervised Audio Teacher-Student Transformer for Both Clip-level and
Frame-level Tasks", IEEE/ACM TASLP 2024, arXiv:2306.04186. The encoder is a ViT whose patches are
64 mels x 4 frames, and whose queries, keys and values have no bias.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..api.batching import mean_of_chunks, steps_of_chunks
from ..api.framing import frame_times, pad_to
from ..api.hear_model import HearModel
from ..frontends.log_mel import LogMel
from ..networks.vit import ViT
from ..weights.loading import axis_size, load_strict, load_tensors

FRONTEND = LogMel(16000, 1024, 160, 64, 60, 7800, floor=1e-10, decibels=True)
LOWEST, HIGHEST = -79.6482, 50.6842  # dB in the training set
RANGE_DB = 80
PATCH = 4  # frames
HOP_MS = 40
CENTRE_MS = 15  # of the first patch, whose frames are centred on 0, 10, 20 and 30 ms
MAX_PATCHES = 250
BLOCKS = 12
EMBED_DIMS = {"base": 768, "small": 384}
MAX_FRAMES = 8000  # encoded at once, in about 250 MB


class Atst(HearModel):
    """The encoder and its settings.

    Parameters
    ----------
    network : from `encoder` or `load_encoder`.
    last_blocks : how many blocks are concatenated.
    chunk : frames that are encoded at once; `upstream_quirks` adds one.
    """

    sample_rate = FRONTEND.sample_rate
    first_ms = CENTRE_MS

    def __init__(self, network: ViT, last_blocks: int, chunk: int, upstream_quirks: bool) -> None:
        super().__init__()
        self.network = network
        self.embed_dim = network.norm.normalized_shape[0]
        self.last_blocks = last_blocks
        self.upstream_quirks = upstream_quirks
        self.chunk = chunk + upstream_quirks

    def patches(self, spectrogram: Tensor) -> Tensor:
        """(n, 64, frames of a chunk) -> (n, patches, timestamp_embedding_size)."""
        raise NotImplementedError

    def summary(self, spectrogram: Tensor, last_blocks: int) -> Tensor:
        """(n, 64, frames of a chunk) -> (n, size of a scene of so many last blocks)."""
        raise NotImplementedError

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        mel = spectrogram(audio)
        # Repeat the last frame where the last patch would be centred a step before the end.
        end_ms = 1000 * audio.shape[-1] / FRONTEND.sample_rate
        missing = PATCH * (math.floor((end_ms - CENTRE_MS) / HOP_MS) + 1) - mel.shape[-1]
        if not self.upstream_quirks and missing > 0:
            mel = F.pad(mel, (0, missing), mode="replicate")
        out = steps_of_chunks(self.patches, mel, self.chunk, MAX_FRAMES)
        return out, frame_times(len(out), out.shape[1], HOP_MS, self.first_ms, out.device)

    def mean_summary(self, mel: Tensor, last_blocks: int) -> Tensor:
        """Mean of the chunks' `summary`, each counted by its patches; a rest is left out."""
        used = mel[..., : mel.shape[-1] // PATCH * PATCH]
        chunk = self.chunk - self.upstream_quirks
        return mean_of_chunks(lambda x: self.summary(x, last_blocks), used, chunk, MAX_FRAMES)


def spectrogram(audio: Tensor) -> Tensor:
    """(n_sounds, n_samples) -> (n_sounds, 64, frames): decibels, about [-1, 1].

    What lies more than 80 dB below a sound's loudest cell is raised to that.
    """
    mel = FRONTEND(pad_to(audio, FRONTEND.n_fft // 2 + 1))
    mel = torch.maximum(mel, mel.amax((1, 2), keepdim=True) - RANGE_DB)
    return mel.sub_(LOWEST).mul_(2 / (HIGHEST - LOWEST)).sub_(1)


def encoder(embed_dim: int, class_token: bool) -> ViT:
    """An encoder without weights."""
    return ViT(
        (1, MAX_PATCHES),
        (FRONTEND.n_mels, PATCH),
        embed_dim,
        BLOCKS,
        embed_dim // 64,
        class_token=class_token,
        qkv_bias=False,
        flat_patches=True,
    )


def load_encoder(path: Path, prefixes: tuple[str, ...], norm: str, class_token: bool) -> ViT:
    """The teacher's encoder out of a training file.

    Parameters
    ----------
    path : of the file, whose tensors may lie under "teacher" or "state_dict"; it holds the
        student and training state beside the teacher.
    prefixes : of the encoder's tensors, one for each form of the file.
    norm : the final LayerNorm's name in the file.
    class_token : whether the encoder has one.

    Raises
    ------
    WeightsError
        As `load_tensors` and `load_strict`.
    """
    tensors = load_tensors(path, ("teacher", "state_dict"), training_state=True)
    prefix = next((p for p in prefixes if any(n.startswith(p) for n in tensors)), prefixes[0])

    def name_in_file(name: str) -> str:
        name = name.replace("patch_embed.proj.", "patch_embed.patch_embed.")
        return prefix + (f"{norm}{name[4:]}" if name.startswith("norm.") else name)

    name, base, largest = prefix + "pos_embed", EMBED_DIMS["base"], max(EMBED_DIMS.values())
    embed_dim = axis_size(path, tensors, name, 2, dims=3, default=base, largest=largest)
    if embed_dim not in EMBED_DIMS.values():
        embed_dim = base
    network = encoder(embed_dim, class_token)
    unused = [name for name in tensors if not name.startswith(prefix)]
    load_strict(network, tensors, path, (*unused, prefix + "mask_embed"), name_in_file)
    return network
