"""Embed a task with a model: audio -> embeddings on disk (files: `benchmark.embeddings.store`).

Reader threads decode (and, once, resample) ahead of the model, the calling thread drives the model,
and a writer thread appends what it gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch

from benchmark.embeddings.batching import BatchedEmbedding
from benchmark.embeddings.clock import Clock
from benchmark.embeddings.digests import check_files
from benchmark.embeddings.limited_task import limit_task
from benchmark.embeddings.reading import read_ahead
from benchmark.embeddings.representation import (
    LAYERS,
    TASK,
    called_for,
    is_sequence,
    representation_for,
)
from benchmark.embeddings.scale import scale_advice, scale_of
from benchmark.embeddings.store import (
    EmbeddingStore,
    FinishedError,
    check_disk,
    discard_info,
    disk_errors,
    final_order,
    keep_groups,
    read_info,
    write_info,
)
from benchmark.errors import UserError
from benchmark.models.calling import find_layers
from benchmark.models.hear_module import LoadedModel
from benchmark.models.library_messages import messages_of_libraries
from benchmark.records.environment import describe_machine, package_versions
from benchmark.records.json_form import to_json
from benchmark.records.work_unit import EmbeddingUnit
from tasks.audio import TaskAudio
from tasks.folder import TaskFolder
from tasks.resampling import SOXR

OnProgress = Callable[[int, int, float], None]


def _nothing(*_: object) -> None:
    pass


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
    representation: str = TASK,
    limit: int | None = None,
    wait: bool = False,
    on_start: Callable[[], None] = _nothing,
    on_call: Callable[[], None] = _nothing,
    on_progress: OnProgress = _nothing,
) -> Embeddings:
    """Embed a task into ``out/embeddings/<module>-<key>/<task>-<key>/``, see `EmbeddingUnit`.

    What is complete is not made again, and what an earlier run began is continued; the files are
    bit for bit those of a run without interruption. Audio at rates that a task lacks is kept in the
    task's folder, or under ``out/audio`` if that cannot be written.

    Parameters
    ----------
    batch_clips
        Most clips in a batch, for models whose embeddings depend on the batch; by default as many
        clips of one length as make `benchmark.embeddings.batching.BATCH_SAMPLES`.
    resampler
        Of `tasks.resampling.RESAMPLERS`, for rates that a task lacks.
    representation
        What clips are embedded as, see `benchmark.embeddings.representation`.
    limit
        Most clips of every split, for smoke runs; None for all.
    wait
        Wait for another process that is making the same embeddings, and take what it makes.
    on_start
        Called before the first clip is embedded, to check the model where there is work to do.
    on_call
        Called before each call of the model, and while another process is waited for.
    on_progress
        Called with the clips that are embedded, the clips of the task, and the seconds of audio
        that were embedded since the last call.

    Raises
    ------
    BusyError
        Another process is making the same embeddings, and `wait` is False.
    UserError
        The model fails on a clip or gives something else than embeddings; the task has no such
        representation; the disk is full. What is finished is kept.
    TaskError
        The task's audio cannot be read.
    """
    out = Path(out)
    with (
        disk_errors(out),
        messages_of_libraries(lambda text: model.remark(f"{model.name}: {text}")),
    ):
        source = TaskAudio(limit_task(task, limit), out / "audio", resampler)
        unit = EmbeddingUnit(
            model=model.identity,
            task=task.path.name,
            task_hash=task.hash(),
            representation=representation_for(task, representation),
            resampler=source.resampled_by(model.sample_rate),
            batch_clips=batch_clips,
            limit=limit,
        )
        folder = out / "embeddings" / unit.folder
        info = _finished(folder, model)
        if info is None:
            on_start()
            info = _embed(model, source, folder, unit, wait, on_call, on_progress)
        elif (name := model.spec.display_name) and name != info.get("name"):
            info = {**info, "name": name}
            write_info(folder, info)
        keep_groups(folder, task)
    return Embeddings(folder, info)


def _finished(folder: Path, model: LoadedModel) -> dict[str, Any] | None:
    """Content of ``embedding.json`` if the folder is as it was written; None, and said, if not."""
    try:
        info = read_info(folder)
        if info is not None:
            check_files(folder, info)
    except UserError as error:
        model.remark(f"{error}: made again")
        discard_info(folder)
        return None
    name = model.spec.display_name
    if info is not None and name and info.get("name") != name:
        info["name"] = name
        write_info(folder, info)
    return info


def _embed(
    model: LoadedModel,
    source: TaskAudio,
    folder: Path,
    unit: EmbeddingUnit,
    wait: bool,
    on_call: Callable[[], None],
    on_progress: OnProgress,
) -> dict[str, Any]:
    clock = Clock()
    task = source.task
    if unit.representation == LAYERS:
        find_layers(model)
    size = model.embedding_size(called_for(unit.representation))
    sequences = is_sequence(unit.representation)
    try:
        store = EmbeddingStore(folder, task, size, on_call if wait else None, sequences=sequences)
    except FinishedError as finished:
        return finished.info
    with closing(store):
        if not sequences:  # how many frames they have is not known yet
            check_disk(folder, 4 * size * store.missing())
        order = final_order(task)
        total = sum(map(len, order.values()))
        done = total - store.missing()

        def path_of(split: str, filename: str) -> Path:
            return task.audio_path(split, filename, model.sample_rate)

        def on_batch(clips: int, seconds: float) -> None:
            nonlocal done
            done += clips
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
            batched = BatchedEmbedding(
                model,
                path_of,
                store,
                clock,
                writer,
                unit.representation,
                unit.batch_clips,
                on_call,
                on_batch,
            )
            for split in task.splits:
                for clip in islice(clips, len(missing[split])):
                    batched.take(clip)
                batched.finish_split(split)
            batched.wait()
        scale = scale_of([folder / f"{split}.embeddings.npy" for split in task.splits], size)
        if advice := scale_advice(scale):
            model.remark(f"{model.name} on {task.path.name}: {advice}")
        info = {**_about(model, task, unit), **batched.stats(), "scale": scale}
        if unit.representation == LAYERS:
            info["layer_sizes"] = model.layer_sizes
        return store.finish(info)


def _about(model: LoadedModel, task: TaskFolder, unit: EmbeddingUnit) -> dict[str, Any]:
    """What ``embedding.json`` says beside the seconds."""
    return {
        "unit": to_json(unit),
        "model": model.identity.folder,
        "module": model.name,
        "name": model.spec.display_name,
        "options": model.spec.all_options,
        "weights": dict(model.provenance),
        "embedding_type": task.embedding_type,
        "embedding_size": model.embedding_size(called_for(unit.representation)),
        "sample_rate": model.sample_rate,
        "device": str(model.device),
        "threads": torch.get_num_threads(),
        "task": task.path.name,
        "task_name": task.name,
        "task_hash": unit.task_hash,
        "resampler": unit.resampler,
        "versions": {**model.distributions, **package_versions()},
        "machine": describe_machine(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
