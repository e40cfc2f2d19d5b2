"""Is A better than B? Two models, from the predictions that their evaluations kept.

An evaluation keeps ``<fold>.predictions.npz`` (one seed) or ``seed-<seed>/<fold>.predictions.npz``:
`prediction` and `target` (clips, labels), `clip` (clips,) and, where labels are known in part,
`label_mask`. Both models are judged on the same clips; see `benchmark.records.significance`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from benchmark.errors import UserError
from benchmark.metrics.registry import Metric, metric
from benchmark.records.record import Record
from benchmark.records.significance import (
    LEVEL,
    Difference,
    difference_of_means,
    difference_of_metric,
    holm,
    permutation_test,
    permutation_test_of_metric,
)

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

SUFFIX = ".predictions.npz"
RESAMPLES = 1000  # each computes the metric once for every seed, fold and model
# Of a metric that is no mean over clips: predicted numbers of a task up to which tables compare by
# them, in seconds; `hear-benchmark compare` takes any number.
TABLE_NUMBERS = 10_000


@dataclass(frozen=True)
class Comparison:
    """Two models on one task.

    Attributes
    ----------
    metric
        Name.
    a, b
        Mean over seeds and folds.
    difference
        A less B, with its interval over clips and, where there are several, seeds.
    p_permutation
        Of no difference between the trained probes as they are; None where the numbers of seeds
        differ.
    seeds, clips, groups
        Of A and of B; how many clips; in how many groups they were drawn, None if each alone.
    """

    metric: str
    a: float
    b: float
    difference: Difference
    p_permutation: float | None
    seeds: tuple[int, int]
    clips: int
    groups: int | None

    @property
    def p_value(self) -> float:
        """What decides: over clips and seeds where both have several seeds, else over clips."""
        if min(self.seeds) > 1 or self.p_permutation is None:
            return self.difference.p_value
        return self.p_permutation


def compare_predictions(
    a: Path,
    b: Path,
    metric_name: str,
    *,
    groups: Mapping[str, str] | None = None,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
    at_most: int | None = None,
) -> Comparison:
    """Compare two evaluations of one scene task under one protocol.

    Parameters
    ----------
    a, b
        Folders of the evaluations.
    metric_name
        What is compared, such as the task's primary metric.
    groups
        By clip, what it is drawn with, such as its recording; None for each clip alone.
    resamples, level, seed
        Of the bootstrap; as many permutations.
    at_most
        Predicted numbers that are compared of a metric that is no mean over clips; None for any.

    Raises
    ------
    UserError
        A folder has no predictions, the two are not of the same clips, a clip has no group, or the
        metric cannot be computed of them; or there are more than `at_most`.
    """
    chosen = metric(metric_name)
    if chosen.kind != "scene":
        raise UserError(
            f"{metric_name} is a metric of events; predictions are compared clip by clip, so name a"
            " metric of scene tasks"
        )
    runs_a, runs_b = read_predictions(a), read_predictions(b)
    layout = _Layout(a, next(iter(runs_a.values())))
    sides = layout.stacked(a, runs_a), layout.stacked(b, runs_b)
    numbers = sides[0].size + sides[1].size
    if chosen.of_clips is None and at_most is not None and numbers > at_most:
        raise UserError(f"{a} and {b}: {numbers} predicted numbers, more than {at_most}")
    options = _Options(resamples, level, seed)
    draw_with = None
    if groups is not None:
        if missing := [clip for clip in layout.clips if clip not in groups]:
            raise UserError(f"clip {missing[0]} has no group, but others have; give one to each")
        draw_with = [groups[clip] for clip in layout.clips]
    try:
        if chosen.of_clips is not None:
            difference, p_permutation, means = _by_clip(layout, chosen, sides, draw_with, options)
        else:
            difference, p_permutation, means = _by_set(layout, chosen, sides, draw_with, options)
    except ValueError as error:
        raise UserError(f"{a} and {b}: {error}") from None
    return Comparison(
        metric_name,
        *means,
        difference,
        p_permutation,
        (len(sides[0]), len(sides[1])),
        len(layout.clips),
        None if draw_with is None else len(set(draw_with)),
    )


@dataclass(frozen=True)
class _Options:
    resamples: int
    level: float
    seed: int


_Sides = tuple[Array, Array]  # predictions (seeds, clips, labels) of A and of B
_Found = tuple[Difference, float | None, tuple[float, float]]


def _by_clip(
    layout: _Layout, chosen: Metric, sides: _Sides, groups: list[str] | None, options: _Options
) -> _Found:
    """Of a metric that is a mean over the clips of a fold."""
    a, b = (layout.scores(chosen, side) for side in sides)
    difference = difference_of_means(
        a, b, groups=groups, resamples=options.resamples, level=options.level, seed=options.seed
    )
    p_permutation = None
    if len(a) == len(b):
        p_permutation = permutation_test(
            a, b, groups=groups, permutations=options.resamples, seed=options.seed
        )
    return difference, p_permutation, (float(a.mean()), float(b.mean()))


def _by_set(
    layout: _Layout, chosen: Metric, sides: _Sides, groups: list[str] | None, options: _Options
) -> _Found:
    """Of a metric that takes all clips of a fold at once."""
    a, b = (layout.values(chosen, side) for side in sides)
    clips = len(layout.clips)
    rows = np.arange(clips)

    def exchanged(mask: Array) -> float:
        swapped = mask[None, :, None]
        pair = np.where(swapped, sides[1], sides[0]), np.where(swapped, sides[0], sides[1])
        first, second = (layout.values(chosen, side)(rows).mean() for side in pair)
        return float(first - second)

    difference = difference_of_metric(
        a,
        b,
        clips,
        groups=groups,
        resamples=options.resamples,
        level=options.level,
        seed=options.seed,
    )
    p_permutation = None
    if len(sides[0]) == len(sides[1]):
        p_permutation = permutation_test_of_metric(
            exchanged, clips, groups=groups, permutations=options.resamples, seed=options.seed
        )
    return difference, p_permutation, (float(a(rows).mean()), float(b(rows).mean()))


def holm_adjusted(comparisons: Mapping[str, Comparison]) -> dict[str, float]:
    """p by task, corrected for all tasks that were compared."""
    return holm({task: one.p_value for task, one in comparisons.items()})


@dataclass(frozen=True)
class KeptPredictions:
    """Folders in which predictions may have been kept, and what was compared of them so far.

    Attributes
    ----------
    roots
        Folders ``evaluations`` of runs.
    """

    roots: Sequence[Path] = ()
    _compared: dict[tuple[Path, Path, str], Comparison | None] = field(default_factory=dict)

    def compare(self, a: Record, b: Record, metric_name: str) -> Comparison | None:
        """Two records of one task; None where their predictions cannot be compared in seconds.

        Nor are other than primary metrics, unless they are means over clips.
        """
        if metric_name != a.primary_metric and metric(metric_name).of_clips is None:
            return None
        found = self._folder(a), self._folder(b)
        if found[0] is None or found[1] is None:
            return None
        key = (found[0], found[1], metric_name)
        if key not in self._compared:
            try:
                self._compared[key] = compare_predictions(*key, at_most=TABLE_NUMBERS)
            except UserError:  # the table says that it took intervals
                self._compared[key] = None
        return self._compared[key]

    def _folder(self, record: Record) -> Path | None:
        folders = (root / record.unit.folder for root in self.roots)
        return next((folder for folder in folders if folder.is_dir()), None)


def read_predictions(folder: Path) -> dict[int, dict[str, Arrays]]:
    """Kept arrays by seed and fold; an evaluation of one seed is seed 0.

    Raises
    ------
    UserError
        There are none, or they are of events.
    """
    runs: dict[int, dict[str, Arrays]] = {}
    places = {0: folder} | {
        int(path.name.removeprefix("seed-")): path for path in sorted(folder.glob("seed-*"))
    }
    for seed, place in places.items():
        files = sorted(place.glob(f"*{SUFFIX}"))
        if files:
            runs[seed] = {file.name.removesuffix(SUFFIX): _read(file) for file in files}
    if not runs:
        raise UserError(
            f"{folder}: there are no predictions; evaluate again with a protocol that keeps them"
        )
    return dict(sorted(runs.items()))


def _read(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            read = {name: arrays[name] for name in arrays.files if name != "logit"}
    except (OSError, ValueError, BadZipFile) as error:
        raise UserError(f"{path} is damaged ({error}); delete it and evaluate again") from None
    if "clip" not in read:
        raise UserError(f"{path}: predictions of events cannot be compared clip by clip yet")
    return read


class _Layout:
    """Clips of all folds in one order, which both models must have."""

    def __init__(self, folder: Path, folds: Mapping[str, Arrays]) -> None:
        self.folder = folder
        self.folds = {name: folds[name]["clip"].tolist() for name in sorted(folds)}
        self.clips = [clip for clips in self.folds.values() for clip in clips]
        self.fold_of = np.repeat(
            np.arange(len(self.folds)), [len(clips) for clips in self.folds.values()]
        )
        self.target = np.concatenate([folds[name]["target"] for name in self.folds])
        self.mask: Array | None = None
        if all("label_mask" in fold for fold in folds.values()):
            self.mask = np.concatenate([folds[name]["label_mask"] for name in self.folds])

    def stacked(self, folder: Path, runs: Mapping[int, Mapping[str, Arrays]]) -> Array:
        """Predictions (seeds, clips, labels)."""
        return np.stack([self._of_seed(folder, folds) for folds in runs.values()])

    def _of_seed(self, folder: Path, folds: Mapping[str, Arrays]) -> Array:
        parts = []
        for name, clips in self.folds.items():
            place = (
                {clip: row for row, clip in enumerate(folds[name]["clip"].tolist())}
                if (name in folds)
                else {}
            )
            if sorted(folds) != list(self.folds) or sorted(place) != sorted(clips):
                raise UserError(
                    f"{folder}: fold {name} has not the clips of {self.folder}; compare evaluations"
                    " of one task"
                )
            rows = [place[clip] for clip in clips]
            parts.append(folds[name]["prediction"][rows])
        return np.concatenate(parts)

    def scores(self, chosen: Metric, predictions: Array) -> Array:
        """(seeds, clips) of a metric that is a mean over clips; folds of all sizes count alike."""
        if chosen.of_clips is None:
            raise ValueError(f"{chosen.name} is no mean over clips")
        sizes = np.bincount(self.fold_of)
        weights = (len(self.clips) / (len(sizes) * sizes))[self.fold_of]
        return weights * np.stack([chosen.of_clips(one, self.target) for one in predictions])

    def values(self, chosen: Metric, predictions: Array) -> Any:
        """The metric as a mean over folds, for every seed, on the clips of given row numbers."""

        def on(rows: Array) -> Array:
            by_fold = [rows[self.fold_of[rows] == fold] for fold in range(len(self.folds))]
            return np.array(
                [
                    np.mean([self._value(chosen, one, part) for part in by_fold if len(part)])
                    for one in predictions
                ]
            )

        return on

    def _value(self, chosen: Metric, prediction: Array, rows: Array) -> float:
        compared = [prediction[rows], self.target[rows].astype(np.float32)]
        if self.mask is not None:
            compared.append(self.mask[rows])
        return float(chosen.value(*compared))
