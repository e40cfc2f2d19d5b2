"""Tensors from which a network is sized: what cannot be one is named before it is built."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import layouts
import pytest
import torch
from parity_fixtures import save
from torch import Tensor

from hear_plugins.networks.byol_cnn import AudioNTT2020
from hear_plugins.weights.errors import WeightsError

Nest = Callable[[dict[str, Tensor]], dict[str, Any]]

BYOL_A = {name: tuple(x.shape) for name, x in AudioNTT2020(512).state_dict().items()}

SIZED: dict[str, tuple[str, str, layouts.Layout, Nest]] = {
    "matpac": ("matpac", "pos_embed", layouts.vit_columns(encoder="student_encoder."), dict),
    "m2d positions": ("m2d", "pos_embed", layouts.vit_columns(), dict),
    "m2d patches": ("m2d", "patch_embed.proj.weight", layouts.vit_columns(), dict),
    "passt positions": ("passt", "time_new_pos_embed", layouts.passt(), dict),
    "passt classes": ("passt", "head.1.weight", layouts.passt(), dict),
    "byol_a": ("byol_a", "fc.3.bias", BYOL_A, dict),
    "atst_frame": (
        "atst_frame",
        "model.teacher.encoder.pos_embed",
        layouts.atst_frame(),
        lambda tensors: {"state_dict": tensors},
    ),
}


@pytest.mark.parametrize("shape", [(), (7,), (0, 0, 0), (1 << 19,) * 3, (1 << 15,) * 4])
@pytest.mark.parametrize("case", SIZED)
def test_sizes_that_no_network_has_are_refused(
    case: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    module, name, layout, nest = SIZED[case]
    tensors = layouts.empty(layout) | {name: torch.zeros(()).expand(shape)}
    path = save(nest(tensors), tmp_path / "some.pth")
    with pytest.raises(WeightsError, match=f"{path}.*tensor .* has shape"):
        import_module(f"hear_plugins.{module}").load_model(path)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"encoder_layers": 10**9}, "encoder_layers=1000000000; expected"),
        ({"encoder_embed_dim": 10**9}, "encoder_embed_dim=1000000000; expected"),
        ({"encoder_ffn_embed_dim": 8192}, r"tensor encoder.layers.0.fc1.weight has shape"),
        ({"encoder_layers": [[[]]] * 100}, "encoder_layers="),
    ],
)
def test_configurations_of_beats_build_nothing_that_is_not_in_the_file(
    setting: dict[str, Any], message: str, tmp_path: Path
) -> None:
    content = {"cfg": layouts.BEATS_CFG | setting, "model": layouts.empty(layouts.beats())}
    with pytest.raises(WeightsError, match=message):
        import_module("hear_plugins.beats").load_model(save(content, tmp_path / "some.pt"))
