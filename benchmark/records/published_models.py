"""Which of our modules, with which options and weights, is which model of a published table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmark.records.published_sources import LEADERBOARD, Source
from benchmark.records.record import Record


@dataclass(frozen=True)
class SameModel:
    """Our module (with these options and this published file) is that source's model."""

    source: str
    module: str
    names: tuple[str, ...]  # as the source's tables call it
    file: str = ""  # name of the published checkpoint; empty where weights come with a package
    options: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    layers: str = ""  # those that its embedding is made of; empty for its own scene embedding


_BYOL_A = "AudioNTT2020-BYOLA-64x96d2048.pth"
_BYOL_S = "default2048_BYOLAs64x96-2105311814-e100-bs256-lr0003-rs42.pth"
_CVT = (
    "cvt_s1-d1-e64_s2-d1-e256_s3-d1-e512_BYOLAs64x96-osandbyolaloss6373-e100-bs256-lr0003-rs42.pth"
)
_PASST = "passt-s-f128-p16-s10-ap.476-swa.pt"
_VGGISH = "vggish-10086976.pth"
_CNN14_16K = "Cnn14_16k_mAP=0.438.pth"
_AST = "audioset_10_10_0.4593.pth"
_AST_NOTE = "The paper standardised AST's input by each task's training clips; here AudioSet's do."


def _matpac(module: str, name: str, file: str, note: str = "") -> SameModel:
    return SameModel("MATPAC", f"hear_plugins.{module}", (name,), file, note=note)


def _fusion(
    module: str,
    name: str,
    file: str,
    options: Mapping[str, Any] | None = None,
    note: str = "",
    layers: str = "",
) -> SameModel:
    return SameModel("Fusion", f"hear_plugins.{module}", (name,), file, options or {}, note, layers)


# openSMILE of the BYOL-S paper is not here: its scores come from a kit changed to standardise. Nor
# are PaSST and BEATs of the temporal-support paper: it took embeddings of other sizes than ours.
SAME_MODELS: tuple[SameModel, ...] = (
    SameModel(LEADERBOARD, "hear_plugins.crepe", ("CREPE",)),
    SameModel(LEADERBOARD, "hear_plugins.byol_s", ("Logitech AI SERAB BYOL-S",), _BYOL_S),
    *(
        SameModel(LEADERBOARD, "hear_plugins.passt", (f"CP-JKU PaSST {name}",), _PASST, options)
        for name, options in (
            ("base", {}),
            ("2lvl", {"levels": "2level"}),
            ("2lvl+mel", {"levels": "2levelmel"}),
        )
    ),
    SameModel(
        LEADERBOARD,
        "hear_plugins.openl3",
        ("OpenL3",),
        "torchopenl3_mel256_music_512.pth.tar",
        {"embedding_size": 512, "scene_hop_ms": 500},
    ),
    *(
        SameModel(source, "hear_plugins.wav2vec2", ("wav2vec2",), "pytorch_model.bin")
        for source in (LEADERBOARD, "BYOL-S")
    ),
    SameModel("BYOL-S", "hear_plugins.crepe", ("CREPE",)),
    SameModel("BYOL-S", "hear_plugins.byol_s", ("BYOL-S",), _BYOL_S),
    SameModel(
        "BYOL-S",
        "hear_plugins.byol_a",
        ("BYOL-A",),
        _BYOL_A,
        note="The paper does not say whether its BYOL-A is the published one or trained again.",
    ),
    SameModel(
        "BYOL-S",
        "hear_plugins.hybrid_byol_s_cvt",
        (
            "Hybrid BYOL-S/CvT alpha:beta 1:1",
            "Hybrid BYOL-S/CvT",
            "Hybrid BYOL-S/CvT window/hop 1s/50ms",
        ),
        _CVT,
        note="The paper prints its FSD50K as 50.2 and as 52.0; its average is that of 50.2.",
    ),
    SameModel(
        "MATPAC",
        "hear_plugins.matpac",
        ("MATPAC (first row)", "MATPAC (second row)", "MATPAC alpha=0.5"),
        "matpac_10_2048.pt",
        note="Which of the paper's two rows of MATPAC the published weights are is not stated.",
    ),
    _matpac("m2d", "M2D", "m2d_vit_base-80x608p16x16-221006-mr7_enconly-checkpoint-300.pth"),
    _matpac("atst_clip", "ATST-Clip", "atst_clip_base.ckpt"),
    _matpac("atst_frame", "ATST-Frame", "atstframe_base.ckpt"),
    _matpac("beats", "BEATs iter3", "BEATs_iter3.pt"),
    _matpac(
        "beats",
        "BEATs iter3+",
        "BEATs_iter3_plus_AS2M.pt",
        "The paper counts BEATs iter3+ among supervised models: it may have taken a tuned file.",
    ),
    _matpac("mae_ast", "MAE-AST", "chunk_patch_75_12LayerEncoder.pt"),
    _matpac(
        "passt",
        "PaSST",
        _PASST,
        "Embeddings of PaSST are features and logits here; the authors took features elsewhere.",
    ),
    _matpac("hts_at", "HTS-AT", "HTSAT_AudioSet_Saved_1.ckpt"),
    _fusion("vggish_fusion", "VGGish", _VGGISH, {"layers": [22]}),
    _fusion("vggish_fusion", "VGGish-Fusion#10#15", _VGGISH),
    _fusion("vggish", "VGGish-Fusion#10#15", _VGGISH, layers="4+6"),
    _fusion("cnn14", "CNN14", _CNN14_16K),
    _fusion("cnn14_fusion", "CNN14-Fusion#3#6", _CNN14_16K),
    _fusion("cnn14", "CNN14-Fusion#3#6", _CNN14_16K, layers="3+6"),
    _fusion("ast", "AST", _AST, note=_AST_NOTE),
    _fusion("ast_fusion", "AST-Fusion#5#12", _AST, note=_AST_NOTE),
    _fusion("ast", "AST-Fusion#5#12", _AST, note=_AST_NOTE, layers="5+12"),
    _fusion(
        "openl3",
        "OpenL3",
        "torchopenl3_mel256_music_6144.pth.tar",
        note="Which of OpenL3's networks the paper took is not stored here.",
    ),
    _fusion("byol_a", "BYOL-A", _BYOL_A),
    SameModel(
        "Temporal support",
        "hear_plugins.byol_a_v2",
        ("BYOL-A v2",),
        "AudioNTT2022-BYOLA-64x96d2048.pth",
    ),
)

# Options that reproduce the original rather than change the model.
_FAITHFUL_OPTIONS = frozenset({"upstream_quirks"})


def same_model(record: Record, source: Source) -> SameModel | None:
    """The source's name of a record's model, if it is that model with the published weights."""
    options = {k: v for k, v in record.unit.model.options.items() if k not in _FAITHFUL_OPTIONS}
    for same in SAME_MODELS:
        wanted = (same.source, same.module, same.layers)
        if wanted != (source.name, record.module, record.unit.layers) or options != same.options:
            continue
        # Plugins give the URL of a weights file only when its content is the published one's.
        if not same.file or (record.weights.get("file") == same.file and "url" in record.weights):
            return same
    return None
