"""Facts on each model as its defaults make it, for lists; its whole card is its docstring.

Sizes and parameters are checked against the loaded models by the shared suite.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """Facts on one model.

    Attributes
    ----------
    paper : first author, year and where to find it
    sample_rate : Hz
    scene_size, timestamp_size : length of the embeddings
    parameters : number of those that the embeddings need; heads that are left out are not counted
    package : Python package that the model needs, which has its weights if there is no checkpoint
    """

    paper: str
    sample_rate: int
    scene_size: int
    timestamp_size: int
    parameters: int
    package: str = ""


_ATST = "Li 2024, arXiv:2306.04186"
_AST = "Gong 2021, arXiv:2104.01778"
_FUSION = "Niizumi 2022, arXiv:2205.08138"
_BYOL_S = "Elbanna 2022, arXiv:2206.12038"
_HYBRID = "Elbanna 2022, arXiv:2203.16637"

CARDS: dict[str, Card] = {
    "ast": Card(_AST, 16000, 768, 768, 86_187_264),
    "ast_fusion": Card(_FUSION, 16000, 1536, 1536, 86_187_264),
    "atst_clip": Card("Li 2022, arXiv:2204.12076", 16000, 18432, 768, 85_419_264),
    "atst_frame": Card(_ATST, 16000, 9216, 9216, 85_418_496),
    "beats": Card("Chen 2023, arXiv:2212.09058", 16000, 768, 768, 90_311_792),
    "byol_a": Card("Niizumi 2021, arXiv:2103.06695", 16000, 2048, 2048, 5_321_856),
    "byol_a_v2": Card("Niizumi 2023, arXiv:2204.07402", 16000, 3072, 3072, 6_333_376),
    "byol_s": Card(_BYOL_S, 16000, 2048, 2048, 5_321_856),
    "byol_s_clstm": Card(_BYOL_S, 16000, 1024, 1024, 18_643_712),
    "byol_s_cvt_opensmile": Card(_BYOL_S, 16000, 8421, 8421, 5_012_992, "opensmile"),
    "byol_s_resnetish34": Card(_BYOL_S, 16000, 2048, 2048, 21_278_400),
    "cnn14": Card("Kong 2020, arXiv:1912.10211", 32000, 2048, 2048, 79_665_728),
    "cnn14_fusion": Card(_FUSION, 16000, 6144, 6144, 79_665_728),
    "crepe": Card("Kim 2018, arXiv:1802.06182", 16000, 2048, 2048, 13_112_192, "torchcrepe"),
    "hts_at": Card("Chen 2022, arXiv:2202.00874", 32000, 768, 768, 27_534_488),
    "hybrid_byol_s": Card(_HYBRID, 16000, 2048, 2048, 5_321_856),
    "hybrid_byol_s_cvt": Card(_HYBRID, 16000, 2048, 2048, 5_012_992),
    "logmel": Card("ours", 16000, 640, 384, 0),
    "m2d": Card("Niizumi 2023, arXiv:2210.14648", 16000, 3840, 3840, 85_400_832),
    "mae_ast": Card("Baade 2022, arXiv:2203.16691", 16000, 768, 768, 85_253_376),
    "matpac": Card("Quelennec 2025, arXiv:2502.12031", 16000, 3840, 3840, 85_400_832),
    "openl3": Card("Cramer 2019, doi:10.1109/ICASSP.2019.8682475", 48000, 6144, 6144, 4_946_626),
    "opensmile": Card("Eyben 2010, doi:10.1145/1873951.1874246", 16000, 6373, 6373, 0, "opensmile"),
    "passt": Card("Koutini 2022, arXiv:2110.05069", 32000, 1295, 1295, 85_748_495),
    "vggish": Card("Hershey 2017, arXiv:1609.09430", 16000, 128, 128, 72_141_184),
    "vggish_fusion": Card(_FUSION, 16000, 8192, 8192, 72_141_184),
    "wav2vec2": Card(
        "Baevski 2020, arXiv:2006.11477", 16000, 1024, 1024, 315_437_696, "transformers"
    ),
}
