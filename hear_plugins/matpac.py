"""MATPAC: ViT-B, masked latent prediction and classification on AudioSet.

Also          MATPAC++, arXiv:2508.12709
Weights       releases of aurianworld/matpac (Apache-2.0, as a later README of it states):
              matpac_10_2048.pt, downloaded when no file is given; MATPAC++:
              matpac_plus_6s_2048_enconly.pt, matpac_plus_music_6s_2048_enconly.pt; MATPAC++
              fine-tuned on AudioSet's labels: matpac_plus_as_48_1_map_enconly.pt,
              ..._enc_and_head.pt. Their longest chunk, 608 or 992 frames, is read from the file;
              tensors beside the encoder's are ignored.
Input         80 log-mels, 50 - 8000 Hz, 25 ms window, 10 ms hop, standardised by two constants
Scene         mean over the time steps (160 ms) of their 5 patch embeddings, concatenated. It is the
              original's "precise" mode: chunks of 608 (992) frames without overlap, the last one at
              its own length.
Timestamps    the time steps, each centred on the 175 ms that it sees, every 40 ms from 7.5 ms: four
              passes over the spectrogram, shifted by 40 ms and interleaved. Those at 87.5, 247.5,
              ... ms are the original's; steps centred after the end are left out.
Layers        the same as scenes of each block, the last one after the final LayerNorm

Options of `load_model`
    hop_ms=40              160: one pass, from 87.5 ms; 80, 40, 20, 10: more passes
    embedding_size=3840    768: mean over the 5 patch embeddings of a time step, as the original has
                           it for the AudioSet file with a classifier
    upstream_quirks=False  True: keep time steps centred after the end
    random_weights         seed, for tests and timing

Differences from the original
    It has no timestamps; with hop_ms=160 and upstream_quirks=True they are its sequence. It fails
    below 25 ms: here zeros follow. Its "fast" mode, which gives other numbers, is left out.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
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
from .networks.vit import ViT
from .weights import catalogue as checkpoints
from .weights.loading import axis_size, load_network, load_strict, load_tensors

CARD = Card(
    authors="Quelennec, Chouteau, Peeters, Essid",
    title=(
        "Masked latent prediction and classification for self-supervised audio"
        " representation learning"
    ),
    venue="ICASSP 2025",
    link="arXiv:2502.12031",
    sample_rate=16000,
    scene_embedding_size=3840,
    timestamp_embedding_size=3840,
    parameters=85_400_832,
    released="2025-03-31",
    training_data=("AudioSet",),
    training_code="https://github.com/aurianworld/matpac",
    public_data=True,
)
EMBED_DIM = 768
FRONTEND = LogMel(16000, 400, 160, 80, 50, 8000, scale="slaney", norm="slaney", padding=None)
MEAN, STD = -7.056, 4.193
FREQ_PATCHES = FRONTEND.n_mels // 16
_MAX_FRAMES = 9728  # encoded at once: 16 chunks of 6 s, about 150 MB


class Matpac(PatchModel):
    """The encoder, its frontend and its settings."""

    sample_rate = FRONTEND.sample_rate

    def __init__(
        self, network: ViT, hop_ms: int, embedding_size: int, upstream_quirks: bool
    ) -> None:
        super().__init__()
        self.network = network
        self.step_frames = network.patch_embed.patch[1]
        self.scene_embedding_size = self.timestamp_embedding_size = embedding_size
        self.layer_size = embedding_size
        self.hop_ms = hop_ms
        self.upstream_quirks = upstream_quirks

    def spectrogram(self, audio: Tensor) -> Tensor:
        return FRONTEND(pad_to(audio, FRONTEND.n_fft)).sub_(MEAN).div_(STD)

    def encode(self, spectrogram: Tensor, most_steps: int | None = None) -> Tensor:
        return steps_of_chunks(
            lambda chunk: self._joined(self.network(chunk)), *self._chunks(spectrogram)
        )

    def pooled_layers(self, spectrogram: Tensor) -> Tensor:
        def means(chunk: Tensor) -> Tensor:
            first, freq = self.network.first_tokens, self.network.grid[0]
            patches = (x[:, first:].unflatten(1, (freq, -1)) for x in self.network.layers(chunk))
            return torch.cat([self._joined(x).mean(1) for x in patches], dim=1)

        return mean_of_chunks(means, *self._chunks(spectrogram))

    def _joined(self, patches: Tensor) -> Tensor:
        """(n, freq patches, time steps, embed_dim) -> (n, time steps, layer_size)."""
        if self.layer_size == EMBED_DIM:
            return patches.mean(1)
        return patches.transpose(1, 2).flatten(2)

    def _chunks(self, spectrogram: Tensor) -> tuple[Tensor, int, int]:
        """The spectrogram in whole time steps, the frames of a chunk, the most at once."""
        # Padding is the mean level, after standardisation, as in training.
        padded = F.pad(spectrogram, (0, -spectrogram.shape[-1] % self.step_frames))
        return padded, self.network.grid[1] * self.step_frames, _MAX_FRAMES

    def n_timestamps(self, spectrogram: Tensor) -> int | None:
        if not self.upstream_quirks:
            return None
        hop = self.hop_ms // self.frame_ms  # every time step that holds a frame
        lead = int(self.centre_ms // self.hop_ms) * hop
        return -(-(spectrogram.shape[-1] + lead) // hop)


def load_model(
    model_file_path: str = "",
    *,
    hop_ms: int = 40,
    embedding_size: int = FREQ_PATCHES * EMBED_DIM,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> Matpac:
    """Load MATPAC; options: see the module. Raises as `weights.loading.load_network`."""
    check_choice("hop_ms", hop_ms, (160, 80, 40, 20, 10))
    check_choice("embedding_size", embedding_size, (FREQ_PATCHES * EMBED_DIM, EMBED_DIM))
    network, provenance = load_network(
        model_file_path,
        checkpoints.MATPAC[0],
        random_weights,
        _load_file,
        lambda: ViT((FREQ_PATCHES, 38)),
    )
    return Matpac(network, hop_ms, embedding_size, upstream_quirks).ready(provenance)


def _load_file(path: Path) -> ViT:
    tensors = load_tensors(path)
    count = axis_size(path, tensors, "pos_embed", 1, dims=3, default=191, largest=5001)
    network = ViT((FREQ_PATCHES, (count - 1) // FREQ_PATCHES))
    load_strict(network, tensors, path, ignored=tuple(tensors), name_in_file=_name_in_file)
    return network


def _name_in_file(name: str) -> str:
    return f"student_encoder.{name}" if name.startswith(("blocks.", "norm.")) else name
