"""Is A better than B? Two models, from the predictions that their evaluations kept.

An evaluation keeps ``<fold>.predictions.npz`` (one seed) or ``seed-<seed>/<fold>.predictions.npz``:
`prediction` and `target` (clips, labels), `clip` (clips,) and, where labels are known in part,
`label_mask`. Both models are judged on the same clips; see `benchmark.records.significance`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from benchmark.errors import UserError
from benchmark.metrics.registry import Metric, metric
from benchmark.records.significance import (
    LEVEL,
    Difference,
    difference_of_metric,
    holm,
    permutation_test_of_metric,
)

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

SUFFIX = ".predictions.npz"
RESAMPLES = 1000  # each computes the metric once for every seed, fold and model


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

    Raises
    ------
    UserError
        A folder has no predictions, the two are not of the same clips, a clip has no group, or the
        metric cannot be computed of them.
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
    draw_with = None
    if groups is not None:
        if missing := [clip for clip in layout.clips if clip not in groups]:
            raise UserError(f"clip {missing[0]} has no group, but others have; give one to each")
        draw_with = [groups[clip] for clip in layout.clips]
    values = [layout.values(chosen, side) for side in sides]

    def exchanged(mask: Array) -> float:
        swapped = mask[None, :, None]
        pair = np.where(swapped, sides[1], sides[0]), np.where(swapped, sides[0], sides[1])
        rows = np.arange(len(layout.clips))
        first, second = (layout.values(chosen, side)(rows).mean() for side in pair)
        return float(first - second)

    n_clips = len(layout.clips)
    try:
        difference = difference_of_metric(
            values[0],
            values[1],
            n_clips,
            groups=draw_with,
            resamples=resamples,
            level=level,
            seed=seed,
        )
        p_permutation = None
        if len(sides[0]) == len(sides[1]):
            p_permutation = permutation_test_of_metric(
                exchanged, n_clips, groups=draw_with, permutations=resamples, seed=seed
            )
    except ValueError as error:
        raise UserError(f"{a} and {b}: {error}") from None
    rows = np.arange(n_clips)
    return Comparison(
        metric_name,
        float(values[0](rows).mean()),
        float(values[1](rows).mean()),
        difference,
        p_permutation,
        (len(sides[0]), len(sides[1])),
        n_clips,
        None if draw_with is None else len(set(draw_with)),
    )


def holm_adjusted(comparisons: Mapping[str, Comparison]) -> dict[str, float]:
    """p by task, corrected for all tasks that were compared."""
    return holm({task: one.p_value for task, one in comparisons.items()})


def level_with_best(folders: Mapping[str, Path], metric_name: str, **options: Any) -> set[str]:
    """Models that are not significantly worse than the best one, which is among them.

    Each is compared with the best one; p is Holm's over these comparisons.

    Parameters
    ----------
    folders
        Of the evaluations of one task, by model.
    options
        Of `compare_predictions`.
    """
    sign = 1 if metric(metric_name).higher_is_better else -1
    means = {}
    for model, folder in folders.items():
        runs = read_predictions(folder)
        layout = _Layout(folder, next(iter(runs.values())))
        of_all = layout.values(metric(metric_name), layout.stacked(folder, runs))
        means[model] = sign * float(of_all(np.arange(len(layout.clips))).mean())
    best = max(means, key=lambda model: means[model])
    others = {
        model: compare_predictions(folders[best], folder, metric_name, **options)
        for model, folder in folders.items()
        if model != best
    }
    adjusted = holm_adjusted(others)
    return {best} | {
        model for model, one in others.items() if adjusted[model] >= 1 - one.difference.level
    }


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
