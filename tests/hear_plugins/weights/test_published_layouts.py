"""Files whose tensors are not exactly the published ones are refused, and the tensor is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import layouts
import pytest
import torch
from parity_fixtures import save
from torch import Tensor

from hear_plugins.weights.loading import WeightsError


class File(NamedTuple):
    """A published file: its plugin, its tensors, what is around them, and one to be tried.

    `beside` are the JSON files of its folder.
    """

    module: str
    layout: layouts.Layout
    nest: Callable[[dict[str, Tensor]], dict[str, Any]]
    tried: str
    beside: Mapping[str, Any] = {}


FILES = {  # by their pack in ../shared/parity, where there is one
    "atst_frame": File(
        "atst_frame",
        layouts.atst_frame(),
        lambda tensors: {"state_dict": tensors},
        "model.teacher.encoder.blocks.7.attn.qkv.weight",
    ),
    "atst_clip": File(
        "atst_clip",
        layouts.atst_clip(),
        lambda tensors: {"teacher": tensors},
        "module.backbone.blocks.11.mlp.fc2.bias",
    ),
    "beats": File(
        "beats",
        layouts.beats(),
        lambda tensors: {"cfg": layouts.BEATS_CFG, "model": tensors},
        "encoder.layers.5.self_attn.grep_linear.weight",
    ),
    "mae_ast_patch": File(
        "mae_ast",
        layouts.mae_ast(),
        lambda tensors: {"cfg": layouts.mae_ast_cfg(16, 16), "model": tensors},
        "encoder.layers.11.self_attn.out_proj.bias",
    ),
    "mae_ast_frame": File(
        "mae_ast",
        layouts.mae_ast(),
        lambda tensors: {"cfg": layouts.mae_ast_cfg(2, 128), "model": tensors},
        "post_extract_proj.weight",
    ),
    "m2d": File(
        "m2d", layouts.vit_columns(), lambda tensors: {"model": tensors}, "blocks.7.mlp.fc1.weight"
    ),
    "dasheng": File(
        "dasheng",
        layouts.dasheng(),
        lambda tensors: {"model": tensors, "config": {"depth": 12}},
        "blocks.9.attn.qkv.weight",
    ),
    "byol_s_resnetish34": File(
        "byol_s_resnetish34", layouts.byol_s_resnetish34(), dict, "layer3.0.downsample.0.weight"
    ),
    "byol_a_v2": File("byol_a_v2", layouts.byol_a_v2(), dict, "features.5.running_mean"),
    "byol_s_clstm": File(
        "byol_s_clstm", layouts.byol_s_clstm(), dict, "bilstm.weight_hh_l0_reverse"
    ),
    "hts_at": File(
        "hts_at",
        layouts.hts_at(),
        lambda tensors: {"state_dict": tensors},
        "sed_model.layers.2.blocks.5.attn.qkv.weight",
    ),
    "ast": File("ast", layouts.ast(), dict, "module.v.blocks.9.norm2.weight"),
    "ast_fusion": File("ast_fusion", layouts.ast(), dict, "module.v.dist_token"),
    "passt_base": File("passt", layouts.passt(), dict, "blocks.9.attn.proj.weight"),
    "vggish": File("vggish", layouts.vggish(), dict, "features.11.weight"),
    "vggish_fusion": File("vggish_fusion", layouts.vggish("fc"), dict, "fc.2.bias"),
    "cnn14_fusion": File(
        "cnn14_fusion",
        layouts.cnn14(16000),
        lambda tensors: {"model": tensors},
        "conv_block2.conv2.weight",
    ),
    "openl3": File("openl3", layouts.openl3(), dict, "conv2d_5.weight"),
    "wav2vec2": File(
        "wav2vec2",
        layouts.wav2vec2(),
        dict,
        "wav2vec2.encoder.layers.17.feed_forward.output_dense.weight",
        {"config.json": layouts.WAV2VEC2_CONFIG},
    ),
}


@pytest.fixture(params=FILES)
def file(request: pytest.FixtureRequest) -> File:
    if request.param == "wav2vec2":
        pytest.importorskip("transformers")
    return FILES[request.param]


def refusal(file: File, tensors: dict[str, Tensor], path: Path) -> str:
    for name, content in file.beside.items():
        path.with_name(name).write_text(json.dumps(content))
    with pytest.raises(WeightsError) as raised:
        import_module(f"hear_plugins.{file.module}").load_model(save(file.nest(tensors), path))
    message = str(raised.value)
    assert str(path) in message and "\n" not in message
    return message


def test_removed(file: File, tmp_path: Path) -> None:
    tensors = layouts.empty(file.layout)
    del tensors[file.tried]
    assert f"tensor {file.tried} is missing" in refusal(file, tensors, tmp_path / "removed.pt")


def test_renamed(file: File, tmp_path: Path) -> None:
    tensors = layouts.empty(file.layout)
    tensors[f"{file.tried}s"] = tensors.pop(file.tried)
    assert f"tensor {file.tried} is missing" in refusal(file, tensors, tmp_path / "renamed.pt")


def test_added(file: File, tmp_path: Path) -> None:
    tensors = layouts.empty(file.layout)
    tensors[f"{file.tried}.more"] = torch.zeros(1)
    message = refusal(file, tensors, tmp_path / "added.pt")
    assert f"tensor {file.tried}.more is unexpected" in message


def test_reshaped(file: File, tmp_path: Path) -> None:
    tensors = layouts.empty(file.layout)
    shape = (*file.layout[file.tried][:-1], file.layout[file.tried][-1] - 1)
    tensors[file.tried] = torch.zeros(1).expand(shape)
    message = refusal(file, tensors, tmp_path / "reshaped.pt")
    assert f"tensor {file.tried} has shape {shape}" in message


# Dasheng's layout is that of the package, see test_dasheng.py.
@pytest.mark.parametrize("pack", [pack for pack in FILES if pack != "dasheng"])
def test_the_layout_is_the_published_one(pack: str, shared: Path) -> None:
    manifest = json.loads((shared / "parity" / pack / "manifest.json").read_text())
    published = {entry["name"]: tuple(entry["shape"]) for entry in manifest["tensors"]}
    assert FILES[pack].layout.items() <= published.items()
