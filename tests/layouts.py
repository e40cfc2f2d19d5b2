"""The tensors of published checkpoint files: their names and shapes, as the files have them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from parity_fixtures import filled
from torch import Tensor

Layout = dict[str, tuple[int, ...]]


def fixture(layout: Layout) -> dict[str, Tensor]:
    """The numbers with which the reference implementations made the golden arrays."""
    return filled((name, shape, "float32") for name, shape in layout.items())


def empty(layout: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Zeros that take no space, in memory or in a file."""
    return {name: torch.zeros(1).expand(shape) for name, shape in layout.items()}


def _atst(prefix: str, norm: str, width: int) -> Layout:
    layers: Layout = {"patch_embed.patch_embed": (width, 256), norm: (width,)}
    for i in range(12):
        layers |= {
            f"blocks.{i}.norm1": (width,),
            f"blocks.{i}.attn.qkv": (3 * width, width),
            f"blocks.{i}.attn.proj": (width, width),
            f"blocks.{i}.norm2": (width,),
            f"blocks.{i}.mlp.fc1": (4 * width, width),
            f"blocks.{i}.mlp.fc2": (width, 4 * width),
        }
    found: Layout = {"mask_embed": (1, 1, width), "pos_embed": (1, 251, width)}
    for name, shape in layers.items():
        found[f"{name}.weight"] = shape
        if not name.endswith("qkv"):
            found[f"{name}.bias"] = shape[:1]
    return {prefix + name: shape for name, shape in found.items()}


def atst_frame(width: int = 768) -> Layout:
    """Under "state_dict", with some of what is beside the teacher's encoder."""
    student = _atst("model.student.encoder.", "norm_frame", width)
    return {
        **{name: shape for name, shape in student.items() if ".blocks." not in name},
        **_atst("model.teacher.encoder.", "norm_frame", width),
        "model.teacher.projector.0.weight": (4096, width),
    }


def atst_clip(width: int = 768, prefix: str = "module.backbone.") -> Layout:
    """Under "teacher" (base), or "state_dict" with the prefix "model.teacher.encoder." (small)."""
    return {prefix + "cls_token": (1, 1, width), **_atst(prefix, "norm", width)}
