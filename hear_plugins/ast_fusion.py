"""AST-Fusion: the outputs of several of AST's blocks side by side.

Papers        Niizumi, Takeuchi, Ohishi, Harada, Kashino, "Composing General Audio Representation
              by Fusing Multilayer Features of a Pre-trained Model", EUSIPCO 2022,
              arXiv:2205.08138; AST: see `hear_plugins.ast`
Weights       those of `hear_plugins.ast`, in either form
Input         as of `hear_plugins.ast`
Scene         mean of the class and distillation tokens after blocks 5 and 12, each through the
              final LayerNorm, side by side: 1536 values; sounds beyond 10.24 s in equal parts
Timestamps    mean over the 12 patches of a column after the same blocks, every 50 ms from 37.5 ms,
              as of `hear_plugins.ast`

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

from . import ast
from .ast import Ast
from .ast import get_scene_embeddings as get_scene_embeddings
from .ast import get_timestamp_embeddings as get_timestamp_embeddings
from .networks.layers import chosen_layers
from .weights import catalogue as checkpoints

BLOCKS = 12


def load_model(
    model_file_path: str = "",
    *,
    layers: Sequence[int] = (5, 12),
    hop_ms: int | None = None,
    target_length: int | None = None,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> Ast:
    """Load AST-Fusion; the options are on the module's card.

    Raises
    ------
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """
    chosen = chosen_layers(layers, range(1, 1 + BLOCKS))  # before anything is downloaded
    return ast.load_wrapped(
        model_file_path,
        checkpoints.AST_FUSION,
        random_weights,
        lambda network: Ast(network, chosen, hop_ms, target_length, upstream_quirks),
    )
