"""TAU Urban Acoustic Scenes 2020 Mobile, development set: ``audio/``, ``evaluation_setup/``.

Files are called ``<scene>-<city>-<place>-<segment>-<device>.wav``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from ..folder import TaskError
from .layout import read_table

CORPUS = (
    "TAU Urban Acoustic Scenes 2020 Mobile (TAU-urban-acoustic-scenes-2020-mobile-development/)"
)


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the first fold of the corpus in `source`; those of one place stay together."""
    clips = []
    for split, name in (("train", "fold1_train.csv"), ("test", "fold1_evaluate.csv")):
        path = source / "evaluation_setup" / name
        for row in read_table(path, ("filename", "scene_label"), CORPUS, delimiter="\t"):
            stem = Path(row["filename"]).stem
            if stem.count("-") != 4:
                raise TaskError(
                    f"{path}: {row['filename']!r}; expected"
                    " audio/<scene>-<city>-<place>-<segment>-<device>.wav"
                )
            place = stem.rsplit("-", 2)[0]
            clips.append(
                Clip(source / row["filename"], stem, (row["scene_label"],), split, group=place)
            )
    return tuple(clips)
