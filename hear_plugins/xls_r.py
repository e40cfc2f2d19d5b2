"""XLS-R: wav2vec 2.0 pre-trained on 436k hours of speech in 128 languages.

Weights       at Hugging Face: facebook/wav2vec2-xls-r-300m, -1b, -2b
              (Apache-2.0); or a folder, or a weights file with config.json beside it
Network       of the package transformers: pip install 'hear-plugins[wav2vec2]'
Input         samples, each sound standardised to mean 0 and variance 1 where
              preprocessor_config.json says so
Scene         mean over frames of the last layer
Timestamps    frames of 25 ms every 20 ms, the first centred on 12.5 ms
Layers        mean over frames of each hidden state: the input of the first block, and the output
              of each of the 24, the last one after the final LayerNorm

Options of `load_model`
    variant="300m"         "1b" (48 blocks, 1280), "2b" (48 blocks, 1920)
    layer="last"           "mean" of all hidden states, or the number of one, from 0
    random_weights         seed, for tests and timing

Differences from the original
    Where the last timestamp sees beyond the end, zeros follow; scenes get them only below a frame.
    Sounds beyond 30 s are encoded in equal parts.
"""

from __future__ import annotations

from .api.card import Card
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .families.transformers_encoders import ConvolutionalEncoder, load_variant
from .weights import catalogue as checkpoints

CARD = Card(
    authors="Babu, Wang, Tjandra et al.",
    title="XLS-R: Self-supervised Cross-lingual Speech Representation Learning at Scale",
    venue="Interspeech 2022",
    link="arXiv:2111.09296",
    sample_rate=16000,
    scene_embedding_size=1024,
    timestamp_embedding_size=1024,
    parameters=315_437_696,
    package="transformers",
)
# What transformers would choose otherwise.
_LARGE = {
    "model_type": "wav2vec2",
    "conv_bias": True,
    "do_stable_layer_norm": True,
    "feat_extract_norm": "layer",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
}
_1B = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 48}
_2B = {"hidden_size": 1920, "intermediate_size": 7680, "num_hidden_layers": 48}
CONFIGS = {"300m": _LARGE, "1b": _LARGE | _1B, "2b": _LARGE | _2B}


def load_model(
    model_file_path: str = "",
    *,
    variant: str = "300m",
    layer: str | int = "last",
    random_weights: int | None = None,
) -> ConvolutionalEncoder:
    """Load XLS-R; options: see the module. Raises as `transformers_encoders.load_encoder`."""
    model = load_variant(
        checkpoints.XLS_R, CONFIGS, model_file_path, variant, layer, random_weights
    )
    assert isinstance(model, ConvolutionalEncoder)
    return model
