"""The tensors of published checkpoint files: their names and shapes, as the files have them."""

from __future__ import annotations

import torch
from parity_fixtures import filled
from torch import Tensor

from hear_plugins.cnn14 import FRONTENDS
from hear_plugins.weights.fixed_tables import dft_tables

Layout = dict[str, tuple[int, ...]]


def fixture(layout: Layout) -> dict[str, Tensor]:
    """The numbers with which the reference implementations made the golden arrays."""
    tensors = filled(
        (name, shape, "int64" if name.endswith("num_batches_tracked") else "float32")
        for name, shape in layout.items()
    )
    return tensors | front_end_tables(layout)


def front_end_tables(layout: Layout) -> dict[str, Tensor]:
    """The tables of torchlibrosa among the tensors of a layout."""
    found = {}
    for name, shape in layout.items():
        if name.endswith("logmel_extractor.melW"):
            found[name] = FRONTENDS[{257: 16000, 513: 32000}[shape[0]]].filters
        elif "spectrogram_extractor.stft.conv_" in name:
            which = 0 if "conv_real" in name else 1
            found[name] = dft_tables(shape[2])[which].float().reshape(shape)
    return found


def empty(layout: Layout) -> dict[str, Tensor]:
    """Zeros that take no space, in memory or in a file, and the tables of the front end."""
    zeros = {name: torch.zeros(()).expand(shape) for name, shape in layout.items()}
    return zeros | front_end_tables(layout)


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


def _fairseq_layers(prefix: str, count: int, extra: Layout) -> Layout:
    """Post-norm layers of 768 with separate projections, and what else attention has."""
    found: Layout = {}
    for i in range(count):
        layer = f"{prefix}.layers.{i}."
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            found[f"{layer}self_attn.{name}.weight"] = (768, 768)
            found[f"{layer}self_attn.{name}.bias"] = (768,)
        for name in ("self_attn_layer_norm", "final_layer_norm"):
            found |= {f"{layer}{name}.weight": (768,), f"{layer}{name}.bias": (768,)}
        found |= {f"{layer}fc1.weight": (3072, 768), f"{layer}fc1.bias": (3072,)}
        found |= {f"{layer}fc2.weight": (768, 3072), f"{layer}fc2.bias": (768,)}
        found |= {f"{layer}self_attn.{name}": shape for name, shape in extra.items()}
    return found | {f"{prefix}.layer_norm.weight": (768,), f"{prefix}.layer_norm.bias": (768,)}


BEATS_CFG = {
    "encoder_layers": 12,
    "encoder_embed_dim": 768,
    "encoder_ffn_embed_dim": 3072,
    "encoder_attention_heads": 12,
    "activation_fn": "gelu",
    "encoder_layerdrop": 0.05,
    "layer_norm_first": False,
    "conv_bias": False,
    "conv_pos": 128,
    "conv_pos_groups": 16,
    "relative_position_embedding": True,
    "num_buckets": 320,
    "max_distance": 800,
    "gru_rel_pos": True,
    "deep_norm": True,
    "input_patch_size": 16,
    "layer_wise_gradient_decay_ratio": 0.6,
    "embed_dim": 512,
    "finetuned_model": False,
}
"""The configuration that lies beside the tensors of BEATs, as "cfg"."""


def beats() -> Layout:
    """Under "model"."""
    gated: Layout = {
        "grep_a": (1, 12, 1, 1),
        "grep_linear.weight": (8, 64),
        "grep_linear.bias": (8,),
        "relative_attention_bias.weight": (320, 12),
    }
    return {
        "patch_embedding.weight": (512, 1, 16, 16),
        "layer_norm.weight": (512,),
        "layer_norm.bias": (512,),
        "post_extract_proj.weight": (768, 512),
        "post_extract_proj.bias": (768,),
        "encoder.pos_conv.0.bias": (768,),
        "encoder.pos_conv.0.weight_g": (1, 1, 128),
        "encoder.pos_conv.0.weight_v": (768, 48, 128),
        **_fairseq_layers("encoder", 12, gated),
    }


def mae_ast_cfg(frames: int, mels: int) -> dict[str, dict[str, object]]:
    """The configuration that lies beside the tensors of MAE-AST, as "cfg"."""
    model: dict[str, object] = {
        "encoder_layers": 12,
        "encoder_embed_dim": 768,
        "encoder_attention_heads": 12,
        "activation_fn": "gelu",
        "layer_norm_first": False,
        "enc_sine_pos": True,
        "enc_conv_pos": False,
        "max_token_length": 48000,
    }
    for what in ("size", "stride"):
        model |= {f"ast_kernel_{what}_time": frames, f"ast_kernel_{what}_chan": mels}
    return {"model": model, "task": {"feature_dim": 128, "mask_type": "random_mask"}}


def mae_ast() -> Layout:
    """Under "model", the same for both kinds; without the tables of positions."""
    found: Layout = {
        "encoder_mask_emb": (768,),
        "decoder_mask_emb": (768,),
        "post_extract_proj.weight": (768, 256),
        "post_extract_proj.bias": (768,),
        "layer_norm.weight": (128,),
        "layer_norm.bias": (128,),
        "batch_norm.running_mean": (1,),
        "batch_norm.running_var": (1,),
        "batch_norm.num_batches_tracked": (),
        **_fairseq_layers("encoder", 12, {}),
        **_fairseq_layers("decoder", 2, {}),
    }
    for name in ("reconstruction", "classification"):
        found |= {f"final_proj_{name}.weight": (256, 768), f"final_proj_{name}.bias": (256,)}
    return found


_VIT_BLOCK: Layout = {
    "norm1": (768,),
    "attn.qkv": (2304, 768),
    "attn.proj": (768, 768),
    "norm2": (768,),
    "mlp.fc1": (3072, 768),
    "mlp.fc2": (768, 3072),
}


def vit_columns(columns: int = 38, encoder: str = "", patch: tuple[int, int] = (16, 16)) -> Layout:
    """The state dict of M2D, and with `encoder` before the names of its layers that of MATPAC."""
    layers: Layout = {"patch_embed.proj": (768, 1, *patch), f"{encoder}norm": (768,)}
    for i in range(12):
        for name, shape in _VIT_BLOCK.items():
            layers[f"{encoder}blocks.{i}.{name}"] = shape
    found: Layout = {"cls_token": (1, 1, 768), "pos_embed": (1, 1 + 80 // patch[0] * columns, 768)}
    for name, shape in layers.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return found


def _batch_norm(name: str, width: int) -> Layout:
    found: Layout = {f"{name}.num_batches_tracked": ()}
    return found | {
        f"{name}.{leaf}": (width,) for leaf in ("weight", "bias", "running_mean", "running_var")
    }


def dasheng() -> Layout:
    """The state dict of the base model, its frontend's tables left out."""
    layers: Layout = {"patch_embed.proj": (768, 1, 64, 4), "norm": (768,)}
    for i in range(12):
        for name, shape in _VIT_BLOCK.items():
            layers[f"blocks.{i}.{name}"] = shape
    found: Layout = {"time_pos_embed": (1, 768, 1, 252), "freq_pos_embed": (1, 768, 1, 1)}
    for name, shape in layers.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return found | _batch_norm("init_bn.1", 64)


def byol_s_resnetish34() -> Layout:
    """The state dict itself."""
    found: Layout = {"conv1.weight": (64, 1, 7, 7), **_batch_norm("bn1", 64)}
    before = 64
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), start=1):
        for i in range(blocks):
            block = f"layer{stage}.{i}"
            for conv, channels in ((1, before), (2, width)):
                found[f"{block}.conv{conv}.weight"] = (width, channels, 3, 3)
                found |= _batch_norm(f"{block}.bn{conv}", width)
            if before != width:
                found[f"{block}.downsample.0.weight"] = (width, before, 1, 1)
                found |= _batch_norm(f"{block}.downsample.1", width)
            before = width
    return found


def byol_s_clstm() -> Layout:
    """The state dict itself."""
    found: Layout = {
        "conv.0.weight": (256, 1, 9, 9),
        "conv.0.bias": (256,),
        **_batch_norm("conv.1", 256),
        "conv.4.weight": (256, 256, 4, 3),
        "conv.4.bias": (256,),
        **_batch_norm("conv.5", 256),
        "fc_final.0.weight": (1024, 1024),
        "fc_final.0.bias": (1024,),
    }
    for direction in ("", "_reverse"):
        found |= {
            f"bilstm.weight_ih_l0{direction}": (2048, 3584),
            f"bilstm.weight_hh_l0{direction}": (2048, 512),
            f"bilstm.bias_ih_l0{direction}": (2048,),
            f"bilstm.bias_hh_l0{direction}": (2048,),
        }
    return found


def hts_at() -> Layout:
    """Under "state_dict", without the layers that give labels and the fixed tables."""
    found: Layout = {
        **_batch_norm("bn0", 64),
        "patch_embed.proj.weight": (96, 1, 4, 4),
        "patch_embed.proj.bias": (96,),
        "patch_embed.norm.weight": (96,),
        "patch_embed.norm.bias": (96,),
        "norm.weight": (768,),
        "norm.bias": (768,),
    }
    for i, (depth, heads) in enumerate(((2, 4), (2, 8), (6, 16), (2, 32))):
        width = 96 << i
        for j in range(depth):
            block = f"layers.{i}.blocks.{j}."
            found[f"{block}attn.relative_position_bias_table"] = (225, heads)
            for name, shape in {
                "norm1": (width,),
                "attn.qkv": (3 * width, width),
                "attn.proj": (width, width),
                "norm2": (width,),
                "mlp.fc1": (4 * width, width),
                "mlp.fc2": (width, 4 * width),
            }.items():
                found |= {f"{block}{name}.weight": shape, f"{block}{name}.bias": shape[:1]}
        if i < 3:
            merging = f"layers.{i}.downsample."
            found |= {f"{merging}norm.{leaf}": (4 * width,) for leaf in ("weight", "bias")}
            found[f"{merging}reduction.weight"] = (2 * width, 4 * width)
    return {f"sed_model.{name}": shape for name, shape in found.items()}


def cnn14(sample_rate: int) -> Layout:
    """Under "model"."""
    bins = {16000: 257, 32000: 513}[sample_rate]
    found: Layout = {
        "spectrogram_extractor.stft.conv_real.weight": (bins, 1, 2 * bins - 2),
        "spectrogram_extractor.stft.conv_imag.weight": (bins, 1, 2 * bins - 2),
        "logmel_extractor.melW": (bins, 64),
        **_batch_norm("bn0", 64),
        "fc1.weight": (2048, 2048),
        "fc1.bias": (2048,),
        "fc_audioset.weight": (527, 2048),
        "fc_audioset.bias": (527,),
    }
    before = 1
    for i in range(1, 7):
        width = 32 << i
        for conv in (1, 2):
            found[f"conv_block{i}.conv{conv}.weight"] = (width, before, 3, 3)
            found |= _batch_norm(f"conv_block{i}.bn{conv}", width)
            before = width
    return found


def byol_a_v2() -> Layout:
    """The state dict itself."""
    found: Layout = {
        "features.0.weight": (64, 1, 3, 3),
        "features.0.bias": (64,),
        **_batch_norm("features.1", 64),
        "features.4.weight": (64, 64, 3, 3),
        "features.4.bias": (64,),
        **_batch_norm("features.5", 64),
    }
    found |= {"fc.0.weight": (2048, 1024), "fc.0.bias": (2048,)}
    return found | {"fc.3.weight": (2048, 2048), "fc.3.bias": (2048,)}


def passt(grid: tuple[int, int] = (12, 99), depth: int = 12, classes: int = 527) -> Layout:
    """The state dict itself, or under "model"."""
    layers: Layout = {
        "patch_embed.proj": (768, 1, 16, 16),
        "norm": (768,),
        "head.0": (768,),
        "head.1": (classes, 768),
        "head_dist": (classes, 768),
    }
    for i in range(depth):
        layers |= {f"blocks.{i}.{name}": shape for name, shape in _VIT_BLOCK.items()}
    found: Layout = {
        "cls_token": (1, 1, 768),
        "dist_token": (1, 1, 768),
        "new_pos_embed": (1, 2, 768),
        "freq_new_pos_embed": (1, 768, grid[0], 1),
        "time_new_pos_embed": (1, 768, 1, grid[1]),
    }
    for name, shape in layers.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return found


def ast() -> Layout:
    """The state dict itself."""
    layers: Layout = {
        "v.patch_embed.proj": (768, 1, 16, 16),
        "v.norm": (768,),
        "v.head": (1000, 768),
        "v.head_dist": (1000, 768),
        "mlp_head.0": (768,),
        "mlp_head.1": (527, 768),
    }
    for i in range(12):
        layers |= {f"v.blocks.{i}.{name}": shape for name, shape in _VIT_BLOCK.items()}
    found: Layout = {
        "v.cls_token": (1, 1, 768),
        "v.dist_token": (1, 1, 768),
        "v.pos_embed": (1, 1214, 768),
    }
    for name, shape in layers.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return {f"module.{name}": shape for name, shape in found.items()}


def openl3() -> Layout:
    """The state dict itself, without the tables of the Fourier transform."""
    found: Layout = {"speclayer.mel_basis": (256, 1025), **_batch_norm("batch_normalization_1", 1)}
    before = 1
    for i, width in enumerate((64, 64, 128, 128, 256, 256, 512, 512), start=1):
        name = f"conv2d_{i}" if i < 8 else "audio_embedding_layer"
        found |= {f"{name}.weight": (width, before, 3, 3), f"{name}.bias": (width,)}
        if i < 8:
            found |= _batch_norm(f"batch_normalization_{i + 1}", width)
        before = width
    return found


def vggish(dense: str = "embeddings") -> Layout:
    """The state dict itself; `dense` is "fc" in the other port."""
    found: Layout = {}
    convolutions = {0: (64, 1), 3: (128, 64), 6: (256, 128), 8: (256, 256), 11: (512, 256)}
    for i, sizes in (convolutions | {13: (512, 512)}).items():
        found |= {f"features.{i}.weight": (*sizes, 3, 3), f"features.{i}.bias": sizes[:1]}
    for i, sizes in {0: (4096, 12288), 2: (4096, 4096), 4: (128, 4096)}.items():
        found |= {f"{dense}.{i}.weight": sizes, f"{dense}.{i}.bias": sizes[:1]}
    return found


WAV2VEC2_CONFIG = {
    "model_type": "wav2vec2",
    "conv_bias": True,
    "conv_dim": [512] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "do_stable_layer_norm": True,
    "feat_extract_norm": "layer",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "mask_time_prob": 0.05,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
}


def wav2vec2() -> Layout:
    """Of pytorch_model.bin, with some of what is for pre-training only."""
    layers: Layout = {
        "feature_projection.layer_norm": (512,),
        "feature_projection.projection": (1024, 512),
        "encoder.layer_norm": (1024,),
    }
    for i, kernel in enumerate((10, 3, 3, 3, 3, 2, 2)):
        convolution = f"feature_extractor.conv_layers.{i}"
        layers[f"{convolution}.conv"] = (512, 512 if i else 1, kernel)
        layers[f"{convolution}.layer_norm"] = (512,)
    for i in range(24):
        block = f"encoder.layers.{i}"
        layers |= {f"{block}.attention.{name}_proj": (1024, 1024) for name in ("q", "k", "v")}
        layers |= {
            f"{block}.attention.out_proj": (1024, 1024),
            f"{block}.layer_norm": (1024,),
            f"{block}.feed_forward.intermediate_dense": (4096, 1024),
            f"{block}.feed_forward.output_dense": (1024, 4096),
            f"{block}.final_layer_norm": (1024,),
        }
    found: Layout = {
        "masked_spec_embed": (1024,),
        "encoder.pos_conv_embed.conv.bias": (1024,),
        "encoder.pos_conv_embed.conv.weight_g": (1, 1, 128),
        "encoder.pos_conv_embed.conv.weight_v": (1024, 64, 128),
    }
    for name, shape in layers.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    found = {f"wav2vec2.{name}": shape for name, shape in found.items()}
    return {**found, "quantizer.weight_proj.weight": (640, 512), "project_q.bias": (768,)}


def byol_a_tensors(d: int = 512) -> dict[str, torch.Tensor]:
    """The 25 tensors of BYOL-A's published file, listed independently of the network."""
    shapes: dict[str, tuple[int, ...]] = {}
    for conv, norm, channels in ((0, 1, 1), (4, 5, 64), (8, 9, 64)):
        shapes[f"features.{conv}.weight"] = (64, channels, 3, 3)
        shapes[f"features.{conv}.bias"] = (64,)
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"features.{norm}.{leaf}"] = (64,)
        shapes[f"features.{norm}.num_batches_tracked"] = ()
    shapes |= {"fc.0.weight": (d, 512), "fc.0.bias": (d,)}
    shapes |= {"fc.3.weight": (d, d), "fc.3.bias": (d,)}
    return filled(
        (name, shape, "int64" if "tracked" in name else "float32") for name, shape in shapes.items()
    )
