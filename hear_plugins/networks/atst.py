"""What ATST-Clip and ATST-Frame share: frontend, encoder, chunks, and how a file is loaded.

Li, Shao, Li, "Self-supervised Audio Teacher-Student Transformer for Both Clip-level and
Frame-level Tasks", IEEE/ACM TASLP 2024, arXiv:2306.04186. The encoder is a ViT whose patches are
64 mels x 4 columns, and whose queries, keys and values have no bias.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..api.framing import map_chunks, pad_to
from ..frontends.log_mel import LogMel
from ..weights.loading import axis_size, load_strict, load_tensors
from .vit import ViT

FRONTEND = LogMel(16000, 1024, 160, 64, 60, 7800, floor=1e-10, decibels=True)
LOWEST, HIGHEST = -79.6482, 50.6842  # dB in the training set
RANGE_DB = 80
COLUMNS = 4  # of a patch
HOP_MS = 40
CENTRE_MS = 15  # of the first patch, whose columns are centred on 0, 10, 20 and 30 ms
MAX_PATCHES = 250
BLOCKS = 12
WIDTHS = {"base": 768, "small": 384}
MAX_COLUMNS = 8000  # encoded at once, in about 250 MB


def spectrogram(audio: Tensor) -> Tensor:
    """(n_sounds, n_samples) -> (n_sounds, 64, columns): decibels, about [-1, 1].

    What lies more than 80 dB below a sound's loudest cell is raised to that.
    """
    mel = FRONTEND(pad_to(audio, FRONTEND.n_fft // 2 + 1))
    mel = torch.maximum(mel, mel.amax((1, 2), keepdim=True) - RANGE_DB)
    return mel.sub_(LOWEST).mul_(2 / (HIGHEST - LOWEST)).sub_(1)


def encoder(width: int, class_token: bool) -> ViT:
    """An encoder without weights."""
    return ViT(
        (1, MAX_PATCHES),
        (FRONTEND.n_mels, COLUMNS),
        width,
        BLOCKS,
        width // 64,
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

    name, largest = prefix + "pos_embed", max(WIDTHS.values())
    width = axis_size(path, tensors, name, 2, dims=3, default=WIDTHS["base"], largest=largest)
    if width not in WIDTHS.values():
        width = WIDTHS["base"]
    network = encoder(width, class_token)
    unused = [name for name in tensors if not name.startswith(prefix)]
    load_strict(network, tensors, path, (*unused, prefix + "mask_embed"), name_in_file)
    return network


def mean_over_patches(encode: Callable[[Tensor], Tensor], columns: Tensor, chunk: int) -> Tensor:
    """The mean over chunks, each counted by its patches; columns short of a patch are left out.

    Parameters
    ----------
    encode : (n, 64, columns of a chunk) -> (n, size), the mean over the chunk's patches.
    columns : Tensor (n_sounds, 64, n_columns), from `spectrogram`.
    chunk : columns of a chunk, a multiple of a patch's.

    Returns
    -------
    Tensor (n_sounds, size).
    """
    used = columns.shape[-1] // COLUMNS * COLUMNS
    chunks = torch.cat(map_chunks(encode, columns[..., :used], chunk, MAX_COLUMNS), dim=1)
    counts = torch.full((chunks.shape[1], 1), float(chunk), device=columns.device)
    counts[-1] = (used - 1) % chunk + 1
    return (chunks * counts).sum(1) / used


def sequence(
    encode: Callable[[Tensor], Tensor], audio: Tensor, chunk: int, to_the_end: bool
) -> Tensor:
    """The patches of whole sounds.

    Parameters
    ----------
    encode : (n, 64, columns of a chunk) -> (n, patches, size).
    audio : Tensor (n_sounds, n_samples).
    chunk : in columns.
    to_the_end : repeat the last column where the last patch would otherwise be centred a step or
        more before the sound's end.

    Returns
    -------
    Tensor (n_sounds, patches, size).
    """
    columns = spectrogram(audio)
    end_ms = 1000 * audio.shape[-1] / FRONTEND.sample_rate
    missing = COLUMNS * (math.floor((end_ms - CENTRE_MS) / HOP_MS) + 1) - columns.shape[-1]
    if to_the_end and missing > 0:
        columns = F.pad(columns, (0, missing), mode="replicate")
    parts = map_chunks(encode, columns, chunk, MAX_COLUMNS)
    return torch.cat([part.flatten(1, 2) for part in parts], dim=1)
