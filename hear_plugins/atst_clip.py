"""ATST-Clip: a ViT that learnt from AudioSet clip by clip, by a teacher and a student.

Papers        Li, Li, "ATST: Audio Representation Learning with Teacher-Student Transformer",
              INTERSPEECH 2022, arXiv:2204.12076; Li, Shao, Li, IEEE/ACM TASLP 2024,
              arXiv:2306.04186
Weights       base.ckpt (downloaded when no file is given) or small.ckpt of
              Audio-WestlakeU/audiossl (CC BY 4.0). The teacher's encoder in the training file is
              used; its size and the form of the file are read from the file.
Input         16 kHz; 64 log-mels, 60 - 7800 Hz, 64 ms window, 10 ms hop, at most 80 dB below the
              sound's maximum, scaled by two constants
Scene         class token of all twelve blocks, then mean over the patches (40 ms each) of all
              twelve, each after the final LayerNorm: 18432 values (small: 9216), as the authors
              evaluate it. Sounds are encoded in chunks of 6 s, whose share is that of their
              patches.
Timestamps    the patches of the last block, every 40 ms from 15 ms: 768 values (small: 384)

Options of `load_model`
    last_blocks=12         how many blocks stand side by side in a scene: 1 is the last one alone
                           (1536 values, as eval-audio-repr has it)
    upstream_quirks=False  True: all of the original's numbers, see below
    random_weights         seed, for tests and timing (base size)

Differences from the original (its linear evaluation), which `upstream_quirks=True` undoes
    It hears the central 12 s of longer sounds, and leaves out a rest of at most 3 s after a chunk:
    here all is heard. It divides the sum over a chunk's patches by the number of all patches from
    there to the end of the sound, so that the mean shrinks with the sound's length; every chunk
    counts the same; its chunks are 601 columns long and lose the last one: here 600. Up to 6 s both
    are equal. It has no timestamps; with upstream_quirks=True their chunks are its.
    In both, sounds of less than 513 samples get zeros at the end (an error there).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .api.framing import check_audio, map_rows, timestamps
from .networks import atst
from .networks.vit import ViT
from .weights import catalogue as checkpoints
from .weights.loading import load_network

_PREFIXES = ("module.backbone.", "model.teacher.encoder.")  # in the base and the small file
CHUNK = 600  # columns, 6 s
_HEARD_SAMPLES = 12 * atst.FRONTEND.sample_rate  # by the original


class AtstClip(nn.Module):
    """What `load_model` returns: the encoder and its settings."""

    sample_rate = atst.FRONTEND.sample_rate

    def __init__(self, network: ViT, last_blocks: int, upstream_quirks: bool) -> None:
        super().__init__()
        self.network = network
        self.last_blocks = last_blocks
        self.upstream_quirks = upstream_quirks
        self.timestamp_embedding_size = network.norm.normalized_shape[0]
        self.scene_embedding_size = 2 * last_blocks * self.timestamp_embedding_size
        self.chunk = CHUNK + upstream_quirks
        self.provenance: dict[str, Any] = {}

    def summary(self, columns: Tensor) -> Tensor:
        """(n, 64, columns of a chunk) -> (n, scene size): class tokens and mean patches."""
        blocks = list(self.network.layers(columns, norm_all=True))[-self.last_blocks :]
        return torch.cat([x[:, 0] for x in blocks] + [x[:, 1:].mean(1) for x in blocks], dim=-1)

    def original_scene(self, columns: Tensor) -> Tensor:
        """(n, 64, at most 1201 columns) -> (n, scene size), as the original averages chunks."""
        total, kept = columns.shape[-1], []
        for start in range(0, total, self.chunk):
            chunk = columns[..., start : start + self.chunk]
            if start and chunk.shape[-1] <= self.chunk // 2:
                continue
            summary = self.summary(chunk)
            means = summary[:, self.scene_embedding_size // 2 :]
            means *= (chunk.shape[-1] // atst.COLUMNS) / ((total - start) // atst.COLUMNS)
            kept.append(summary)
        return torch.stack(kept).mean(0)

    def patches(self, columns: Tensor) -> Tensor:
        """(n, 64, columns of a chunk) -> (n, patches, timestamp size)."""
        if columns.shape[-1] < atst.COLUMNS:
            return columns.new_zeros(len(columns), 0, self.timestamp_embedding_size)
        return self.network(columns).squeeze(1)


def load_model(
    model_file_path: str = "",
    *,
    last_blocks: int = atst.BLOCKS,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> AtstClip:
    """Load ATST-Clip; the options are on the module's card.

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
        checkpoints.ATST_CLIP[0],
        random_weights,
        lambda path: atst.load_encoder(path, _PREFIXES, "norm", class_token=True),
        lambda: atst.encoder(atst.WIDTHS["base"], class_token=True),
    )
    model = AtstClip(network, last_blocks, upstream_quirks)
    model.provenance = provenance
    return model.eval()


@torch.no_grad()
def get_scene_embeddings(audio: Tensor, model: AtstClip) -> Tensor:
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
    audio = check_audio(audio, model)
    if not model.upstream_quirks:
        return atst.mean_over_patches(model.summary, atst.spectrogram(audio), model.chunk)
    cut = max(0, audio.shape[-1] - _HEARD_SAMPLES) // 2
    columns = atst.spectrogram(audio[:, cut : cut + _HEARD_SAMPLES])
    sounds = max(1, atst.MAX_COLUMNS // columns.shape[-1])
    return map_rows(model.original_scene, columns, sounds)


@torch.no_grad()
def get_timestamp_embeddings(audio: Tensor, model: AtstClip) -> tuple[Tensor, Tensor]:
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
    times = timestamps(len(audio), embeddings.shape[1], atst.HOP_MS, atst.CENTRE_MS, audio.device)
    return embeddings, times
