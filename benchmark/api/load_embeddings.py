"""Read the embeddings that a run has left on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.api.errors import user_errors
from benchmark.embeddings.dataset import EmbeddedTask, dimensions, read_embedded_task, read_labels
from benchmark.embeddings.store import read_info, read_json
from benchmark.errors import UserError


@dataclass(frozen=True)
class SplitEmbeddings:
    """Embeddings of one split, in the order of their rows on disk.

    Attributes
    ----------
    embeddings
        float32 (rows, size): one row a clip, or of timestamps and windows one row a frame, the
        frames of a clip one after the other.
    files
        str (rows,): name of the clip's file in the task.
    times
        float64 (rows,): ms from the clip's start; None where a clip is one row.
    labels
        What is to be predicted of each row: one label where the task is multiclass, else a list.
    """

    embeddings: npt.NDArray[np.float32]
    files: npt.NDArray[np.str_]
    times: npt.NDArray[np.float64] | None
    labels: list[Any]


@dataclass(frozen=True)
class LoadedEmbeddings:
    """Embeddings of one task by one model.

    Attributes
    ----------
    splits
        By name.
    vocabulary
        All labels of the task, as text.
    task
        Content of ``task_metadata.json``.
    info
        Content of ``embedding.json``: what made the embeddings.
    """

    splits: Mapping[str, SplitEmbeddings]
    vocabulary: tuple[str, ...]
    task: Mapping[str, Any]
    info: Mapping[str, Any]


@user_errors()
def load_embeddings(folder: str | Path, *, memory_map: bool = False) -> LoadedEmbeddings:
    """Read a folder of embeddings, ``OUT/embeddings/MODEL/TASK``.

    Its ``<split>.embeddings.npy`` are raw float32 without a header, as hear-eval-kit reads them;
    `numpy.load` refuses them.

    Parameters
    ----------
    memory_map
        Leave embeddings on disk and read what is used, for those that are larger than memory.

    Raises
    ------
    UserError
        The embeddings are not complete, or their files do not fit each other.
    """
    path = Path(folder)
    info = read_info(path)
    if info is None:
        raise UserError(
            f"{path}: no complete embeddings; expected a folder OUT/embeddings/MODEL/TASK"
        )
    task = read_embedded_task(path)
    splits = {split: _read(task, split, memory_map) for split in task.metadata["splits"]}
    return LoadedEmbeddings(splits, task.labels, task.metadata, info)


def _read(task: EmbeddedTask, split: str, memory_map: bool) -> SplitEmbeddings:
    path = task.path / f"{split}.embeddings.npy"
    rows, size = dimensions(task.path, split)
    try:
        length = path.stat().st_size
        if length != 4 * rows * size:
            raise UserError(f"{path}: {length} bytes are not {rows} x {size} numbers")
        embeddings: npt.NDArray[np.float32] = (
            np.memmap(path, np.float32, "r", shape=(rows, size))
            if memory_map
            else np.fromfile(path, np.float32).reshape(rows, size)
        )
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; embed again") from None
    labels: list[Any] = read_labels(task.path / f"{split}.target-labels.pkl")
    sequences = task.path / f"{split}.filename-timestamps.json"
    times = None
    if sequences.exists():
        named = read_json(sequences)
        files = np.array([file for file, _ in named])
        times = np.array([time for _, time in named], np.float64)
    else:
        files = task.row_names(split)["clip"]
    if not rows == len(labels) == len(files):
        raise UserError(
            f"{task.path}: {split} has {rows} embeddings, but {len(labels)} labels and"
            f" {len(files)} file names; delete the folder and embed again"
        )
    if task.multiclass:
        labels = [label for (label,) in labels]
    return SplitEmbeddings(embeddings, files, times, labels)
