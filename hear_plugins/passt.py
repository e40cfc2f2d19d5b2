"""PaSST: ViT, supervised training on AudioSet (527 classes) with Patchout.

Also          Koutini et al., "Learning General Audio Representations with Large-Scale Training of
              Patchout Audio Transformers", HEAR (PMLR 166), arXiv:2211.13956
Weights       passt-s-f128-p16-s10-ap.476-swa.pt, downloaded when no file is given, and the other
              releases of kkoutini/PaSST (Apache-2.0; nothing else is stated for the weights):
              distilled, 20 and 30 s, patches every 16 frames, finer frames, seven blocks. What a
              file is, is read from its tensors, but for `stft_hop`.
Input         pre-emphasis; 128 Kaldi mels, 0 - 15000 Hz, 25 ms window, 10 ms hop, reflected edges;
              standardised by two constants
Scene         527 logits and 768 features (mean of the class and distillation tokens). Beyond 10 s
              (20, 30 s: what the file's positions reach) the mean over such windows every 2.5 s (5,
              10 s), of the sound with half a window reflected at both ends.
Timestamps    the same of 160 ms windows centred on 0, 50, 100, ... ms, of the sound with 80 ms
              reflected at both ends
Layers        the features of each block, after the final LayerNorm

Options of `load_model`
    levels="base"    "2level": also the same of 800 ms windows, 2590 values; "2levelmel": of 640 ms
                     (with finer frames, 800 ms), and the 6 log-mel frames of a window of 6 hops,
                     3358 values. Scenes are those of "base".
    stft_hop=None    samples from frame to frame: 160 for the file "...stfthop160...", which has the
                     tensors of the 20 s one; None: 100 where the positions are those of the file
                     "...stfthop100...", else 320
    random_weights   seed, for tests and timing

Differences from the original
    It takes no file, ignores `model_path`, and prints. Windows are its own, in batches instead of
    one after the other, and frames of the spectrogram that windows share are computed once. It
    fails below 150 ms (timestamps: as long as the reflection, 80 to 400 ms): here zeros follow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .api.batching import map_rows
from .api.card import Card
from .api.framing import frame_times, pad_to
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .api.hear_model import HearModel
from .api.options import check_choice
from .frontends.log_mel import LogMel
from .networks.passt import EMBED_DIM, PATCH, STRIDES, Passt
from .weights import catalogue as checkpoints
from .weights.loading import axis_size, load_network, load_strict, load_tensors

CARD = Card(
    authors="Koutini, Schlueter, Eghbal-zadeh, Widmer",
    title="Efficient Training of Audio Transformers with Patchout",
    venue="Interspeech 2022",
    link="arXiv:2110.05069",
    sample_rate=32000,
    scene_embedding_size=1295,
    timestamp_embedding_size=1295,
    parameters=85_748_495,
    released="2021-10-18",
    training_data=("ImageNet", "AudioSet"),
    training_code="https://github.com/kkoutini/PaSST",
    public_data=True,
)
FRONTEND = LogMel(
    32000, 1024, 320, 128, 0, 15000, win_length=800, periodic=False, scale="kaldi", floor=1e-5
)
PREEMPHASIS = 0.97
HOP_MS = 50
SCENE_HOPS = {10: 2.5, 20: 5, 30: 10}  # by the windows' duration, both in s
WINDOW = 5120  # samples
_STFT_HOPS = (320, 160, 100)
_FINE_STEPS = 320  # of the file with a hop of 100 samples
_MEL_FRAMES = 6
_MAX_FRAMES = 4000  # encoded at once, in about 150 MB


class PasstModel(HearModel):
    """The encoder, its frontend and its settings."""

    sample_rate = FRONTEND.sample_rate

    def __init__(self, network: Passt, levels: str, stft_hop: int | None) -> None:
        super().__init__()
        if stft_hop is None:
            stft_hop = 100 if network.grid[1] == _FINE_STEPS else 320
        self.network = network
        self.frontend = dataclasses.replace(FRONTEND, hop=stft_hop)
        self.shortest = (PATCH - 1) * stft_hop + 1
        seconds = max((s for s in SCENE_HOPS if self._fits(s * self.sample_rate)), default=10)
        self.longest = seconds * self.sample_rate
        self.scene_hop = round(SCENE_HOPS[seconds] * self.sample_rate)
        self.windows = [WINDOW]
        if levels != "base":
            longer = 4 if levels == "2levelmel" and stft_hop == FRONTEND.hop else 5
            self.windows.append(longer * WINDOW)
        self.mel_window = _MEL_FRAMES * stft_hop if levels == "2levelmel" else None
        self.scene_embedding_size = network.embedding_size
        self.timestamp_embedding_size = len(self.windows) * self.scene_embedding_size
        if self.mel_window:
            self.timestamp_embedding_size += _MEL_FRAMES * FRONTEND.n_mels

    def _fits(self, samples: int) -> bool:
        frames = self.frontend.n_frames(samples - 1)
        return (frames - PATCH) // self.network.stride + 1 <= self.network.grid[1]

    def spectrogram(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) -> standardised log-mels (n_sounds, 128, frames)."""
        return _standardise(self.frontend(_preemphasise(audio)))

    def scenes(self, audio: Tensor) -> Tensor:
        return self._whole(self.network, audio)

    def layers(self, audio: Tensor) -> list[Tensor]:
        found = self._whole(self.network.layer_embeddings, audio)
        return list(found.split(EMBED_DIM, dim=1))

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        hop = HOP_MS * self.sample_rate // 1000
        parts = [self._of_windows(self.network, audio, length, hop) for length in self.windows]
        if self.mel_window:
            flat = self._of_windows(lambda mel: mel.flatten(1), audio, self.mel_window, hop)
            parts.append(flat)
        out = torch.cat(parts, dim=2) if len(parts) > 1 else parts[0]
        return out, frame_times(len(out), out.shape[1], HOP_MS, 0, out.device)

    def _whole(self, function: Callable[[Tensor], Tensor], audio: Tensor) -> Tensor:
        """Apply `function`, (n, mels, frames) -> (n, size), to sounds or, if long, to windows."""
        if audio.shape[1] > self.longest:
            return self._of_windows(function, audio, self.longest, self.scene_hop).mean(1)
        audio = pad_to(audio, self.shortest + 1)
        return map_rows(
            lambda some: function(self.spectrogram(some)),
            audio,
            max(1, _MAX_FRAMES // self.frontend.n_frames(audio.shape[1])),
        )

    def _of_windows(
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
        windows = _preemphasise(audio).unfold(-1, length - 1, hop)[:, :count]

        def of_some(windows: Tensor) -> Tensor:
            return function(_standardise(self.frontend.of_windows(windows, hop)))

        at_once = max(1, _MAX_FRAMES // self.frontend.n_frames(length - 1))
        return torch.stack([map_rows(of_some, sound, at_once) for sound in windows])


def _preemphasise(audio: Tensor) -> Tensor:
    return torch.sub(audio[..., 1:], audio[..., :-1], alpha=PREEMPHASIS)


def _standardise(mel: Tensor) -> Tensor:
    return mel.add_(4.5).div_(5)


def load_model(
    model_file_path: str = "",
    *,
    levels: str = "base",
    stft_hop: int | None = None,
    random_weights: int | None = None,
) -> PasstModel:
    """Load PaSST; options: see the module. Raises as `weights.loading.load_network`."""
    check_choice("levels", levels, ("base", "2level", "2levelmel"))
    check_choice("stft_hop", stft_hop, (None, *_STFT_HOPS))
    network, provenance = load_network(
        model_file_path,
        checkpoints.PASST[0],
        random_weights,
        _load_file,
        lambda: Passt((12, 99), 10, 12, 527),
    )
    return PasstModel(network, levels, stft_hop).ready(provenance)


def _load_file(path: Path) -> Passt:
    tensors = load_tensors(path, ("model",))

    def size(name: str, axis: int, dims: int, default: int) -> int:
        return axis_size(path, tensors, name, axis, dims=dims, default=default, largest=10_000)

    freq_patches = size("freq_new_pos_embed", 2, 4, 12)
    if freq_patches not in STRIDES:
        freq_patches = 12
    network = Passt(
        (freq_patches, size("time_new_pos_embed", 3, 4, 99)),
        STRIDES[freq_patches],
        12 if any(name.startswith("blocks.7.") for name in tensors) else 7,
        size("head.1.weight", 0, 2, 527),
    )
    load_strict(network, tensors, path, ignored=("head_dist.",))
    return network
