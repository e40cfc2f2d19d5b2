"""Whether a task folder is whole, to the last sample, and what its entry says it is."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile

from .audio import check_wav
from .entries import ENTRIES
from .errors import one_line
from .folder import TaskError, TaskFolder, event_fault, faults, open_task
from .parallel import in_parallel
from .published import published_faults, unknown_of_published
from .reading import names_in

BLOCK_FRAMES = 1 << 20
LENGTH_TOLERANCE_S = 0.001  # of clips that were cut at another rate
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class Verified:
    """What was found in a task folder.

    Attributes
    ----------
    path
        The folder.
    faults
        Lines on what is wrong; none: the task is whole.
    notes
        Lines on what is odd, as in some published corpora, but not wrong.
    hash
        `TaskFolder.hash`, as records carry it; empty where files are missing.
    clips, hours
        Files of all splits, and their sound.
    rates
        Rates (Hz) at which every file is there.
    """

    path: Path
    faults: tuple[str, ...]
    notes: tuple[str, ...]
    hash: str
    clips: int
    hours: float
    rates: tuple[int, ...]


class _Job(NamedTuple):
    path: Path
    rate: int
    seconds: float | None


class _Heard(NamedTuple):
    fault: str
    seconds: float
    samples: bytes  # digest


def verify_task(
    path: Path | str, workers: int = 0, on_progress: OnProgress = lambda done, total: None
) -> Verified:
    """Check all of a task folder.

    Checked are: the files and keys that a folder must have; labels, events and splits; counts and
    decisive settings against the entry of that name, version and mode; and that every audio file
    can be read to its end, is mono, and has the rate of its folder and the task's duration.

    Parameters
    ----------
    workers
        Processes; 0: as many as there are cores.
    on_progress
        Called with audio files done and in all.
    """
    path = Path(path)
    try:
        task = open_task(path)
    except TaskError as error:
        return Verified(path, (str(error),), (), "", 0, 0.0, ())
    found = list(faults(task))
    try:
        items = {split: task.items(split) for split in task.splits}
        best = task.best_rate()
    except TaskError:
        return Verified(path, tuple(found), (), "", 0, 0.0, ())
    of_entry, notes = _of_entry(task)
    found += of_entry
    jobs = [job for rate in task.rates() for job in _jobs(task, rate, items)]
    heard: dict[Path, _Heard] = {}
    for done, (job, result) in enumerate(
        zip(jobs, in_parallel(_hear, jobs, workers), strict=True), start=1
    ):
        heard[job.path] = result
        on_progress(done, len(jobs))
    found += [result.fault for result in heard.values() if result.fault]
    found += _strays(task, items)
    at_best = {
        (split, name): heard[where]
        for split, names in items.items()
        for name in names
        if (where := task.audio_path(split, name, best)) in heard
    }
    if task.embedding_type == "event":
        found += _late_events(task, items, at_best)
    clips = sum(map(len, items.values()))
    complete = [
        rate
        for rate in task.rates()
        if all(
            task.audio_path(s, name, rate) in heard for s, names in items.items() for name in names
        )
    ]
    return Verified(
        path,
        tuple(dict.fromkeys(map(one_line, found))),
        tuple(map(one_line, (*notes, *_repeated(at_best)))),
        task.hash() if best in complete else "",
        clips,
        sum(each.seconds for each in at_best.values()) / 3600,
        tuple(complete),
    )


def _jobs(task: TaskFolder, rate: int, items: Mapping[str, Any]) -> Iterator[_Job]:
    # What was made while embedding may be there in part; what is missing else is told already.
    for split, names in items.items():
        folder = task.path / str(rate) / split
        there = names_in(folder)
        for name in names:
            if name in there:
                yield _Job(folder / name, rate, task.sample_duration)


def _hear(job: _Job) -> _Heard:
    """Read one audio file to its end."""
    try:
        check_wav(job.path)
        with soundfile.SoundFile(job.path) as file:
            frames, digest, finite = 0, hashlib.blake2b(digest_size=16), True
            for block in file.blocks(BLOCK_FRAMES, dtype="float32", always_2d=True):
                frames += len(block)
                finite &= bool(np.isfinite(block).all())
                digest.update(np.ascontiguousarray(block).data)
            rate, channels, stated = int(file.samplerate), file.channels, file.frames
    except TaskError as error:
        return _Heard(str(error), 0.0, b"")
    except (soundfile.LibsndfileError, OSError) as error:
        return _Heard(f"{job.path}: not readable audio ({error})", 0.0, b"")
    fault = ""
    expected = None if job.seconds is None else job.seconds * job.rate
    if rate != job.rate:
        fault = f"sample rate is {rate} Hz, expected {job.rate} Hz as its folder says"
    elif channels != 1:
        fault = f"has {channels} channels, expected 1"
    elif not finite:
        fault = "has samples that are not finite"
    elif not frames:
        fault = "is empty"
    elif frames != stated:
        fault = f"ends after {frames} of {stated} samples"
    elif expected is not None and abs(frames - expected) > 1 + LENGTH_TOLERANCE_S * rate:
        fault = f"has {frames} samples, expected {expected:.0f}, {job.seconds:g} s at {rate} Hz"
    return _Heard(fault and f"{job.path}: {fault}", frames / rate, digest.digest())


def _of_entry(task: TaskFolder) -> tuple[list[str], list[str]]:
    """What makes another task of it than the published one: faults, and notes where it says so."""
    unknown = unknown_of_published(task)
    told = [f"{task.path}: {line}" for line in published_faults(task)]
    entry = ENTRIES.get(task.name)
    claims = entry is not None and task.path.name in map(entry.folder_name, entry.modes)
    return (told, unknown) if claims else ([], [*told, *unknown])


def _strays(task: TaskFolder, items: Mapping[str, Any]) -> Iterator[str]:
    """Audio that belongs to no split."""
    for rate in task.rates():
        for split, names in items.items():
            folder = task.path / str(rate) / split
            if not folder.is_dir():
                continue
            there = {file.name for file in folder.iterdir() if not file.name.startswith(".")}
            for name in sorted(there - set(names)):
                yield f"{folder / name}: is not in {split}.json"
        beside = {
            folder.name
            for folder in (task.path / str(rate)).iterdir()
            if not folder.name.startswith(".")
        }
        for name in sorted(beside - items.keys()):
            yield f"{task.path / str(rate) / name}: is no split; expected {', '.join(items)}"


def _late_events(
    task: TaskFolder, items: Mapping[str, Any], heard: Mapping[tuple[str, str], _Heard]
) -> Iterator[str]:
    for (split, name), result in heard.items():
        events = items[split][name]
        if not isinstance(events, list) or any(map(event_fault, events)):
            continue  # told already
        end = max((event["end"] for event in events), default=0.0)
        if not result.fault and end > 1000 * (result.seconds + LENGTH_TOLERANCE_S):
            yield (
                f"{task.path / split}.json: {name}: an event ends at {end:g} ms, but the clip has"
                f" {1000 * result.seconds:g} ms"
            )


def _repeated(heard: Mapping[tuple[str, str], _Heard]) -> Iterator[str]:
    """Notes on clips of different splits that have the same samples."""
    same: dict[bytes, list[tuple[str, str]]] = defaultdict(list)
    for clip, result in heard.items():
        if result.samples:
            same[result.samples].append(clip)
    for clips in same.values():
        if len({split for split, _ in clips}) > 1:
            yield "the same samples are in " + " and ".join(f"{s}/{name}" for s, name in clips)
