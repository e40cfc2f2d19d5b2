"""Events from predictions of frames, as hear-eval-kit makes them.

Source: hear-eval-kit 2021.1.3, `heareval/predictions/task_predictions.py`,
get_events_for_all_files and create_events_from_prediction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.errors import UserError
from benchmark.metrics.event_metrics import EventTable

# Name and value pairs in the order of the names; the order of tuples breaks ties of scores.
Postprocessing = tuple[tuple[str, Any], ...]

# "Good for dcase", says the kit; a task's own grid is in its metadata (EVENT_POSTPROCESSING_GRID).
DEFAULT_POSTPROCESSING = {"median_filter_ms": [250], "min_duration": [125, 250]}
# create_events_from_prediction's own, for what a task's grid does not name.
DEFAULTS = {"threshold": 0.5, "median_filter_ms": 150, "min_duration": 60.0}
# More than any task needs; beyond them is a mistake that would end in a lack of memory.
MOST_MS = 3_600_000
MOST_POSTPROCESSINGS = 10_000


def postprocessings(metadata: Mapping[str, Any]) -> list[Postprocessing]:
    """Every combination that a task lets try, in scikit-learn's ParameterGrid order.

    Parameters
    ----------
    metadata
        The task's `task_metadata.json`.

    Raises
    ------
    UserError
        Naming a value of ``evaluation_params.event_postprocessing_grid`` that has no meaning.
    """
    grid = metadata.get("evaluation_params", {}).get(
        "event_postprocessing_grid", DEFAULT_POSTPROCESSING
    )
    _check_grid(grid)
    names = sorted(grid)
    return [
        tuple(zip(names, values, strict=True))
        for values in product(*(grid[name] for name in names))
    ]


def _check_grid(grid: Any) -> None:
    where = "evaluation_params.event_postprocessing_grid"
    if not isinstance(grid, Mapping):
        raise UserError(f"{where} must be an object of lists, not {grid!r:.80}")
    for name, values in grid.items():
        if name not in DEFAULTS:
            raise UserError(f"{where} has {name!r:.80}, expected one of {', '.join(DEFAULTS)}")
        most = 1 if name == "threshold" else MOST_MS
        if not (isinstance(values, list) and values) or not all(
            isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= most
            for value in values
        ):
            raise UserError(
                f"{where}.{name} must be a list of numbers from 0 to {most}, not {values!r:.80}"
            )
    if (count := prod(map(len, grid.values()))) > MOST_POSTPROCESSINGS:
        raise UserError(f"{where} has {count} points, expected at most {MOST_POSTPROCESSINGS}")


@dataclass(frozen=True)
class Frames:
    """Which file and moment each row of a split's embeddings belongs to.

    Attributes
    ----------
    files
        Names without folder, as the event lists have them, in the order of their first row.
    rows
        For each file, its rows in the order of time.
    timestamps
        For each file, the milliseconds of those rows, rising.
    """

    files: tuple[str, ...]
    rows: tuple[npt.NDArray[np.int64], ...]
    timestamps: tuple[npt.NDArray[np.float64], ...]

    @staticmethod
    def of(names: Sequence[str], timestamps: npt.NDArray[np.float64]) -> Frames:
        """Sort rows by file and time; of rows with equal file and time the last one counts."""
        slugs = {name: PurePath(name).name for name in dict.fromkeys(names)}
        index = {slug: number for number, slug in enumerate(dict.fromkeys(slugs.values()))}
        number_of = {name: index[slug] for name, slug in slugs.items()}
        file = np.fromiter((number_of[name] for name in names), np.int64, len(names))
        order = np.lexsort((timestamps, file))
        same = (np.diff(file[order]) == 0) & (np.diff(timestamps[order]) == 0)
        order = order[np.append(~same, True)] if len(order) else order
        parts = np.split(order, np.searchsorted(file[order], np.arange(1, len(index))))
        return Frames(tuple(index), tuple(parts), tuple(timestamps[part] for part in parts))


def predicted_events(
    prediction: npt.NDArray[np.float32], frames: Frames, postprocessing: Postprocessing
) -> EventTable:
    """Runs of frames in which a label is predicted, smoothed and long enough.

    Parameters
    ----------
    prediction
        (rows, labels) probabilities.
    frames
        The rows' files and times.
    postprocessing
        threshold, median_filter_ms (window of a median filter over time) and min_duration (ms
        between an event's first and last frame).

    Returns
    -------
    EventTable
        File by file, sorted by start within a file.
    """
    options = DEFAULTS | dict(postprocessing)
    above = prediction > options["threshold"]
    tables = [
        _events_of_file(number, above[rows], timestamps, options)
        for number, (rows, timestamps) in enumerate(
            zip(frames.rows, frames.timestamps, strict=True)
        )
    ]
    columns = zip(*((t.file, t.label, t.start, t.end) for t in tables), strict=True)
    return EventTable(*(np.concatenate(column) for column in columns))


def _events_of_file(
    number: int,
    above: npt.NDArray[np.bool_],
    timestamps: npt.NDArray[np.float64],
    options: Mapping[str, Any],
) -> EventTable:
    if options["median_filter_ms"] and len(timestamps) > 1:
        hop = np.mean(np.diff(timestamps))
        above = _majority(above, int(round(options["median_filter_ms"] / hop)))
    edges = np.diff(above.astype(np.int8), axis=0, prepend=0, append=0).T
    label, first = np.nonzero(edges == 1)
    last = np.nonzero(edges == -1)[1] - 1
    start, end = timestamps[first], timestamps[last]
    events = EventTable(np.full(len(label), number, np.int64), label.astype(np.int64), start, end)
    events = events.take(end - start >= options["min_duration"])
    return events.take(np.argsort(events.start, kind="stable"))


def _majority(above: npt.NDArray[np.bool_], width: int) -> npt.NDArray[np.bool_]:
    """scipy's median filter over time of what was thresholded, which is thresholding its median.

    The kit filters first. Its median of `width` values is the one of rank width // 2 counted from
    the lowest, and exceeds the threshold when width - width // 2 of them do.
    """
    if width < 2:
        return above
    padding = (width // 2, width - width // 2 - 1)
    padded = np.pad(above, (padding, (0, 0)), mode="symmetric")
    counts = np.cumsum(padded, axis=0, dtype=np.int32)
    counts = np.concatenate([np.zeros_like(counts[:1]), counts])
    return counts[width:] - counts[:-width] >= width - width // 2
