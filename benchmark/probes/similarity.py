"""CKA between models, from their embeddings of one task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from benchmark.embeddings.dataset import TaskRows, read_embedded_task
from benchmark.errors import UserError
from benchmark.metrics.cka import MIN_CLIPS, Similarities, batch_bounds, minibatch_cka

BATCH = 256  # clips of one estimate; more are less noisy and cost their square


def similarities_on_task(
    embeddings: Mapping[str, Path], *, split: str | None = None, batch: int = BATCH
) -> Similarities:
    """CKA of every pair of models on the clips of a task.

    Parameters
    ----------
    embeddings
        Folder of complete embeddings of one task, by name of the model.
    split
        Of these clips only; None for those of all splits.
    batch
        Clips of a batch.

    Raises
    ------
    UserError
        The folders are of different tasks, there is no such split, or there are too few clips.
    """
    if not embeddings:
        raise UserError("there are no embeddings to compare; name at least one folder")
    tasks = {name: read_embedded_task(path) for name, path in embeddings.items()}
    first = next(iter(tasks.values()))
    splits = first.metadata["splits"]
    if split is not None and split not in splits:
        raise UserError(f"{first.path}: there is no split {split!r}, only {', '.join(splits)}")
    chosen = splits if split is None else [split]
    names = [first.row_names(one) for one in chosen]
    for name, task in tasks.items():
        for one, expected in zip(chosen, names, strict=True):
            if one not in task.metadata["splits"] or any(
                not np.array_equal(task.row_names(one)[key], expected[key]) for key in expected
            ):
                raise UserError(
                    f"{task.path}: its clips or frames are not those of {first.path}; compare"
                    f" embeddings of one task, and of {name} with the same hop"
                )
    rows = {
        name: TaskRows(task, True, torch.device("cpu")).of(*chosen) for name, task in tasks.items()
    }
    count = next(iter(rows.values())).count
    if count < MIN_CLIPS:
        raise UserError(f"{first.path}: {count} clips are too few; CKA takes at least {MIN_CLIPS}")
    # Clips of one label may lie together: batches are drawn, the same for all models.
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    bounds = batch_bounds(count, batch)

    def batches() -> object:
        for start, end in bounds:
            part = {
                name: next(iter(one.batches(end - start, order[start:end])))[0].numpy()
                for name, one in rows.items()
            }
            yield part, part

    return minibatch_cka(batches())  # type: ignore[arg-type]
