"""Mridangam strokes: ``<folder>/<id>__<author>__<stroke>-<tonic>-<take>.wav``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from ..folder import TaskError
from .layout import audio_files

CORPUS = "the Mridangam Stroke Dataset 1.5 (mridangam_stroke_1.5/)"
STROKES = ("bheem", "cha", "dheem", "dhin", "num", "ta", "tha", "tham", "thi", "thom")
TONICS = ("b", "c", "csh", "d", "dsh", "e")


def read(
    source: Path, config: Mapping[str, Any], mode: str, *, label: str = "stroke"
) -> tuple[Clip, ...]:
    """Clips of the corpus.

    Parameters
    ----------
    source, config, mode
        The corpus's folder; of the task.
    label
        What is to be told: ``stroke`` or ``tonic``.
    """
    if label not in ("stroke", "tonic"):
        raise TaskError(f"label is {label!r}; expected stroke or tonic")
    clips = []
    for path in audio_files(source, "**/*.wav", CORPUS):
        parts = path.stem.split("__")[-1].split("-")
        if len(parts) < 3 or parts[-3] not in STROKES or parts[-2] not in TONICS:
            raise TaskError(f"{path}: expected <id>__<author>__<stroke>-<tonic>-<take>.wav")
        clips.append(Clip(path, path.stem, (parts[-3] if label == "stroke" else parts[-2],)))
    return tuple(clips)
