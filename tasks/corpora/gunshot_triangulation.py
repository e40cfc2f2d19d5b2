"""Gunshots recorded by four iPods: ``mic1raw.wav``, ``mic2raw16b.wav``, ``mic3raw.wav``, ...

Cut as in the authors' ``create_data.m``: the four recordings are aligned by known offsets, shots
are found in the first, and each shot is 1.5 s of every recording.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from ..corpus import Clip
from ..folder import TaskError
from ..resampling import Samples

CORPUS = "the four recordings of Zenodo 3997406"
RATE = 48000
# Recording and the sample in it where all four are at the same time.
OFFSETS = {
    "mic1raw": 15764451,
    "mic2raw16b": 13764742,
    "mic3raw": 9334032,
    "mic4raw": 6794611,
}
SHOTS = 22
LOUD = 0.8  # of full scale: a shot begins
SHORTEST_GAP = 25000  # samples from one beginning to where the next is looked for
BEFORE, LENGTH = RATE // 8, RATE + RATE // 2


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the corpus in `source`: each shot from each microphone, grouped by firearm."""
    recordings = {name: _read(source / f"{name}.wav", begin) for name, begin in OFFSETS.items()}
    starts = _shots(recordings["mic1raw"])
    if len(starts) < SHOTS:
        raise TaskError(f"{source / 'mic1raw.wav'}: {len(starts)} shots found; expected {SHOTS}")
    clips = []
    for shot, start in enumerate(starts):
        # The first firearm fired four times, the others three times.
        firearm = f"fid{max(0, shot - 1) // 3 + 1}"
        for number, samples in enumerate(recordings.values(), start=1):
            sound = samples[start - BEFORE : start - BEFORE + LENGTH]
            stem = f"mic{number}_shot{shot}_{firearm}"
            clips.append(Clip((sound, RATE), stem, (f"mic{number}",), group=firearm))
    return tuple(clips)


def _read(path: Path, begin: int) -> Samples:
    try:
        with soundfile.SoundFile(path) as file:
            if file.samplerate != RATE:
                raise TaskError(f"{path}: sample rate is {file.samplerate} Hz, expected {RATE} Hz")
            file.seek(begin - RATE)
            samples = file.read(dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise TaskError(f"{path}: cannot be read ({error}); expected {CORPUS}") from None
    mono: Samples = samples.mean(axis=1)
    return mono


def _shots(samples: Samples) -> list[int]:
    starts: list[int] = []
    for i in np.flatnonzero(np.abs(samples) >= LOUD).tolist():
        if len(starts) < SHOTS and (not starts or i > starts[-1] + SHORTEST_GAP + 1):
            starts.append(i)
    return starts
