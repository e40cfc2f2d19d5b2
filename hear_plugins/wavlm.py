"""WavLM: transformer, masked prediction and denoising, 960 h (base) or 94k h of speech.

Weights       at Hugging Face: microsoft/wavlm-base, -base-plus, -large
              (microsoft/UniSpeech's LICENSE, which the model's page names); or a folder,
              or a weights file with config.json beside it
Network       of the package transformers: pip install 'hear-plugins[wav2vec2]'
Input         samples, each sound standardised to mean 0 and variance 1 where
              preprocessor_config.json says so
Scene         mean over frames of the last layer
Timestamps    frames of 25 ms every 20 ms, the first centred on 12.5 ms
Layers        mean over frames of each hidden state: the input of the first block, and the output
              of each of the 12, the last one after the final LayerNorm

Options of `load_model`
    variant="base"         "base-plus" (more data), "large" (24 blocks, 1024)
    layer="last"           "mean" of all hidden states, or the number of one, from 0
    random_weights         seed, for tests and timing

Differences from the original
    Where the last timestamp sees beyond the end, zeros follow; scenes get them only below a frame.
    Sounds beyond 30 s are encoded in equal parts. As transformers has it, the layers of attention
    are not called (their weights are used), so that hooks and adapters on them have no effect.
"""

from __future__ import annotations

from .api.card import Card
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .families.transformers_encoders import ConvolutionalEncoder, load_variant
from .weights import catalogue as checkpoints

CARD = Card(
    authors="Chen, Wang, Chen et al.",
    title=("WavLM: Large-Scale Self-Supervised Pre-Training for Full Stack Speech Processing"),
    venue="JSTSP 2022",
    link="arXiv:2110.13900",
    sample_rate=16000,
    scene_embedding_size=768,
    timestamp_embedding_size=768,
    parameters=94_381_168,
    package="transformers",
)
# What transformers would choose otherwise.
_BASE = {"model_type": "wavlm", "do_normalize": False}
_LARGE = {
    "model_type": "wavlm",
    "conv_bias": False,
    "do_stable_layer_norm": True,
    "feat_extract_norm": "layer",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
}
CONFIGS = {"base": _BASE, "base-plus": _BASE, "large": _LARGE}


def load_model(
    model_file_path: str = "",
    *,
    variant: str = "base",
    layer: str | int = "last",
    random_weights: int | None = None,
) -> ConvolutionalEncoder:
    """Load WavLM; options: see the module. Raises as `transformers_encoders.load_encoder`."""
    model = load_variant(
        checkpoints.WAVLM, CONFIGS, model_file_path, variant, layer, random_weights
    )
    assert isinstance(model, ConvolutionalEncoder)
    return model
