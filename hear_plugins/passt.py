"""PaSST: a transformer that learnt AudioSet's 527 classes with parts of its input left out.

Papers        Koutini, Schlueter, Eghbal-zadeh, Widmer, "Efficient Training of Audio Transformers
              with Patchout", Interspeech 2022, arXiv:2110.05069; Koutini et al., "Learning General
              Audio Representations with Large-Scale Training of Patchout Audio Transformers",
              HEAR (PMLR 166), arXiv:2211.13956
Weights       passt-s-f128-p16-s10-ap.476-swa.pt, downloaded when no file is given, and the other
              releases of kkoutini/PaSST (Apache-2.0; nothing else is stated for the weights):
              distilled, 20 and 30 s, patches every 16 frames, finer frames, seven blocks. What a
              file is, is read from its tensors, but for `stft_hop`.
Input         32 kHz; pre-emphasis; 128 Kaldi mels, 0 - 15000 Hz, 25 ms window, 10 ms hop, reflected
              edges; standardised by two constants
Scene         527 logits and 768 features (mean of the class and distillation tokens): 1295 values.
              Beyond 10 s (20, 30 s: what the file's positions reach) the mean over such windows
              every 2.5 s (5, 10 s), of the sound with half a window reflected at both ends.
Timestamps    the same of 160 ms windows centred on 0, 50, 100, ... ms, of the sound with 80 ms
              reflected at both ends

Options of `load_model`
    levels="base"    "2level": beside it, the same of 800 ms windows, 2590 values;
                     "2levelmel": of 640 ms (with finer frames, 800 ms), and the 6 log-mel columns
                     of a window of 6 hops, 3358 values. Scenes are those of "base".
    stft_hop=None    samples from frame to frame: 160 for the file "...stfthop160...", which has the
                     tensors of the 20 s one; None: 100 where the positions are those of the file
                     "...stfthop100...", else 320
    random_weights   seed, for tests and timing

Differences from the original
    It takes no file, ignores `model_path`, and prints. Windows are its own, in batches instead of
    one after the other, and columns of the spectrogram that windows share are computed once. It
    fails below 150 ms (timestamps: as long as the reflection, 80 to 400 ms): here zeros follow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .api.framing import check_audio, map_rows, pad_to, timestamps
from .frontends.log_mel import LogMel
from .networks.vit import LAYER_NORM_EPS, Block, PatchEmbed
from .weights import catalogue as checkpoints
from .weights.loading import axis_size, load_network, load_strict, load_tensors

WIDTH, HEADS, PATCH = 768, 12, 16
FRONTEND = LogMel(
    32000, 1024, 320, 128, 0, 15000, win_length=800, periodic=False, scale="kaldi", floor=1e-5
)
PREEMPHASIS = 0.97
HOP_MS = 50
STRIDES = {12: 10, 10: 12, 9: 14, 8: 16}  # of the patches, by the rows of them
SCENE_HOPS = {10: 2.5, 20: 5, 30: 10}  # by the windows' duration, both in s
WINDOW = 5120  # samples
_STFT_HOPS = (320, 160, 100)
_FINE_COLUMNS = 320  # of the file with a hop of 100 samples
_MEL_COLUMNS = 6
_MAX_FRAMES = 4000  # encoded at once, in about 150 MB


class Encoder(nn.Module):
    """The transformer; its tables of positions have `grid` (rows, columns)."""

    def __init__(self, grid: tuple[int, int], stride: int, depth: int, classes: int) -> None:
        super().__init__()
        self.grid = grid
        self.stride = stride
        self.embedding_size = classes + WIDTH
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.dist_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.new_pos_embed = nn.Parameter(torch.zeros(1, 2, WIDTH))
        self.freq_new_pos_embed = nn.Parameter(torch.zeros(1, WIDTH, grid[0], 1))
        self.time_new_pos_embed = nn.Parameter(torch.zeros(1, WIDTH, 1, grid[1]))
        self.patch_embed = PatchEmbed(WIDTH, (PATCH, PATCH), stride=(stride, stride))
        self.blocks = nn.ModuleList(Block(WIDTH, HEADS) for _ in range(depth))
        self.norm = nn.LayerNorm(WIDTH, eps=LAYER_NORM_EPS)
        self.head = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, classes))

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(n, mels, frames) -> logits and features (n, classes + width)."""
        patches = self.patch_embed(spectrogram)
        times = self.time_new_pos_embed[..., : patches.shape[2]]
        patches = patches + (self.freq_new_pos_embed + times).permute(0, 2, 3, 1)
        first = torch.cat((self.cls_token, self.dist_token), dim=1) + self.new_pos_embed
        x = torch.cat((first.expand(len(patches), -1, -1), patches.flatten(1, 2)), dim=1)
        for block in self.blocks[:-1]:
            x = block(x)
        features = self.norm(self.blocks[-1](x, first=2)).mean(1)
        return torch.cat((self.head(features), features), dim=1)


class Passt(nn.Module):
    """What `load_model` returns: the encoder, its frontend and its settings."""

    sample_rate = FRONTEND.sample_rate

    def __init__(self, network: Encoder, levels: str, stft_hop: int | None) -> None:
        super().__init__()
        if stft_hop is None:
            stft_hop = 100 if network.grid[1] == _FINE_COLUMNS else 320
        self.network = network
        self.frontend = dataclasses.replace(FRONTEND, hop=stft_hop)
        self.shortest = (PATCH - 1) * stft_hop + 1
        seconds = max((s for s in SCENE_HOPS if self._fits(s * self.sample_rate)), default=10)
        self.longest = seconds * self.sample_rate
        self.scene_hop = round(SCENE_HOPS[seconds] * self.sample_rate)
        self.windows = [WINDOW]
        if levels != "base":
            wide = 4 if levels == "2levelmel" and stft_hop == FRONTEND.hop else 5
            self.windows.append(wide * WINDOW)
        self.mel_window = _MEL_COLUMNS * stft_hop if levels == "2levelmel" else None
        self.scene_embedding_size = network.embedding_size
        self.timestamp_embedding_size = len(self.windows) * self.scene_embedding_size
        if self.mel_window:
            self.timestamp_embedding_size += _MEL_COLUMNS * FRONTEND.n_mels
        self.provenance: dict[str, Any] = {}

    def _fits(self, samples: int) -> bool:
        frames = self.frontend.columns(samples - 1)
        return (frames - PATCH) // self.network.stride + 1 <= self.network.grid[1]

    def spectrogram(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) -> standardised log-mels (n_sounds, 128, frames)."""
        return _standardised(self.frontend(_emphasised(audio)))

    def scenes(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) -> (n_sounds, scene_embedding_size)."""
        if audio.shape[1] > self.longest:
            return self.of_windows(self.network, audio, self.longest, self.scene_hop).mean(1)
        audio = pad_to(audio, self.shortest + 1)
        return map_rows(
            lambda some: self.network(self.spectrogram(some)),
            audio,
            max(1, _MAX_FRAMES // self.frontend.columns(audio.shape[1])),
        )

    def of_windows(
        self, function: Callable[[Tensor], Tensor], audio: Tensor, length: int, hop: int
    ) -> Tensor:
        """Apply `function` to the spectrograms of windows centred on samples 0, hop, 2 hop, ...

        Parameters
        ----------
        function : (n, mels, frames) -> (n, size), row by row.
        audio : Tensor (n_sounds, n_samples)
        length, hop : of the windows, in samples; the hop is a multiple of the spectrogram's.

        Returns
        -------
        Tensor (n_sounds, n_samples // hop + 1, size).
        """
        count, half = audio.shape[1] // hop + 1, length // 2
        audio = F.pad(pad_to(audio, half + 1), (half, half), mode="reflect")
        windows = _emphasised(audio).unfold(-1, length - 1, hop)[:, :count]

        def of_some(windows: Tensor) -> Tensor:
            return function(_standardised(self.frontend.of_windows(windows, hop)))

        at_once = max(1, _MAX_FRAMES // self.frontend.columns(length - 1))
        return torch.stack([map_rows(of_some, sound, at_once) for sound in windows])


def _emphasised(audio: Tensor) -> Tensor:
    return torch.sub(audio[..., 1:], audio[..., :-1], alpha=PREEMPHASIS)


def _standardised(mel: Tensor) -> Tensor:
    return mel.add_(4.5).div_(5)


def load_model(
    model_file_path: str = "",
    *,
    levels: str = "base",
    stft_hop: int | None = None,
    random_weights: int | None = None,
) -> Passt:
    """Load PaSST; the options are on the module's card.

    Raises
    ------
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """
    if levels not in ("base", "2level", "2levelmel"):
        raise ValueError(f"levels={levels!r}; expected 'base', '2level' or '2levelmel'")
    if stft_hop not in (None, *_STFT_HOPS):
        raise ValueError(f"stft_hop={stft_hop!r}; expected None or one of {_STFT_HOPS} samples")
    network, provenance = load_network(
        model_file_path,
        checkpoints.PASST[0],
        random_weights,
        _load_file,
        lambda: Encoder((12, 99), 10, 12, 527),
    )
    model = Passt(network, levels, stft_hop)
    model.provenance = provenance
    return model.eval()


def _load_file(path: Path) -> Encoder:
    tensors = load_tensors(path, ("model",))

    def size(name: str, axis: int, dims: int, default: int) -> int:
        return axis_size(path, tensors, name, axis, dims=dims, default=default, largest=10_000)

    rows = size("freq_new_pos_embed", 2, 4, 12)
    if rows not in STRIDES:
        rows = 12
    network = Encoder(
        (rows, size("time_new_pos_embed", 3, 4, 99)),
        STRIDES[rows],
        12 if any(name.startswith("blocks.7.") for name in tensors) else 7,
        size("head.1.weight", 0, 2, 527),
    )
    load_strict(network, tensors, path, ignored=("head_dist.",))
    return network


@torch.no_grad()
def get_scene_embeddings(audio: Tensor, model: Passt) -> Tensor:
    """One embedding a sound.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at 32 kHz
    model : from `load_model`

    Returns
    -------
    Tensor (n_sounds, scene_embedding_size), float32.

    Raises
    ------
    ValueError
        As `hear.check_audio`.
    """
    return model.scenes(check_audio(audio, model))


@torch.no_grad()
def get_timestamp_embeddings(audio: Tensor, model: Passt) -> tuple[Tensor, Tensor]:
    """Embeddings every 50 ms, of windows centred on their timestamps.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at 32 kHz
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
    hop = HOP_MS * model.sample_rate // 1000
    parts = [model.of_windows(model.network, audio, length, hop) for length in model.windows]
    if model.mel_window:
        parts.append(model.of_windows(lambda mel: mel.flatten(1), audio, model.mel_window, hop))
    embeddings = torch.cat(parts, dim=2) if len(parts) > 1 else parts[0]
    n_sounds, count = embeddings.shape[:2]
    return embeddings, timestamps(n_sounds, count, HOP_MS, 0, embeddings.device)
