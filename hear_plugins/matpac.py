"""MATPAC: a ViT-B that learnt from AudioSet by masked latent prediction and classification.

Papers        Quelennec, Chouteau, Peeters, Essid, "MATPAC", ICASSP 2025, arXiv:2502.12031;
              MATPAC++, arXiv:2508.12709
Weights       releases of aurianworld/matpac (Apache-2.0, as a later README of it states):
              matpac_10_2048.pt, downloaded when no file is given; MATPAC++:
              matpac_plus_6s_2048_enconly.pt, matpac_plus_music_6s_2048_enconly.pt; MATPAC++ tuned
              on AudioSet's labels: matpac_plus_as_48_1_map_enconly.pt, ..._enc_and_head.pt. Their
              longest chunk, 608 or 992 frames, is read from the file; tensors beside the encoder's
              are ignored.
Input         16 kHz; 80 log-mels, 50 - 8000 Hz, 25 ms window, 10 ms hop, standardised by two
              constants
Scene         mean over columns of patches (160 ms), the 5 tokens of a column side by side: 3840
              values. It is the original's "precise" mode: chunks of 608 (992) frames without
              overlap, the last one at its own length.
Timestamps    the columns, each centred on the 175 ms that it sees, every 40 ms from 7.5 ms: four
              passes over the spectrogram, shifted by 40 ms and interleaved. Those at 87.5, 247.5,
              ... ms are the original's; columns centred after the end are left out.

Options of `load_model`
    hop_ms=40              160: one pass, from 87.5 ms; 80, 40, 20, 10: more passes
    embedding_size=3840    768: mean over the 5 tokens of a column, as the original has it for the
                           AudioSet file with a classifier
    upstream_quirks=False  True: keep columns centred after the end
    random_weights         seed, for tests and timing

Differences from the original
    It has no timestamps; with hop_ms=160 and upstream_quirks=True they are its sequence. It fails
    below 25 ms: here zeros follow. Its "fast" mode, which gives other numbers, is left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .api.framing import check_audio, map_chunks, pad_to, shifted_passes
from .frontends.log_mel import LogMel
from .networks.vit import ViT
from .weights import catalogue as checkpoints
from .weights.loading import axis_size, load_network, load_strict, load_tensors

WIDTH = 768
FRONTEND = LogMel(16000, 400, 160, 80, 50, 8000, scale="slaney", norm="slaney", padding=None)
MEAN, STD = -7.056, 4.193
ROWS = FRONTEND.n_mels // 16
FRAME_MS = 10
_MAX_FRAMES = 9728  # encoded at once: 16 chunks of 6 s, about 150 MB


class Matpac(nn.Module):
    """What `load_model` returns: the encoder, its frontend and its settings."""

    sample_rate = FRONTEND.sample_rate
    centre_ms = 87.5  # of what the first column sees: 15 hops and a window

    def __init__(
        self, network: ViT, hop_ms: int, embedding_size: int, upstream_quirks: bool
    ) -> None:
        super().__init__()
        self.network = network
        self.patch = network.patch_embed.patch[1]
        self.scene_embedding_size = self.timestamp_embedding_size = embedding_size
        self.hop_ms = hop_ms
        self.upstream_quirks = upstream_quirks
        self.provenance: dict[str, Any] = {}

    def spectrogram(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) -> standardised log-mels (n_sounds, 80, frames)."""
        return FRONTEND(pad_to(audio, FRONTEND.n_fft)).sub_(MEAN).div_(STD)

    def columns(self, spectrogram: Tensor) -> Tensor:
        """(n_sounds, 80, frames) -> (n_sounds, columns of patches, embedding size), in chunks."""
        # Padding is the mean level, after standardisation, as in training.
        padded = F.pad(spectrogram, (0, -spectrogram.shape[-1] % self.patch))
        parts = map_chunks(self.encode, padded, self.network.grid[1] * self.patch, _MAX_FRAMES)
        return torch.cat([part.flatten(1, 2) for part in parts], dim=1)

    def encode(self, chunks: Tensor) -> Tensor:
        """(n, 80, frames of a chunk) -> (n, frames // patch, embedding size)."""
        tokens = self.network(chunks)
        if self.scene_embedding_size == WIDTH:
            return tokens.mean(1)
        return tokens.transpose(1, 2).flatten(2)


def load_model(
    model_file_path: str = "",
    *,
    hop_ms: int = 40,
    embedding_size: int = ROWS * WIDTH,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> Matpac:
    """Load MATPAC; the options are on the module's card.

    Raises
    ------
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """
    if hop_ms not in (160, 80, 40, 20, 10):
        raise ValueError(f"hop_ms={hop_ms!r}; expected 160, 80, 40, 20 or 10")
    if embedding_size not in (ROWS * WIDTH, WIDTH):
        raise ValueError(f"embedding_size={embedding_size!r}; expected {ROWS * WIDTH} or {WIDTH}")
    network, provenance = load_network(
        model_file_path,
        checkpoints.MATPAC[0],
        random_weights,
        _load_file,
        lambda: ViT((ROWS, 38)),
    )
    model = Matpac(network, hop_ms, embedding_size, upstream_quirks)
    model.provenance = provenance
    return model.eval()


def _load_file(path: Path) -> ViT:
    tensors = load_tensors(path)
    count = axis_size(path, tensors, "pos_embed", 1, dims=3, default=191, largest=5001)
    network = ViT((ROWS, (count - 1) // ROWS))
    load_strict(network, tensors, path, ignored=tuple(tensors), name_in_file=_name_in_file)
    return network


def _name_in_file(name: str) -> str:
    return f"student_encoder.{name}" if name.startswith(("blocks.", "norm.")) else name


@torch.no_grad()
def get_scene_embeddings(audio: Tensor, model: Matpac) -> Tensor:
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
    return model.columns(model.spectrogram(check_audio(audio, model))).mean(1)


@torch.no_grad()
def get_timestamp_embeddings(audio: Tensor, model: Matpac) -> tuple[Tensor, Tensor]:
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
    audio = check_audio(audio, model)
    spectrogram = model.spectrogram(audio)
    count = None
    if model.upstream_quirks:  # every column that holds a frame
        hop = model.hop_ms // FRAME_MS
        lead = int(model.centre_ms // model.hop_ms) * hop
        count = -(-(spectrogram.shape[-1] + lead) // hop)
    return shifted_passes(
        model.columns,
        spectrogram,
        1000 * audio.shape[-1] / model.sample_rate,
        model.hop_ms,
        patch=model.patch,
        centre_ms=model.centre_ms,
        count=count,
    )
