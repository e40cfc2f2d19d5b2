"""Dasheng: ViT, masked autoencoder pre-training on 272k hours of general audio.

Weights       Zenodo record 11511780 (Apache-2.0): dasheng_base.pt, dasheng_06b.pt, dasheng_12b.pt,
              whose sizes are read from the file
Input         64 log-mels, 0 - 8000 Hz, 32 ms window, 10 ms hop, in decibels, at most 120 below the
              sound's loudest; each mel normalised by statistics that are part of the weights
Scene         mean over time steps. Chunks of 252 steps (10 s), the last one at its own length.
Timestamps    the time steps, each centred on the 62 ms that it sees, every 40 ms from 15 ms
Layers        mean over the time steps of each block, the last one after the final LayerNorm

Options of `load_model`
    variant="base"         "0.6B" (32 blocks, 1280), "1.2B" (40 blocks, 1536); of a file that is
                           given, the file decides
    hop_ms=40              20, 10: more passes over the shifted spectrogram, interleaved
    upstream_quirks=False  True: the 120 dB are below the loudest sound of the batch, and steps that
                           the spectrogram does not fill are left out
    random_weights         seed, for tests and timing

Differences from the original
    A quiet sound's embedding depends on the other sounds of its batch there. It fails below 30 ms:
    here zeros follow. Where the last timestamp needs them, zeros (the mean level) follow too.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from .api.batching import mean_of_chunks, steps_of_chunks
from .api.card import Card
from .api.framing import pad_to
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .api.options import check_choice
from .families.patch_model import PatchModel
from .frontends.log_mel import LogMel
from .networks.dasheng import CHUNK_STEPS, N_MELS, PATCH_FRAMES, Dasheng
from .weights import catalogue as checkpoints
from .weights.loading import axis_size, load_network, load_strict, load_tensors, wrong_model

CARD = Card(
    authors="Dinkel, Yan, Wang, Zhang, Wang, Wang",
    title="Scaling up masked audio encoder learning for general audio classification",
    venue="Interspeech 2024",
    link="arXiv:2406.06992",
    sample_rate=16000,
    scene_embedding_size=768,
    timestamp_embedding_size=768,
    parameters=85_447_808,
)
FRONTEND = LogMel(16000, 512, 160, N_MELS, 0, 8000, floor=1e-10, decibels=True)
TOP_DB = 120
# Blocks and heads of each embed_dim, by variant.
SIZES = {"base": (768, 12, 12), "0.6B": (1280, 32, 16), "1.2B": (1536, 40, 24)}
_CHUNK = CHUNK_STEPS * PATCH_FRAMES
_MAX_FRAMES = 16 * _CHUNK  # encoded at once


class DashengModel(PatchModel):
    """The encoder, its frontend and its settings."""

    sample_rate = FRONTEND.sample_rate
    step_frames = PATCH_FRAMES
    centre_ms = 15.0

    def __init__(self, network: Dasheng, hop_ms: int, upstream_quirks: bool) -> None:
        super().__init__()
        self.network = network
        self.hop_ms = hop_ms
        self.upstream_quirks = upstream_quirks
        self.layer_size = network.norm.normalized_shape[0]
        self.scene_embedding_size = self.timestamp_embedding_size = self.layer_size

    def spectrogram(self, audio: Tensor) -> Tensor:
        decibels = FRONTEND(pad_to(audio, (PATCH_FRAMES - 1) * FRONTEND.hop))
        loudest = decibels.amax((0, 1, 2) if self.upstream_quirks else (1, 2), keepdim=True)
        return self.network.normalised(decibels.maximum(loudest - TOP_DB))

    def encode(self, spectrogram: Tensor, most_steps: int | None = None) -> Tensor:
        return steps_of_chunks(self.network, _whole(spectrogram), _CHUNK, _MAX_FRAMES)

    def pooled_layers(self, spectrogram: Tensor) -> Tensor:
        def means(chunk: Tensor) -> Tensor:
            return torch.cat([x.mean(1) for x in self.network.layers(chunk)], dim=1)

        return mean_of_chunks(means, _whole(spectrogram), _CHUNK, _MAX_FRAMES)

    def n_timestamps(self, spectrogram: Tensor) -> int | None:
        if not self.upstream_quirks:
            return None
        return spectrogram.shape[-1] // PATCH_FRAMES * PATCH_FRAMES * 10 // self.hop_ms


def load_model(
    model_file_path: str = "",
    *,
    variant: str = "base",
    hop_ms: int = 40,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> DashengModel:
    """Load Dasheng; options: see the module. Raises as `weights.loading.load_network`."""
    check_choice("variant", variant, SIZES)
    check_choice("hop_ms", hop_ms, (40, 20, 10))
    network, provenance = load_network(
        model_file_path,
        next(each for each in checkpoints.DASHENG if each.variant == variant),
        random_weights,
        _load_file,
        lambda: Dasheng(*SIZES[variant]),
    )
    return DashengModel(network, hop_ms, upstream_quirks).ready(provenance)


def _whole(spectrogram: Tensor) -> Tensor:
    """The frames that fill patches."""
    return spectrogram[..., : spectrogram.shape[-1] // PATCH_FRAMES * PATCH_FRAMES]


def _load_file(path: Path) -> Dasheng:
    tensors = load_tensors(path, unwrap=("model",))
    size = axis_size(path, tensors, "norm.weight", 0, dims=1, default=768, largest=1536)
    known = {sizes[0]: sizes for sizes in SIZES.values()}
    if size not in known:
        fault = f"tensor norm.weight has {size} values; expected one of {sorted(known)}"
        raise wrong_model(path, fault, tensors)
    network = Dasheng(*known[size])
    load_strict(network, tensors, path, ignored=("front_end.",))
    return network
