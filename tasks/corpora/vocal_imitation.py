"""Vocal Imitation Set: ``vocal_imitations/included/**/<clip>.wav`` and ``vocal_imitations.txt``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from ..folder import TaskError
from .layout import audio_files, read_table

CORPUS = "the Vocal Imitation Set 1.1.3 (VocalImitationSet/)"
COLUMNS = ("imitation_filename", "reference_filename", "included")


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the corpus in `source`; the label is the file name of the sound imitated."""
    table = source / "vocal_imitations.txt"
    reference = {
        row["imitation_filename"]: row["reference_filename"]
        for row in read_table(table, COLUMNS, CORPUS, delimiter="\t")
        if row["included"].lower() not in ("0", "false")
    }
    paths = audio_files(source, "vocal_imitations/included/**/*.wav", CORPUS)
    for path in paths:
        if path.name not in reference:
            raise TaskError(f"{table}: no included row for {path}")
    return tuple(Clip(path, path.stem, (reference[path.name],)) for path in paths)
