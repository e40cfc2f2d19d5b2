"""MAESTRO v3: ``maestro-v3.0.0.csv`` and, by year, ``<name>.wav`` and ``<name>.midi``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip, Event
from ..parallel import in_parallel
from .layout import read_table
from .midi_notes import sustained_notes
from .pandas_csv import through_csv

CORPUS = "MAESTRO v3.0.0 (maestro-v3.0.0/)"
PIANO = range(21, 109)


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the corpus in `source`; its own splits are ignored, as in HEAR.

    All MIDI files are read, also those of clips that will not be kept: the order of the notes in
    ``<fold>.json`` depends on them.
    """
    columns = ("audio_filename", "midi_filename")
    rows = read_table(source / "maestro-v3.0.0.csv", columns, CORPUS)
    notes = in_parallel(_events, [source / row["midi_filename"] for row in rows])
    return tuple(
        Clip(source / row["audio_filename"], Path(row["audio_filename"]).stem, events)
        for row, events in zip(rows, notes, strict=True)
    )


def _events(midi: Path) -> tuple[Event, ...]:
    return tuple(
        Event(note.pitch, through_csv(note.start * 1000), through_csv(note.end * 1000))
        for note in sustained_notes(midi)
        if note.pitch in PIANO
    )
