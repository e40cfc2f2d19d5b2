"""The encoder of BEATs, of the size and kind that a file's configuration says.

Chen et al., "BEATs: Audio Pre-Training with Acoustic Tokenizers", ICML 2023, arXiv:2212.09058;
microsoft/unilm, folder beats. Tensor names are those of the published files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..weights.messages import shown
from .linear import Linear, PatchConv2d, is_plain
from .post_norm import Attention, Encoder, FbankTransformer
from .vit import patchify

MELS, PATCH = 128, 16  # frames, and mels
LARGEST, MOST_LAYERS = 8192, 64  # sizes beyond which no network is built
MEAN, STD = 15.41663, 2 * 6.55582


@dataclass(frozen=True)
class Config:
    """What of a file's `cfg` shapes the network; the defaults are those of the published code."""

    embed_dim: int = 512
    conv_bias: bool = False
    encoder_layers: int = 12
    encoder_embed_dim: int = 768
    encoder_ffn_embed_dim: int = 3072
    encoder_attention_heads: int = 12
    deep_norm: bool = False
    conv_pos: int = 128
    conv_pos_groups: int = 16
    num_buckets: int = 320
    max_distance: int = 1280

    @classmethod
    def of(cls, cfg: Mapping[str, Any]) -> Config:
        """Read a file's `cfg`; keys that do not shape the network are passed over.

        Raises
        ------
        ValueError
            A value is not one that this network can have.
        """
        for name, value in _REQUIRED.items():
            if cfg.get(name) != value:
                raise ValueError(f"{name}={shown(cfg.get(name))}; expected {value!r}")
        given = {f.name: cfg[f.name] for f in fields(cls) if f.name in cfg}
        for name, value in given.items():
            most = MOST_LAYERS if name == "encoder_layers" else LARGEST
            if not isinstance(value, bool | int) or not (value is False or 1 <= value <= most):
                expected = f"expected a whole number from 1 to {most}"
                raise ValueError(f"{name}={shown(value)}; {expected}")
        config = cls(**given)
        for name in ("encoder_attention_heads", "conv_pos_groups"):
            parts, embed_dim = getattr(config, name), config.encoder_embed_dim
            if embed_dim % parts:
                raise ValueError(
                    f"{name}={parts}; expected a divisor of encoder_embed_dim={embed_dim}"
                )
        return config


# Of these switches all published files have one value, and only that is built here.
_REQUIRED = {
    "input_patch_size": PATCH,
    "activation_fn": "gelu",
    "layer_norm_first": False,
    "relative_position_embedding": True,
    "gru_rel_pos": True,
}

PUBLISHED = Config(deep_norm=True, max_distance=800)


class Beats(FbankTransformer):
    """The encoder with its patches, without a classifier."""

    patch_frames, freq_patches = PATCH, MELS // PATCH
    audio_scale = 32768.0

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embed_dim = embed_dim = config.encoder_embed_dim
        heads = config.encoder_attention_heads
        self.patch_embedding = PatchConv2d(1, config.embed_dim, PATCH, bias=config.conv_bias)
        self.layer_norm = nn.LayerNorm(config.embed_dim)
        self.post_extract_proj = Linear(config.embed_dim, embed_dim)
        # The files repeat the one table of relative positions under every layer's name.
        table = nn.Embedding(config.num_buckets, heads)
        attentions = [GatedAttention(embed_dim, heads, table) for _ in range(config.encoder_layers)]
        residual = (2 * config.encoder_layers) ** 0.25 if config.deep_norm else 1.0
        self.encoder = Encoder(attentions, embed_dim, config.encoder_ffn_embed_dim, residual)
        positions = PositionalConv(embed_dim, config.conv_pos, config.conv_pos_groups)
        self.encoder.add_module("pos_conv", nn.Sequential(positions))

    def standardise(self, fbank: Tensor) -> Tensor:
        return (fbank - MEAN) / STD

    def layers(self, spectrogram: Tensor) -> Iterator[Tensor]:
        spectrogram = spectrogram.to(self.patch_embedding.weight.dtype)
        patches = patchify(spectrogram.transpose(1, 2), (PATCH, PATCH))
        x = self.layer_norm(self.patch_embedding(patches))
        x = self.post_extract_proj(x.flatten(1, 2))
        x = x + self.encoder.get_submodule("pos_conv")(x)
        for output in self.encoder.outputs(x, self.relative_bias(x.shape[1])):
            yield output.unflatten(1, patches.shape[1:3])

    def relative_bias(self, tokens: int) -> Tensor:
        """What attention prefers at each distance: (heads, queries, keys)."""
        first = self.encoder.get_submodule("layers.0.self_attn")
        assert isinstance(first, GatedAttention)
        table = first.relative_attention_bias.weight
        offsets = torch.arange(1 - tokens, tokens, device=table.device)
        of_offset = table[buckets(offsets, self.config.num_buckets, self.config.max_distance)]
        # Row i of the unfolded view starts at offset i + 1 - tokens: that of query tokens - 1 - i.
        return of_offset.T.unfold(1, tokens, 1).flip(1)


def buckets(offsets: Tensor, count: int, max_distance: int) -> Tensor:
    """Numbers of the buckets of offsets (key - query), as in T5 (Raffel et al., JMLR 2020).

    Half of the buckets are for keys behind the query; of these, half hold one distance each, and
    the others logarithmically more, up to `max_distance`.
    """
    half, exact = count // 2, count // 4
    distances = offsets.abs()
    # In this order of operations, whose rounding decides the bucket of some distances.
    share = torch.log(distances.clamp(min=1) / exact) / math.log(max_distance / exact)
    far = exact + (share * (half - exact)).long()
    near = torch.where(distances < exact, distances, far.clamp(max=half - 1))
    return near + half * (offsets > 0)


class GatedAttention(Attention):
    """Attention that is biased by relative positions, as far as each query lets it."""

    def __init__(self, embed_dim: int, heads: int, table: nn.Embedding) -> None:
        super().__init__(embed_dim, heads)
        self.relative_attention_bias = table
        self.grep_linear = Linear(embed_dim // heads, 8)
        self.grep_a = nn.Parameter(torch.ones(1, heads, 1, 1))

    def gate(self, queries: Tensor, bias: Tensor) -> Tensor:
        if is_plain(self.grep_linear):
            # The outputs are summed in two groups of four: two outputs of summed weights.
            weight = self.grep_linear.weight.unflatten(0, (2, 4)).sum(1)
            gates = F.linear(queries, weight, self.grep_linear.bias.unflatten(0, (2, 4)).sum(1))
        else:
            gates = self.grep_linear(queries).unflatten(-1, (2, 4)).sum(-1)
        update, reset = gates.sigmoid().chunk(2, dim=-1)
        return (update * (reset * self.grep_a - 1) + 2) * bias


class PositionalConv(nn.Module):
    """Convolution over the tokens, with a weight norm over all channels, and a GELU."""

    def __init__(self, embed_dim: int, taps: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.weight_g = nn.Parameter(torch.ones(1, 1, taps))
        self.weight_v = nn.Parameter(torch.zeros(embed_dim, embed_dim // groups, taps))
        self.bias = nn.Parameter(torch.zeros(embed_dim))

    def forward(self, x: Tensor) -> Tensor:
        """(n, tokens, embed_dim) -> the same."""
        weight = self.weight_v * (self.weight_g / self.weight_v.norm(dim=(0, 1), keepdim=True))
        taps = weight.shape[-1]
        y = F.conv1d(x.transpose(1, 2), weight, self.bias, padding=taps // 2, groups=self.groups)
        return F.gelu(y[..., : x.shape[1]].transpose(1, 2))
