"""AST (Audio Spectrogram Transformer): ViT-B, supervised training on AudioSet (527 classes).

Weights       audioset_10_10_0.4593.pth of YuanGongND/ast (BSD-3-Clause), downloaded when no file is
              given, or model.safetensors or pytorch_model.bin of
              MIT/ast-finetuned-audioset-10-10-0.4593 on Hugging Face, the same numbers under other
              names; which of the two a file is, is read from its tensors.
Input         Kaldi filterbank of 128 mels, 20 - 8000 Hz, 25 ms Hann window, 10 ms hop, standardised
              by AudioSet's statistics
Scene         mean of the class and distillation tokens. The sound has its own length; beyond
              10.24 s it is encoded in the fewest equal parts, and their mean is taken, weighted by
              their lengths.
Timestamps    mean over the 12 patch embeddings of a time step, centred on the 175 ms that it sees,
              every 50 ms from 37.5 ms: two passes over the spectrogram, shifted by 50 ms and
              interleaved. Those at 87.5, 187.5, ... ms are the network's own.
Layers        mean of the class and distillation tokens after each block and the final LayerNorm

Options of `load_model`
    hop_ms=50              100: one pass, from 87.5 ms; 20, 10: more passes
    target_length=None     1024: for scenes, zeros follow the sound (or its end is cut) up to so
                           many frames, as in the original's demonstration and transformers; the
                           original's recipes have 512 for ESC-50 and 128 for Speech Commands
    upstream_quirks=False  True: whole sounds at once, of any length, with positions interpolated
                           beyond 10.24 s; timestamps every 100 ms and none that needs zeros
    random_weights         seed, for tests and timing

Differences from the original
    It has no embeddings of its own: this is its network as its training code runs it on sounds of
    other lengths, with positions from the middle of the table; zeros up to 10.24 s change
    embeddings. It fails below 175 ms: here zeros follow.

HEAR modules are named after their models; this one has the name of a module of the standard
library. Import it as `hear_plugins.ast`, and never put the folder of this file on `sys.path` (start
no script that lies in it): `import ast` would find this file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .api.batching import map_windows
from .api.card import Card
from .api.framing import pad_to
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .api.options import check_choice
from .families.patch_model import PatchModel
from .frontends.kaldi_fbank import KaldiFbank
from .networks.ast_vit import BLOCKS, EMBED_DIM, GRID, PATCH, STRIDE, AstViT
from .weights import catalogue as checkpoints
from .weights.loading import load_network, load_strict, load_tensors, wrong_model

CARD = Card(
    authors="Gong, Chung, Glass",
    title="AST: Audio Spectrogram Transformer",
    venue="Interspeech 2021",
    link="arXiv:2104.01778",
    sample_rate=16000,
    scene_embedding_size=768,
    timestamp_embedding_size=768,
    parameters=86_187_264,
    released="2021-06-24",
    training_data=("ImageNet", "AudioSet"),
    training_code="https://github.com/YuanGongND/ast",
    public_data=True,
)
FRONTEND = KaldiFbank(window="hanning")
MEAN, STD = -4.2677393, 4.5689974
_MAX_FRAMES = 4096  # encoded at once, in about 150 MB
_UNUSED = ("module.v.head.", "module.v.head_dist.", "module.mlp_head.")
_TRANSFORMERS = "audio_spectrogram_transformer."
_STACKED = ".qkv."  # three tensors there, one here
_RENAMED = (  # here and in files of transformers
    ("cls_token", "embeddings.cls_token"),
    ("dist_token", "embeddings.distillation_token"),
    ("pos_embed", "embeddings.position_embeddings"),
    ("patch_embed.proj.", "embeddings.patch_embeddings.projection."),
    ("blocks.", "encoder.layer."),
    (".norm1.", ".layernorm_before."),
    (".norm2.", ".layernorm_after."),
    (".attn.qkv.", f".attention.attention{_STACKED}"),
    (".attn.proj.", ".attention.output.dense."),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
)


class Ast(PatchModel):
    """The encoder, the blocks whose output is used, and settings."""

    sample_rate = FRONTEND.sample_rate
    step_frames, overlap = STRIDE, PATCH - STRIDE

    def __init__(
        self,
        network: AstViT,
        blocks: Sequence[int],
        hop_ms: int | None,
        target_length: int | None,
        upstream_quirks: bool,
    ) -> None:
        super().__init__()
        if hop_ms is None:
            hop_ms = 100 if upstream_quirks else 50
        check_choice("hop_ms", hop_ms, (100,) if upstream_quirks else (100, 50, 20, 10))
        if target_length is not None and not (
            type(target_length) is int and target_length >= PATCH
        ):
            raise ValueError(
                f"target_length={target_length!r}; expected None or at least {PATCH} frames"
            )
        self.network = network
        self.blocks = tuple(blocks)
        self.hop_ms = hop_ms
        self.target_length = target_length
        self.upstream_quirks = upstream_quirks
        self.scene_embedding_size = self.timestamp_embedding_size = len(self.blocks) * EMBED_DIM

    def spectrogram(self, audio: Tensor) -> Tensor:
        fbank = FRONTEND(pad_to(audio, FRONTEND.n_samples(PATCH)))
        return fbank.sub_(MEAN).div_(2 * STD).transpose(1, 2)

    def of_target_length(self, spectrogram: Tensor) -> Tensor:
        """(n_sounds, mels, frames) -> the same with `target_length` frames, where that is set."""
        if self.target_length is None:
            return spectrogram
        missing = self.target_length - spectrogram.shape[-1]
        # The original puts zeros there before it standardises.
        return F.pad(spectrogram, (0, missing), value=-MEAN / (2 * STD))

    def scenes(self, audio: Tensor) -> Tensor:
        return self.first_tokens(self.of_target_length(self.spectrogram(audio)), self.blocks)

    def pooled_layers(self, spectrogram: Tensor) -> Tensor:
        return self.first_tokens(self.of_target_length(spectrogram), range(1, BLOCKS + 1))

    def first_tokens(self, spectrogram: Tensor, blocks: Sequence[int]) -> Tensor:
        """(n_sounds, mels, frames) -> mean class and distillation token of the blocks."""

        def of_parts(parts: Tensor) -> Tensor:
            return self.network.outputs(parts, blocks, self.network.first_tokens).mean(1)

        means, counts = self._in_parts(of_parts, spectrogram)
        return (means * counts).sum(1) / counts.sum()

    def encode(self, spectrogram: Tensor, most_steps: int | None = None) -> Tensor:
        def of_parts(parts: Tensor) -> Tensor:
            tokens = self.network.outputs(parts, self.blocks, None)
            return tokens[:, self.network.first_tokens :].unflatten(1, (GRID[0], -1)).mean(1)

        steps, _ = self._in_parts(of_parts, spectrogram, most_steps)
        return steps

    def n_timestamps(self, spectrogram: Tensor) -> int | None:
        return (spectrogram.shape[-1] - PATCH) // STRIDE + 1 if self.upstream_quirks else None

    def _in_parts(
        self,
        function: Callable[[Tensor], Tensor],
        spectrogram: Tensor,
        most_steps: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Results for equal parts one after the other, and how many steps each has, (parts, 1).

        `function` makes one row of a part, (n, size), or one of each time step, (n, steps, size).
        """
        count = (spectrogram.shape[-1] - PATCH) // STRIDE + 1
        most = most_steps or count
        parts = 1 if self.upstream_quirks else -(-most // GRID[1])
        length = min(count, -(-most // parts))
        parts = -(-count // length)
        frames, rest = (length - 1) * STRIDE + PATCH, count // length * length
        pieces = [spectrogram.unfold(-1, frames, length * STRIDE).transpose(1, 2)]
        if rest < count:
            pieces.append(spectrogram[..., rest * STRIDE :].unsqueeze(1))
        done = [map_windows(function, piece, _MAX_FRAMES * FRONTEND.n_mels) for piece in pieces]
        out = torch.cat([x if x.ndim == 3 else x.flatten(1, 2) for x in done], dim=1)
        counts = torch.full((parts, 1), float(length), device=out.device)
        counts[-1] = count - (parts - 1) * length
        return out, counts


def load_model(
    model_file_path: str = "",
    *,
    hop_ms: int | None = None,
    target_length: int | None = None,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> Ast:
    """Load AST; options: see the module. Raises as `weights.loading.load_network`."""
    network, provenance = load_network(
        model_file_path, checkpoints.AST[0], random_weights, load_file, AstViT
    )
    return Ast(network, (BLOCKS,), hop_ms, target_length, upstream_quirks).ready(provenance)


def load_file(path: Path) -> AstViT:
    """The network of a file in either form.

    Raises
    ------
    WeightsError
        The file is damaged or another model's.
    """
    tensors, network = load_tensors(path), AstViT()
    if not any(name.startswith(_TRANSFORMERS) for name in tensors):
        load_strict(network, tensors, path, _UNUSED, lambda name: f"module.v.{name}")
        return network
    for name, own in network.state_dict().items():
        stacked = name_in_transformers(name)
        if _STACKED not in stacked:
            continue
        three = [stacked.replace(_STACKED, f".{what}.") for what in ("query", "key", "value")]
        shape = own.unflatten(0, (3, -1)).shape[1:]
        for part in three:
            if part not in tensors:
                raise wrong_model(path, f"tensor {part} is missing", tensors)
            if tensors[part].shape != shape:
                fault = f"tensor {part} has shape {tuple(tensors[part].shape)}"
                raise wrong_model(path, f"{fault}, expected {tuple(shape)}", tensors)
        tensors[stacked] = torch.cat([tensors.pop(part) for part in three])
    load_strict(network, tensors, path, ("classifier.",), name_in_transformers)
    return network


def name_in_transformers(name: str) -> str:
    """The name in files of transformers of a tensor of `AstViT`."""
    if name.startswith("norm."):
        return f"{_TRANSFORMERS}layernorm.{name[5:]}"
    for here, there in _RENAMED:
        name = name.replace(here, there)
    return _TRANSFORMERS + name
