"""What kept predictions of a scene task tell: by class, by confidence, by clip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.errors import UserError
from benchmark.metrics.scene_metrics import mean_average_precision
from benchmark.reports.comparison import read_predictions

Array = npt.NDArray[Any]

BINS = 10


@dataclass(frozen=True)
class Predictions:
    """Rows of all seeds and folds of one evaluation.

    Attributes
    ----------
    clip
        (rows,) split and file name of each.
    prediction, target
        (rows, labels); `target` is 1 where a row has the label.
    label_mask
        (rows, labels) bool, true where a label is known; None where all are.
    multiclass
        Whether every row has exactly one label.
    """

    clip: tuple[tuple[str, str], ...]
    prediction: Array
    target: Array
    label_mask: Array | None
    multiclass: bool

    @property
    def known(self) -> Array:
        """`prediction` with minus infinity where a label is not known."""
        if self.label_mask is None:
            return self.prediction
        return np.where(self.label_mask, self.prediction, -np.inf)


def load_predictions(folder: Path, multiclass: bool) -> Predictions:
    """All predictions that an evaluation kept.

    Raises
    ------
    UserError
        There are none, they are damaged, of events, or do not fit each other.
    """
    folds = [
        (name, arrays) for run in read_predictions(folder).values() for name, arrays in run.items()
    ]
    for name, arrays in folds:
        shape = arrays["prediction"].shape if "prediction" in arrays else ()
        fits = len(shape) == 2 and "target" in arrays and arrays["target"].shape == shape
        if (
            not fits
            or len(arrays["clip"]) != shape[0]
            or not np.isfinite(arrays["prediction"]).all()
        ):
            raise UserError(
                f"{folder}: predictions of {name} are not finite numbers (clips, labels) as the"
                " targets; delete the folder and evaluate again"
            )
    if len({arrays["prediction"].shape[1] for _, arrays in folds}) > 1:
        raise UserError(f"{folder}: folds have different numbers of labels; evaluate again")
    masked = all("label_mask" in arrays for _, arrays in folds)
    return Predictions(
        tuple((name, str(clip)) for name, arrays in folds for clip in arrays["clip"]),
        np.concatenate([arrays["prediction"] for _, arrays in folds]),
        np.concatenate([arrays["target"] for _, arrays in folds]),
        np.concatenate([arrays["label_mask"] for _, arrays in folds]) if masked else None,
        multiclass,
    )


def class_scores(found: Predictions) -> Array:
    """(labels,) F1 of each class if multiclass, else average precision; NaN of one never seen."""
    n_labels = found.target.shape[1]
    if not found.multiclass:
        mask = found.label_mask
        scores = [
            mean_average_precision(
                found.prediction[:, [label]],
                found.target[:, [label]].astype(np.float32),
                *(() if mask is None else (mask[:, [label]],)),
            )
            for label in range(n_labels)
        ]
        return np.where(found.target.any(axis=0), scores, np.nan)
    matrix = confusion(found)
    right, true, said = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.where(true > 0, 2 * right / (true + said), np.nan)


def confusion(found: Predictions) -> Array:
    """(labels, labels) rows of each true class by the class predicted, of a multiclass task."""
    n_labels = found.target.shape[1]
    true, said = found.target.argmax(axis=1), found.prediction.argmax(axis=1)
    return np.bincount(true * n_labels + said, minlength=n_labels**2).reshape(n_labels, n_labels)


@dataclass(frozen=True)
class Reliability:
    """How often predictions of a confidence are right.

    Attributes
    ----------
    confidence, accuracy
        Mean of each bin that is not empty.
    error
        Expected calibration error: mean of their difference, weighted by the rows of a bin.
    """

    confidence: Array
    accuracy: Array
    error: float


def reliability(found: Predictions) -> Reliability | None:
    """Of the predicted class if multiclass, else of every known label; None if no probabilities.

    Source: Guo et al., "On calibration of modern neural networks" (2017), with `BINS` equal bins.
    """
    if found.prediction.min() < 0 or found.prediction.max() > 1:
        return None
    if found.multiclass:
        confidence = found.prediction.max(axis=1)
        right = found.prediction.argmax(axis=1) == found.target.argmax(axis=1)
    else:
        known = np.ones_like(found.target, bool) if found.label_mask is None else found.label_mask
        confidence, right = found.prediction[known], found.target[known] > 0
    number = np.minimum((confidence * BINS).astype(int), BINS - 1)
    counts = np.bincount(number, minlength=BINS)
    there = counts > 0
    means = [np.bincount(number, each, BINS)[there] / counts[there] for each in (confidence, right)]
    error = float(np.average(np.abs(means[0] - means[1]), weights=counts[there]))
    return Reliability(means[0], means[1], error)


@dataclass(frozen=True)
class HardClip:
    """A clip that models get wrong: the labels it has, and the one most often predicted."""

    split: str
    file: str
    labels: tuple[int, ...]
    predicted: int
    wrong: int
    models: int


def hard_clips(found: Mapping[str, Predictions], at_most: int) -> list[HardClip]:
    """Clips that most models get wrong, those of most models first.

    A model is wrong on a clip whose largest prediction is not among its labels, of several seeds
    in at least half of them. Clips without a label are left out.
    """
    wrong: Counter[tuple[str, str]] = Counter()
    models: Counter[tuple[str, str]] = Counter()
    said: dict[tuple[str, str], Counter[int]] = {}
    labels: dict[tuple[str, str], tuple[int, ...]] = {}
    for one in found.values():
        largest = one.known.argmax(axis=1)
        is_wrong = one.target[np.arange(len(largest)), largest] == 0
        of_clip: dict[tuple[str, str], list[bool]] = {}
        for row, (clip, label) in enumerate(zip(one.clip, largest.tolist(), strict=True)):
            if clip not in labels:
                labels[clip] = tuple(np.flatnonzero(one.target[row]).tolist())
            of_clip.setdefault(clip, []).append(bool(is_wrong[row]))
            if is_wrong[row]:
                said.setdefault(clip, Counter())[label] += 1
        for clip, each in of_clip.items():
            models[clip] += 1
            wrong[clip] += 2 * sum(each) >= len(each)
    ordered = sorted(
        (clip for clip in wrong if labels[clip] and 2 * wrong[clip] > models[clip]),
        key=lambda clip: (-wrong[clip] / models[clip], -wrong[clip], clip),
    )
    return [
        HardClip(*clip, labels[clip], said[clip].most_common(1)[0][0], wrong[clip], models[clip])
        for clip in ordered[:at_most]
    ]


def confused_pairs(found: Sequence[Predictions], at_most: int) -> list[tuple[int, int, int, int]]:
    """(true, predicted, rows, rows of the true class) of all models, the most frequent first."""
    total = np.sum([confusion(one) for one in found], axis=0)
    of_class = total.sum(axis=1)
    off = total.copy()
    np.fill_diagonal(off, 0)
    order = np.argsort(-off, axis=None, kind="stable")[:at_most]
    pairs = (divmod(int(place), len(total)) for place in order)
    return [(a, b, int(off[a, b]), int(of_class[a])) for a, b in pairs if off[a, b]]
