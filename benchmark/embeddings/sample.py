"""Some embeddings of a task, drawn for a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch

from benchmark.embeddings.dataset import TaskRows, read_embedded_task

ROWS = 600


def sample_embeddings(folder: Path, rows: int = ROWS) -> tuple[npt.NDArray[Any], list[list[str]]]:
    """Embeddings (n, size) float32 of a folder and the labels of each, the same at each call.

    Raises
    ------
    UserError
        There are no complete embeddings.
    """
    task = read_embedded_task(folder)
    everything = TaskRows(task, False, torch.device("cpu")).of(*task.metadata["splits"])
    order = torch.randperm(everything.count, generator=torch.Generator().manual_seed(0))[:rows]
    embeddings, _ = next(iter(everything.batches(len(order), order.sort().values)))
    return embeddings.numpy(), [
        [task.labels[label] for label in row.nonzero().flatten().tolist()]
        for row in everything.multi_hot[order.sort().values]
    ]
