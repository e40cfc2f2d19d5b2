"""The HEAR protocol in plain torch, with hear-eval-kit's numbers.

On the CPU, for the same embeddings, options and threads, every number of
``test.predicted-scores.json`` but times is the same float as hear-eval-kit 2021.1.3 writes (with
pytorch-lightning 1.9.5 and torchinfo 1.8.0 on the same torch, scikit-learn and processor type).
Places in the kit are named where its habits decide a number.

One random stream runs through a whole evaluation: how long one training lasts decides how the next
one begins. So trainings cannot be swapped or run side by side; but each that is finished is kept
with the state of the stream after it, and an evaluation that was killed goes on from there.
"""

from __future__ import annotations

import base64
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmark.errors import UserError
from benchmark.event_scores import EventTable
from benchmark.events import Frames, Postprocessing, postprocessings, predicted_events
from benchmark.head_training import Validate, as_logged, predict, train
from benchmark.heads import Head, draw_head, loss_function
from benchmark.hear_grid import Conf, grid_points
from benchmark.hear_protocol import SCORES_FILE, SEED, Fold, HearOptions, folds
from benchmark.native_data import (
    HELD_BYTES,
    EmbeddedTask,
    Rows,
    bytes_of,
    frames_of,
    read_embedded_task,
    read_rows,
)
from benchmark.scores import scores_named
from benchmark.store import disk_errors

OnProgress = Callable[[float, str], None]
SETTINGS_FILE = "native.json"


@dataclass(frozen=True)
class Run:
    """One finished training: what the rest of the evaluation needs of it.

    Attributes
    ----------
    conf
        The point of the grid.
    score, epoch
        Validation score and epoch of the best state.
    postprocessing
        How events are made of its predictions; empty for scene tasks.
    seconds
        Wall time.
    stream
        State of the random generator after the training, base64.
    """

    conf: Conf
    score: float
    epoch: int
    postprocessing: Postprocessing
    seconds: float
    stream: str


def evaluate_native(
    embeddings: Path,
    work: Path,
    options: HearOptions,
    on_progress: OnProgress,
    *,
    seed: int = SEED,
    shuffle: bool = False,
    device: str = "cpu",
) -> dict[str, Any]:
    """Scores of one folder of embeddings.

    Parameters
    ----------
    embeddings
        Folder of complete embeddings (`benchmark.store`); nothing is written there.
    work
        Folder of this evaluation. Afterwards it holds ``test.predicted-scores.json``, one JSON
        for every finished training and for every fold ``<fold>.predictions.npz``: prediction,
        logit, target and clip of each row; in event tasks, instead of the clip, timestamp_ms and
        file_index into file_names, and beside it ``<fold>.events.json``, the events predicted.
    options
        Of the protocol.
    on_progress
        Called with the part of the work that is done, 0 to 1, and with what is being done.
    seed
        Of weights, dropout and order; the kit's unless another is wanted.
    shuffle
        Shuffle the training rows in every epoch, which the kit means to do and does not.
    device
        Where heads are trained. Other devices than "cpu" give other last digits.

    Returns
    -------
    dict
        In the layout of hear-eval-kit's ``test.predicted-scores.json``; scores may be NaN.

    Raises
    ------
    UserError
        If the embeddings are not complete or the task cannot be evaluated.
    """
    work.mkdir(parents=True, exist_ok=True)
    with disk_errors(work), _threads(options.threads):
        task = read_embedded_task(embeddings)
        evaluation = _Evaluation(
            task, _Kept(work), options, on_progress, seed, shuffle, torch.device(device)
        )
        scores = evaluation.scores()
        _write(work / SCORES_FILE, json.dumps(scores, indent=4).encode())
    return scores


class _Evaluation:
    def __init__(
        self,
        task: EmbeddedTask,
        kept: _Kept,
        options: HearOptions,
        on_progress: OnProgress,
        seed: int,
        shuffle: bool,
        device: torch.device,
    ) -> None:
        self.task = task
        self.kept = kept
        self.in_memory = options.in_memory
        self.on_progress = on_progress
        self.shuffle = shuffle
        self.device = device
        self.generator = torch.Generator().manual_seed(seed)
        self.scored_by = scores_named(task.metadata["evaluation"], task.kind)
        self.by_score = bool(task.metadata.get("use_scoring_for_early_stopping", True))
        self.maximize = self.by_score and self.scored_by[0].maximize
        self.postprocessings = postprocessings(task.metadata) if task.kind == "event" else []
        if task.kind == "event" and not self.by_score and len(self.postprocessings) != 1:
            raise UserError(
                "a task that stops by its loss must name exactly one event_postprocessing_grid"
                f" point, not {len(self.postprocessings)}"
            )
        self.folds = folds(task.metadata)
        self.points = grid_points(options.grid, options.grid_points, task.metadata)
        self.n_runs = len(self.points) + len(self.folds) - 1
        kept.keep_only_if_same(
            {
                "engine": "native",
                "options": options.that_change_scores(),
                "seed": seed,
                "shuffle": shuffle,
                "device": device.type,
                "torch": torch.__version__,
                "embeddings": task.fingerprint(),
            }
        )

    def scores(self) -> dict[str, Any]:
        """Train, select, train, test."""
        best = self._search()
        runs = [best]
        for number, fold in enumerate(self.folds[1:], start=1):
            what = f"fold {number + 1} of {len(self.folds)}"
            done = len(self.points) + number - 1
            runs.append(self._run(fold.name, _Data(self, fold), best.conf, done, what))
        results: dict[str, Any] = {}
        for fold, run in zip(self.folds, runs, strict=True):
            results[fold.name] = {
                **self._test(fold, run),
                "validation_score": run.score,
                "epoch": run.epoch,
                "time_in_min": run.seconds / 60,
            }
        if len(results) > 1:
            results["aggregated_scores"] = aggregate(results)
        self.on_progress(1.0, "done")
        return results | {
            "hparams": dict(best.conf),
            "postprocessing": [list(pair) for pair in best.postprocessing],
            "score_mode": "max" if self.maximize else "min",
            "embedding_path": str(self.task.path),
        }

    def _search(self) -> Run:
        """The best run of the grid, on the first fold; of equal ones the first (sort_grid_points).

        Of all the runs only the best one's predictions are kept.
        """
        fold = self.folds[0]
        data = _Data(self, fold)
        best: tuple[str, Run] | None = None
        for number, conf in enumerate(self.points):
            name = f"grid-{number}"
            what = f"grid point {number + 1} of {len(self.points)}"
            run = self._run(name, data, conf, number, what)
            beaten = name
            if best is None or (
                run.score > best[1].score if self.maximize else run.score < best[1].score
            ):
                best, beaten = (name, run), best[0] if best else ""
            if beaten:
                self.kept.predictions(beaten).unlink(missing_ok=True)
        assert best is not None
        if self.kept.predictions(best[0]).exists():
            self.kept.predictions(best[0]).replace(self.kept.predictions(fold.name))
        return best[1]

    def _run(self, name: str, data: _Data, conf: Conf, done: int, what: str) -> Run:
        """One training and the predictions of its test split; taken as it is if it is kept."""
        run = self.kept.read(name)
        if run is None:
            start = time.perf_counter()

            def on_epoch(epoch: int) -> None:
                part = (done + epoch / conf["max_epochs"]) / self.n_runs
                self.on_progress(part, f"{what}, epoch {epoch}")

            head = draw_head(
                self.task.size,
                len(self.task.labels),
                self.task.multiclass,
                conf,
                self.generator,
                self.device,
            )
            best = train(
                head,
                data.train,
                conf,
                data.validation(conf["batch_size"]),
                self.maximize,
                self.generator,
                shuffle=self.shuffle,
                on_epoch=on_epoch,
            )
            head.load_state_dict(best.state)
            head.eval()
            stream = base64.b64encode(self.generator.get_state().numpy().tobytes()).decode()
            seconds = time.perf_counter() - start
            run = Run(conf, best.score, best.epoch, best.extra, seconds, stream)
            self.kept.write(name, run, data.test_predictions(head, conf["batch_size"]))
        else:
            state = np.frombuffer(base64.b64decode(run.stream), np.uint8).copy()
            self.generator.set_state(torch.from_numpy(state))
        return run

    def _test(self, fold: Fold, run: Run) -> dict[str, float]:
        """Scores of the kept predictions of one fold; events are written beside them."""
        with np.load(self.kept.predictions(fold.name), allow_pickle=False) as arrays:
            kept = dict(arrays)
        target = kept["target"].astype(np.float32)
        logits = torch.from_numpy(kept["logit"])
        wanted = torch.from_numpy(target.argmax(axis=1) if self.task.multiclass else target)
        values = {"loss": float(loss_function(self.task.multiclass)(logits, wanted))}
        prediction: Any = kept["prediction"]
        truth: Any = target
        if self.task.kind == "event":
            frames = frames_of(kept)
            prediction = predicted_events(prediction, frames, run.postprocessing)
            true_events = self.task.events(fold.test)
            truth = EventTable.from_dicts(true_events, frames.files, self.task.labels)
            events = prediction.to_dicts(frames.files, self.task.labels)
            _write(self.kept.folder / f"{fold.name}.events.json", json.dumps(events).encode())
        named: dict[str, float] = {}
        for score in self.scored_by:
            for suffix, value in score.compute(prediction, truth).items():
                named[score.name + suffix] = value
        values["score"] = named[self.scored_by[0].name]
        return {f"test_{name}": as_logged(value) for name, value in (values | named).items()}


class _Data:
    """The rows of one fold, read when they are first needed."""

    def __init__(self, evaluation: _Evaluation, fold: Fold) -> None:
        self.evaluation = evaluation
        self.task = evaluation.task
        self.fold = fold

    @cached_property
    def train(self) -> Rows:
        return self._rows(*self.fold.train)

    @cached_property
    def valid(self) -> Rows:
        return self._rows(self.fold.valid)

    @cached_property
    def test(self) -> Rows:
        return self._rows(self.fold.test)

    @cached_property
    def valid_frames(self) -> Frames:
        return self.task.frames(self.fold.valid)

    @cached_property
    def valid_events(self) -> EventTable:
        events = self.task.events(self.fold.valid)
        return EventTable.from_dicts(events, self.valid_frames.files, self.task.labels)

    def _rows(self, *splits: str) -> Rows:
        fold = self.fold
        size = bytes_of(self.task, (*fold.train, fold.valid, fold.test))
        hold = self.evaluation.in_memory and size <= HELD_BYTES
        return read_rows(self.task, splits, hold=hold, device=self.evaluation.device)

    def validation(self, batch_size: int) -> Validate:
        """How an epoch is judged (ScenePredictionModel, EventPredictionModel: _score_epoch_end)."""
        evaluation = self.evaluation
        primary = evaluation.scored_by[0]

        def by_loss(head: Head) -> tuple[float, Postprocessing]:
            logits, _ = predict(head, self.valid, batch_size)
            extra = evaluation.postprocessings[0] if evaluation.postprocessings else ()
            return float(head.loss(logits, self.valid.wanted)), extra

        def by_score(head: Head) -> tuple[float, Postprocessing]:
            _, prediction = predict(head, self.valid, batch_size)
            target = self.valid.target.cpu().numpy()
            return as_logged(primary.primary(prediction.cpu().numpy(), target)), ()

        def by_events(head: Head) -> tuple[float, Postprocessing]:
            _, prediction = predict(head, self.valid, batch_size)
            probabilities = prediction.cpu().numpy()
            scored = []
            for postprocessing in evaluation.postprocessings:
                events = predicted_events(probabilities, self.valid_frames, postprocessing)
                scored.append((primary.primary(events, self.valid_events), postprocessing))
            # The kit takes the largest score here even where less is better, NaN counting 0, and
            # of equal scores the larger parameters, as it sorts tuples.
            score, best = max(
                scored, key=lambda pair: (0.0 if math.isnan(pair[0]) else pair[0], pair[1])
            )
            return as_logged(score), best

        if not evaluation.by_score:
            return by_loss
        return by_events if self.task.kind == "event" else by_score

    def test_predictions(self, head: Head, batch_size: int) -> dict[str, npt.NDArray[Any]]:
        """What `_Kept` keeps of a trained head."""
        logits, prediction = predict(head, self.test, batch_size)
        arrays: dict[str, npt.NDArray[Any]] = {
            "prediction": prediction.cpu().numpy(),
            "logit": logits.cpu().numpy(),
            "target": self.test.target.cpu().numpy().astype(np.uint8),
        }
        return arrays | self.task.row_names(self.fold.test)


class _Kept:
    """Finished trainings in the folder of an evaluation.

    A training counts as finished when its JSON is there, which is written last and at once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep_only_if_same(self, settings: Mapping[str, Any]) -> None:
        """Forget trainings that were made with other settings or embeddings."""
        path = self.folder / SETTINGS_FILE
        text = json.dumps(settings, indent=1)
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return
        for file in (*self.folder.glob("*.run.json"), *self.folder.glob("*.predictions.npz")):
            file.unlink()
        _write(path, text.encode())

    def predictions(self, name: str) -> Path:
        """Where the predictions of a training are."""
        return self.folder / f"{name}.predictions.npz"

    def read(self, name: str) -> Run | None:
        """A finished training, if it is."""
        try:
            values = json.loads((self.folder / f"{name}.run.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        values["postprocessing"] = tuple(map(tuple, values["postprocessing"]))
        return Run(**values)

    def write(self, name: str, run: Run, predictions: Mapping[str, Any]) -> None:
        """Keep a finished training."""
        path = self.predictions(name)
        with _replacing(path) as partial, partial.open("wb") as file:
            np.savez(file, **predictions)
        _write(self.folder / f"{name}.run.json", json.dumps(asdict(run)).encode())


def aggregate(results: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Mean and standard deviation over folds of every score, as pandas computes them.

    NaN is left out (aggregate_test_results), so a score that is undefined in one fold is the mean
    of the others.
    """
    aggregated = {}
    for name in next(iter(results.values())):
        values = np.array([result[name] for result in results.values()], np.float64)
        known = ~np.isnan(values)
        count = int(known.sum())
        with np.errstate(invalid="ignore"):  # the spread of infinities is not a number
            mean = np.where(known, values, 0.0).sum() / count if count else math.nan
            squares = np.where(known, (mean - values) ** 2, 0.0).sum()
        aggregated[f"{name}_mean"] = float(mean)
        aggregated[f"{name}_std"] = math.sqrt(squares / (count - 1)) if count > 1 else math.nan
    return aggregated


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Compute on so many threads.

    The kit also turns deterministic algorithms on: on a CPU no operation here has another one, and
    the switch alone imports a compiler, which takes longer than a small task.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file to be written that takes the place of `path` when it is complete."""
    partial = path.with_name(path.name + ".partial")
    yield partial
    os.replace(partial, path)


def _write(path: Path, content: bytes) -> None:
    with _replacing(path) as partial:
        partial.write_bytes(content)
