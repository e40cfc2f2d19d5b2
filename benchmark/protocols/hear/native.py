"""The HEAR protocol in plain torch, with hear-eval-kit's numbers.

On the CPU, for the same embeddings, options and threads, every number of
``test.predicted-scores.json`` but times is the same float as hear-eval-kit 2021.1.3 writes (with
pytorch-lightning 1.9.5 and torchinfo 1.8.0 on the same torch, scikit-learn and processor type).
Places in the kit are named where its habits decide a number.

One sequence of random numbers runs through a whole evaluation: how long one training lasts decides
how the next one begins. So trainings cannot be swapped or run side by side; but each that is
finished is kept with the state of the generator after it, and an evaluation that was killed goes on
from there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmark.embeddings.dataset import EmbeddedTask, TaskRows, read_embedded_task
from benchmark.embeddings.store import disk_errors
from benchmark.models.fingerprint import functions_hash
from benchmark.probes.batched_training import train_batched
from benchmark.probes.examples import Examples, Scaling, fit_scaling
from benchmark.probes.mlp import Hparams, init_head
from benchmark.probes.training import cpu_threads, train
from benchmark.protocols.hear.evaluator import Evaluator
from benchmark.protocols.hear.folds import Fold, folds
from benchmark.protocols.hear.grid import grid_points
from benchmark.protocols.hear.kit_scores import aggregate, fold_results
from benchmark.protocols.hear.options import SCORES_FILE, SEED, HearTrainingOptions
from benchmark.protocols.hear.runs import KeptRuns, Run, rng_state_text, set_rng_state, write_file
from benchmark.protocols.registry import OnProgress
from benchmark.protocols.result import FoldResult
from benchmark.protocols.task_metrics import metrics_of


@dataclass(frozen=True)
class Variant:
    """Ways that are not the kit's; as it is made by default, it is the kit's.

    Attributes
    ----------
    seed
        Of weights, dropout and order.
    shuffle
        Shuffle the training rows in every epoch, which the kit means to do and does not.
    standardize
        Scale embeddings so that each number has mean 0 and deviation 1 over the training splits of
        the fold; numbers that are constant there become 0.
    """

    seed: int = SEED
    shuffle: bool = False
    standardize: bool = False


def evaluate_native(
    embeddings: Path,
    work: Path,
    options: HearTrainingOptions,
    on_progress: OnProgress,
    variant: Variant | None = None,
) -> dict[str, Any]:
    """Scores of one folder of embeddings.

    Parameters
    ----------
    embeddings
        Folder of complete embeddings (`benchmark.embeddings.store`); nothing is written there.
    work
        Folder of this evaluation. Afterwards it holds ``test.predicted-scores.json``, one JSON
        for every finished training and for every fold ``<fold>.predictions.npz``: prediction,
        logit, target and clip of each row; in event tasks, instead of the clip, timestamp_ms and
        file_index into file_names, and beside it ``<fold>.events.json``, the events predicted.
    options
        Of the protocol.
    on_progress
        Called with the part of the work that is done, 0 to 1, and with what is being done.
    variant
        Where the kit's ways are left; None for the kit's numbers.

    Returns
    -------
    dict
        In the layout of hear-eval-kit's ``test.predicted-scores.json``; scores may be NaN.

    Raises
    ------
    UserError
        If the embeddings are not complete or the task cannot be evaluated.
    """
    variant = variant or Variant()
    work.mkdir(parents=True, exist_ok=True)
    with disk_errors(work), cpu_threads(options.threads):
        task = read_embedded_task(embeddings)
        settings = {
            "options": options.that_change_scores(),
            "variant": asdict(variant),
            "torch": torch.__version__,
            "code": functions_hash([evaluate_native, *(one.compute for one in metrics_of(task))]),
            "embeddings": task.fingerprint(),
        }
        evaluation = _Evaluation(task, KeptRuns(work, settings), options, variant, on_progress)
        scores = evaluation.scores()
        write_file(work / SCORES_FILE, json.dumps(scores, indent=4).encode())
    return scores


def evaluate_seeds(
    embeddings: Path,
    work: Path,
    options: HearTrainingOptions,
    on_progress: OnProgress,
    seeds: Sequence[int],
    variant: Variant,
) -> tuple[FoldResult, ...]:
    """Results of one folder of embeddings for every seed and fold.

    Each seed goes through the whole protocol, search included, in ``work/seed-<seed>``; the points
    of the grid are the same for all.

    Parameters
    ----------
    embeddings, work, options, on_progress
        See `evaluate_native`.
    seeds
        One evaluation each.
    variant
        What else is not the kit's way; its own seed is not used.

    Raises
    ------
    UserError
        As `evaluate_native`.
    """
    results: list[FoldResult] = []
    for number, seed in enumerate(seeds):

        def on_part(part: float, what: str, number: int = number, seed: int = seed) -> None:
            on_progress((number + part) / len(seeds), f"seed {seed}, {what}")

        own = replace(variant, seed=seed)
        scores = evaluate_native(embeddings, work / f"seed-{seed}", options, on_part, own)
        results += fold_results(scores, seed)
    return tuple(results)


class _Job(NamedTuple):
    """A training: the name of its run, its data and its hyperparameters."""

    name: str
    fold: Fold
    hparams: Hparams


class _Evaluation:
    def __init__(
        self,
        task: EmbeddedTask,
        kept: KeptRuns,
        options: HearTrainingOptions,
        variant: Variant,
        on_progress: OnProgress,
    ) -> None:
        self.task = task
        self.kept = kept
        self.on_progress = on_progress
        self.in_memory = options.in_memory
        self.evaluator = Evaluator(task)
        self.points = grid_points(options.grid, options.grid_points, task.metadata)
        self.shuffle = variant.shuffle
        self.standardize = variant.standardize
        self._scalings: dict[Fold, Scaling] = {}
        self.parallel = options.parallel_grid
        self.device = torch.device(options.device)
        self.generator = torch.Generator().manual_seed(variant.seed)

    @cached_property
    def _raw_rows(self) -> TaskRows:
        """Read when the first training needs them."""
        return TaskRows(self.task, self.in_memory, self.device)

    def _rows(self, fold: Fold) -> TaskRows:
        """What a fold is trained, validated and tested on."""
        rows = self._raw_rows
        if not self.standardize:
            return rows
        if fold not in self._scalings:
            train = Examples(rows.of(*fold.train))
            self._scalings[fold] = fit_scaling(train, constant_scale=0.0)
        return rows.mapped(self._scalings[fold])

    def scores(self) -> dict[str, Any]:
        """Search on the first fold, train on the others with what was found, test on all."""
        first, *others = folds(self.task.metadata)
        jobs = [_Job(f"grid-{n}", first, hparams) for n, hparams in enumerate(self.points)]
        n_all = len(jobs) + len(others)
        searched = self._runs(jobs, "grid point", 0, n_all)
        # The first of equal ones: the kit sorts, which keeps their order (sort_grid_points).
        choose = max if self.evaluator.maximize else min
        best = searched[choose(range(len(jobs)), key=lambda n: searched[n].score)]
        for job, run in zip(jobs, searched, strict=True):
            if run is best:
                self.kept.rename_predictions(job.name, first.name)
            self.kept.forget_predictions(job.name)
        more = [_Job(fold.name, fold, best.hparams) for fold in others]
        runs = [best, *self._runs(more, "fold", len(jobs), n_all)]
        results: dict[str, Any] = {
            fold.name: self._test(fold, run)
            for fold, run in zip((first, *others), runs, strict=True)
        }
        if others:
            results["aggregated_scores"] = aggregate(results)
        self.on_progress(1.0, "done")
        return results | {
            "hparams": dict(best.hparams),
            "postprocessing": [list(pair) for pair in best.postprocessing],
            "score_mode": "max" if self.evaluator.maximize else "min",
            "embedding_path": str(self.task.path),
        }

    def _runs(self, jobs: Sequence[_Job], kind: str, done: int, n_all: int) -> list[Run]:
        """Trainings one after the other, or all together; those that are kept as they are."""
        runs: list[Run] = []
        groups = [jobs] if self.parallel and jobs else [[job] for job in jobs]
        for group in groups:
            kept = [run for job in group if (run := self.kept.read(job.name))]
            if len(kept) < len(group):
                what = f"{kind} {len(runs) + 1} of {len(jobs)}" if len(groups) > 1 else f"{kind}s"
                part = (done + len(runs)) / n_all
                kept = self._train(group, what, part, len(group) / n_all)
            runs += kept
            set_rng_state(self.generator, runs[-1].rng_state)
        return runs

    def _train(self, jobs: Sequence[_Job], what: str, part: float, share: float) -> list[Run]:
        start = time.perf_counter()
        epochs = max(job.hparams["max_epochs"] for job in jobs)

        def on_epoch(epoch: int) -> None:
            self.on_progress(part + share * epoch / epochs, f"{what}, epoch {epoch}")

        shape = self.task.size, len(self.task.labels), self.task.multiclass
        heads = [
            init_head(*shape, job.hparams, self.generator, self.device, self.task.has_label_mask)
            for job in jobs
        ]
        of_fold = {job.fold: self._rows(job.fold) for job in jobs}
        rows = {fold: its.of(*fold.train) for fold, its in of_fold.items()}
        validates = [
            self.evaluator.validation(of_fold[job.fold], job.fold, job.hparams["batch_size"])
            for job in jobs
        ]
        data = [rows[job.fold] for job in jobs]
        if len(jobs) == 1:
            bests = [
                train(
                    heads[0],
                    data[0],
                    jobs[0].hparams,
                    validates[0],
                    self.evaluator.maximize,
                    self.generator,
                    shuffle=self.shuffle,
                    on_epoch=on_epoch,
                )
            ]
        else:
            bests = train_batched(
                heads,
                data,
                [job.hparams for job in jobs],
                validates,
                self.evaluator.maximize,
                self.generator,
                shuffle=self.shuffle,
                on_epoch=on_epoch,
            )
        rng_state = rng_state_text(self.generator)
        runs = []
        for job, head, best in zip(jobs, heads, bests, strict=True):
            head.load_state_dict(best.state)
            head.eval()
            size = job.hparams["batch_size"]
            predictions = self.evaluator.test_predictions(head, of_fold[job.fold], job.fold, size)
            seconds = (time.perf_counter() - start) / len(jobs)
            about = best.score, best.epoch, best.extra
            runs.append(Run(job.hparams, *about, seconds, rng_state, best.curve))
            self.kept.write(job.name, runs[-1], predictions)
        return runs

    def _test(self, fold: Fold, run: Run) -> dict[str, float]:
        """Scores of a fold from its kept predictions; events are written beside them."""
        predictions = self.kept.predictions(fold.name)
        scores, events = self.evaluator.test_scores(fold, predictions, run.postprocessing)
        if events is not None:
            path = self.kept.folder / f"{fold.name}.events.json"
            write_file(path, json.dumps(events).encode())
        return scores | {
            "validation_score": run.score,
            "epoch": run.epoch,
            "time_in_min": run.seconds / 60,
        }
