"""HEAR's scores by their names, equal to hear-eval-kit's to the last bit.

Source: hear-eval-kit 2021.1.3, `heareval/score.py`, which asks scikit-learn, scipy and sed_eval.
Those are not called here: at one validation in three epochs, scikit-learn's checks of its input
cost as much as the training of a few hundred clips. The operations that round are the same, in the
same order, and the tests compare the two.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from benchmark.errors import UserError
from benchmark.metrics.event_scores import (
    EventTable,
    FMeasure,
    onset_f_measure,
    onset_offset_f_measure,
    segment_error_rate,
)

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Score:
    """One score of a task.

    Attributes
    ----------
    name
        As in the task's `evaluation` list.
    of
        "scene": computed of prediction and target, both (n, labels); "event": of two `EventTable`.
    compute
        Returns `{suffix: value}`; the first value decides, and "" is the score itself.
    maximize
        Whether more is better.
    of_known
        Whether `compute` takes `known` (n, labels) bool as third: each label is then scored on the
        rows where it is known, and those without such rows are left out of the mean.
    """

    name: str
    of: str
    compute: Callable[..., dict[str, float]]
    maximize: bool = True
    of_known: bool = False

    def primary(self, prediction: Any, target: Any, known: Array | None = None) -> float:
        """The value that selects epochs and grid points."""
        compared = (prediction, target) if known is None else (prediction, target, known)
        return next(iter(self.compute(*compared).values()))


def accuracy(prediction: Array, target: Array, octave: int | None = None) -> float:
    """Share of rows whose largest prediction is at the largest target; the first of equals counts.

    Parameters
    ----------
    prediction, target
        (n, labels).
    octave
        Compare indices modulo this. The kit takes 12 of the label's INDEX, which is the chroma
        only where index and pitch differ by a constant (ChromaAccuracy).
    """
    predicted, wanted = np.argmax(prediction, axis=1), np.argmax(target, axis=1)
    if octave:
        predicted, wanted = predicted % octave, wanted % octave
    return int((predicted == wanted).sum()) / len(target)


def mean_average_precision(prediction: Array, target: Array, known: Array | None = None) -> float:
    """Average precision of each label, averaged; 0 for a label that never occurs.

    NaN where a prediction is NaN, where the kit fails.
    """
    return float(np.mean(_by_label(_average_precision, prediction, target, known)))


def area_under_roc(prediction: Array, target: Array, known: Array | None = None) -> float:
    """Area under the ROC curve of each label, averaged; NaN if a label has only one side."""
    return float(np.mean(_by_label(_auc, prediction, target, known)))


def d_prime(prediction: Array, target: Array, known: Array | None = None) -> float:
    """sqrt(2) times the normal quantile of each label's area under the curve, averaged.

    Returned as NumPy's float64, as the kit's is: of its scores the only one that it does not
    round to float32 when it is logged.
    """
    each = ndtri(_by_label(_auc, prediction, target, known)) * np.sqrt(2.0)
    with np.errstate(invalid="ignore"):  # a perfect label is +inf, a perfectly wrong one -inf
        return np.float64(np.mean(each))


def _by_label(
    of_counts: Callable[[Array, Array], float],
    prediction: Array,
    target: Array,
    known: Array | None,
) -> npt.NDArray[np.float64]:
    """A score of every label from its true and false positives at each distinct threshold."""
    if known is not None:
        each = [
            _by_label(of_counts, prediction[rows, label, None], target[rows, label, None], None)
            for label, rows in enumerate(known.T)
            if rows.any()
        ]
        return np.concatenate(each) if each else np.full(1, np.nan)
    if np.isnan(prediction).any():
        return np.full(prediction.shape[1], np.nan)
    order = np.argsort(-prediction, axis=0)
    sorted_prediction = np.take_along_axis(prediction, order, axis=0)
    hits = np.cumsum(np.take_along_axis(target == 1, order, axis=0), axis=0, dtype=np.float64)
    values = np.empty(prediction.shape[1])
    for label in range(prediction.shape[1]):
        change = np.flatnonzero(np.diff(sorted_prediction[:, label]))
        last = np.append(change, len(prediction) - 1)
        true = hits[last, label]
        values[label] = of_counts(true, 1 + last.astype(np.float64) - true)
    return values


def _average_precision(true: Array, false: Array) -> float:
    # scikit-learn: no positives make every recall 1, so only its last step to 0 counts, at 0.
    recall = true / true[-1] if true[-1] else np.ones_like(true)
    precision = true / (true + false)
    # Summed from the lowest threshold up, as scikit-learn does; the order decides the last bits.
    steps = np.diff(np.append(recall[::-1], 0.0))
    return max(0.0, -float(np.sum(steps * precision[::-1])))


def _auc(true: Array, false: Array) -> float:
    if not true[-1] or not false[-1]:
        return float("nan")
    if len(true) > 2:
        # scikit-learn drops points on a straight line before it sums (roc_curve).
        corner = np.diff(false, 2).astype(bool) | np.diff(true, 2).astype(bool)
        kept = np.concatenate([[True], corner, [True]])
        true, false = true[kept], false[kept]
    x = np.append(0.0, false) / false[-1]
    y = np.append(0.0, true) / true[-1]
    return float((np.diff(x) * (y[1:] + y[:-1]) / 2.0).sum())


def _of_scene(
    name: str, function: Callable[..., float], of_known: bool = False, **options: Any
) -> tuple[str, Score]:
    return name, Score(
        name, "scene", lambda *compared: {"": function(*compared, **options)}, of_known=of_known
    )


def _of_events(name: str, function: Callable[..., FMeasure], **options: Any) -> tuple[str, Score]:
    def compute(estimated: EventTable, reference: EventTable) -> dict[str, float]:
        measure = function(estimated, reference, **options)
        return {"": measure.f_measure} | {f"_{k}": v for k, v in measure._asdict().items()}

    return name, Score(name, "event", compute)


def _segment_error_rate(estimated: EventTable, reference: EventTable) -> dict[str, float]:
    rate = segment_error_rate(estimated, reference, 1.0)
    return {"": rate, "_error_rate": rate}


SCORES: dict[str, Score] = dict(
    [
        _of_scene("top1_acc", accuracy),
        _of_scene("pitch_acc", accuracy),
        _of_scene("chroma_acc", accuracy, octave=12),
        _of_scene("mAP", mean_average_precision, of_known=True),
        _of_scene("d_prime", d_prime, of_known=True),
        _of_scene("aucroc", area_under_roc, of_known=True),
        _of_events("event_onset_200ms_fms", onset_f_measure, collar=0.2),
        _of_events("event_onset_50ms_fms", onset_f_measure, collar=0.05),
        _of_events(
            "event_onset_offset_50ms_20perc_fms",
            onset_offset_f_measure,
            collar=0.05,
            share_of_length=0.2,
        ),
        ("segment_1s_er", Score("segment_1s_er", "event", _segment_error_rate, maximize=False)),
    ]
)


def scores_named(names: Sequence[str], kind: str) -> list[Score]:
    """Scores of a task of a kind ("scene" or "event").

    Raises
    ------
    UserError
        Naming a score that does not exist or is not for this kind of task.
    """
    if not names:
        raise UserError("the task names no score: `evaluation` in task_metadata.json is empty")
    for name in names:
        if name not in SCORES:
            known = {score.lower(): score for score in SCORES}
            near = difflib.get_close_matches(name.lower(), known, n=1)
            hint = f", did you mean {known[near[0]]!r}?" if near else ""
            raise UserError(f"unknown score {name!r} in the task's `evaluation`{hint}")
        if SCORES[name].of != kind:
            raise UserError(
                f"score {name!r} is for {SCORES[name].of} tasks, but this is a {kind} task"
            )
    return [SCORES[name] for name in names]
