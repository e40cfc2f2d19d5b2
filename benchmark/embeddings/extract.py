"""Embed tasks with models: audio -> embeddings on disk (files: `benchmark.embeddings.store`).

For one task, reader threads decode (and, once, resample) ahead of the models, the calling thread
drives the models, and a writer thread appends what they give. A file is read once for all models.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from itertools import chain, islice
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmark.embeddings.store import (
    EmbeddingStore,
    check_disk,
    disk_errors,
    final_order,
    read_info,
)
from benchmark.errors import DiskFullError, UserError, one_line
from benchmark.models.hear_module import LoadedModel, call, check_output, probe
from benchmark.progress import progress_bar
from benchmark.records.environment import describe_machine, package_versions
from tasks.audio import TaskAudio
from tasks.folder import TaskError, TaskFolder
from tasks.resampling import SOXR

BATCH_SAMPLES = 84 * 16000  # as hear-eval-kit: 0.7 of 120 s at 16 kHz, whatever the rate
READ_SECONDS = 30.0  # of audio that a reader takes at once: short clips must not cost a task each
READ_CLIPS = 32
AHEAD_SECONDS = 1200.0  # of audio, or two clips
MAX_READERS = 8

Samples = npt.NDArray[np.float32]
Fail = Callable[[Exception], None]


@dataclass(frozen=True)
class EmbeddedTask:
    """Complete embeddings of one task by one model: their folder, and its ``embedding.json``."""

    path: Path
    model: LoadedModel
    task: TaskFolder
    info: Mapping[str, Any]


def embed(
    models: Sequence[LoadedModel],
    tasks: Sequence[TaskFolder],
    out: Path,
    *,
    batch_clips: int | None = None,
    resampler: str = SOXR,
    on_failure: Callable[[str], None] | None = None,
) -> list[EmbeddedTask]:
    """Embed every task with every model into ``out/embeddings/<model slug>/<task>-<hash>/``.

    What is complete is not made again, and what an earlier run began is continued; the files are
    bit for bit those of a run without interruption. Audio at rates that a task lacks is kept in the
    task's folder, or under ``out/audio`` if that cannot be written.

    Parameters
    ----------
    batch_clips
        Most clips in a batch, for models whose embeddings depend on the batch; by default as many
        clips of one length as make `BATCH_SAMPLES`.
    resampler
        Of `tasks.resampling.RESAMPLERS`, for rates that a task lacks. What another than the default
        has resampled is embedded into ``<task>-<hash>-<resampler>/``.
    on_failure
        Called with a line for each model or task that fails, and the others go on; by default the
        first failure is raised.

    Returns
    -------
    list
        Complete embeddings, by task, then by model.

    Raises
    ------
    UserError
        The model fails on a clip or gives something else than embeddings; the disk is full (always
        raised: nothing else could go on either). What is finished is kept.
    TaskError
        A task's audio cannot be read.
    """

    def fail(error: Exception) -> None:
        if on_failure is None or isinstance(error, DiskFullError):
            raise error
        on_failure(str(error))

    embedded = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries' warnings are nothing the user can act on
        for task in tasks:
            try:
                with disk_errors(Path(out)):
                    source = TaskAudio(task, Path(out) / "audio", resampler)
                    embedded += _embed_task(models, source, Path(out), batch_clips, fail)
            except (UserError, TaskError) as error:
                fail(error)
    return embedded


def _embed_task(
    models: Sequence[LoadedModel],
    source: TaskAudio,
    out: Path,
    batch_clips: int | None,
    fail: Fail,
) -> list[EmbeddedTask]:
    clock = _Clock()
    task = source.task
    task_hash = task.hash()
    folders = {
        model.slug: out
        / "embeddings"
        / model.slug
        / f"{task.path.name}-{task_hash[:8]}{_suffix(source, model.sample_rate)}"
        for model in models
    }
    todo = {model.slug: model for model in models if read_info(folders[model.slug]) is None}
    with ExitStack() as closing:
        pairs = []
        for slug, model in todo.items():
            try:
                with clock.model(slug):
                    probe(model, task.embedding_type)
                size = model.embedding_size(task.embedding_type)
                store = EmbeddingStore(folders[slug], task, size)
                closing.callback(store.close)
                if task.embedding_type == "scene":  # how many frames events have is not known yet
                    check_disk(folders[slug], 4 * size * store.missing())
                pairs.append((model, store))
            except UserError as error:
                fail(error)
        for stream in _drive(pairs, source, batch_clips, clock, fail):
            about = _about(stream, source, task_hash, len(pairs))
            stream.store.finish({**about, **stream.stats()})
    return [
        EmbeddedTask(folders[model.slug], model, task, info)
        for model in models
        if (info := read_info(folders[model.slug])) is not None
    ]


def _drive(
    pairs: Sequence[tuple[LoadedModel, EmbeddingStore]],
    source: TaskAudio,
    batch_clips: int | None,
    clock: _Clock,
    fail: Fail,
) -> list[_Stream]:
    """Lead every clip that models lack, read once, through them; the streams that did not fail."""
    task = source.task
    workers = min(MAX_READERS, os.cpu_count() or 1)
    seconds = task.sample_duration or _longest_clip(task)
    # Of long clips fewer are read ahead, so that what waits in memory does not grow with them.
    depth = max(2, min(workers + 2, int(AHEAD_SECONDS / seconds)))
    chunk = max(1, min(READ_CLIPS, int(READ_SECONDS / seconds)))
    with (
        progress_bar(task.path.name, sum(store.missing() for _, store in pairs)) as advance,
        ThreadPoolExecutor(1) as writer,
        ThreadPoolExecutor(workers) as readers,
    ):
        streams = [
            _Stream(model, task, store, clock, writer, advance, batch_clips)
            for model, store in pairs
        ]

        def each(action: Callable[[_Stream], None]) -> None:
            for stream in list(streams):
                try:
                    action(stream)
                except UserError as error:
                    streams.remove(stream)
                    fail(error)

        def read(clips: Sequence[_Clip]) -> list[_Read]:
            return [(clip, _read(source, clip, clock)) for clip in clips]

        lacking = _lacking(streams, final_order(task))
        clips = list(chain(*lacking.values()))
        chunks = (clips[i : i + chunk] for i in range(0, len(clips), chunk))
        ahead = _ahead(readers, read, chunks, depth, clock)
        for split in task.splits:
            for clip, audio in islice(ahead, len(lacking[split])):
                each(partial(_Stream.take, clip=clip, audio=audio))
                if not streams:
                    return []
            each(partial(_Stream.finish_split, split=split))
        each(_Stream.wait)
    return streams


def _suffix(source: TaskAudio, rate: int) -> str:
    """What tells embeddings of another resampler's audio from those of the default's."""
    made = source.resampler != SOXR and source.resampled_by(rate) != "none"
    return f"-{source.resampler}" if made else ""


def _longest_clip(task: TaskFolder) -> float:
    """Seconds of the longest clip, about, by the sizes of 16-bit files."""
    rate = task.best_rate()
    sizes = (
        task.audio_path(split, name, rate).stat().st_size
        for split in task.splits
        for name in task.items(split)
    )
    return max(sizes) / 2 / rate


def _lacking(
    streams: Sequence[_Stream], order: Mapping[str, Sequence[str]]
) -> dict[str, list[_Clip]]:
    """Clips of every split that a model lacks, with the rates at which they are lacking."""
    return {
        split: [
            _Clip(split, position, filename, rates)
            for position, filename in enumerate(files)
            if (rates := {s.model.sample_rate for s in streams if s.start[split] <= position})
        ]
        for split, files in order.items()
    }


@dataclass(frozen=True)
class _Clip:
    """A clip of a split, and the rates at which models lack it."""

    split: str
    position: int
    filename: str
    rates: set[int]


_Read = tuple[_Clip, dict[int, Samples]]


class _Stream:
    """One model on its way through a task: batches of clips of one length, in their final order.

    Batches depend on nothing but the clips after the last one stored, and only whole batches are
    stored: so a run that is continued makes the batches, and the bits, that it would have made.
    """

    def __init__(
        self,
        model: LoadedModel,
        task: TaskFolder,
        store: EmbeddingStore,
        clock: _Clock,
        writer: ThreadPoolExecutor,
        advance: Callable[..., None],
        batch_clips: int | None,
    ) -> None:
        self.model = model
        self.store = store
        self.start = {split: store.clips_done(split) for split in task.splits}
        self._task = task
        self._clock = clock
        self._writer = writer
        self._advance = advance
        self._writing: Future[None] | None = None
        self.batch_clips = batch_clips
        self._cap = sys.maxsize  # clips that fit into memory, as far as is known
        self._batch: list[tuple[_Clip, Samples]] = []
        self._before = dict(store.stats)  # of earlier runs that were interrupted
        self._audio_seconds = 0.0
        self._hop_ms: float | None = self._before.get("hop_ms")

    def take(self, clip: _Clip, audio: Mapping[int, Samples]) -> None:
        """Add the next clip, unless it is stored; embed the batch when it is full."""
        if clip.position < self.start[clip.split]:
            return
        samples = audio[self.model.sample_rate]
        if self._batch and len(self._batch[0][1]) != len(samples):
            self._flush()
        self._batch.append((clip, samples))
        if len(self._batch) >= self._batch_limit(len(samples)):
            self._flush()

    def finish_split(self, split: str) -> None:
        self._flush()
        self._write(self.store.finish_split, split)

    def wait(self) -> None:
        """Wait for the writer, and raise what it raised."""
        if self._writing is not None:
            self._writing.result()

    def stats(self) -> dict[str, Any]:
        """What is known so far, with what earlier runs spent on the clips that are stored."""
        wall, cpu = self._clock.spent(self.model.slug)
        before = self._before
        stats: dict[str, Any] = {
            "audio_seconds": self._audio_seconds + before.get("audio_seconds", 0.0),
            "hop_ms": self._hop_ms,
            "seconds": _add(wall, before.get("seconds", {})),
            "cpu_seconds": _add(cpu, before.get("cpu_seconds", {})),
        }
        used = stats["cpu_seconds"]
        stats["overhead"] = max(0.0, 1 - (used["decode"] + used["model"]) / used["total"])
        return stats

    def _batch_limit(self, samples: int) -> int:
        clips = max(1, BATCH_SAMPLES // samples)
        return min(clips, self.batch_clips or clips)

    def _flush(self) -> None:
        left, self._batch = self._batch, []
        if not left:
            return
        split = left[0][0].split
        rows, times = [], []
        while left:
            batch = left[: self._cap]
            if (output := self._embed_if_it_fits(batch)) is None:
                continue
            embeddings, timestamps = output
            rows.append(embeddings.reshape(-1, embeddings.shape[-1]))
            times += [] if timestamps is None else list(timestamps)
            seconds = sum(len(samples) for _, samples in batch) / self.model.sample_rate
            self._audio_seconds += seconds
            self._advance(len(batch), seconds)
            left = left[len(batch) :]
        if self._hop_ms is None and times and len(times[0]) > 1:
            self._hop_ms = round(float(np.median(np.diff(times[0]))), 3)
        data = np.concatenate(rows)
        self._write(self.store.append, split, data, times or None, self.stats())

    def _embed_if_it_fits(
        self, batch: list[tuple[_Clip, Samples]]
    ) -> tuple[Samples, npt.NDArray[np.float64] | None] | None:
        """Embed a batch; None, and smaller batches from now on, where memory does not suffice."""
        try:
            return self._embed(batch)
        except Exception as error:
            if not _is_out_of_memory(error):
                raise self._explanation(batch, error) from error
            if len(batch) == 1:
                clip, samples = batch[0]
                raise UserError(
                    f"{self._name(clip)}: {len(samples) / self.model.sample_rate:.3g} s are more"
                    f" than {self.model.name} can take in this memory ({one_line(error)})"
                ) from error
        self._cap = len(batch) // 2
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()
        return None

    def _embed(
        self, batch: list[tuple[_Clip, Samples]]
    ) -> tuple[Samples, npt.NDArray[np.float64] | None]:
        audio = np.stack([samples for _, samples in batch])
        kind = self._task.embedding_type
        with self._clock.model(self.model.slug):
            output = call(self.model, kind, audio)
        return check_output(self.model, kind, len(batch), output)

    def _explanation(self, batch: list[tuple[_Clip, Samples]], error: Exception) -> UserError:
        """Which clip it is that the model fails on."""
        for each in batch:
            try:
                self._embed([each])
            except Exception as its_error:
                return UserError(
                    f"{self._name(each[0])}: {self.model.name} fails on it: {one_line(its_error)}"
                )
        return UserError(
            f"{self._name(batch[0][0])}: {self.model.name} fails on a batch of {len(batch)} clips"
            f" from here, not on any of them alone: {one_line(error)}; try batches of 1 clip"
        )

    def _name(self, clip: _Clip) -> Path:
        return self._task.audio_path(clip.split, clip.filename, self.model.sample_rate)

    def _write(self, action: Callable[..., None], *arguments: Any) -> None:
        self.wait()  # one batch is written while the next one is embedded, no more

        def timed() -> None:
            with self._clock.thread("write", self.model.slug):
                action(*arguments)

        self._writing = self._writer.submit(timed)


class _Clock:
    """Wall and CPU seconds by phase and, where a phase is one model's own, by model slug.

    Phases of several threads overlap, so their wall seconds may sum to more than the total.
    """

    def __init__(self) -> None:
        self._start = time.perf_counter(), time.process_time()
        self._wall: dict[tuple[str, str], float] = defaultdict(float)
        self._cpu: dict[tuple[str, str], float] = defaultdict(float)
        self._background = 0.0  # CPU seconds of readers and writer
        self._lock = Lock()

    @contextmanager
    def thread(self, phase: str, owner: str = "") -> Iterator[None]:
        """Time a phase of a reader or the writer by the CPU time of its own thread."""
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
            with self._lock:
                self._wall[phase, owner] += wall
                self._cpu[phase, owner] += cpu
                self._background += cpu

    @contextmanager
    def model(self, owner: str) -> Iterator[None]:
        """Time a model by the CPU time of the process, less that of readers and writer."""
        wall, cpu = time.perf_counter(), time.process_time() - self._background
        try:
            yield
        finally:
            wall = time.perf_counter() - wall
            cpu = time.process_time() - self._background - cpu
            with self._lock:
                self._wall["model", owner] += wall
                self._cpu["model", owner] += max(0.0, cpu)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        wall = time.perf_counter()
        yield
        with self._lock:
            self._wall["wait", ""] += time.perf_counter() - wall

    def spent(self, owner: str) -> tuple[dict[str, float], dict[str, float]]:
        """Wall and CPU seconds of a model's way through the task.

        Reading is shared by all models of the run; the total leaves the other models' out.
        """
        wall, cpu = time.perf_counter() - self._start[0], time.process_time() - self._start[1]
        with self._lock:
            for (phase, who), seconds in self._wall.items():
                wall -= seconds if phase == "model" and who != owner else 0
            for (_, who), seconds in self._cpu.items():
                cpu -= seconds if who not in ("", owner) else 0
            return (
                {
                    "decode": self._wall["decode", ""],
                    "resample": self._wall["resample", ""],
                    "wait": self._wall["wait", ""],  # for the readers
                    "model": self._wall["model", owner],
                    "write": self._wall["write", owner],
                    "total": wall,
                },
                {
                    "decode": self._cpu["decode", ""],
                    "resample": self._cpu["resample", ""],
                    "model": self._cpu["model", owner],
                    "write": self._cpu["write", owner],
                    "total": cpu,
                },
            )


def _ahead(
    pool: ThreadPoolExecutor,
    read: Callable[[Sequence[_Clip]], list[_Read]],
    chunks: Iterator[list[_Clip]],
    depth: int,
    clock: _Clock,
) -> Iterator[_Read]:
    """Clips with their audio, in order, while up to `depth` chunks are read ahead."""
    reading = deque(pool.submit(read, chunk) for chunk in islice(chunks, depth))
    while reading:
        with clock.waiting():
            clips = reading.popleft().result()
        reading.extend(pool.submit(read, chunk) for chunk in islice(chunks, 1))
        yield from clips


def _read(source: TaskAudio, clip: _Clip, clock: _Clock) -> dict[int, Samples]:
    there = source.is_there(clip.split, clip.filename, clip.rates)
    with clock.thread("decode" if there else "resample"):
        return source.at_rates(clip.split, clip.filename, clip.rates)


def _is_out_of_memory(error: Exception) -> bool:
    """Whether torch, on CPU or GPU, or Python could not allocate memory."""
    if isinstance(error, MemoryError):
        return True
    signs = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in signs)


def _about(
    stream: _Stream, source: TaskAudio, task_hash: str, models_in_run: int
) -> dict[str, Any]:
    """What ``embedding.json`` says beside the stream's stats."""
    model, task = stream.model, source.task
    versions = package_versions()
    if model.version is not None:
        name, _, version = model.version.rpartition(" ")
        versions[name] = version
    return {
        "model": model.slug,
        "module": model.name,
        "options": model.spec.all_options,
        "weights": dict(model.provenance),
        "embedding_type": task.embedding_type,
        "embedding_size": model.embedding_size(task.embedding_type),
        "sample_rate": model.sample_rate,
        "device": str(model.device),
        "batch_clips": stream.batch_clips,
        "task": task.path.name,
        "task_name": task.name,
        "task_hash": task_hash,
        "resampler": source.resampled_by(model.sample_rate),
        "models_in_run": models_in_run,
        "versions": versions,
        "machine": describe_machine(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _add(a: Mapping[str, float], b: Mapping[str, float]) -> dict[str, float]:
    return {key: value + b.get(key, 0.0) for key, value in a.items()}
