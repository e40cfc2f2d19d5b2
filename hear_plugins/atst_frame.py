"""ATST-Frame: ViT, frame-level teacher-student self-distillation on AudioSet.

Weights       atstframe_base.ckpt or atstframe_small.ckpt of Audio-WestlakeU/audiossl (CC BY 4.0),
              on Google Drive: to be fetched in a browser. The teacher's encoder in the training
              file is used; its size is read from the file.
Input         64 log-mels, 60 - 7800 Hz, 64 ms window, 10 ms hop, at most 80 dB below the sound's
              maximum, scaled by two constants
Scene         mean over the patches (40 ms each) of the sound, the outputs of all twelve blocks
              concatenated, each after the final LayerNorm (small: 4608 values). Sounds are encoded
              in chunks of 10 s.
Timestamps    the patches, every 40 ms from 15 ms, of the same size
Layers        mean over the patches of each block, as in scenes

Options of `load_model`
    last_blocks=12         how many blocks are concatenated: 1 is the last one alone (768 values)
    upstream_quirks=False  True: all of the original's numbers, see below
    random_weights         seed, for tests and timing (base size)

Differences from the original (embedding.py), which `upstream_quirks=True` undoes
    Its chunks are 1001 frames long and lose the last one, so that timestamps drift by 10 ms a
    chunk: here 1000. Its scene is the mean over chunks, however short the last one is, and a rest
    of less than a patch counts as a chunk of zeros: here every patch counts the same. It gives the
    start of a patch as its time: here the centre. It drops up to three frames at the end: here the
    last frame is repeated where the timestamps would otherwise end 40 ms early.
    Its scene_embedding_size, 18432, is not the size of its vector.
    In both, sounds of less than 513 samples get zeros at the end (an error there).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .api.batching import map_chunks
from .api.card import Card
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .api.options import check_choice
from .families import atst
from .networks.vit import ViT
from .weights import catalogue as checkpoints
from .weights.loading import load_network

CARD = Card(
    authors="Li, Shao, Li",
    title=(
        "Self-supervised Audio Teacher-Student Transformer for Both Clip-level and Frame-level"
        " Tasks"
    ),
    venue="IEEE/ACM TASLP 2024",
    link="arXiv:2306.04186",
    sample_rate=16000,
    scene_embedding_size=9216,
    timestamp_embedding_size=9216,
    parameters=85_418_496,
    released="2023-11-07",
    training_data=("AudioSet",),
    training_code="https://github.com/Audio-WestlakeU/audiossl",
    public_data=True,
)


class AtstFrame(atst.Atst):
    """The encoder and its settings."""

    def __init__(self, network: ViT, last_blocks: int, upstream_quirks: bool) -> None:
        super().__init__(network, last_blocks, atst.MAX_PATCHES * atst.PATCH, upstream_quirks)
        size = last_blocks * self.embed_dim
        self.scene_embedding_size = self.timestamp_embedding_size = size
        self.first_ms = 0 if upstream_quirks else atst.CENTRE_MS

    def patches(self, spectrogram: Tensor) -> Tensor:
        return self.patches_of(spectrogram, self.last_blocks)

    def patches_of(self, spectrogram: Tensor, last_blocks: int) -> Tensor:
        """(n, 64, frames of a chunk) -> (n, patches, size of so many last blocks)."""
        if spectrogram.shape[-1] < atst.PATCH:
            return spectrogram.new_zeros(len(spectrogram), 0, last_blocks * self.embed_dim)
        blocks = list(self.network.layers(spectrogram, norm_all=True))
        return torch.cat(blocks[-last_blocks:], dim=-1)

    def summary(self, spectrogram: Tensor, last_blocks: int) -> Tensor:
        patches = self.patches_of(spectrogram, last_blocks)
        return patches.sum(1) / max(patches.shape[1], 1)

    def scenes(self, audio: Tensor) -> Tensor:
        spectrogram = atst.spectrogram(audio)
        if not self.upstream_quirks:
            return self.mean_summary(spectrogram, self.last_blocks)

        def summary(chunk: Tensor) -> Tensor:
            return self.summary(chunk, self.last_blocks)

        parts = map_chunks(summary, spectrogram, self.chunk, atst.MAX_FRAMES)
        return torch.cat(parts, dim=1).mean(1)

    def layers(self, audio: Tensor) -> list[Tensor]:
        summary = self.mean_summary(atst.spectrogram(audio), atst.BLOCKS)
        return list(summary.split(self.embed_dim, dim=1))


def load_model(
    model_file_path: str = "",
    *,
    last_blocks: int = atst.BLOCKS,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> AtstFrame:
    """Load ATST-Frame; options: see the module. Raises as `weights.loading.load_network`."""
    check_choice("last_blocks", last_blocks, range(1, atst.BLOCKS + 1))
    network, provenance = load_network(
        model_file_path,
        checkpoints.ATST_FRAME[0],
        random_weights,
        lambda path: atst.load_encoder(
            path, ("model.teacher.encoder.",), "norm_frame", class_token=False
        ),
        lambda: atst.encoder(atst.EMBED_DIMS["base"], class_token=False),
    )
    return AtstFrame(network, last_blocks, upstream_quirks).ready(provenance)
