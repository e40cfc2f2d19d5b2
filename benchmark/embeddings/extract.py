"""Embed a task with a model: audio -> embeddings on disk (files: `benchmark.embeddings.store`).

Reader threads decode (and, once, resample) ahead of the model, the calling thread drives the model,
and a writer thread appends what it gives.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import chain, islice
from pathlib import Path
from typing import Any

from benchmark.embeddings.batching import BatchedEmbedding
from benchmark.embeddings.clock import Clock
from benchmark.embeddings.reading import read_ahead
from benchmark.embeddings.store import (
    EmbeddingStore,
    check_disk,
    disk_errors,
    final_order,
    read_info,
)
from benchmark.models.hear_module import LoadedModel
from benchmark.records.environment import describe_machine, package_versions
from tasks.audio import TaskAudio
from tasks.folder import TaskFolder
from tasks.resampling import SOXR

OnProgress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Embeddings:
    """Complete embeddings of one task by one model: their folder, and its ``embedding.json``."""

    path: Path
    info: Mapping[str, Any]


def embed(
    model: LoadedModel,
    task: TaskFolder,
    out: Path,
    *,
    batch_clips: int | None = None,
    resampler: str = SOXR,
    on_progress: OnProgress | None = None,
) -> Embeddings:
    """Embed a task into ``out/embeddings/<model slug>/<task>-<hash>/``.

    What is complete is not made again, and what an earlier run began is continued; the files are
    bit for bit those of a run without interruption. Audio at rates that a task lacks is kept in the
    task's folder, or under ``out/audio`` if that cannot be written.

    Parameters
    ----------
    batch_clips
        Most clips in a batch, for models whose embeddings depend on the batch; by default as many
        clips of one length as make `benchmark.embeddings.batching.BATCH_SAMPLES`.
    resampler
        Of `tasks.resampling.RESAMPLERS`, for rates that a task lacks. Resampled audio is embedded
        into ``<task>-<hash>-<resampler>/``.
    on_progress
        Called with the clips that are embedded, the clips of the task, and the seconds of audio
        that were embedded since the last call.

    Raises
    ------
    UserError
        The model fails on a clip or gives something else than embeddings; the disk is full. What is
        finished is kept.
    TaskError
        The task's audio cannot be read.
    """
    out = Path(out)
    with warnings.catch_warnings(), disk_errors(out):
        warnings.simplefilter("ignore")  # libraries' warnings are nothing the user can act on
        source = TaskAudio(task, out / "audio", resampler)
        task_hash = task.hash()
        name = f"{task.path.name}-{task_hash[:8]}{_suffix(source, model.sample_rate)}"
        folder = out / "embeddings" / model.slug / name
        if (info := read_info(folder)) is None:
            info = _embed(model, source, folder, task_hash, batch_clips, on_progress)
    return Embeddings(folder, info)


def _embed(
    model: LoadedModel,
    source: TaskAudio,
    folder: Path,
    task_hash: str,
    batch_clips: int | None,
    on_progress: OnProgress | None,
) -> dict[str, Any]:
    clock = Clock()
    task = source.task
    size = model.embedding_size(task.embedding_type)
    with closing(EmbeddingStore(folder, task, size)) as store:
        if task.embedding_type == "scene":  # how many frames events have is not known yet
            check_disk(folder, 4 * size * store.missing())
        order = final_order(task)
        total = sum(map(len, order.values()))
        done = total - store.missing()

        def on_batch(clips: int, seconds: float) -> None:
            nonlocal done
            done += clips
            if on_progress is not None:
                on_progress(done, total, seconds)

        missing = {
            split: [(split, name) for name in names[store.clips_done(split) :]]
            for split, names in order.items()
        }
        names = list(chain(*missing.values()))
        with (
            ThreadPoolExecutor(1) as writer,
            closing(read_ahead(source, names, model.sample_rate, clock)) as clips,
        ):
            batched = BatchedEmbedding(model, task, store, clock, writer, on_batch, batch_clips)
            for split in task.splits:
                for clip in islice(clips, len(missing[split])):
                    batched.take(clip)
                batched.finish_split(split)
            batched.wait()
        info = {**_about(model, source, task_hash, batch_clips), **batched.stats()}
        store.finish(info)
    return info


def _suffix(source: TaskAudio, rate: int) -> str:
    """What tells embeddings of resampled audio from those of audio as it came."""
    resampler = source.resampler_of(rate)
    return f"-{resampler}" if resampler else ""


def _about(
    model: LoadedModel, source: TaskAudio, task_hash: str, batch_clips: int | None
) -> dict[str, Any]:
    """What ``embedding.json`` says beside the seconds."""
    task = source.task
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
        "batch_clips": batch_clips,
        "task": task.path.name,
        "task_name": task.name,
        "task_hash": task_hash,
        "resampler": source.resampled_by(model.sample_rate),
        "versions": versions,
        "machine": describe_machine(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
