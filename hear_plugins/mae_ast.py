"""MAE-AST: transformer, masked autoencoder pre-training on AudioSet and LibriSpeech.

Weights       chunk_patch_75_12LayerEncoder.pt (16 x 16 patches, the default) and
              random_frame_75_12LayerEncoder.pt (2 frames of all 128 mels), from the authors'
              university. No licence is stated for them. Which of the two a file is, is read from
              its configuration.
Input         Kaldi filterbank of 128 mels, 20 - 8000 Hz, 25 ms window, 10 ms hop, standardised by
              statistics in the file
Scene         mean over the patch embeddings of the last layer
Timestamps    patches: mean over the 8 patch embeddings of a time step of 160 ms, centred on the
              175 ms that it sees, every 40 ms from 7.5 ms: four passes, shifted and interleaved;
              frames: an embedding of 35 ms, every 20 ms from 17.5 ms
Layers        mean over the patch embeddings of each layer

Options of `load_model`
    hop_ms=None            patches: 160, 80, 40 (the default), 20 or 10; frames: 20 (default) or 10
    concat_freq=False      True: the 8 patch embeddings of a time step concatenated, 6144 values, as
                           the authors' wrapper returns them; frames have one
    upstream_quirks=False  True: the time steps that the original sees, every 160 (20) ms and
                           without what does not fill one at the end
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

from collections.abc import Mapping
from pathlib import Path

from .api.card import Card
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .families.fbank_patches import FbankModel
from .networks.mae_ast import HEADS, LAYERS, PATCHES, MaeAst, positions
from .weights import catalogue as checkpoints
from .weights.loading import (
    check_tables,
    load_configured,
    load_network,
    load_strict,
    shown,
    wrong_model,
)

CARD = Card(
    authors="Baade, Peng, Harwath",
    title="MAE-AST: Masked Autoencoding Audio Spectrogram Transformer",
    venue="Interspeech 2022",
    link="arXiv:2203.16691",
    sample_rate=16000,
    scene_embedding_size=768,
    timestamp_embedding_size=768,
    parameters=85_253_376,
    released="2022-05-26",
    training_data=("AudioSet", "LibriSpeech"),
    training_code="https://github.com/AlanBaade/MAE-AST-Public",
    public_data=True,
)
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
_POSITIONS, _COMPARED = "enc_sine_pos_embed.pe", 128  # of 48,000 tokens, in 147 MB


def load_model(
    model_file_path: str = "",
    *,
    hop_ms: int | None = None,
    concat_freq: bool = False,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> FbankModel:
    """Load MAE-AST; options: see the module. Raises as `weights.loading.load_network`."""
    network, provenance = load_network(
        model_file_path,
        checkpoints.MAE_AST[0],
        random_weights,
        _load_file,
        lambda: MaeAst(PATCHES["patch"]),
    )
    return FbankModel(network, hop_ms, concat_freq, upstream_quirks).ready(provenance)


def _load_file(path: Path) -> MaeAst:
    cfg, tensors = load_configured(path, training_state=True)
    settings = cfg.get("model")
    if not isinstance(settings, Mapping):
        raise wrong_model(path, 'its "cfg" has no part "model"', tensors)
    for name, value in _REQUIRED.items():
        if settings.get(name) != value:
            fault = f"its configuration has {name}={shown(settings.get(name))}; expected {value!r}"
            raise wrong_model(path, fault, tensors)
    size, step = (
        tuple(settings.get(f"ast_kernel_{what}_{axis}") for axis in ("time", "chan"))
        for what in ("size", "stride")
    )
    patch = next((known for known in PATCHES.values() if size == step == known), None)
    if patch is None:
        found = f"{shown(size)} every {shown(step)}"
        fault = f"its patches (frames, mels) are {found}; expected (16, 16) or (2, 128)"
        raise wrong_model(path, fault, tensors)
    network = MaeAst(patch)
    load_strict(network, tensors, path, ignored=_IGNORED)
    if (table := tensors.get(_POSITIONS)) is not None and table.ndim == 3:
        start = {_POSITIONS: table[:, :_COMPARED]}
        tokens = start[_POSITIONS].shape[1]
        check_tables(path, start, {_POSITIONS: positions(tokens, network.embed_dim, table.device)})
    return network
