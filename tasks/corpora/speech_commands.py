"""Speech Commands v2: the archives of the corpus and of its test set, in folders of their names.

``speech_commands_v0.02/<word>/<speaker>_nohash_<take>.wav`` with ``validation_list.txt``,
``testing_list.txt`` and ``_background_noise_/``; ``speech_commands_test_set_v0.02/<label>/``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..audio import read_audio
from ..corpus import Clip
from .layout import audio_files, read_lines

CORPUS = "Speech Commands v2 (speech_commands_v0.02/, speech_commands_test_set_v0.02/)"
MAIN = "speech_commands_v0.02"
TEST = "speech_commands_test_set_v0.02"
COMMANDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
SILENCE = "_silence_"
UNKNOWN = "_unknown_"


def read(
    source: Path, config: Mapping[str, Any], mode: str, *, all_words: bool = False
) -> tuple[Clip, ...]:
    """Clips of the corpus.

    Parameters
    ----------
    source, config, mode
        The corpus's folder; of the task.
    all_words
        False, as in HEAR: ten words, `UNKNOWN` for the others, `SILENCE` cut from the background
        noise, and the test set that was published apart. True: all 35 words, the test set being the
        files of ``testing_list.txt``.
    """
    listed = {
        line: split
        for split, name in (("valid", "validation_list.txt"), ("test", "testing_list.txt"))
        for line in read_lines(source / MAIN / name, CORPUS)
    }
    clips = []
    for path in audio_files(source / MAIN, "[!_]*/*.wav", CORPUS):
        word = path.parent.name
        split = listed.get(f"{word}/{path.name}", "train")
        if all_words:
            clips.append(Clip(path, _stem(path), (word,), split, origin=_speaker(path)))
        elif split != "test":
            labels = (_label(word),)
            clips.append(Clip(path, _stem(path), labels, split, origin=_speaker(path)))
    if not all_words:
        clips += _silence(source / MAIN)
        clips += (
            Clip(path, _stem(path), (_label(path.parent.name),), "test", origin=_speaker(path))
            for path in audio_files(source / TEST, "*/*.wav", CORPUS)
        )
    return tuple(clips)


def _silence(folder: Path) -> list[Clip]:
    """Seconds of the background noise, every half second; one recording is for validation."""
    clips = []
    for path in audio_files(folder, "_background_noise_/*.wav", CORPUS):
        samples, rate = read_audio(path)
        split = "valid" if path.name.startswith("running_tap") else "train"
        for start in range(0, len(samples) - rate, rate // 2):
            second = (samples[start : start + rate], rate)
            stem = f"{SILENCE}_{path.stem}-{start}"
            clips.append(Clip(second, stem, (SILENCE,), split, origin=path.stem))
    return clips


def _label(word: str) -> str:
    return word if word in (*COMMANDS, SILENCE) else UNKNOWN


def _speaker(path: Path) -> str:
    return path.stem.partition("_nohash_")[0]


def _stem(path: Path) -> str:
    return f"{path.parent.name}_{path.stem}"
