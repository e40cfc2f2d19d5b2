"""Published checkpoints as data: what each file is, where it comes from, how to know it.

`size`, `sha256`, `git_blob` (what `git hash-object FILE` prints) and `md5` are None where they are
not public; whatever is known is verified after a download and whenever the cached file is used (the
md5 when it is first seen). Of other files the sha256 at first sight is held, as of `first_seen`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Checkpoint:
    """One published weights file.

    Attributes
    ----------
    module : plugin that loads it; variant : which of its sizes or trainings
    file : file name in the cache, as published; url : where it is downloaded
    size : bytes; sha256, git_blob : lower-case hexadecimal digests, or how they begin
    licence : of the weights; source : repository and commit; note : what a user should know
    by_hand : `url` is a page where a person gets the file; it is never downloaded
    member : `url` is a zip archive, of which this member is the file
    md5 : digest in lower-case hexadecimals, where that is what is published
    hub : `file` is the id of a model of the Hugging Face Hub, which huggingface_hub keeps and
        whose digests it knows
    """

    module: str
    variant: str
    file: str
    url: str
    size: int | None
    sha256: str | None
    git_blob: str | None
    licence: str
    source: str
    note: str = ""
    by_hand: bool = False
    member: str = ""
    md5: str | None = None
    hub: bool = False


_NTT = "NTT Software License Agreement for Evaluation (internal evaluation only, no redistribution)"
_BYOL_A = "nttcslab/byol-a@3e65c9283498d06915e6dbcff3445307d8d3e930"
_SERAB = "GasserElbanna/serab-byols@115fd81235d2c14ddab4bcf55ed79250711c2a2c"
_MATPAC = "aurianworld/matpac@b0e2dc7559a1ee0e7fb2401722d5c0266f7b8088"


def _raw(source: str, path: str) -> str:
    return f"https://raw.githubusercontent.com/{source.replace('@', '/')}/{path}"


def _byol_a(
    d: int, size: int | None = None, sha256: str | None = None, git_blob: str | None = None
) -> Checkpoint:
    file = f"AudioNTT2020-BYOLA-64x96d{d}.pth"
    url = _raw(_BYOL_A, f"pretrained_weights/{file}")
    return Checkpoint("byol_a", f"d{d}", file, url, size, sha256, git_blob, _NTT, _BYOL_A)


def _serab(module: str, variant: str, file: str, git_blob: str) -> Checkpoint:
    url = _raw(_SERAB, f"checkpoints/{file}")
    note = "code derived from nttcslab/byol-a, which is under the NTT evaluation licence"
    return Checkpoint(module, variant, file, url, None, None, git_blob, "MIT", _SERAB, note)


def _matpac(variant: str, tag: str, file: str) -> Checkpoint:
    url = f"https://github.com/aurianworld/matpac/releases/download/{tag}/{file}"
    note = "licence as a later README of the repository states; no digest is published"
    return Checkpoint("matpac", variant, file, url, None, None, None, "Apache-2.0", _MATPAC, note)


BYOL_A: tuple[Checkpoint, ...] = (
    _byol_a(2048, git_blob="dd93cab283451ad67baff974933aa122d4a8fa24"),
    _byol_a(1024, git_blob="1c04492d54707e53f04fb664ec6bf3ec655d47f0"),
    _byol_a(
        512,
        2_410_576,
        "6cc64226318494f06ef41d7e5810be7d37abfd6490da45abdab48f188c5332e2",
        "314a35a543ddca60f175addfa6fbeecb56e1944a",
    ),
)
BYOL_S = _serab(
    "byol_s",
    "default2048",
    "default2048_BYOLAs64x96-2105311814-e100-bs256-lr0003-rs42.pth",
    "04fb26805f52db1af541b2186d1fc1a9ce86e4c7",
)
HYBRID_BYOL_S_CVT = _serab(
    "hybrid_byol_s_cvt",
    "cvt",
    "cvt_s1-d1-e64_s2-d1-e256_s3-d1-e512_BYOLAs64x96-osandbyolaloss6373-e100-bs256-lr0003-rs42.pth",
    "74a0ba6607277e6afc57c444752735e974de0f80",
)
MATPAC: tuple[Checkpoint, ...] = (
    _matpac("matpac", "Initial_release", "matpac_10_2048.pt"),
    _matpac("matpac_plusplus", "MATPAC%2B%2B", "matpac_plus_6s_2048_enconly.pt"),
    _matpac("matpac_plusplus_music", "MATPAC%2B%2B", "matpac_plus_music_6s_2048_enconly.pt"),
)

_AUDIOSSL = "Audio-WestlakeU/audiossl@ec3a14db086eaccfb69513e4a90fad89bf992e1f"
_RECORDED = "size and digest as the repository TioSisai/timbral records them"


def _atst_frame(variant: str, drive: str, size: int, sha256: str) -> Checkpoint:
    url = f"https://drive.google.com/file/d/{drive}/view"
    note = f"on Google Drive; {_RECORDED}"
    file = f"atstframe_{variant}.ckpt"
    return Checkpoint(
        "atst_frame", variant, file, url, size, sha256, None, "CC-BY-4.0", _AUDIOSSL, note, True
    )


def _atst_clip(variant: str, size: int, sha256: str) -> Checkpoint:
    url = f"https://checkpointstorage.oss-cn-beijing.aliyuncs.com/atst/{variant}.ckpt"
    file = f"atst_clip_{variant}.ckpt"
    return Checkpoint(
        "atst_clip", variant, file, url, size, sha256, None, "CC-BY-4.0", _AUDIOSSL, _RECORDED
    )


ATST_FRAME: tuple[Checkpoint, ...] = (
    _atst_frame(
        "base",
        "1bGJSZWlAIIJ6GL5Id5dW0PTB72DL-QDQ",
        1_459_523_813,
        "9f812544983add849f45ef03c4ce10184729adee082c0bdd347764f4835bb3da",
    ),
    _atst_frame(
        "small",
        "1xZoOTuxV415icYONYbeFQzgrmJQf4a4B",
        411_264_805,
        "1d85b290632dd26b8725f0ae73f53f990a898888cfc2c4794c3055a8130ff5f1",
    ),
)
ATST_CLIP: tuple[Checkpoint, ...] = (
    _atst_clip(
        "base",
        1_459_530_207,
        "7b20168cae0d1488a0e3334f17ca1cefb9365cbaa2401c11aa98d6ffaa668496",
    ),
    _atst_clip(
        "small",
        411_267_681,
        "fcadd6411881410d27cde47f4d540ef416aa59e0197b195cf3ee7a81885a5f4a",
    ),
)

_UNILM = "microsoft/unilm@768a3c873f598bb9b4d4dfb9267b099e35f8fe56"


def _beats(variant: str, file: str, onedrive: str) -> Checkpoint:
    note = (
        "a OneDrive link of github.com/microsoft/unilm/tree/master/beats, reported dead (its issues"
        " 1492 and 1671); no digest is published, so that copies elsewhere cannot be verified"
    )
    url = f"https://1drv.ms/u/s!{onedrive}"
    return Checkpoint("beats", variant, file, url, None, None, None, "MIT", _UNILM, note, True)


_TUNED = "BEATs_iter3_plus_AS2M_finetuned_on_AS2M"
BEATS: tuple[Checkpoint, ...] = (
    _beats("iter3_plus", "BEATs_iter3_plus_AS2M.pt", "AqeByhGUtINrgcpke6_lRSZEKD5j2Q"),
    _beats("iter3", "BEATs_iter3.pt", "AqeByhGUtINrgcpxJUNDxg4eU0r-vA"),
    _beats("iter3_plus_finetuned_cpt1", f"{_TUNED}_cpt1.pt", "AqeByhGUtINrgcpoZecQbiXeaUjN8A"),
    _beats("iter3_plus_finetuned_cpt2", f"{_TUNED}_cpt2.pt", "AqeByhGUtINrgcpj8ujXH1YUtxooEg"),
)


def _mae_ast(variant: str, file: str) -> Checkpoint:
    url = f"https://www.cs.utexas.edu/~harwath/model_checkpoints/mae_ast/{file}"
    licence = "none stated (the repository has no licence file)"
    source = "AlanBaade/MAE-AST-Public@287574d5454399658b1e24268187e9d23b3f4012"
    note = "no digest is published"
    return Checkpoint("mae_ast", variant, file, url, None, None, None, licence, source, note)


MAE_AST: tuple[Checkpoint, ...] = (
    _mae_ast("patch", "chunk_patch_75_12LayerEncoder.pt"),
    _mae_ast("frame", "random_frame_75_12LayerEncoder.pt"),
)

_M2D = "nttcslab/m2d@f0c4128d4e89b1ab4e303f03141067b34aadf128"


def _m2d(variant: str, name: str) -> Checkpoint:
    url = f"https://github.com/nttcslab/m2d/releases/download/v0.1.0/{name}.zip"
    note = f"checkpoint-300.pth in {name}.zip; no digest is published"
    member = f"{name}/checkpoint-300.pth"
    file = f"{name}-checkpoint-300.pth"
    return Checkpoint("m2d", variant, file, url, None, None, None, _NTT, _M2D, note, member=member)


M2D: tuple[Checkpoint, ...] = (
    _m2d("mask_ratio_0.7", "m2d_vit_base-80x608p16x16-221006-mr7_enconly"),
    _m2d("mask_ratio_0.7_full", "m2d_vit_base-80x608p16x16-221006-mr7"),
)

BYOL_S_RESNETISH34 = _serab(
    "byol_s_resnetish34",
    "resnetish34",
    "resnetish34_BYOLAs64x96-2105271915-e100-bs256-lr0003-rs42.pth",
    "5f5fc2d07aff90728c3d0e5b90051fe24aa55464",
)


def _serab_unpublished(module: str, variant: str, file: str) -> Checkpoint:
    url = f"https://github.com/{_SERAB.partition('@')[0]}"
    note = "never published; only the code to train it is there"
    return Checkpoint(module, variant, file, url, None, None, None, "MIT", _SERAB, note, True)


BYOL_S_CLSTM = _serab_unpublished("byol_s_clstm", "clstm", "clstm_BYOLAs64x96.pth")
HYBRID_BYOL_S = _serab_unpublished(
    "hybrid_byol_s",
    "default2048",
    "default2048_BYOLAs64x96-osandbyolaloss6373-e100-bs128-lr0003-rs42.pth",
)

_PASST = "kkoutini/PaSST"


def _passt(variant: str, tag: str, file: str) -> Checkpoint:
    url = f"https://github.com/{_PASST}/releases/download/{tag}/{file}"
    note = "no digest is published, and no licence but the repository's"
    return Checkpoint("passt", variant, file, url, None, None, None, "Apache-2.0", _PASST, note)


_FINE = "passt-s-f128-stfthop{}-p16-s10-ap.473-swa.pt"
PASST: tuple[Checkpoint, ...] = (
    _passt("base", "v0.0.1-audioset", "passt-s-f128-p16-s10-ap.476-swa.pt"),
    _passt("distilled", "v.0.0.9", "passt-s-kd-ap.486.pt"),
    _passt("stride16", "v0.0.2-audioset", "passt-s-f128-p16-s16-ap.468.pt"),
    _passt("stfthop100", "v0.0.3-audioset", _FINE.format(100)),
    _passt("stfthop160", "v0.0.3-audioset", _FINE.format(160)),
    _passt("20sec", "v0.0.5", "passt-s-f128-20sec-p16-s10-ap.474-swa.pt"),
    _passt("30sec", "v0.0.5", "passt-s-f128-30sec-p16-s10-ap.473-swa.pt"),
    _passt("light", "v.0.0.10", "passt-l-kd-ap.47.pt"),
)


def _cnn14(
    variant: str, file: str, size: int, sha256: str | None = None, md5: str | None = None
) -> Checkpoint:
    url = f"https://zenodo.org/records/3987831/files/{file.replace('=', '%3D')}"
    source = "qiuqiangkong/audioset_tagging_cnn@d2f4b8c18eab44737fcc0de1248ae21eb43f6aa4"
    licence = "CC-BY-4.0"
    return Checkpoint("cnn14", variant, file, url, size, sha256, None, licence, source, md5=md5)


CNN14: tuple[Checkpoint, ...] = (
    _cnn14(
        "32k",
        "Cnn14_mAP=0.431.pth",
        327_428_481,
        md5="541141fa2ee191a88f24a3219fff024e",
    ),
    _cnn14(
        "16k",
        "Cnn14_16k_mAP=0.438.pth",
        358_668_570,
        "e2ee543a27919542c2ea03eabaa70b24dcd4e6c8e05621de6b67a94e4c5058e6",
    ),
)

BYOL_S_CVT_OPENSMILE = replace(HYBRID_BYOL_S_CVT, module="byol_s_cvt_opensmile")

_HTS_AT = "RetroCirce/HTS-Audio-Transformer@2e29471fce7e770edeaaa64a41908bf234844fc5"


def _hts_at(variant: str, file: str, drive: str) -> Checkpoint:
    note = "on Google Drive; no digest is published; the licence is that of the code"
    url = f"https://drive.google.com/{drive}"
    return Checkpoint("hts_at", variant, file, url, None, None, None, "MIT", _HTS_AT, note, True)


HTS_AT: tuple[Checkpoint, ...] = (
    *(
        _hts_at(
            f"audioset_{i}",
            f"HTSAT_AudioSet_Saved_{i}.ckpt",
            "drive/folders/1f5VYMk0uos_YnuBshgmaTVioXbs7Kmz6",
        )
        for i in range(1, 7)
    ),
    _hts_at(
        "audioset",
        "htsat_audioset_pretrain.ckpt",
        "file/d/1OK8a5XuMVLyeVKF117L8pfxeZYdfSDZv/view",
    ),
)

BYOL_A_V2 = Checkpoint(
    "byol_a_v2",
    "d2048",
    "AudioNTT2022-BYOLA-64x96d2048.pth",
    _raw(_BYOL_A, "v2/AudioNTT2022-BYOLA-64x96d2048.pth"),
    None,
    None,
    "7e081bb05e8e1e620a13fa21f36a9fa4a973b1c3",
    _NTT,
    _BYOL_A,
)

_AST = "YuanGongND/ast@31088be8a3f6ef96416145c4b8d43c81f99eba7a"
_AST_TRANSFORMERS = "MIT/ast-finetuned-audioset-10-10-0.4593"


def _ast(module: str) -> Checkpoint:
    file = "audioset_10_10_0.4593.pth"
    url = f"https://www.dropbox.com/s/ca0b1v2nlxzyeb4/{file}?dl=1"
    note = "the link of the repository's README; no digest is published"
    return Checkpoint(module, "10_10", file, url, None, None, None, "BSD-3-Clause", _AST, note)


AST: tuple[Checkpoint, ...] = (
    _ast("ast"),
    Checkpoint(
        "ast",
        "10_10_transformers",
        "model.safetensors",
        f"https://huggingface.co/{_AST_TRANSFORMERS}/resolve/main/model.safetensors",
        None,
        None,
        None,
        "BSD-3-Clause",
        _AST_TRANSFORMERS,
        "the same numbers; pytorch_model.bin beside it loads too",
    ),
)
AST_FUSION = _ast("ast_fusion")

_OPENL3 = "torchopenl3/torchopenl3-models"


def _openl3(variant: str) -> Checkpoint:
    file = f"torchopenl3_{variant}.pth.tar"
    url = f"https://raw.githubusercontent.com/{_OPENL3}/master/{file}"
    note = "a port of marl/openl3's weights, whose licence this is; no digest is published"
    return Checkpoint("openl3", variant, file, url, None, None, None, "CC-BY-4.0", _OPENL3, note)


OPENL3: tuple[Checkpoint, ...] = (
    _openl3("mel256_music_6144"),
    _openl3("mel256_music_512"),
    _openl3("mel256_env_6144"),
    _openl3("mel256_env_512"),
    _openl3("mel128_music_6144"),
    _openl3("mel128_music_512"),
    _openl3("mel128_env_6144"),
    _openl3("mel128_env_512"),
)

_VGGISH = "harritaylor/torchvggish@f3f90969ce8fb77a05d984b892ddf662e8466377"


def _vggish(variant: str, file: str) -> Checkpoint:
    url = f"https://github.com/harritaylor/torchvggish/releases/download/v0.1/{file}"
    sha256 = file[-12:-4]  # how it begins, as torch.hub names files
    note = "a port of Google's weights"
    return Checkpoint("vggish", variant, file, url, None, sha256, None, "Apache-2.0", _VGGISH, note)


VGGISH: tuple[Checkpoint, ...] = (
    _vggish("vggish", "vggish-10086976.pth"),
    _vggish("pca", "vggish_pca_params-970ea276.pth"),
)
_TCVRICK = "tcvrick/audioset-vggish-tensorflow-to-pytorch"
VGGISH_FUSION: tuple[Checkpoint, ...] = (
    replace(VGGISH[0], module="vggish_fusion"),
    Checkpoint(
        "vggish_fusion",
        "of_the_paper",
        "pytorch_vggish.pth",
        f"https://github.com/{_TCVRICK}/releases/download/v0.1/pytorch_vggish.zip",
        None,
        None,
        None,
        "Apache-2.0",
        f"{_TCVRICK}@a9c6319ac03e95dfaba1d27de0bc06fb84d0c402",
        "another port of the same weights; no digest is published",
        member="pytorch_vggish.pth",
    ),
)

CNN14_FUSION = replace(CNN14[1], module="cnn14_fusion")

_VOXPOPULI = "facebook/wav2vec2-large-100k-voxpopuli"


def _wav2vec2(file: str) -> Checkpoint:
    url = f"https://huggingface.co/{_VOXPOPULI}/resolve/main/{file}"
    folder = _VOXPOPULI.rpartition("/")[2]
    note = "no digest is known; config.json belongs beside the weights"
    licence = "CC-BY-NC-4.0"
    return Checkpoint(
        "wav2vec2", file, f"{folder}/{file}", url, None, None, None, licence, _VOXPOPULI, note
    )


WAV2VEC2: tuple[Checkpoint, ...] = (_wav2vec2("pytorch_model.bin"), _wav2vec2("config.json"))


def _dasheng(variant: str, file: str) -> Checkpoint:
    url = f"https://zenodo.org/records/11511780/files/{file}"
    source = "XiaoMi/dasheng@711a6da"
    note = "no digest is known here"
    return Checkpoint("dasheng", variant, file, url, None, None, None, "Apache-2.0", source, note)


DASHENG: tuple[Checkpoint, ...] = (
    _dasheng("base", "dasheng_base.pt"),
    _dasheng("0.6B", "dasheng_06b.pt"),
    _dasheng("1.2B", "dasheng_12b.pt"),
)

_UNISPEECH = "as microsoft/UniSpeech's LICENSE, which the model's page names"


def _hub(module: str, owner: str, licence: str, **ids: str) -> tuple[Checkpoint, ...]:
    """Models of the Hugging Face Hub, by variant (with _ for -)."""
    return tuple(
        Checkpoint(
            module,
            variant.replace("_", "-"),
            f"{owner}/{name}",
            f"https://huggingface.co/{owner}/{name}",
            None,
            None,
            None,
            licence,
            f"{owner}/{name}",
            "config.json, preprocessor_config.json and the weights; digests are the Hub's",
            hub=True,
        )
        for variant, name in ids.items()
    )


HUBERT = _hub(
    "hubert",
    "facebook",
    "Apache-2.0",
    base="hubert-base-ls960",
    large="hubert-large-ll60k",
    xlarge="hubert-xlarge-ll60k",
)
WAVLM = _hub(
    "wavlm",
    "microsoft",
    _UNISPEECH,
    base="wavlm-base",
    base_plus="wavlm-base-plus",
    large="wavlm-large",
)
DATA2VEC_AUDIO = _hub(
    "data2vec_audio",
    "facebook",
    "Apache-2.0",
    base="data2vec-audio-base",
    large="data2vec-audio-large",
)
XLS_R = _hub(
    "xls_r",
    "facebook",
    "Apache-2.0",
    **{"300m": "wav2vec2-xls-r-300m", "1b": "wav2vec2-xls-r-1b", "2b": "wav2vec2-xls-r-2b"},
)
UNISPEECH_SAT = _hub(
    "unispeech_sat",
    "microsoft",
    _UNISPEECH,
    base="unispeech-sat-base",
    base_plus="unispeech-sat-base-plus",
    large="unispeech-sat-large",
)
WHISPER = _hub(
    "whisper",
    "openai",
    "Apache-2.0",
    tiny="whisper-tiny",
    base="whisper-base",
    small="whisper-small",
    medium="whisper-medium",
    large_v2="whisper-large-v2",
    large_v3="whisper-large-v3",
)
MERT = _hub("mert", "m-a-p", "CC-BY-NC-4.0", **{"95M": "MERT-v1-95M", "330M": "MERT-v1-330M"})
TRANSFORMERS_AUDIO = (replace(HUBERT[0], module="transformers_audio"),)

CHECKPOINTS: tuple[Checkpoint, ...] = (
    *BYOL_A,
    BYOL_S,
    HYBRID_BYOL_S_CVT,
    *MATPAC,
    *ATST_FRAME,
    *ATST_CLIP,
    *BEATS,
    *MAE_AST,
    *M2D,
    BYOL_S_RESNETISH34,
    BYOL_S_CLSTM,
    HYBRID_BYOL_S,
    BYOL_A_V2,
    *PASST,
    *CNN14,
    BYOL_S_CVT_OPENSMILE,
    *HTS_AT,
    *AST,
    AST_FUSION,
    *VGGISH,
    *VGGISH_FUSION,
    CNN14_FUSION,
    *OPENL3,
    *WAV2VEC2,
    *DASHENG,
    *HUBERT,
    *WAVLM,
    *DATA2VEC_AUDIO,
    *XLS_R,
    *UNISPEECH_SAT,
    *WHISPER,
    *MERT,
    *TRANSFORMERS_AUDIO,
)

_MARKS = (
    ("layers.0.2.layers.0.0.fn.to_q.net.0.weight", "hybrid_byol_s_cvt (BYOL-S CvT)"),
    ("student_encoder.blocks.0.attn.qkv.weight", "matpac"),
    ("model.teacher.encoder.norm_frame.weight", "atst_frame"),
    ("model.teacher.encoder.cls_token", "atst_clip"),
    ("module.backbone.cls_token", "atst_clip"),
    ("encoder.pos_conv.0.weight_g", "beats"),
    ("final_proj_reconstruction.weight", "mae_ast"),
    ("norm_stats", "m2d"),
    ("time_new_pos_embed", "passt"),
    ("module.v.dist_token", "ast"),
    ("audio_spectrogram_transformer.embeddings.cls_token", "ast"),
    ("layer4.2.bn2.running_mean", "byol_s_resnetish34 (ResNet-34)"),
    ("bilstm.weight_hh_l0_reverse", "byol_s_clstm"),
    ("conv_block6.bn2.running_mean", "cnn14"),
    ("sed_model.layers.3.blocks.1.attn.qkv.weight", "hts_at"),
    ("speclayer.mel_basis", "openl3"),
    ("features.13.weight", "vggish"),
    ("wav2vec2.encoder.pos_conv_embed.conv.bias", "wav2vec2"),
    ("init_bn.1.running_mean", "dasheng"),
    ("features.9.running_mean", "byol_a or byol_s (AudioNTT2020)"),
    ("features.5.running_mean", "byol_a_v2 (AudioNTT2022)"),
)


def recognise(names: Iterable[str]) -> str | None:
    """Which plugin's checkpoint a set of tensor names looks like, or None."""
    known = set(names)
    return next((what for mark, what in _MARKS if mark in known), None)
