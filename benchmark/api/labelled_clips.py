"""What a user gives as X, y and times, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from benchmark.errors import UserError, one_line
from tasks.folder import event_fault

Kind = Literal["multiclass", "multilabel", "event"]
Array = npt.NDArray[Any]

_WITH_TIMES = "where each example is a sequence of (n_frames, size), give times too"


@dataclass(frozen=True)
class LabelledClips:
    """Embeddings of clips, and what is to be predicted of them.

    Attributes
    ----------
    kind
        "multiclass", "multilabel" or "event", as of `tasks.corpora.custom`.
    embeddings
        Of each clip float32 (n_frames, size); a single frame where `times` is None.
    times
        Of each clip float64 (n_frames,) in ms, ascending; None where each clip is one embedding.
    items
        Of each clip its labels, or its events ``{"label", "start", "end"}`` in ms.
    """

    kind: Kind
    embeddings: Sequence[Array]
    times: Sequence[Array] | None
    items: list[list[Any]]

    def labels(self) -> list[list[Any]]:
        """Labels of each clip, those of its events too."""
        if self.kind != "event":
            return self.items
        return [[event["label"] for event in events] for events in self.items]


def labelled_clips(parts: Mapping[str, tuple[Any, Any, Any]]) -> LabelledClips:
    """Clips of X, y and times (None where there are none), by the split they are of.

    Raises
    ------
    UserError
        Lengths or shapes do not fit, a value is not finite, or a label is none; named with its
        split and place.
    """
    embeddings: list[Array] = []
    times: list[Array] = []
    values: list[Any] = []
    sequences = {part[2] is not None for part in parts.values()}
    if len(sequences) > 1:
        raise UserError("times are given for some splits only; give them for all or for none")
    for split, (X, y, of_split) in parts.items():
        where = f" of {split}" if split else ""
        its = _values(y, where)
        found = (
            list(_matrix(X, f"X{where}")[:, None])
            if of_split is None
            else [_matrix(x, f"X[{i}]{where}") for i, x in enumerate(X)]
        )
        if len(found) != len(its):
            raise UserError(f"X{where} has {len(found)} examples, but y has {len(its)}")
        if of_split is not None:
            times += _times(of_split, found, where)
        embeddings += found
        values += its
    if len(shapes := {x.shape[1] for x in embeddings}) > 1:
        raise UserError(f"embeddings have different sizes: {', '.join(map(str, sorted(shapes)))}")
    kind = _kind(values)
    items = [[value] for value in values] if kind == "multiclass" else [list(v) for v in values]
    clips = LabelledClips(kind, embeddings, times if sequences == {True} else None, items)
    if kind == "event":
        _check_events(clips)
    _check_labels(clips)
    return clips


def _matrix(x: Any, name: str) -> Array:
    try:
        found = np.asarray(x, np.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{name} is no array of numbers (n, size): {one_line(error)}; {_WITH_TIMES}"
        ) from None
    if found.ndim != 2 or not found.size:
        raise UserError(f"{name} has shape {found.shape}; expected (n, size); {_WITH_TIMES}")
    if not (finite := np.isfinite(found)).all():
        row, column = np.argwhere(~finite)[0].tolist()
        raise UserError(
            f"{name} has {found[row, column]} in row {row}, column {column}; expected finite"
        )
    return found


def _times(given: Any, embeddings: Sequence[Array], where: str) -> list[Array]:
    times = [np.asarray(one, np.float64) for one in given]
    if len(times) != len(embeddings):
        raise UserError(f"X{where} has {len(embeddings)} examples, but times has {len(times)}")
    for clip, (one, its) in enumerate(zip(times, embeddings, strict=True)):
        if one.shape != (len(its),):
            raise UserError(f"times[{clip}]{where} has shape {one.shape}; expected ({len(its)},)")
        if not (np.isfinite(one).all() and one[0] >= 0 and (np.diff(one) > 0).all()):
            raise UserError(f"times[{clip}]{where}: expected ascending ms from 0 on")
    return times


def _values(y: Any, where: str) -> list[Any]:
    """What y says of each clip, as Python's own types."""
    if isinstance(y, (str, bytes)) or not hasattr(y, "__len__"):
        raise UserError(f"y{where} is {type(y).__name__}; expected a label for each row of X")
    if hasattr(y, "to_numpy"):  # of pandas
        y = y.to_numpy()
    matrix = np.asarray(y) if getattr(y, "ndim", 1) == 2 else None
    if matrix is None:
        values = y.tolist() if hasattr(y, "tolist") else list(y)
        return [_plain(value) for value in values]
    if not np.isin(matrix, (0, 1)).all():
        raise UserError(f"y{where} is {matrix.shape}; expected 0 and 1 for each label, or (n,)")
    return [np.flatnonzero(row).tolist() for row in matrix]


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
        values = sorted(value) if isinstance(value, (set, frozenset)) else value
        return [_plain(one) for one in values]
    return value.item() if isinstance(value, np.generic) else value


def _kind(values: Sequence[Any]) -> Kind:
    lists = [isinstance(value, list) for value in values]
    if not any(lists):
        return "multiclass"
    if not all(lists):
        clip = lists.index(False)
        raise UserError(f"y[{clip}] is {values[clip]!r:.80}, but others are lists of labels")
    is_event = any(isinstance(one, Mapping) for value in values for one in value)
    return "event" if is_event else "multilabel"


def _check_events(clips: LabelledClips) -> None:
    if clips.times is None:
        raise UserError("y has events: give X as a list of (n_frames, size) arrays, and times")
    for clip, events in enumerate(clips.items):
        for event in events:
            if fault := event_fault(event):
                raise UserError(f"y[{clip}]: event {event!r:.120}{fault}")


def _check_labels(clips: LabelledClips) -> None:
    labels = clips.labels()
    kinds: dict[bool, Any] = {}  # the first text and the first number
    for clip, its in enumerate(labels):
        for label in its:
            missing = isinstance(label, float) and math.isnan(label)
            if not isinstance(label, (str, int, float)) or label == "" or missing:
                raise UserError(f"y[{clip}] is {label!r:.80}; expected a text or a number")
            kinds.setdefault(isinstance(label, str), label)
        if len(set(its)) < len(its) and clips.kind == "multilabel":
            raise UserError(f"y[{clip}] has a label twice: {its!r:.80}")
    if len(kinds) > 1:
        raise UserError(
            f"labels are texts ({kinds[True]!r:.40}) and numbers ({kinds[False]!r:.40})"
        )
    found = sorted({label for its in labels for label in its})
    least = 2 if clips.kind == "multiclass" else 1
    if len(found) < least:
        raise UserError(f"the labels in y are {found!r:.80}; expected at least {least}")
