"""GTZAN music/speech: ``music_wav/<name>.wav`` and ``speech_wav/<name>.wav``.

HEAR took it from TensorFlow Datasets, whose names decide HEAR's folds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from .layout import audio_files
from .tfds import tfds_stems

CORPUS = "the music/speech collection of GTZAN (music_speech/)"
SHARDS = 4  # of TFDS, which follow from its 425 MiB


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the corpus in `source`."""
    label_of = {
        path: label
        for label in ("music", "speech")
        for path in audio_files(source, f"{label}_wav/*.wav", CORPUS)
    }
    paths = {path.name: path for path in label_of}
    stems = tfds_stems("gtzan_music_speech", "train", paths, SHARDS)
    return tuple(Clip(paths[key], stem, (label_of[paths[key]],)) for key, stem in stems.items())
