"""Pitches of the synthesiser Surge: ``<preset>/<MIDI pitch>.ogg``.

Niizumi et al. split it by a list of their own, ``dataset_surge_tone_splits.csv`` (columns tone and
split) of github.com/nttcslab/eval-audio-repr; where it lies beside the presets, it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from ..folder import TaskError
from .layout import audio_files, read_table

CORPUS = "the presets of Surge (surge/)"
SPLITS_FILE = "dataset_surge_tone_splits.csv"


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the corpus in `source`; those of one preset stay together."""
    paths = audio_files(source, "*/*.ogg", CORPUS)
    table = source / SPLITS_FILE
    split_of = dict.fromkeys((path.parent.name for path in paths), "train")
    if table.exists():
        rows = read_table(table, ("tone", "split"), "nttcslab/eval-audio-repr")
        split_of = {row["tone"]: row["split"] for row in rows}
    clips = []
    for path in paths:
        preset = path.parent.name
        if not path.stem.isdecimal():
            raise TaskError(f"{path}: expected <preset>/<MIDI pitch>.ogg")
        if preset not in split_of:
            raise TaskError(f"{table}: no row for {preset!r}")
        stem = f"{preset}_{path.stem}"
        clips.append(Clip(path, stem, (int(path.stem),), split_of[preset], group=preset))
    return tuple(clips)
