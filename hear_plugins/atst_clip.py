"""ATST-Clip: ViT, clip-level teacher-student self-distillation on AudioSet.

Also          Li, Shao, Li, IEEE/ACM TASLP 2024, arXiv:2306.04186
Weights       base.ckpt (downloaded when no file is given) or small.ckpt of
              Audio-WestlakeU/audiossl (CC BY 4.0). The teacher's encoder in the training file is
              used; its size and the form of the file are read from the file.
Input         64 log-mels, 60 - 7800 Hz, 64 ms window, 10 ms hop, at most 80 dB below the sound's
              maximum, scaled by two constants
Scene         class token of all twelve blocks, then mean over the patches (40 ms each) of all
              twelve, each after the final LayerNorm (small: 9216 values), as the authors evaluate
              it. Sounds are encoded in chunks of 6 s, weighted by their number of patches.
Timestamps    the patches of the last block, every 40 ms from 15 ms (small: 384 values)
Layers        class token and mean over the patches of each block, as in scenes

Options of `load_model`
    last_blocks=12         how many blocks are concatenated in a scene: 1 is the last one alone
                           (1536 values, as eval-audio-repr has it)
    upstream_quirks=False  True: all of the original's numbers, see below
    random_weights         seed, for tests and timing (base size)

Differences from the original (its linear evaluation), which `upstream_quirks=True` undoes
    It uses the central 12 s of longer sounds, and leaves out a rest of at most 3 s after a chunk:
    here the whole sound is used. It divides the sum over a chunk's patches by the number of all
    patches from there to the end of the sound, so that the mean shrinks with the sound's length;
    every chunk counts the same; its chunks are 601 frames long and lose the last one: here 600. Up
    to 6 s both are equal. It has no timestamps; with upstream_quirks=True their chunks are its.
    In both, sounds of less than 513 samples get zeros at the end (an error there).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .api.batching import map_rows
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
    authors="Li, Li",
    title="ATST: Audio Representation Learning with Teacher-Student Transformer",
    venue="INTERSPEECH 2022",
    link="arXiv:2204.12076",
    sample_rate=16000,
    scene_embedding_size=18432,
    timestamp_embedding_size=768,
    parameters=85_419_264,
    released="2022-04-29",
    training_data=("AudioSet",),
    training_code="https://github.com/Audio-WestlakeU/audiossl",
    public_data=True,
)
CHUNK = 600  # frames, 6 s
_PREFIXES = ("module.backbone.", "model.teacher.encoder.")  # in the base and the small file
_HEARD_SAMPLES = 12 * atst.FRONTEND.sample_rate  # by the original


class AtstClip(atst.Atst):
    """The encoder and its settings."""

    def __init__(self, network: ViT, last_blocks: int, upstream_quirks: bool) -> None:
        super().__init__(network, last_blocks, CHUNK, upstream_quirks)
        self.timestamp_embedding_size = self.embed_dim
        self.scene_embedding_size = 2 * last_blocks * self.embed_dim

    def summary(self, spectrogram: Tensor, last_blocks: int) -> Tensor:
        blocks = list(self.network.layers(spectrogram, norm_all=True))[-last_blocks:]
        return torch.cat([x[:, 0] for x in blocks] + [x[:, 1:].mean(1) for x in blocks], dim=-1)

    def original_scene(self, spectrogram: Tensor) -> Tensor:
        """(n, 64, at most 1201 frames) -> (n, scene size), as the original averages chunks."""
        total, kept = spectrogram.shape[-1], []
        for start in range(0, total, self.chunk):
            chunk = spectrogram[..., start : start + self.chunk]
            if start and chunk.shape[-1] <= self.chunk // 2:
                continue
            tokens, means = self.summary(chunk, self.last_blocks).chunk(2, dim=-1)
            share = (chunk.shape[-1] // atst.PATCH) / ((total - start) // atst.PATCH)
            kept.append(torch.cat((tokens, means * share), dim=-1))
        return torch.stack(kept).mean(0)

    def scenes(self, audio: Tensor) -> Tensor:
        if not self.upstream_quirks:
            return self.mean_summary(atst.spectrogram(audio), self.last_blocks)
        cut = max(0, audio.shape[-1] - _HEARD_SAMPLES) // 2
        spectrogram = atst.spectrogram(audio[:, cut : cut + _HEARD_SAMPLES])
        sounds = max(1, atst.MAX_FRAMES // spectrogram.shape[-1])
        return map_rows(self.original_scene, spectrogram, sounds)

    def patches(self, spectrogram: Tensor) -> Tensor:
        if spectrogram.shape[-1] < atst.PATCH:
            return spectrogram.new_zeros(len(spectrogram), 0, self.timestamp_embedding_size)
        return self.network(spectrogram).squeeze(1)

    def layers(self, audio: Tensor) -> list[Tensor]:
        summary = self.mean_summary(atst.spectrogram(audio), atst.BLOCKS)
        tokens, means = summary.unflatten(1, (2, atst.BLOCKS, -1)).unbind(1)
        return list(torch.cat((tokens, means), dim=-1).unbind(1))


def load_model(
    model_file_path: str = "",
    *,
    last_blocks: int = atst.BLOCKS,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> AtstClip:
    """Load ATST-Clip; options: see the module. Raises as `weights.loading.load_network`."""
    check_choice("last_blocks", last_blocks, range(1, atst.BLOCKS + 1))
    network, provenance = load_network(
        model_file_path,
        checkpoints.ATST_CLIP[0],
        random_weights,
        lambda path: atst.load_encoder(path, _PREFIXES, "norm", class_token=True),
        lambda: atst.encoder(atst.EMBED_DIMS["base"], class_token=True),
    )
    return AtstClip(network, last_blocks, upstream_quirks).ready(provenance)
