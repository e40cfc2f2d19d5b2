"""The metrics that a task of embeddings is scored by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.errors import UserError
from benchmark.metrics.registry import Metric, metrics_named

if TYPE_CHECKING:  # it imports torch
    from benchmark.embeddings.dataset import EmbeddedTask


def metrics_of(task: EmbeddedTask) -> list[Metric]:
    """Metrics that the task's metadata names, the primary one first.

    Raises
    ------
    UserError
        One does not exist, is not for this kind of task, or cannot leave out unknown labels.
    """
    metrics = metrics_named(task.metadata["evaluation"], task.kind)
    if task.has_label_mask and (lacking := [one.name for one in metrics if not one.label_mask]):
        raise UserError(
            f"{task.path}: its labels are known in part, of which there is no {lacking[0]};"
            " expected mAP, aucroc or d_prime in `evaluation` of task_metadata.json"
        )
    return metrics
