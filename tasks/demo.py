"""Five small tasks synthesised on the spot: one of each kind, of speech, environment and music.

All randomness is NumPy's PCG64 seeded by the clip's name, so a clip depends on nothing else. Every
clip has its own level and a background of noise.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .corpus import Clip, Corpus, Event, Label
from .entries import DEMO_ENTRIES, TaskEntry
from .folder import read_task
from .prepare import build_task

RATE = 16000
Wave = npt.NDArray[np.float64]
Rng = np.random.Generator


def make_demo_tasks(tasks_dir: Path | str, names: Collection[str] = ()) -> list[Path]:
    """Write the demo tasks, of `names` alone where there are any, and return their folders.

    Those that are there already are left as they are.

    The same bytes everywhere, as far as NumPy's generators and elementary functions are the same.
    """
    wanted = [entry for entry in DEMO_ENTRIES if entry.name in names or not names]
    return [_make(entry, Path(tasks_dir)) for entry in wanted]


def _make(entry: TaskEntry, tasks_dir: Path) -> Path:
    folder = tasks_dir / entry.folder_name()
    if folder.exists():
        return read_task(folder).path
    config, mode = entry.mode_config()
    corpus = Corpus(config, mode, CLIPS[entry.name]())
    return build_task(corpus, tasks_dir, (RATE,), workers=1)


# --- sounds: float64 at 16 kHz -----------------------------------------------------------------


def _noise(
    rng: Rng, length: int, low: float = 0.0, high: float = 8000.0, slope: float = 0.0
) -> Wave:
    """Noise of RMS 1 between `low` and `high` Hz, its amplitude falling as f ** -slope."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    frequency = np.fft.rfftfreq(length, 1 / RATE)
    shape = ((frequency >= low) & (frequency <= high)) / np.maximum(frequency, 50.0) ** slope
    wave: Wave = np.fft.irfft(spectrum * shape, length)
    return wave / np.sqrt(np.mean(wave**2))


def _tone(frequency: float | Wave, length: int) -> Wave:
    """Sine of a frequency (Hz), or of one for every sample."""
    return np.sin(2 * np.pi * np.cumsum(np.broadcast_to(frequency, length)) / RATE)


def _fade(wave: Wave, seconds: float = 0.008) -> Wave:
    ramp = np.minimum(1.0, np.arange(1, len(wave) + 1) / (seconds * RATE))
    return wave * ramp * ramp[::-1]


def _decay(length: int, seconds: float) -> Wave:
    return np.exp(-np.arange(length) / (seconds * RATE))


def _record(
    rng: Rng,
    wave: Wave,
    level: tuple[float, float] = (-30, -12),
    below: tuple[float, float] = (20, 40),
) -> Wave:
    """Bring to a random RMS level (dB of full scale) over a 1/f background so many dB below."""
    background = _noise(rng, len(wave), slope=0.5) * 10 ** (-rng.uniform(*below) / 20)
    mixed = wave / np.sqrt(np.mean(wave**2)) + background
    gain = min(10 ** (rng.uniform(*level) / 20), 0.9 / np.max(np.abs(mixed)))
    return mixed * gain


def _clip(stem: str, wave: Wave, labels: tuple[Label | Event, ...], split: str = "") -> Clip:
    return Clip((wave.astype(np.float32), RATE), stem, labels, split)


def _rng(stem: str) -> Rng:
    return np.random.default_rng(zlib.crc32(stem.encode()))


# --- speech: spoken-like words -----------------------------------------------------------------

# Phone: three formants (Hz), level of the voice, level and lowest frequency (Hz) of the noise.
PHONES: Mapping[str, tuple[tuple[float, float, float], float, float, float]] = {
    "a": ((730, 1200, 2500), 1.0, 0.0, 0),
    "e": ((530, 1850, 2500), 1.0, 0.0, 0),
    "i": ((290, 2250, 2950), 1.0, 0.0, 0),
    "o": ((500, 880, 2450), 1.0, 0.0, 0),
    "u": ((310, 900, 2250), 1.0, 0.0, 0),
    "n": ((270, 1350, 2300), 0.4, 0.0, 0),
    "r": ((350, 1150, 1600), 0.6, 0.0, 0),
    "w": ((300, 650, 2200), 0.5, 0.0, 0),
    "v": ((280, 1000, 2300), 0.3, 0.1, 2000),
    "z": ((280, 1600, 2500), 0.2, 0.4, 4000),
    "f": ((300, 1000, 2300), 0.0, 0.2, 1500),
    "s": ((300, 1600, 2500), 0.0, 0.5, 4500),
    "t": ((300, 1700, 2600), 0.0, 0.3, 3000),
    "k": ((300, 1500, 2300), 0.0, 0.3, 1200),
}
WORDS = ("ziro", "wan", "tu", "fri", "for", "faiv", "siks", "sevn", "eit", "nain")


def _digits() -> tuple[Clip, ...]:
    clips = []
    for digit in range(len(WORDS)):
        for take in range(15):
            stem = f"digit_{digit}_{take:02d}"
            rng = _rng(stem)
            clips.append(_clip(stem, _record(rng, _word(rng, WORDS[digit])), (digit,)))
    return tuple(clips)


def _word(rng: Rng, phones: str) -> Wave:
    """0.5 s: one voice, formants gliding from phone to phone, each phone about as long."""
    length = RATE // 2
    size = rng.uniform(0.88, 1.18)  # of the speaker: shorter tracts have higher formants and voices
    first = 90.0 * size ** rng.uniform(2, 5) * rng.uniform(0.95, 1.1)
    pitch = first * np.linspace(1.1, 0.85, length)
    weights = rng.uniform(0.8, 1.2, len(phones))
    centres = (np.cumsum(weights) - weights / 2) / weights.sum() * length
    at = np.arange(length)

    def glide(values: list[float]) -> Wave:
        return np.interp(at, centres, values)

    table = [PHONES[phone] for phone in phones]
    formants = [glide([phone[0][i] * size for phone in table]) for i in range(3)]
    voice = glide([phone[1] for phone in table])
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    wave = np.zeros(length)
    for harmonic in range(1, int(4000 / pitch.max())):
        frequency = harmonic * pitch
        gain = sum(
            weight / (1 + ((frequency - formant) / width) ** 2)
            for formant, width, weight in zip(formants, (80, 110, 160), (1, 0.6, 0.3), strict=True)
        )
        wave += gain * np.sin(harmonic * phase)
    wave *= voice
    for i, (_, _, level, lowest) in enumerate(table):
        if level:
            only_here = glide([float(j == i) for j in range(len(phones))])
            wave += 0.5 * level * only_here * _noise(rng, length, lowest, 7800)
    return _fade(wave)


# --- environment: sources of sound -------------------------------------------------------------


def _rain(rng: Rng, length: int) -> Wave:
    return _noise(rng, length, rng.uniform(800, 1500), 8000, slope=0.3)


def _wind(rng: Rng, length: int) -> Wave:
    gusts = 1 + 0.5 * _tone(rng.uniform(1, 3), length)
    return gusts * _noise(rng, length, 60, rng.uniform(350, 600), slope=0.7)


def _engine(rng: Rng, length: int) -> Wave:
    base = rng.uniform(70, 110)
    return sum((_tone(base * k, length) / k for k in range(1, 12)), np.zeros(length))


def _alarm(rng: Rng, length: int) -> Wave:
    high = rng.uniform(1300, 1700)
    steps = np.sin(2 * np.pi * rng.uniform(4, 7) * np.arange(length) / RATE) > 0
    tone = _tone(np.where(steps, high, high * 0.75), length)
    return np.tanh(3 * tone)


def _birds(rng: Rng, length: int) -> Wave:
    sweep = _tone(rng.uniform(7, 12), length)
    return _tone(rng.uniform(3600, 4800) + 900 * sweep, length) * (0.6 + 0.4 * np.roll(sweep, 400))


def _clock(rng: Rng, length: int) -> Wave:
    period = int(RATE * rng.uniform(0.09, 0.13))
    ticks = np.exp(-(np.arange(length) % period) / (0.004 * RATE))
    return ticks * _noise(rng, length, 1800, 7000)


SOURCES: Mapping[str, Callable[[Rng, int], Wave]] = {
    "alarm": _alarm,
    "birds": _birds,
    "clock": _clock,
    "engine": _engine,
    "rain": _rain,
    "wind": _wind,
}


def _source(rng: Rng, name: str, length: int) -> Wave:
    """One source at RMS 1, faded in and out."""
    wave = SOURCES[name](rng, length)
    return _fade(wave / np.sqrt(np.mean(wave**2)))


def _scenes() -> tuple[Clip, ...]:
    clips = []
    for split, count in (("train", 90), ("valid", 30), ("test", 30)):
        for i in range(count):
            stem = f"scene_{split}_{i:02d}"
            rng = _rng(stem)
            size = 1 + i % 3
            names = sorted(rng.choice(sorted(SOURCES), size=size, replace=False).tolist())
            waves = [_source(rng, n, RATE * 4 // 5) * 10 ** rng.uniform(-1.8, 0) for n in names]
            clips.append(
                _clip(stem, _record(rng, np.sum(waves, axis=0), below=(0, 20)), tuple(names), split)
            )
    return tuple(clips)


def _events() -> tuple[Clip, ...]:
    clips = []
    for split, count in (("train", 5), ("valid", 2), ("test", 2)):
        for i in range(count):
            stem = f"soundscape_{split}_{i}"
            rng = _rng(stem)
            wave, events = np.zeros(8 * RATE), []
            begin = rng.uniform(0.1, 0.5)
            while begin < 7.0:
                name = str(rng.choice(sorted(SOURCES)))
                length = int(RATE * rng.uniform(0.35, 0.9))
                start = int(RATE * begin)
                wave[start : start + length] += _source(rng, name, length) * rng.uniform(0.5, 1)
                end = min(start + length, len(wave))
                events.append(Event(name, 1000 * start / RATE, 1000 * end / RATE))
                begin += rng.uniform(0.5, 1.1)  # now and then two at once
            clips.append(_clip(stem, _record(rng, wave, (-26, -18)), tuple(events), split))
    return tuple(clips)


# --- music: notes ------------------------------------------------------------------------------


def _hertz(midi: float) -> float:
    return float(440.0 * 2 ** ((midi - 69) / 12))


def _note(rng: Rng, midi: float, length: int, brightness: float, seconds: float) -> Wave:
    """Harmonic partials that decay in `seconds`, the higher ones sooner."""
    wave = np.zeros(length)
    for k in range(1, int(min(12, 7500 / _hertz(midi))) + 1):
        phase = _tone(_hertz(midi) * k, length)
        wave += phase * k**-brightness * rng.uniform(0.7, 1) * _decay(length, seconds / k**0.5)
    return _fade(wave)


def _pitches() -> tuple[Clip, ...]:
    clips = []
    for split, takes in (("train", 4), ("valid", 1), ("test", 1)):
        for midi in range(60, 84):  # two octaves: chroma_acc wants a vocabulary without gaps
            for take in range(takes):
                stem = f"note_{split}_{midi}_{take}"
                rng = _rng(stem)
                detuned = midi + rng.uniform(-0.3, 0.3)
                wave = _note(rng, detuned, RATE // 2, rng.uniform(0, 2), rng.uniform(0.1, 2))
                clips.append(_clip(stem, _record(rng, wave, below=(3, 25)), (midi,), split))
    return tuple(clips)


def _melodies() -> tuple[Clip, ...]:
    clips = []
    for i in range(9):
        stem = f"melody_{i}"
        rng = _rng(stem)
        wave, events = np.zeros(8 * RATE), []
        free_at = dict.fromkeys(range(60, 73), 0.0)
        begin = 0.1
        while begin < 7.6:
            midi = int(rng.choice([m for m, at in free_at.items() if at <= begin]))
            start, length = int(RATE * begin), int(RATE * rng.uniform(0.25, 0.7))
            length = min(length, len(wave) - start)
            note = _note(rng, midi, length, rng.uniform(0.6, 1.4), rng.uniform(0.3, 0.8))
            wave[start : start + length] += note * rng.uniform(0.3, 1)
            events.append(Event(midi, 1000 * start / RATE, 1000 * (start + length) / RATE))
            free_at[midi] = begin + length / RATE + 0.15
            begin += rng.uniform(0.15, 0.45) * (rng.random() < 0.75)  # else a chord
        clips.append(_clip(stem, _record(rng, wave, (-24, -16)), tuple(events)))
    return tuple(clips)


CLIPS: Mapping[str, Callable[[], tuple[Clip, ...]]] = {
    "demo_digits": _digits,
    "demo_environment": _scenes,
    "demo_events": _events,
    "demo_pitch": _pitches,
    "demo_notes": _melodies,
}
