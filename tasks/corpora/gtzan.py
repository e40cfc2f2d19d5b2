"""GTZAN genres: ``<genre>/<genre>.<number>.wav``, or ``.au``.

HEAR took it from TensorFlow Datasets, whose names decide HEAR's folds. Fault-filtered (Sturm 2013),
it is split by three lists, ``train_filtered.txt``, ``valid_filtered.txt`` and
``test_filtered.txt`` of github.com/jongpillee/music_dataset_split, to be put beside the genres.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from ..folder import TRAINVALTEST, TaskError
from .layout import audio_files, read_lines
from .tfds import tfds_stems

CORPUS = "the genres of GTZAN (genres/)"
LISTS = (
    "GTZAN with the lists of"
    " https://github.com/jongpillee/music_dataset_split/tree/master/GTZAN_split"
)
SHARDS = 32  # of TFDS, which follow from its 3.71 GiB


def read(
    source: Path, config: Mapping[str, Any], mode: str, *, filtered: bool = False
) -> tuple[Clip, ...]:
    """Clips of the corpus.

    Parameters
    ----------
    source, config, mode
        The corpus's folder; of the task.
    filtered
        Take the clips of the three lists ``<split>_filtered.txt`` alone, so split.
    """
    suffix = ".au" if any(source.glob("*/*.au")) else ".wav"
    paths = {path.stem: path for path in audio_files(source, f"*/*{suffix}", CORPUS)}
    if not filtered:
        keys = {f"{stem}.wav": path for stem, path in paths.items()}
        stems = tfds_stems("gtzan", "train", keys, SHARDS)
        return tuple(Clip(keys[key], stem, (key.split(".")[0],)) for key, stem in stems.items())
    clips = []
    for split in TRAINVALTEST:
        listed = source / f"{split}_filtered.txt"
        for line in read_lines(listed, LISTS):
            stem = Path(line).stem
            if stem not in paths:
                raise TaskError(f"{listed}: {line}: no such file in {source}")
            clips.append(Clip(paths[stem], stem, (stem.split(".")[0],), split))
    return tuple(clips)
