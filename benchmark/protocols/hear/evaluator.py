"""How trained heads are scored on one task: while they train, and on the test split.

Source: hear-eval-kit 2021.1.3, `heareval/predictions/task_predictions.py`: ScenePredictionModel,
EventPredictionModel and `_score_epoch_end` of both, task_predictions_test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmark.embeddings.dataset import EmbeddedTask, TaskRows, frames_of
from benchmark.metrics.event_metrics import EventTable
from benchmark.metrics.events import Frames, Postprocessing, postprocessings, predicted_events
from benchmark.probes.mlp import Head, loss_function
from benchmark.probes.training import Validate, as_logged, predict
from benchmark.protocols.hear.folds import Fold
from benchmark.protocols.hear.protocol import check_task
from benchmark.protocols.task_metrics import metrics_of


class Evaluator:
    """Scores of heads on one task.

    Parameters
    ----------
    task
        The task; its metadata says which metrics count and what training stops by.

    Attributes
    ----------
    maximize
        Whether more is better of what training stops by.

    Raises
    ------
    UserError
        If the metadata asks for what hear-eval-kit cannot do.
    """

    def __init__(self, task: EmbeddedTask) -> None:
        self.task = task
        check_task(task.metadata)
        self.metrics = metrics_of(task)
        self.by_score = bool(task.metadata.get("use_scoring_for_early_stopping", True))
        self.maximize = self.by_score and self.metrics[0].higher_is_better
        self.postprocessings = postprocessings(task.metadata) if task.kind == "event" else [()]
        self._frames = cache(task.frames)
        self._true_events = cache(lambda split: self._events_of(split, self._frames(split)))

    def validation(self, rows: TaskRows, fold: Fold, batch_size: int) -> Validate:
        """What scores an epoch of a fold; beside the score it finds the best post-processing."""
        valid = rows.of(fold.valid)
        mask = valid.label_mask
        primary = self.metrics[0]

        def by_loss(head: Head) -> tuple[float, Postprocessing]:
            logits, _ = predict(head, valid, batch_size)
            return float(head.loss(logits, valid.targets)), self.postprocessings[0]

        def by_score(head: Head) -> tuple[float, Postprocessing]:
            _, prediction = predict(head, valid, batch_size)
            compared = [prediction, valid.multi_hot, *([] if mask is None else [mask])]
            return as_logged(primary.value(*(one.cpu().numpy() for one in compared))), ()

        def by_events(head: Head) -> tuple[float, Postprocessing]:
            prediction = predict(head, valid, batch_size)[1].cpu().numpy()
            frames, truth = self._frames(fold.valid), self._true_events(fold.valid)
            scored = [
                (primary.value(predicted_events(prediction, frames, choice), truth), choice)
                for choice in self.postprocessings
            ]
            # The kit takes the largest score even where less is better, NaN counting as 0, and of
            # equal scores the larger parameters, as it sorts tuples.
            score, best = max(
                scored, key=lambda pair: (0.0 if math.isnan(pair[0]) else pair[0], pair[1])
            )
            return as_logged(score), best

        if not self.by_score:
            return by_loss
        return by_events if self.task.kind == "event" else by_score

    def test_predictions(
        self, head: Head, rows: TaskRows, fold: Fold, batch_size: int
    ) -> dict[str, npt.NDArray[Any]]:
        """What a trained head says of every row of the fold's test split.

        Returns
        -------
        dict
            `prediction` and `logit` (rows, labels) float32, `target` uint8, and what
            `EmbeddedTask.row_names` says of the rows; where labels are known in part, also
            `label_mask` (rows, labels) bool.
        """
        test = rows.of(fold.test)
        logits, prediction = predict(head, test, batch_size)
        arrays: dict[str, npt.NDArray[Any]] = {
            "prediction": prediction.cpu().numpy(),
            "logit": logits.cpu().numpy(),
            "target": test.multi_hot.cpu().numpy().astype(np.uint8),
        }
        if test.label_mask is not None:
            arrays["label_mask"] = test.label_mask.cpu().numpy()
        return arrays | self.task.row_names(fold.test)

    def test_scores(
        self,
        fold: Fold,
        predictions: Mapping[str, npt.NDArray[Any]],
        postprocessing: Postprocessing,
    ) -> tuple[dict[str, float], dict[str, Any] | None]:
        """Scores of `test_predictions` as the kit logs them, and in event tasks the events."""
        target = predictions["target"].astype(np.float32)
        logits = torch.from_numpy(predictions["logit"])
        targets = torch.from_numpy(target.argmax(axis=1) if self.task.multiclass else target)
        compared: tuple[Any, ...] = predictions["prediction"], target
        masked = "label_mask" in predictions
        if masked:
            label_mask = predictions["label_mask"]
            targets = targets.masked_fill(~torch.from_numpy(label_mask), torch.nan)
            compared = *compared, label_mask
        values = {"loss": float(loss_function(self.task.multiclass, masked)(logits, targets))}
        events = None
        if self.task.kind == "event":
            frames = frames_of(predictions)
            predicted = predicted_events(predictions["prediction"], frames, postprocessing)
            compared = predicted, self._events_of(fold.test, frames)
            events = predicted.to_dicts(frames.files, self.task.labels)
        named = {
            name: value
            for metric in self.metrics
            for name, value in metric.values(*compared).items()
        }
        values["score"] = named[self.metrics[0].name]
        logged = {f"test_{name}": as_logged(value) for name, value in (values | named).items()}
        return logged, events

    def _events_of(self, split: str, frames: Frames) -> EventTable:
        return EventTable.from_dicts(self.task.events(split), frames.files, self.task.labels)
