"""The loop over seeds and folds of a scene task that all of its protocols run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.embeddings.dataset import EmbeddedTask, TaskRows, read_embedded_task
from benchmark.embeddings.store import disk_errors
from benchmark.errors import UserError
from benchmark.metrics.registry import Metric, metric
from benchmark.probes.examples import Examples
from benchmark.probes.training import cpu_threads
from benchmark.protocols.hear.folds import Fold, folds
from benchmark.protocols.options import ProtocolOptions
from benchmark.protocols.registry import OnProgress
from benchmark.protocols.result import FoldResult
from benchmark.protocols.scenes.kept_results import KeptResults
from benchmark.protocols.task_metrics import metrics_of


class SceneTask:
    """A folder of embeddings of a scene task, as protocols see it.

    Parameters
    ----------
    embeddings
        The folder.

    Attributes
    ----------
    task, folds, metrics
        What was read, its training runs, and the metrics that it names.
    selection
        What papers judge an epoch by: accuracy, or mAP where a clip may have several labels.

    Raises
    ------
    UserError
        It is not a scene task, names a metric that its partly known labels do not allow, or a fold
        has an empty split.
    """

    def __init__(self, embeddings: Path) -> None:
        self.task: EmbeddedTask = read_embedded_task(embeddings)
        if self.task.kind != "scene":
            raise UserError(f"{embeddings}: expected a scene task, but this is an event task")
        self.folds: list[Fold] = folds(self.task.metadata)
        self.metrics: list[Metric] = metrics_of(self.task)
        self.multiclass = self.task.multiclass
        self.n_labels = len(self.task.labels)
        self.selection = metric("top1_acc" if self.multiclass else "mAP")

    @cached_property
    def rows(self) -> TaskRows:
        """Read when the first training needs them."""
        return TaskRows(self.task, in_memory=True, device=torch.device("cpu"))

    def examples(self, *splits: str) -> Examples:
        """All rows of some splits.

        Raises
        ------
        UserError
            The task has no such split.
        """
        self.require_splits(splits)
        return Examples(self.rows.of(*splits))

    def require_splits(self, splits: Sequence[str]) -> None:
        """Raise `UserError` if the task lacks one of the splits."""
        for split in splits:
            if split not in self.task.metadata["splits"]:
                raise UserError(
                    f"{self.task.path}: there is no split {split!r}, only"
                    f" {', '.join(self.task.metadata['splits'])}; this protocol needs it"
                )

    def score(self, probabilities: Tensor, examples: Examples) -> float:
        """Value of `selection`, NaN where it is not defined."""
        if self.multiclass:  # the same number, at once
            return float((probabilities.argmax(dim=1) == examples.targets).double().mean())
        return self.selection.value(*self._compared(probabilities, examples))

    def scores(self, probabilities: Tensor, examples: Examples) -> dict[str, float]:
        """All metrics of the task."""
        compared = self._compared(probabilities, examples)
        return {name: float(v) for one in self.metrics for name, v in one.values(*compared).items()}

    def _compared(self, probabilities: Tensor, examples: Examples) -> tuple[Any, ...]:
        compared = probabilities.numpy(), examples.multi_hot.numpy()
        mask = examples.label_mask
        return compared if mask is None else (*compared, mask.numpy())


@dataclass(frozen=True)
class Fitted:
    """What a protocol gives for one seed and fold.

    Attributes
    ----------
    probabilities
        (rows of the test split, labels) float32.
    logits
        The same before softmax or sigmoid; None where the probe has none.
    training, hparams
        As in `FoldResult`.
    """

    probabilities: Tensor
    logits: Tensor | None = None
    training: Mapping[str, float] = field(default_factory=dict)
    hparams: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One seed and fold to be fitted.

    Attributes
    ----------
    scene, fold, seed
        Of which task and run.
    on_part
        Called with the part of this fold that is done and with what is being done.
    """

    scene: SceneTask
    fold: Fold
    seed: int
    on_part: Callable[[float, str], None]

    @property
    def generator(self) -> torch.Generator:
        """A new one, for this seed and fold alone: folds can be fitted in any order."""
        number = [fold.name for fold in self.scene.folds].index(self.fold.name)
        return torch.Generator().manual_seed(self.seed * 1000 + number)


def evaluate_scenes(
    embeddings: Path,
    work: Path,
    protocol: str,
    options: ProtocolOptions,
    seeds: Sequence[int],
    fit: Callable[[Job], Fitted],
    on_progress: OnProgress,
    threads: int = 1,
    open_task: Callable[[Path], SceneTask] = SceneTask,
) -> tuple[FoldResult, ...]:
    """Results for every seed and fold, those that were finished before as they are.

    Parameters
    ----------
    embeddings, work, options, on_progress
        See `benchmark.protocols.registry.Protocol.evaluate`.
    protocol
        Its name and version.
    seeds
        In this order.
    fit
        Fits a probe and applies it to the fold's test split.
    threads
        Of torch; the count changes the last bits of a sum.
    open_task
        Reads the folder; what it gives has the examples that `fit` trains on.

    Raises
    ------
    UserError
        The embeddings are not complete, or the task cannot be evaluated so.
    """
    with disk_errors(work), cpu_threads(threads):
        scene = open_task(embeddings)
        settings = {
            "protocol": protocol,
            "options": options.that_change_scores(),
            "embeddings": scene.task.fingerprint(),
            "torch": torch.__version__,
        }
        kept = KeptResults(work, settings)
        results: list[FoldResult] = []
        total = len(seeds) * len(scene.folds)
        for seed in seeds:
            for fold in scene.folds:
                result = kept.read(seed, fold.name)
                if result is None:

                    def on_part(
                        part: float, what: str, fold: Fold = fold, seed: int = seed
                    ) -> None:
                        done = (len(results) + part) / total
                        on_progress(done, f"seed {seed}, fold {fold.name}, {what}")

                    result = _fit(Job(scene, fold, seed, on_part), fit, kept)
                results.append(result)
        on_progress(1.0, "done")
    return tuple(results)


def _fit(job: Job, fit: Callable[[Job], Fitted], kept: KeptResults) -> FoldResult:
    start = time.perf_counter()
    scene, fold = job.scene, job.fold
    test = scene.examples(fold.test)
    fitted = fit(job)
    training = dict(fitted.training) | {"time_in_min": (time.perf_counter() - start) / 60}
    scores = scene.scores(fitted.probabilities, test)
    result = FoldResult(fold.name, job.seed, scores, training, dict(fitted.hparams))
    arrays = {
        "prediction": fitted.probabilities.numpy(),
        "target": test.multi_hot.numpy().astype(np.uint8),
    }
    if fitted.logits is not None:
        arrays["logit"] = fitted.logits.numpy()
    if test.label_mask is not None:
        arrays["label_mask"] = test.label_mask.numpy()
    kept.write(result, arrays | scene.task.row_names(fold.test))
    return result
