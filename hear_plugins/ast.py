"""AST (Audio Spectrogram Transformer): a ViT that learnt AudioSet's 527 classes.

Paper         Gong, Chung, Glass, "AST: Audio Spectrogram Transformer", Interspeech 2021,
              arXiv:2104.01778
Weights       audioset_10_10_0.4593.pth of YuanGongND/ast (BSD-3-Clause), downloaded when no file is
              given, or model.safetensors or pytorch_model.bin of
              MIT/ast-finetuned-audioset-10-10-0.4593 on Hugging Face, the same numbers under other
              names; which of the two a file is, is read from its tensors.
Input         16 kHz; Kaldi filterbank of 128 mels, 20 - 8000 Hz, 25 ms Hann window, 10 ms hop,
              standardised by AudioSet's statistics
Scene         mean of the class and distillation tokens: 768 values. The sound has its own length;
              beyond 10.24 s it is encoded in the fewest equal parts, and their mean is taken,
              weighted by their lengths.
Timestamps    mean over the 12 patches of a column of 160 ms, centred on the 175 ms that it sees,
              every 50 ms from 37.5 ms: two passes over the spectrogram, shifted by 50 ms and
              interleaved. Those at 87.5, 187.5, ... ms are the network's own.

Options of `load_model`
    hop_ms=50              100: one pass, from 87.5 ms; 20, 10: more passes
    target_length=None     1024: for scenes, zeros follow the sound (or its end is cut) up to so
                           many frames, as in the original's demonstration and transformers; the
                           original's recipes have 512 for ESC-50 and 128 for Speech Commands
    upstream_quirks=False  True: whole sounds at once, of any length, with positions stretched
                           beyond 10.24 s; columns every 100 ms and none that needs zeros
    random_weights         seed, for tests and timing

Differences from the original
    It has no embeddings of its own: this is its network as its training code runs it on sounds of
    other lengths, with positions cut from the middle of the table; zeros up to 10.24 s change
    embeddings. It fails below 175 ms: here zeros follow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .api.framing import check_audio, map_windows, pad_to, shifted_passes
from .frontends.log_mel import KaldiFbank
from .networks.vit import ViT
from .weights import catalogue as checkpoints
from .weights.loading import load_network, load_strict, load_tensors, wrong_model

WIDTH, PATCH, STEP = 768, 16, 10
GRID = 12, 101  # of 1024 frames
FRONTEND = KaldiFbank(window="hanning")
MEAN, STD = -4.2677393, 4.5689974
FRAME_MS = 10
_CENTRE_MS = 87.5
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


class Encoder(ViT):
    """The ViT, for any number of columns."""

    def __init__(self) -> None:
        super().__init__(GRID, distilled=True, stride=(STEP, STEP))

    def positions(self, table: Tensor, columns: int) -> Tensor:
        """Columns from the middle of the table, or, where they are more, the table stretched."""
        most = table.shape[2]
        if columns <= most:
            start = most // 2 - columns // 2
            return table[:, :, start : start + columns]
        size = (table.shape[1], columns)
        stretched = F.interpolate(table.permute(0, 3, 1, 2), size=size, mode="bilinear")
        return stretched.permute(0, 2, 3, 1)

    def outputs(self, spectrogram: Tensor, layers: Sequence[int], first: int | None) -> Tensor:
        """Tokens of some blocks, each after the final LayerNorm, side by side.

        Parameters
        ----------
        spectrogram : Tensor (n, mels, frames)
        layers : numbers of the blocks, from 1.
        first : only so many of the tokens, which costs less; None: all.

        Returns
        -------
        Tensor (n, tokens, len(layers) * width).
        """
        x, last, found = self.tokens(spectrogram), max(layers), {}
        for number, block in enumerate(self.blocks[:last], start=1):
            x = block(x, first if number == last else None)
            if number in layers:
                found[number] = self.norm(x[:, :first])
        return torch.cat([found[number] for number in layers], dim=2)


class Ast(nn.Module):
    """What `load_model` returns: the encoder, the blocks whose output is used, and settings."""

    sample_rate = FRONTEND.sample_rate

    def __init__(
        self,
        network: Encoder,
        layers: Sequence[int],
        hop_ms: int | None,
        target_length: int | None,
        upstream_quirks: bool,
    ) -> None:
        super().__init__()
        if hop_ms is None:
            hop_ms = 100 if upstream_quirks else 50
        hops = (100,) if upstream_quirks else (100, 50, 20, 10)
        if hop_ms not in hops:
            raise ValueError(f"hop_ms={hop_ms!r}; expected one of {hops}")
        if target_length is not None and not (
            type(target_length) is int and target_length >= PATCH
        ):
            raise ValueError(
                f"target_length={target_length!r}; expected None or at least {PATCH} frames"
            )
        self.network = network
        self.layers = tuple(layers)
        self.hop_ms = hop_ms
        self.target_length = target_length
        self.upstream_quirks = upstream_quirks
        self.scene_embedding_size = self.timestamp_embedding_size = len(self.layers) * WIDTH
        self.provenance: dict[str, Any] = {}

    def spectrogram(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) -> standardised (n_sounds, mels, frames of at least a patch)."""
        fbank = FRONTEND(pad_to(audio, FRONTEND.samples(PATCH)))
        return fbank.sub_(MEAN).div_(2 * STD).transpose(1, 2)

    def of_target_length(self, spectrogram: Tensor) -> Tensor:
        """(n_sounds, mels, frames) -> the same with `target_length` frames, where that is set."""
        if self.target_length is None:
            return spectrogram
        missing = self.target_length - spectrogram.shape[-1]
        # The original puts zeros there before it standardises.
        return F.pad(spectrogram, (0, missing), value=-MEAN / (2 * STD))

    def scenes(self, spectrogram: Tensor) -> Tensor:
        """(n_sounds, mels, frames) -> (n_sounds, scene_embedding_size)."""

        def of_parts(parts: Tensor) -> Tensor:
            return self.network.outputs(parts, self.layers, self.network.first_tokens).mean(1)

        means, counts = self._in_parts(of_parts, spectrogram)
        return (means * counts).sum(1) / counts.sum()

    def columns(self, spectrogram: Tensor) -> Tensor:
        """(n_sounds, mels, frames) -> columns of patches (n_sounds, count, embedding size)."""

        def of_parts(parts: Tensor) -> Tensor:
            tokens = self.network.outputs(parts, self.layers, None)
            return tokens[:, self.network.first_tokens :].unflatten(1, (GRID[0], -1)).mean(1)

        columns, _ = self._in_parts(of_parts, spectrogram)
        return columns

    def _in_parts(
        self, function: Callable[[Tensor], Tensor], spectrogram: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Results for equal parts one after the other, and how many columns each has, (parts, 1).

        `function` makes one row of a part, (n, size), or one of each column, (n, columns, size).
        """
        count = (spectrogram.shape[-1] - PATCH) // STEP + 1
        parts = 1 if self.upstream_quirks else -(-count // GRID[1])
        length = -(-count // parts)
        frames, rest = (length - 1) * STEP + PATCH, count // length * length
        pieces = [spectrogram.unfold(-1, frames, length * STEP).transpose(1, 2)]
        if rest < count:
            pieces.append(spectrogram[..., rest * STEP :].unsqueeze(1))
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
    """Load AST; the options are on the module's card.

    Raises
    ------
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """
    return load_wrapped(
        model_file_path,
        checkpoints.AST[0],
        random_weights,
        lambda network: Ast(network, (12,), hop_ms, target_length, upstream_quirks),
    )


def load_wrapped(
    model_file_path: str,
    default: checkpoints.Checkpoint,
    random_weights: int | None,
    wrap: Callable[[Encoder], Ast],
) -> Ast:
    """The model that `wrap` makes of the encoder; the rest is as of `load_model`."""
    network, provenance = load_network(
        model_file_path, default, random_weights, _load_file, Encoder
    )
    model = wrap(network)
    model.provenance = provenance
    return model.eval()


def _load_file(path: Path) -> Encoder:
    tensors, network = load_tensors(path), Encoder()
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
    """The name in files of transformers of a tensor of `Encoder`."""
    if name.startswith("norm."):
        return f"{_TRANSFORMERS}layernorm.{name[5:]}"
    for here, there in _RENAMED:
        name = name.replace(here, there)
    return _TRANSFORMERS + name


@torch.no_grad()
def get_scene_embeddings(audio: Tensor, model: Ast) -> Tensor:
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
    spectrogram = model.spectrogram(check_audio(audio, model))
    return model.scenes(model.of_target_length(spectrogram))


@torch.no_grad()
def get_timestamp_embeddings(audio: Tensor, model: Ast) -> tuple[Tensor, Tensor]:
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
    if model.upstream_quirks:
        count = (spectrogram.shape[-1] - PATCH) // STEP + 1
    return shifted_passes(
        model.columns,
        spectrogram,
        1000 * audio.shape[-1] / model.sample_rate,
        model.hop_ms,
        patch=STEP,
        overlap=PATCH - STEP,
        frame_ms=FRAME_MS,
        centre_ms=_CENTRE_MS,
        count=count,
    )
