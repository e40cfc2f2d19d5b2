"""MagnaTagATune: ``<folder 0 to f>/<clip>.mp3`` and ``annotations_final.csv``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from ..folder import TaskError
from .layout import read_table

CORPUS = "MagnaTagATune (folders 0 to f, annotations_final.csv)"
TAGS = (
    *("guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast"),
    *("piano", "ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male"),
    *("singing", "vocals", "no vocals", "harpsichord", "loud", "quiet", "flute", "woman"),
    *("male vocal", "no vocal", "pop", "soft", "sitar", "solo", "man", "classic", "choir", "voice"),
    *("new age", "dance", "male voice", "female vocal", "beats", "harp", "cello", "no voice"),
    *("weird", "country", "metal", "female voice", "choral"),
)
SPLITS = {**dict.fromkeys("0123456789ab", "train"), "c": "valid", **dict.fromkeys("def", "test")}
# Published as empty files; the papers leave them out.
EMPTY = (
    "6/norine_braun-now_and_zen-08-gently-117-146.mp3",
    "8/jacob_heringman-josquin_des_prez_lute_settings-19-gintzler__pater_noster-204-233.mp3",
    "9/american_baroque-dances_and_suites_of_rameau_and_couperin-25-le_petit_rien_xiveme_ordre_"
    "couperin-88-117.mp3",
)


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the corpus in `source` with the tags of the 50 that they have, none for some."""
    path = source / "annotations_final.csv"
    clips = []
    for row in read_table(path, ("mp3_path", *TAGS), CORPUS, delimiter="\t"):
        file = row["mp3_path"]
        if file in EMPTY:
            continue
        if file[:1] not in SPLITS:
            raise TaskError(f"{path}: mp3_path {file!r}; expected <folder 0 to f>/<clip>.mp3")
        tags = tuple(tag for tag in TAGS if row[tag] == "1")
        clips.append(Clip(source / file, Path(file).stem, tags, SPLITS[file[:1]]))
    return tuple(clips)
