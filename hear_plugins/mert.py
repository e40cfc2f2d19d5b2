"""MERT v1: HuBERT's network on music at 24 kHz, masked prediction of codec labels and CQT.

Weights       at Hugging Face: m-a-p/MERT-v1-95M, -330M
              (CC-BY-NC-4.0); or a folder, or a weights file with config.json beside it
Network       of the package transformers: pip install 'hear-plugins[wav2vec2]'
Input         samples at 24 kHz, which HEAR does not have: sounds at 48 kHz are halved by the
              filter of torchaudio's Resample; each sound standardised to mean 0 and variance 1
              where preprocessor_config.json says so
Scene         mean over frames of the last layer
Timestamps    frames of 16.7 ms every 13.3 ms, the first centred on 8.3 ms
Layers        mean over frames of each hidden state: the input of the first block, and the output
              of each of the 12, the last one after the final LayerNorm

Options of `load_model`
    variant="95M"          "330M" (24 blocks, 1024)
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
    authors="Li, Yuan, Zhang et al.",
    title=("MERT: Acoustic Music Understanding Model with Large-Scale Self-supervised Training"),
    venue="ICLR 2024",
    link="arXiv:2306.00107",
    sample_rate=48000,
    scene_embedding_size=768,
    timestamp_embedding_size=768,
    parameters=94_370_944,
    package="transformers",
)
# What transformers' HuBERT would choose otherwise.
_SMALL = {"model_type": "mert_model", "sample_rate": 24000}
_LARGE = {
    "do_stable_layer_norm": True,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
}
CONFIGS = {"95M": _SMALL, "330M": _SMALL | _LARGE}


def load_model(
    model_file_path: str = "",
    *,
    variant: str = "95M",
    layer: str | int = "last",
    random_weights: int | None = None,
) -> ConvolutionalEncoder:
    """Load MERT; options: see the module. Raises as `transformers_encoders.load_encoder`."""
    model = load_variant(checkpoints.MERT, CONFIGS, model_file_path, variant, layer, random_weights)
    assert isinstance(model, ConvolutionalEncoder)
    return model
