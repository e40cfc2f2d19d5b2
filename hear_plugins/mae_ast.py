"""MAE-AST: a transformer that learnt from AudioSet and LibriSpeech as a masked autoencoder.

Paper         Baade, Peng, Harwath, "MAE-AST: Masked Autoencoding Audio Spectrogram Transformer",
              Interspeech 2022, arXiv:2203.16691
Weights       chunk_patch_75_12LayerEncoder.pt (16 x 16 patches, the default) and
              random_frame_75_12LayerEncoder.pt (2 frames of all 128 mels), from the authors'
              university. No licence is stated for them. Which of the two a file is, is read from
              its configuration.
Input         16 kHz; Kaldi filterbank of 128 mels, 20 - 8000 Hz, 25 ms window, 10 ms hop,
              standardised by statistics in the file
Scene         mean over the tokens of the last layer: 768 values
Timestamps    patches: mean over the 8 tokens of a column of 160 ms, centred on the 175 ms that it
              sees, every 40 ms from 7.5 ms: four passes, shifted and interleaved;
              frames: a token, of 35 ms, every 20 ms from 17.5 ms

Options of `load_model`
    hop_ms=None            patches: 160, 80, 40 (the default), 20 or 10; frames: 20 (default) or 10
    side_by_side=False     True: the 8 tokens of a column beside each other, 6144 values, as the
                           authors' wrapper returns them; frames have one
    upstream_quirks=False  True: the columns that the original sees, every 160 (20) ms and without
                           what does not fill one at the end
    random_weights         seed, for tests and timing (patches)

Differences from the original
    It has no scenes, and fails below 175 ms (frames: 35 ms): here zeros follow. Positions count
    tokens from the start, and attention costs the square of the length: sounds beyond 30 s are
    encoded in equal parts of at most 10 s; the training clips had at most 15.6 s.

The files were written by fairseq's trainer. Should one be refused because it names a class beside
its tensors, whoever trusts it can keep what is needed of it:
    whole = torch.load(file, weights_only=False)  # runs what the file says
    torch.save({key: whole[key] for key in ("cfg", "model")}, smaller_file)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .api.framing import check_audio
from .networks.fbank_columns import FRONTEND, ColumnModel, FbankTransformer
from .networks.linear import linear
from .networks.post_norm import Attention, Encoder
from .networks.vit import cut
from .weights import catalogue as checkpoints
from .weights.loading import (
    check_tables,
    load_configured,
    load_network,
    load_strict,
    quoted,
    wrong_model,
)

PATCHES = {"patch": (16, 16), "frame": (2, FRONTEND.n_mels)}  # frames, mels
HEADS, LAYERS = 12, 12
# Of these settings in "cfg" both published files have one value, and only that is built here.
_REQUIRED = {
    "activation_fn": "gelu",
    "layer_norm_first": False,
    "enc_sine_pos": True,
    "enc_conv_pos": False,
    "encoder_layers": LAYERS,
    "encoder_attention_heads": HEADS,
}
# The decoder, and what else takes part in training only; tables that follow from a formula.
_IGNORED = (
    "decoder.",
    "final_proj_reconstruction.",
    "final_proj_classification.",
    "layer_norm.",
    "enc_sine_pos_embed.",
    "dec_sine_pos_embed.",
    "encoder_mask_emb",
    "decoder_mask_emb",
)


_POSITIONS, _COMPARED = "enc_sine_pos_embed.pe", 512  # of 48,000 tokens, in 147 MB


class MaeAst(FbankTransformer):
    """The encoder with patches of (frames, mels)."""

    width = 768

    def __init__(self, patch: tuple[int, int]) -> None:
        super().__init__()
        self.patch = patch
        self.frames, self.rows = patch[0], FRONTEND.n_mels // patch[1]
        self.batch_norm = nn.BatchNorm2d(1, affine=False)
        self.post_extract_proj = nn.Linear(patch[0] * patch[1], self.width)
        attentions = [Attention(self.width, HEADS) for _ in range(LAYERS)]
        self.encoder = Encoder(attentions, self.width, 4 * self.width)

    def standardise(self, fbank: Tensor) -> Tensor:
        norm = self.batch_norm
        flat = fbank.unsqueeze(1)
        return 0.5 * F.batch_norm(flat, norm.running_mean, norm.running_var, eps=norm.eps)[:, 0]

    def layers(self, spectrogram: Tensor) -> Iterator[Tensor]:
        """(n, mels, frames) -> each layer's tokens (n, columns, rows, width)."""
        patches = cut(spectrogram.transpose(1, 2), self.patch)
        weight, bias = self.post_extract_proj.weight, self.post_extract_proj.bias
        x = linear(patches.flatten(1, 2), weight, bias)
        for output in self.encoder.outputs(x + positions(x.shape[1], self.width, x.device)):
            yield output.unflatten(1, patches.shape[1:3])

    def forward(self, spectrogram: Tensor) -> Tensor:
        *_, last = self.layers(spectrogram)
        return last


def positions(tokens: int, width: int, device: torch.device) -> Tensor:
    """Sines and cosines of a token's number, (tokens, width), as of "Attention is all you need"."""
    rates = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10000) / width))
    angles = torch.arange(tokens, device=device)[:, None] * rates
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)


def load_model(
    model_file_path: str = "",
    *,
    hop_ms: int | None = None,
    side_by_side: bool = False,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> ColumnModel:
    """Load MAE-AST; the options are on the module's card.

    Raises
    ------
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """
    network, provenance = load_network(
        model_file_path,
        checkpoints.MAE_AST[0],
        random_weights,
        _load_file,
        lambda: MaeAst(PATCHES["patch"]),
    )
    model = ColumnModel(network, hop_ms, side_by_side, upstream_quirks)
    model.provenance = provenance
    return model.eval()


def _load_file(path: Path) -> MaeAst:
    cfg, tensors = load_configured(path, training_state=True)
    settings = cfg.get("model")
    if not isinstance(settings, Mapping):
        raise wrong_model(path, 'its "cfg" has no part "model"', tensors)
    for name, value in _REQUIRED.items():
        if settings.get(name) != value:
            fault = f"its configuration has {name}={quoted(settings.get(name))}; expected {value!r}"
            raise wrong_model(path, fault, tensors)
    size, step = (
        tuple(settings.get(f"ast_kernel_{what}_{axis}") for axis in ("time", "chan"))
        for what in ("size", "stride")
    )
    patch = next((known for known in PATCHES.values() if size == step == known), None)
    if patch is None:
        found = f"{quoted(size)} every {quoted(step)}"
        fault = f"its patches (frames, mels) are {found}; expected (16, 16) or (2, 128)"
        raise wrong_model(path, fault, tensors)
    network = MaeAst(patch)
    load_strict(network, tensors, path, ignored=_IGNORED)
    if (table := tensors.get(_POSITIONS)) is not None and table.ndim == 3:
        start = {_POSITIONS: table[:, :_COMPARED]}
        tokens = start[_POSITIONS].shape[1]
        check_tables(path, start, {_POSITIONS: positions(tokens, network.width, table.device)})
    return network


@torch.no_grad()
def get_scene_embeddings(audio: Tensor, model: ColumnModel) -> Tensor:
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
    return model.scenes(check_audio(audio, model))


@torch.no_grad()
def get_timestamp_embeddings(audio: Tensor, model: ColumnModel) -> tuple[Tensor, Tensor]:
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
    return model.timestamps(check_audio(audio, model))
