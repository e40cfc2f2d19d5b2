"""NSynth: ``nsynth-<split>/examples.json`` and ``nsynth-<split>/audio/<note>.wav``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from ..folder import TRAINVALTEST, TaskError

CORPUS = "NSynth (nsynth-train/, nsynth-valid/, nsynth-test/)"


def read(
    source: Path, config: Mapping[str, Any], mode: str, *, label: str = "pitch"
) -> tuple[Clip, ...]:
    """Clips of the corpus, in its own splits; without notes outside the task's range of pitches.

    Parameters
    ----------
    source, config, mode
        The corpus's folder; of the task.
    label
        Key of ``examples.json`` to be told.
    """
    lowest = config.get("pitch_range_min", 0)
    highest = config.get("pitch_range_max", 127)
    return tuple(
        Clip(
            source / f"nsynth-{split}" / "audio" / f"{name}.wav",
            name,
            (note[label],),
            split,
            group=name.split("-")[0],
        )
        for split in TRAINVALTEST
        for name, note in _notes(source / f"nsynth-{split}" / "examples.json", label)
        if lowest <= note["pitch"] <= highest
    )


def _notes(path: Path, label: str) -> list[tuple[str, dict[str, Any]]]:
    try:
        notes = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TaskError(f"{path}: missing; expected {CORPUS}") from None
    except (OSError, ValueError) as error:
        raise TaskError(f"{path}: cannot be read ({error})") from None
    for name, note in notes.items():
        if not {"pitch", label} <= note.keys():
            raise TaskError(f"{path}: {name} has not pitch and {label}")
    return list(notes.items())
