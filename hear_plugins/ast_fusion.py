"""AST-Fusion: outputs of several blocks of AST, concatenated.

AST           see `hear_plugins.ast`
Weights       those of `hear_plugins.ast`, in either form
Input         as of `hear_plugins.ast`
Scene         mean of the class and distillation tokens after blocks 5 and 12, each through the
              final LayerNorm, concatenated; sounds beyond 10.24 s in equal parts
Timestamps    mean over the 12 patch embeddings of a time step after the same blocks, every 50 ms
              from 37.5 ms, as of `hear_plugins.ast`
Layers        as of `hear_plugins.ast`

Options of `load_model`
    layers=(5, 12)         any of the twelve blocks: 768 values for each
    hop_ms=50, target_length=None, upstream_quirks=False, random_weights:
                           as of `hear_plugins.ast`

Differences from the original
    It has no timestamps, makes a network for sounds of one length, and standardises by statistics
    of each task's training data; here they are AudioSet's.
"""

from __future__ import annotations

from collections.abc import Sequence

from .api.card import Card
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .api.options import chosen_layers
from .ast import Ast, load_file
from .networks.ast_vit import BLOCKS, AstViT
from .weights import catalogue as checkpoints
from .weights.loading import load_network

CARD = Card(
    authors="Niizumi, Takeuchi, Ohishi, Harada, Kashino",
    title=(
        "Composing General Audio Representation by Fusing Multilayer Features of a Pre-trained"
        " Model"
    ),
    venue="EUSIPCO 2022",
    link="arXiv:2205.08138",
    sample_rate=16000,
    scene_embedding_size=1536,
    timestamp_embedding_size=1536,
    parameters=86_187_264,
    released="2021-06-24",
    training_data=("ImageNet", "AudioSet"),
    training_code="https://github.com/YuanGongND/ast",
    public_data=True,
)


def load_model(
    model_file_path: str = "",
    *,
    layers: Sequence[int] = (5, 12),
    hop_ms: int | None = None,
    target_length: int | None = None,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> Ast:
    """Load AST-Fusion; options: see the module. Raises as `weights.loading.load_network`."""
    chosen = chosen_layers(layers, range(1, 1 + BLOCKS))  # before anything is downloaded
    network, provenance = load_network(
        model_file_path, checkpoints.AST_FUSION, random_weights, load_file, AstViT
    )
    return Ast(network, chosen, hop_ms, target_length, upstream_quirks).ready(provenance)
