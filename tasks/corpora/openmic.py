"""OpenMIC-2018: ``audio/<first three digits>/<key>.ogg``, its labels and its first partition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from ..folder import TaskError
from .layout import read_lines, read_table

CORPUS = "OpenMIC-2018 (openmic-2018/)"
IS_THERE_FROM = 0.5


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the corpus in `source`, with the instruments that were listened for.

    An instrument is there where its relevance is at least 0.5, as in the authors' notebook.
    """
    labels: dict[str, dict[str, bool]] = defaultdict(dict)
    path = source / "openmic-2018-aggregated-labels.csv"
    for row in read_table(path, ("sample_key", "instrument", "relevance"), CORPUS):
        labels[row["sample_key"]][row["instrument"]] = float(row["relevance"]) >= IS_THERE_FROM
    path = source / "openmic-2018-metadata.csv"
    artists = {
        row["sample_key"]: row["artist_id"]
        for row in read_table(path, ("sample_key", "artist_id"), CORPUS)
    }
    clips = []
    for split in ("train", "test"):
        partition = source / "partitions" / f"split01_{split}.csv"
        for key in read_lines(partition, CORPUS):
            if key not in labels or key not in artists:
                raise TaskError(f"{partition}: {key} has no labels or no metadata")
            audible = tuple(label for label, is_there in labels[key].items() if is_there)
            known = tuple(sorted(labels[key]))
            audio = source / "audio" / key[:3] / f"{key}.ogg"
            clips.append(Clip(audio, key, audible, split, group=artists[key], known=known))
    return tuple(clips)
