"""Any speech encoder of transformers, by its Hugging Face id or folder; by default HuBERT base.

wav2vec 2.0 (also MMS, XLSR-53), its Conformer, HuBERT (also DistilHuBERT's and mHuBERT's files),
WavLM, data2vec-audio, UniSpeech, UniSpeech-SAT, MERT v1 and Whisper, as "model_type" in config.json
says. The named modules (hear_plugins.wavlm, ...) are these with cards of their own.

Weights       model="OWNER/NAME" or "OWNER/NAME@REVISION" at Hugging Face, in the Hub's own cache;
              HF_ENDPOINT names a mirror, HF_HUB_OFFLINE=1 keeps off the network. Or a folder with
              config.json and model.safetensors or pytorch_model.bin; code in it is not run.
Network       of the package transformers: pip install 'hear-plugins[wav2vec2]'
Input         samples, each sound standardised to mean 0 and variance 1 where
              preprocessor_config.json says so; without masks, as sounds of a batch are equally long
Scene         mean over frames of the last layer
Timestamps    frames of the convolutions (25 ms every 20 ms for all named above, but MERT v1,
              whose 24 kHz come from sounds at 48 kHz), times at their centres
Layers        mean over frames of each hidden state: the input of the first block, and the output
              of each block, the last one after the final LayerNorm

Options of `load_model`
    model                  id or folder; model_file_path, a folder or a weights file, comes before
    layer="last"           "mean" of all hidden states, or the number of one, from 0
    window="30s"           Whisper only, as of hear_plugins.whisper
    random_weights         seed, for tests and timing: of the configuration of `model`

Differences from the original
    Where the last timestamp sees beyond the end, zeros follow; scenes get them only below a frame.
    Sounds beyond 30 s are encoded in equal parts.
"""

from __future__ import annotations

from .api.card import Card
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .families.transformers_encoders import ConvolutionalEncoder, WhisperEncoder, load_encoder

CARD = Card(
    authors="Hsu, Bolte, Tsai, Lakhotia, Salakhutdinov, Mohamed",
    title=(
        "HuBERT: Self-Supervised Speech Representation Learning by Masked Prediction of Hidden"
        " Units"
    ),
    venue="TASLP 2021",
    link="arXiv:2106.07447",
    sample_rate=16000,
    scene_embedding_size=768,
    timestamp_embedding_size=768,
    parameters=94_370_944,
    package="transformers",
)
DEFAULT = "facebook/hubert-base-ls960"
_CONFIG = {"model_type": "hubert"}  # transformers' own choices are those of the default


def load_model(
    model_file_path: str = "",
    *,
    model: str = DEFAULT,
    layer: str | int = "last",
    window: str = "30s",
    random_weights: int | None = None,
) -> ConvolutionalEncoder | WhisperEncoder:
    """Load a model of transformers; options: see the module. Raises as `load_encoder`."""
    return load_encoder(
        model_file_path,
        model,
        layer,
        random_weights,
        module="transformers_audio",
        published={DEFAULT: _CONFIG},
        window=window,
    )
