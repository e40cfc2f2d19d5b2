"""Evaluate embeddings in memory by any of the protocols."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.api.dataframes import require_pandas
from benchmark.api.embedded_arrays import number_of, task_metadata, write_embedded
from benchmark.api.errors import user_errors
from benchmark.api.example_splits import Splits, splits_of
from benchmark.api.labelled_clips import LabelledClips, labelled_clips
from benchmark.api.protocol_options import protocol_with
from benchmark.embeddings.representation import SCENE, TASK
from benchmark.errors import UserError
from benchmark.execution.task_facts import chance_scores
from benchmark.metrics.registry import metric
from benchmark.models.library_messages import messages_of_libraries
from benchmark.models.process_state import ProcessState
from benchmark.progress import progress_bar, write_line
from benchmark.protocols.options import ProtocolOptions
from benchmark.protocols.registry import Protocol
from benchmark.protocols.result import FoldResult
from benchmark.records.statistics import Score, ScoreSummary, summarise

PREDICTIONS = ".predictions.npz"


@dataclass(frozen=True)
class FoldPredictions:
    """What a probe predicted of the examples of one tested split.

    Attributes
    ----------
    examples
        int (rows,): the example that each row is of, by its place in X.
    probabilities
        float32 (rows, labels), in the order of `Evaluation.labels`.
    times
        float64 (rows,) in ms; None where an example is one row.
    """

    fold: str
    seed: int
    examples: npt.NDArray[np.intp]
    probabilities: npt.NDArray[np.float32]
    times: npt.NDArray[np.float64] | None


@dataclass(frozen=True)
class Evaluation:
    """Scores of embeddings under a protocol.

    Attributes
    ----------
    protocol, version, options
        What the evaluation was.
    metric
        Name of the primary metric.
    scores
        One for each fold, seed and metric; None where one is not defined.
    summary
        By metric its mean and 95 % interval; what is not defined counts as the worst.
    chance
        For some metrics, what constant or random predictions score.
    labels
        In the order of the columns of predictions.
    splits
        Of each example, by its place in X.
    predictions
        Of each fold and seed; empty where the protocol keeps none.
    hparams
        By fold and seed, the hyperparameters that were chosen.
    """

    protocol: str
    version: int
    options: Mapping[str, Any]
    metric: str
    scores: tuple[Score, ...]
    summary: Mapping[str, ScoreSummary]
    chance: Mapping[str, float]
    labels: tuple[Any, ...]
    splits: tuple[str, ...]
    predictions: tuple[FoldPredictions, ...]
    hparams: Mapping[tuple[str, int], Mapping[str, Any]]

    def to_dataframe(self) -> Any:
        """Scores as a pandas DataFrame of protocol, fold, seed, metric and value."""
        rows = [(self.protocol, one.fold, one.seed, one.metric, one.value) for one in self.scores]
        columns = ["protocol", "fold", "seed", "metric", "value"]
        return require_pandas().DataFrame(rows, columns=columns).astype({"value": float})

    def __str__(self) -> str:
        lines = [f"protocol {self.protocol}"]
        for name, one in self.summary.items():
            text = "not defined" if one.mean is None else f"{one.mean:.3f}"
            if one.ci95 is not None:
                text += f" +- {one.ci95:.3f} (95 % interval over {one.n} {one.over})"
            if name in self.chance:
                text += f", chance {self.chance[name]:.3f}"
            lines.append(f"  {name}: {text}")
        return "\n".join(lines)


@user_errors()
def evaluate(
    X: Any,
    y: Any = None,
    *,
    protocol: str | Protocol = "linear",
    groups: Sequence[Any] | None = None,
    splits: Sequence[Any] | None = None,
    times: Any = None,
    folds: int = 5,
    split_seed: int = 0,
    metrics: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    allow_missing_labels: bool = False,
) -> Evaluation:
    """Evaluate embeddings of labelled examples.

    Parameters
    ----------
    X
        (n, size), an embedding for each example. With `times` a list of (n_frames, size) arrays, a
        sequence of embeddings for each. Or the examples of each split:
        ``{"train": (X, y), "valid": (X, y), "test": (X, y)}``, of which valid is drawn from train
        where it is missing, or the same of three or more folds.
    y
        For each example a label (text or number); a list of labels, or y as an array (n, labels) of
        0 and 1; or a list of events ``{"label": ..., "start": ms, "end": ms}``. None where X has
        the splits.
    protocol
        Its name (``docs/protocols.md``), or a protocol of your own.
    groups
        Of each example, what it belongs to, such as its speaker; no group is divided between
        splits.
    splits
        Of each example, its split: train, valid (drawn from train where it is missing) and test, or
        the names of three or more folds. None to draw folds in which labels are in proportion.
    times
        ms of each frame of each example; in the form of X where that has the splits.
    folds
        How many are drawn.
    split_seed
        Of what is drawn.
    metrics
        Names, the primary one first; by default top1_acc, mAP, d_prime and aucroc, or for several
        labels mAP first, or for events event_onset_200ms_fms and segment_1s_er.
    options
        Of the protocol, such as ``{"seeds": (0, 1)}``.
    allow_missing_labels
        Accept labels that are tested, but in no training split.

    Returns
    -------
    Evaluation

    Raises
    ------
    UserError
        X, y, times, groups or splits do not fit each other or have values that are not finite; a
        label has too few examples; there is no such protocol, option or metric, or the protocol
        does not take such examples.
    """
    chosen, settings = protocol_with(protocol, options)
    parts, splits = _parts(X, y, times, groups, splits)
    clips = labelled_clips(parts)
    count = len(clips.items)
    found = splits_of(
        clips.labels(),
        _of_examples("groups", groups, count) or [str(i) for i in range(count)],
        _of_examples("splits", splits, count) or None,
        folds,
        split_seed,
        allow_missing_labels,
    )
    metadata = task_metadata(clips, found, metrics)
    chosen.require_task(metadata)
    _check_representation(chosen, settings, clips)
    return _evaluate(chosen, settings, clips, found, metadata)


def _parts(
    X: Any, y: Any, times: Any, groups: Any, splits: Any
) -> tuple[dict[str, tuple[Any, Any, Any]], Any]:
    """(X, y, times) by split, "" where they are of all examples, and the split of each example."""
    if not isinstance(X, Mapping):
        if y is None:
            raise UserError("y is missing; expected a label for each row of X")
        return {"": (X, y, times)}, splits
    if y is not None or groups is not None or splits is not None:
        raise UserError("X has (X, y) of each split; y, groups and splits are for X as one array")
    if times is not None and (not isinstance(times, Mapping) or times.keys() != X.keys()):
        raise UserError("times must have the splits of X")
    parts: dict[str, tuple[Any, Any, Any]] = {}
    for split, part in X.items():
        if not isinstance(part, (tuple, list)) or len(part) != 2 or not hasattr(part[1], "__len__"):
            raise UserError(f"X[{split!r}] is {type(part).__name__}; expected a pair (X, y)")
        parts[str(split)] = (*part, None if times is None else times[split])
    return parts, [split for split, part in parts.items() for _ in part[1]]


def _of_examples(name: str, given: Sequence[Any] | None, count: int) -> list[Any]:
    """A value of each example as text or number; empty where there are none."""
    if given is None:
        return []
    values = np.asarray(given).tolist()
    if not isinstance(values, list) or len(values) != count:
        raise UserError(f"X has {count} examples, but {name} has {np.size(values)}")
    return values if name == "splits" else [str(value) for value in values]


def _check_representation(
    protocol: Protocol, options: ProtocolOptions, clips: LabelledClips
) -> None:
    wanted = protocol.wanted_representation(options)
    if clips.kind != "event" and clips.times is not None and wanted in (TASK, SCENE):
        raise UserError(
            f"protocol {protocol.name} takes one embedding an example: give X as (n, size), such as"
            " the mean over the frames, and no times"
        )
    if clips.times is None and wanted not in (TASK, SCENE):
        raise UserError(
            f"protocol {protocol.name} takes {wanted}: give X as a list of (n_frames, size) arrays,"
            " and times"
        )


def _evaluate(
    protocol: Protocol,
    options: ProtocolOptions,
    clips: LabelledClips,
    splits: Splits,
    metadata: dict[str, Any],
) -> Evaluation:
    state = ProcessState.now()
    with (
        TemporaryDirectory(prefix="hear-benchmark-") as temporary,
        progress_bar(f"evaluating by {protocol.name}", 100.0, "%") as advance,
        messages_of_libraries(lambda line: write_line(f"note: {line}")),
    ):
        embeddings = write_embedded(Path(temporary), clips, splits, metadata)
        work = Path(temporary) / "work"
        work.mkdir()
        done = 0.0

        def on_progress(part: float, _what: str) -> None:
            nonlocal done
            advance(100 * (part - done))
            done = part

        try:
            results = protocol.evaluate(embeddings, work, options, on_progress)
        finally:
            state.restore()
        scores = tuple(
            Score(splits.names[one.fold], one.seed, name, None if math.isnan(value) else value)
            for one in results
            for name, value in one.scores.items()
        )
        return Evaluation(
            protocol=protocol.name,
            version=protocol.version,
            options=options.that_change_scores(),
            metric=str(metadata["evaluation"][0]),
            scores=scores,
            summary={
                name: summarise(scores, name, metric(name).undefined)
                for name in dict.fromkeys(one.metric for one in scores)
            },
            chance=chance_scores(embeddings)[0],
            labels=tuple(sorted({label for its in clips.labels() for label in its})),
            splits=tuple(splits.names[split] for split in splits.of_examples),
            predictions=tuple(_predictions(work, results, splits.names)),
            hparams={(splits.names[one.fold], one.seed): one.hparams for one in results},
        )


def _predictions(
    work: Path, results: Sequence[FoldResult], names: Mapping[str, str]
) -> list[FoldPredictions]:
    """What the evaluation kept in its folder; that of one seed may lie there by itself."""
    found = []
    for one in results:
        places = (work / f"seed-{one.seed}", work)
        files = [place / f"{one.fold}{PREDICTIONS}" for place in places]
        path = next((file for file in files if file.is_file()), None)
        if path is None:
            continue
        with np.load(path, allow_pickle=False) as arrays:
            times = None
            if "clip" in arrays:
                clips = arrays["clip"]
            else:
                clips = arrays["file_names"][arrays["file_index"]]
                times = arrays["timestamp_ms"]
            examples = np.array([number_of(name) for name in clips.tolist()], np.intp)
            prediction = arrays["prediction"]
        found.append(FoldPredictions(names[one.fold], one.seed, examples, prediction, times))
    return found
