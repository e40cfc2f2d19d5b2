"""HTS-AT: Swin transformer, supervised training on AudioSet (527 classes).

Weights       HTSAT_AudioSet_Saved_1.ckpt to _6.ckpt, by hand from the Google Drive folder of
              RetroCirce/HTS-Audio-Transformer, and what was fine-tuned from them at 32 kHz (not the
              Speech Commands file: its layout is the same, but it was trained at 16 kHz). The code
              is MIT, for the weights no licence is stated. Layers that give labels are ignored
Input         64 log-mels in decibels, 50 - 14000 Hz, 32 ms window, 10 ms hop, batch norm
Scene         chunks of 10 s: each is repeated as often as it fits into 1024 frames, interpolated to
              them and cut into four parts that lie above each other as an image of 256 x 256
              pixels; mean over the 8 x 8 tokens, then over the chunks
Timestamps    the mean of the tokens of 32 frames (320 ms), every 40 ms from 35 ms, centred on them:
              the frames are repeated such that the repeats are shifted by 40 ms against the tokens
Layers        mean over the tokens of each of the 12 blocks, then over the chunks

Options of `load_model`
    hop_ms=40              320, 160, 80, 40, 20 or 10: fewer or more passes
    upstream_quirks=False  True: a last chunk of 17 ms counts as much as one of 10 s in the scene
    random_weights         seed, for tests and timing

Differences from the original
    Last chunks below 1 s are left out of longer sounds (the original fails at 16 ms and less, where
    here zeros follow). The original has no timestamps: within 10 s it has 32 time steps, 313 ms
    apart. Here frames are not interpolated, so that a step is 320 ms at any length.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .api.batching import map_windows
from .api.card import Card
from .api.framing import frame_times, frames_within, pad_to
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .api.hear_model import HearModel
from .api.options import check_choice
from .frontends.log_mel import LogMel
from .networks.swin import Swin
from .weights import catalogue as checkpoints
from .weights.loading import (
    check_tables,
    load_network,
    load_strict,
    load_tensors,
    torchlibrosa_tables,
)

CARD = Card(
    authors="Chen, Du, Zhu, Ma, Berg-Kirkpatrick, Dubnov",
    title=(
        "HTS-AT: A Hierarchical Token-Semantic Audio Transformer for Sound Classification"
        " and Detection"
    ),
    venue="ICASSP 2022",
    link="arXiv:2202.00874",
    sample_rate=32000,
    scene_embedding_size=768,
    timestamp_embedding_size=768,
    parameters=27_534_488,
    released="2022-02-01",
    training_data=("AudioSet",),
    training_code="https://github.com/RetroCirce/HTS-Audio-Transformer",
    public_data=True,
)
FRONTEND = LogMel(
    32000, 1024, 320, 64, 50, 14000, scale="slaney", norm="slaney", floor=1e-10, decibels=True
)
HOPS_MS = (320, 160, 80, 40, 20, 10)
LAYER_SIZES = (*[96] * 2, *[192] * 2, *[384] * 6, *[768] * 2)

_FRAMES, _PATCH = 1024, 32  # of an image and of a token
_CENTRE_MS = (_PATCH - 1) / 2 * 10
_CHUNK = 10 * FRONTEND.sample_rate
_REST, _SHORTEST = FRONTEND.sample_rate, FRONTEND.n_fft // 2 + 1
_BATCH_CHUNKS = 4
_PREFIX = "sed_model."
_IGNORED = ("spectrogram_extractor.", "logmel_extractor.", "tscam_conv.", "head.")
_FIXED = (".relative_position_index", ".attn_mask")


class Network(Swin):
    """Log-mels to time steps of 320 ms."""

    def __init__(self) -> None:
        super().__init__(256, 96, (2, 2, 6, 2), (4, 8, 16, 32))
        self.bn0 = nn.BatchNorm1d(FRONTEND.n_mels)

    def steps(self, frames: Tensor) -> Tensor:
        """(n, 64, 1024) after `bn0` -> (n, 32, 768)."""
        return self(_square(frames)).unflatten(1, (4, 2)).mean(2).flatten(1, 2)

    def layer_embeddings(self, frames: Tensor) -> Tensor:
        """(n, 64, 1024) after `bn0` -> mean over the tokens of each block, concatenated."""
        return torch.cat([x.mean((1, 2)) for x in self.outputs(_square(frames))], dim=1)


def _square(frames: Tensor) -> Tensor:
    """(n, 64, 1024) -> (n, 256, 256): four parts above each other."""
    return frames.unflatten(2, (4, 256)).transpose(1, 2).flatten(1, 2)


class HtsAt(HearModel):
    """The network and its settings."""

    sample_rate = FRONTEND.sample_rate
    scene_embedding_size = timestamp_embedding_size = 768

    def __init__(self, network: Network, hop_ms: int, upstream_quirks: bool) -> None:
        super().__init__()
        self.network = network
        self.hop_ms = hop_ms
        self.upstream_quirks = upstream_quirks

    def spectrogram(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) -> (n_sounds, 64, frames), normalised."""
        mel = FRONTEND(pad_to(audio, _SHORTEST))
        normalised: Tensor = self.network.bn0(mel.to(self.network.bn0.weight.dtype))
        return normalised

    def image(self, audio: Tensor) -> Tensor:
        """(n, at most 10 s) -> (n, 64, 1024): the repeated and interpolated chunk."""
        frames = self.spectrogram(audio)
        frames = frames.repeat(1, 1, _FRAMES // frames.shape[-1]).unsqueeze(1)
        size = (frames.shape[2], _FRAMES)
        return F.interpolate(frames, size, mode="bicubic", align_corners=True).squeeze(1)

    def chunk(self, audio: Tensor) -> Tensor:
        """(n, at most 10 s) -> time steps (n, 32, 768) of `image`."""
        return self.network.steps(self.image(audio))

    def scenes(self, audio: Tensor) -> Tensor:
        return self._mean_of_chunks(lambda x: self.chunk(x).mean(1), audio)

    def layers(self, audio: Tensor) -> list[Tensor]:
        def of_chunk(chunk: Tensor) -> Tensor:
            return self.network.layer_embeddings(self.image(chunk))

        return list(self._mean_of_chunks(of_chunk, audio).split(LAYER_SIZES, dim=1))

    def _mean_of_chunks(self, function: Callable[[Tensor], Tensor], audio: Tensor) -> Tensor:
        whole = audio.shape[-1] // _CHUNK * _CHUNK
        parts = [audio[:, :whole].unfold(-1, _CHUNK, _CHUNK)] if whole else []
        least = _SHORTEST if self.upstream_quirks else _REST
        if not whole or audio.shape[-1] - whole >= least:
            parts.append(audio[:, whole:].unsqueeze(1))
        latents = [map_windows(function, part, _BATCH_CHUNKS * _CHUNK) for part in parts]
        return torch.cat(latents, dim=1).mean(1)

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        hop, first_ms = self.hop_ms // 10, _CENTRE_MS % self.hop_ms
        count = frames_within(1000 * audio.shape[-1] / self.sample_rate, self.hop_ms, first_ms)
        # Each shift holds 32 steps: longer sounds are cut into equal parts.
        cuts = -(-count // (_FRAMES // hop))
        each = -(-count // cuts)
        before = round((_CENTRE_MS - first_ms) / 10)
        frames = self.spectrogram(audio)
        behind = max(0, cuts * each * hop - hop + _PATCH - before - frames.shape[-1])
        frames = F.pad(frames, (before, behind))
        windows = frames.unfold(-1, (each - 1) * hop + _PATCH, each * hop).transpose(1, 2)[:, :cuts]
        out = map_windows(
            lambda x: shifted_steps(self.network.steps, x, hop), windows, windows[0, 0].numel()
        ).flatten(1, 2)[:, :count]
        return out, frame_times(len(out), count, self.hop_ms, first_ms, out.device)


def load_model(
    model_file_path: str = "",
    *,
    hop_ms: int = 40,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> HtsAt:
    """Load HTS-AT; options: see the module. Raises as `weights.loading.load_network`."""
    check_choice("hop_ms", hop_ms, HOPS_MS)
    network, provenance = load_network(
        model_file_path, checkpoints.HTS_AT[0], random_weights, _load_file, Network
    )
    return HtsAt(network, hop_ms, upstream_quirks).ready(provenance)


def _load_file(path: Path) -> Network:
    tensors = load_tensors(path, ("state_dict",), training_state=True)
    network = Network()
    load_strict(
        network,
        tensors,
        path,
        ignored=[_PREFIX + name for name in _IGNORED]
        + [name for name in tensors if name.endswith(_FIXED)],
        name_in_file=lambda name: _PREFIX + name,
    )
    tables = torchlibrosa_tables(_PREFIX, FRONTEND.n_fft, FRONTEND.filters)
    check_tables(path, tensors, tables)
    return network


def shifted_steps(encode: Callable[[Tensor], Tensor], windows: Tensor, hop: int) -> Tensor:
    """Time steps of the 32 frames from 0, hop, 2 hop, ... in images that hold as many as they can.

    A window is repeated in an image, as the original does with short sounds, at a period that
    shifts each repeat by `hop` frames against the grid of the steps.

    Parameters
    ----------
    encode : callable (n, bins, 1024) -> (n, 32, size)
    windows : Tensor (n, bins, 32 + multiple of hop), at most 1024 + 32 - hop frames
    hop : in frames, a divisor of 32

    Returns
    -------
    Tensor (n, count, size).
    """
    length = windows.shape[-1]
    count, shifts = (length - _PATCH) // hop + 1, _PATCH // hop
    period = length + (-hop - length) % _PATCH
    repeats = min(shifts, max(1, _FRAMES // period))
    images = -(-min(shifts, count) // repeats)
    device = windows.device
    skipped = torch.arange(images, device=device) * repeats * hop
    index = (torch.arange(_FRAMES, device=device) + skipped[:, None]) % period
    tape = F.pad(windows, (0, period - length))[:, :, index]
    steps = encode(tape.transpose(1, 2).flatten(0, 1)).unflatten(0, (len(windows), images))
    start = torch.arange(count, device=device)
    image, repeat = start % shifts // repeats, start % shifts % repeats
    place = (start * hop - skipped[image] + repeat * period) // _PATCH
    return steps[:, image, place]
