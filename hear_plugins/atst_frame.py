"""ATST-Frame: a ViT that learnt from AudioSet frame by frame, by a teacher and a student.

Paper         Li, Shao, Li, "Self-supervised Audio Teacher-Student Transformer for Both Clip-level
              and Frame-level Tasks", IEEE/ACM TASLP 2024, arXiv:2306.04186
Weights       atstframe_base.ckpt or atstframe_small.ckpt of Audio-WestlakeU/audiossl (CC BY 4.0),
              on Google Drive: to be fetched in a browser. The teacher's encoder in the training
              file is used; its size is read from the file.
Input         16 kHz; 64 log-mels, 60 - 7800 Hz, 64 ms window, 10 ms hop, at most 80 dB below the
              sound's maximum, scaled by two constants
Scene         mean over the patches (40 ms each) of the sound, the outputs of all twelve blocks side
              by side, each after the final LayerNorm: 9216 values (small: 4608). Sounds are encoded
              in chunks of 10 s.
Timestamps    the patches, every 40 ms from 15 ms, of the same size

Options of `load_model`
    last_blocks=12         how many blocks stand side by side: 1 is the last one alone (768 values)
    upstream_quirks=False  True: all of the original's numbers, see below
    random_weights         seed, for tests and timing (base size)

Differences from the original (embedding.py), which `upstream_quirks=True` undoes
    Its chunks are 1001 columns long and lose the last one, so that timestamps drift by 10 ms a
    chunk: here 1000. Its scene is the mean over chunks, however short the last one is, and a rest
    of less than a patch counts as a chunk of zeros: here every patch counts the same. It gives the
    start of a patch as its time: here the centre. It drops up to three columns at the end: here the
    last column is repeated where the timestamps would otherwise end 40 ms early.
    Its scene_embedding_size, 18432, is not the size of its vector.
    In both, sounds of less than 513 samples get zeros at the end (an error there).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .api.framing import check_audio, map_chunks, timestamps
from .networks import atst
from .networks.vit import ViT
from .weights import catalogue as checkpoints
from .weights.loading import load_network


class AtstFrame(nn.Module):
    """What `load_model` returns: the encoder and its settings."""

    sample_rate = atst.FRONTEND.sample_rate

    def __init__(self, network: ViT, last_blocks: int, upstream_quirks: bool) -> None:
        super().__init__()
        self.network = network
        self.last_blocks = last_blocks
        self.upstream_quirks = upstream_quirks
        size = last_blocks * network.norm.normalized_shape[0]
        self.scene_embedding_size = self.timestamp_embedding_size = size
        self.chunk = atst.MAX_PATCHES * atst.COLUMNS + upstream_quirks  # in columns
        self.provenance: dict[str, Any] = {}

    def patches(self, columns: Tensor) -> Tensor:
        """(n, 64, columns of a chunk) -> (n, patches, embedding size)."""
        if columns.shape[-1] < atst.COLUMNS:
            return columns.new_zeros(len(columns), 0, self.scene_embedding_size)
        layers = list(self.network.layers(columns, norm_all=True))
        return torch.cat(layers[-self.last_blocks :], dim=-1)

    def mean_patch(self, columns: Tensor) -> Tensor:
        """(n, 64, columns of a chunk) -> (n, embedding size)."""
        patches = self.patches(columns)
        return patches.sum(1) / max(patches.shape[1], 1)


def load_model(
    model_file_path: str = "",
    *,
    last_blocks: int = atst.BLOCKS,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> AtstFrame:
    """Load ATST-Frame; the options are on the module's card.

    Raises
    ------
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """
    if last_blocks not in range(1, atst.BLOCKS + 1):
        raise ValueError(f"last_blocks={last_blocks!r}; expected 1 to {atst.BLOCKS}")
    network, provenance = load_network(
        model_file_path,
        checkpoints.ATST_FRAME[0],
        random_weights,
        lambda path: atst.load_encoder(
            path, ("model.teacher.encoder.",), "norm_frame", class_token=False
        ),
        lambda: atst.encoder(atst.WIDTHS["base"], class_token=False),
    )
    model = AtstFrame(network, last_blocks, upstream_quirks)
    model.provenance = provenance
    return model.eval()


@torch.no_grad()
def get_scene_embeddings(audio: Tensor, model: AtstFrame) -> Tensor:
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
    columns = atst.spectrogram(check_audio(audio, model))
    if model.upstream_quirks:
        parts = map_chunks(model.mean_patch, columns, model.chunk, atst.MAX_COLUMNS)
        return torch.cat(parts, dim=1).mean(1)
    return atst.mean_over_patches(model.mean_patch, columns, model.chunk)


@torch.no_grad()
def get_timestamp_embeddings(audio: Tensor, model: AtstFrame) -> tuple[Tensor, Tensor]:
    """Embeddings every 40 ms, centred on their timestamps.

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
    exact = not model.upstream_quirks
    embeddings = atst.sequence(model.patches, audio, model.chunk, to_the_end=exact)
    first_ms = atst.CENTRE_MS if exact else 0
    times = timestamps(len(audio), embeddings.shape[1], atst.HOP_MS, first_ms, audio.device)
    return embeddings, times
