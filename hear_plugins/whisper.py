"""Whisper: encoder of a speech recogniser, supervised training on 680k hours (v3: 5M hours).

Weights       at Hugging Face: openai/whisper-tiny, -base, -small, -medium, -large-v2, -large-v3
              (Apache-2.0); or a folder, or a weights file with config.json beside it
Network       encoder of the package transformers: pip install 'hear-plugins[wav2vec2]'
Input         80 (large-v3: 128) log-mels, 25 ms window, 10 ms hop, the 8 decades below the maximum
              of a window of 30 s. Zeros fill the last window, as in training; sounds of any length
              have consecutive windows.
Scene         mean over the frames (20 ms) that start within the sound: those of the zeros are left
              out, as they would outweigh a short sound
Timestamps    frames every 20 ms, the first centred on 0 ms
Layers        mean over the same frames of each hidden state: the input of the first block, and the
              output of each of the 6, the last one after the final LayerNorm

Options of `load_model`
    variant="base"         "tiny" (4 blocks, 384), "small" (12, 768), "medium" (24, 1024),
                           "large-v2", "large-v3" (32, 1280)
    layer="last"           "mean" of all hidden states, or the number of one, from 0
    window="30s"           "sound": the last window ends with the sound, so that no time goes into
                           zeros (a sound of 1 s costs a thirtieth); other numbers than in training
    random_weights         seed, for tests and timing

Differences from the original
    It takes 30 s and gives 1500 frames, which others pool with those of the zeros.
"""

from __future__ import annotations

from .api.card import Card
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .families.transformers_encoders import WhisperEncoder, load_variant
from .weights import catalogue as checkpoints

CARD = Card(
    authors="Radford, Kim, Xu, Brockman, McLeavey, Sutskever",
    title="Robust Speech Recognition via Large-Scale Weak Supervision",
    venue="ICML 2023",
    link="arXiv:2212.04356",
    sample_rate=16000,
    scene_embedding_size=512,
    timestamp_embedding_size=512,
    parameters=20_590_592,
    package="transformers",
)


def _config(blocks: int, heads: int, mels: int = 80) -> dict[str, object]:
    """The encoder's part of a config.json."""
    return {
        "model_type": "whisper",
        "d_model": 64 * heads,
        "encoder_attention_heads": heads,
        "encoder_ffn_dim": 256 * heads,
        "encoder_layers": blocks,
        "num_mel_bins": mels,
    }


CONFIGS = {
    "tiny": _config(4, 6),
    "base": _config(6, 8),
    "small": _config(12, 12),
    "medium": _config(24, 16),
    "large-v2": _config(32, 20),
    "large-v3": _config(32, 20, 128),
}


def load_model(
    model_file_path: str = "",
    *,
    variant: str = "base",
    layer: str | int = "last",
    window: str = "30s",
    random_weights: int | None = None,
) -> WhisperEncoder:
    """Load Whisper; options: see the module. Raises as `transformers_encoders.load_encoder`."""
    model = load_variant(
        checkpoints.WHISPER, CONFIGS, model_file_path, variant, layer, random_weights, window
    )
    assert isinstance(model, WhisperEncoder)
    return model
