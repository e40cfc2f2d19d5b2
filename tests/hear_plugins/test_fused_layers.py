"""The fusion models are layers of their single models, side by side."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch

from hear_plugins import ast, ast_fusion, vggish, vggish_fusion


@pytest.mark.long
@pytest.mark.parametrize(
    ("single", "fusion", "layers"), [(ast, ast_fusion, (5, 12)), (vggish, vggish_fusion, (4, 6))]
)
def test_fused_layers_are_the_fusion_model(
    single: ModuleType, fusion: ModuleType, layers: tuple[int, int]
) -> None:
    audio = torch.rand(2, 40000, generator=torch.Generator().manual_seed(0)) - 0.5
    found = single.get_layer_embeddings(audio, single.load_model(random_weights=7))
    fused = torch.cat([found[layer - 1] for layer in layers], dim=1)
    expected = fusion.get_scene_embeddings(audio, fusion.load_model(random_weights=7))
    torch.testing.assert_close(fused, expected, rtol=0, atol=0)
