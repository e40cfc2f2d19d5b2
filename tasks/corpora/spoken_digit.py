"""Free Spoken Digit Dataset: ``recordings/<digit>_<speaker>_<take>.wav``, 8 kHz.

HEAR took version 1.0.9 from TensorFlow Datasets: the recordings of five speakers, under names whose
order decides HEAR's folds. Mode ``all`` takes every recording under its own name instead (3,000 of
6 speakers in v1.0.10).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from ..folder import TaskError
from .layout import audio_files
from .tfds import tfds_stems

CORPUS = "the repository of FSDD"
SPEAKERS = ("george", "jackson", "nicolas", "theo", "yweweler")


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the corpus in `source`."""
    digits = {}
    speakers = {}
    for path in audio_files(source, "recordings/*.wav", CORPUS):
        parts = path.stem.split("_")
        if len(parts) != 3 or len(parts[0]) != 1 or not parts[0].isdecimal():
            raise TaskError(f"{path}: expected <digit>_<speaker>_<take>.wav")
        digits[path], speakers[path] = int(parts[0]), parts[1]
    if mode == "all":
        stems = {path: path.stem for path in digits}
    else:
        keys = {path.stem: path for path in digits if speakers[path] in SPEAKERS}
        named = tfds_stems("spoken_digit", "train", keys, shards=1)
        stems = {keys[key]: stem for key, stem in named.items()}
    return tuple(
        Clip(path, stem, (digits[path],), origin=speakers[path]) for path, stem in stems.items()
    )
