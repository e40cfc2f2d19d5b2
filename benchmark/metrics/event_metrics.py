"""Event F-measures and segment error rate, equal to sed_eval's to the last bit.

sed_eval 0.2.1 compares every reference event with every estimated one; here only events of one
file and label that lie close in time meet. What is equal: the counts, exactly, because every
condition is evaluated on the same doubles, and the order of the few operations after them.

Sources: sed_eval `sound_event.py` (EventBasedMetrics with `event_matching_type="optimal"`,
SegmentBasedMetrics) and `metric.py`; how HEAR calls them: hear-eval-kit `heareval/score.py`.
Mesaros, Heittola, Virtanen, "Metrics for polyphonic sound event detection", 2016.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from benchmark.metrics.registry import Metric

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

# Candidates are looked up with this much room, seconds; the exact condition then decides.
SLACK = 1e-3
# sed_eval adds it to a denominator that may be 0 (`metric.py`), so it is part of the number.
EPSILON = float(np.spacing(1))


@dataclass(frozen=True)
class EventTable:
    """Events of several files, a row each.

    Attributes
    ----------
    file, label
        (n,) indices into a list of files and a list of labels that the caller keeps.
    start, end
        (n,) milliseconds.
    """

    file: IntArray
    label: IntArray
    start: FloatArray
    end: FloatArray

    @staticmethod
    def from_dicts(
        events: Mapping[str, Sequence[Mapping[str, Any]]],
        files: Sequence[str],
        labels: Sequence[str],
    ) -> EventTable:
        """Table of `{file: [{"label", "start", "end"}, ...]}`.

        Files that are not in `files` are left out: the kit's scores visit the files that were
        predicted, no others (`score.py`, SoundEventScore._compute). Labels are compared as text;
        one that is not in `labels` gets an index beyond them, as it can still be missed.
        """
        counts = [len(events.get(file, ())) for file in files]
        rows = list(chain.from_iterable(events.get(file, ()) for file in files))
        names = [row["label"] for row in rows]
        known = {label: number for number, label in enumerate(labels)}
        number_of = {name: known.setdefault(str(name), len(known)) for name in dict.fromkeys(names)}
        return EventTable(
            np.repeat(np.arange(len(files)), counts),
            np.fromiter(map(number_of.__getitem__, names), np.int64, len(names)),
            np.array([row["start"] for row in rows], np.float64),
            np.array([row["end"] for row in rows], np.float64),
        )

    def to_dicts(
        self, files: Sequence[str], labels: Sequence[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """Inverse of `from_dicts`: every file appears, its events in the table's order."""
        events: dict[str, list[dict[str, Any]]] = {file: [] for file in files}
        columns = (self.file.tolist(), self.label.tolist(), self.start.tolist(), self.end.tolist())
        for file, label, start, end in zip(*columns, strict=True):
            events[files[file]].append({"label": labels[label], "start": start, "end": end})
        return events

    def take(self, rows: npt.NDArray[Any]) -> EventTable:
        """Table of the chosen rows (indices or a mask)."""
        return EventTable(self.file[rows], self.label[rows], self.start[rows], self.end[rows])

    def __len__(self) -> int:
        return len(self.file)


class FMeasure(NamedTuple):
    """Micro-averaged over files and labels; NaN where a side has no events."""

    f_measure: float
    precision: float
    recall: float


def onset_f_measure(estimated: EventTable, reference: EventTable, collar: float) -> FMeasure:
    """F-measure of events of which only the onset must agree.

    Parameters
    ----------
    estimated, reference
        Events that share lists of files and labels.
    collar
        Seconds between the two onsets that are still right.
    """
    return _f_measure(_onset_hits(estimated, reference, collar), len(estimated), len(reference))


def onset_offset_f_measure(
    estimated: EventTable, reference: EventTable, collar: float, share_of_length: float
) -> FMeasure:
    """F-measure of events of which onset and offset must agree.

    Parameters
    ----------
    estimated, reference
        Events that share lists of files and labels.
    collar
        Seconds between the two onsets, and between the two offsets, that are still right.
    share_of_length
        Offsets may differ by this share of the reference event's length where that is more.
    """
    hits = _onset_offset_hits(estimated, reference, collar, share_of_length)
    return _f_measure(hits, len(estimated), len(reference))


def segment_error_rate(
    estimated: EventTable, reference: EventTable, resolution: float = 1.0
) -> float:
    """Substitutions, deletions and insertions of labels in a grid of segments, per reference.

    A label is active in every segment that one of its events touches.

    Parameters
    ----------
    estimated, reference
        Events that share lists of files and labels; times are not negative.
    resolution
        Length of a segment in seconds.
    """
    tables = (reference, estimated)
    n_labels = 1 + max((int(table.label.max()) for table in tables if len(table)), default=0)
    n_files = 1 + max((int(table.file.max()) for table in tables if len(table)), default=0)
    spans = [_segments(table, resolution) for table in tables]
    lengths = np.zeros(n_files, np.int64)
    for table, (_, last) in zip(tables, spans, strict=True):
        np.maximum.at(lengths, table.file, last)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    active = []
    for table, (first, last) in zip(tables, spans, strict=True):
        steps = np.zeros((offsets[-1] + 1, n_labels), np.int64)
        np.add.at(steps, (offsets[table.file] + first, table.label), 1)
        np.add.at(steps, (offsets[table.file] + np.maximum(first, last), table.label), -1)
        active.append(np.cumsum(steps, axis=0)[:-1] > 0)
    in_reference, in_estimate = (table.sum(axis=1) for table in active)
    both = (active[0] & active[1]).sum(axis=1)
    substituted = float((np.minimum(in_reference, in_estimate) - both).sum())
    deleted = float(np.maximum(0, in_reference - in_estimate).sum())
    inserted = float(np.maximum(0, in_estimate - in_reference).sum())
    total = float(in_reference.sum()) + EPSILON
    # Summed in sed_eval's order; another order rounds differently.
    return substituted / total + deleted / total + inserted / total


def _segments(table: EventTable, resolution: float) -> tuple[IntArray, IntArray]:
    # sed_eval sees seconds (`score.py` divides by 1000.0) and multiplies by 1 before it divides.
    first = np.floor(table.start / 1000.0 / resolution).astype(np.int64)
    last = np.ceil(table.end / 1000.0 / resolution).astype(np.int64)
    return first, last


def _f_measure(hits: int, n_estimated: int, n_reference: int) -> FMeasure:
    precision = hits / n_estimated if n_estimated else float("nan")
    recall = hits / n_reference if n_reference else float("nan")
    if precision == 0 and recall == 0:
        return FMeasure(0.0, precision, recall)
    return FMeasure(2.0 * precision * recall / (precision + recall), precision, recall)


def _onset_hits(estimated: EventTable, reference: EventTable, collar: float) -> int:
    """Size of the largest one-to-one matching of onsets, by one sweep over both sorted lists.

    The estimates that fit a reference lie between two bounds which both move forward with the
    reference, as a rounded difference is monotonic in each of its terms. So when the two earliest
    events left fit each other, some largest matching pairs them: whichever partners they have
    in one, exchanging these keeps its size. When they do not fit, the earlier of them fits
    nothing that is left.
    """
    n_labels = 1 + max((int(t.label.max()) for t in (reference, estimated) if len(t)), default=0)
    groups_ref, onsets_ref = _sorted_onsets(reference, n_labels)
    groups_est, onsets_est = _sorted_onsets(estimated, n_labels)
    hits = i = j = 0
    while i < len(groups_ref) and j < len(groups_est):
        ahead: float = groups_ref[i] - groups_est[j]
        if not ahead:
            distance = onsets_ref[i] - onsets_est[j]
            ahead = distance if abs(distance) > collar else 0
        if not ahead:
            hits, i, j = hits + 1, i + 1, j + 1
        elif ahead > 0:
            j += 1
        else:
            i += 1
    return hits


def _sorted_onsets(table: EventTable, n_labels: int) -> tuple[list[int], list[float]]:
    """A number for file and label, and seconds, of every event in their order."""
    groups = table.file * n_labels + table.label
    order = np.lexsort((table.start, groups))
    return groups[order].tolist(), (table.start[order] / 1000.0).tolist()


def _onset_offset_hits(
    estimated: EventTable, reference: EventTable, collar: float, share_of_length: float
) -> int:
    """Size of the largest matching under both conditions.

    Two conditions are intervals in two dimensions, where no sweep is optimal; the graph of
    fitting pairs is sparse, as only onsets within the collar are looked at.
    """
    if not len(estimated) or not len(reference):
        return 0
    on_ref, off_ref = reference.start / 1000.0, reference.end / 1000.0
    on_est, off_est = estimated.start / 1000.0, estimated.end / 1000.0
    # One axis for all files and labels, each so far from the next that no window reaches over.
    room = collar + SLACK
    earliest = min(on_ref.min(), on_est.min())
    stride = max(on_ref.max(), on_est.max()) - earliest + 3 * room
    n_labels = 1 + max(reference.label.max(), estimated.label.max())

    def axis(table: EventTable, onsets: FloatArray) -> FloatArray:
        return (table.file * n_labels + table.label) * stride + (onsets - earliest)

    at_ref, at_est = axis(reference, on_ref), axis(estimated, on_est)
    order = np.argsort(at_est, kind="stable")
    first = np.searchsorted(at_est[order], at_ref - room, side="left")
    count = np.searchsorted(at_est[order], at_ref + room, side="right") - first
    ref = np.repeat(np.arange(len(reference)), count)
    within = np.arange(len(ref)) - np.repeat(np.cumsum(count) - count, count)
    est = order[np.repeat(first, count) + within]
    allowed = np.maximum(collar, share_of_length * (off_ref - on_ref))
    fits = (
        (reference.file[ref] == estimated.file[est])
        & (reference.label[ref] == estimated.label[est])
        & (np.abs(on_ref[ref] - on_est[est]) <= collar)
        & (np.abs(off_ref[ref] - off_est[est]) <= allowed[ref])
    )
    pairs = (ref[fits], est[fits])
    graph = csr_matrix(
        (np.ones(len(pairs[0]), bool), pairs), shape=(len(reference), len(estimated))
    )
    return int((maximum_bipartite_matching(graph, perm_type="column") >= 0).sum())


def _f_measure_metric(name: str, function: Callable[..., FMeasure], **options: float) -> Metric:
    def compute(estimated: EventTable, reference: EventTable) -> dict[str, float]:
        measure = function(estimated, reference, **options)
        return {"": measure.f_measure} | {f"_{k}": v for k, v in measure._asdict().items()}

    return Metric(name, "event", compute, parts=tuple(f"_{k}" for k in FMeasure._fields))


def _segment_error_rate(estimated: EventTable, reference: EventTable) -> dict[str, float]:
    rate = segment_error_rate(estimated, reference, 1.0)
    return {"": rate, "_error_rate": rate}


METRICS = (
    _f_measure_metric("event_onset_200ms_fms", onset_f_measure, collar=0.2),
    _f_measure_metric("event_onset_50ms_fms", onset_f_measure, collar=0.05),
    _f_measure_metric(
        "event_onset_offset_50ms_20perc_fms",
        onset_offset_f_measure,
        collar=0.05,
        share_of_length=0.2,
    ),
    # A model that predicts nothing deletes every event: an error rate of 1.
    Metric(
        "segment_1s_er",
        "event",
        _segment_error_rate,
        higher_is_better=False,
        bounds=(0.0, None),
        undefined=1.0,
        parts=("_error_rate",),
    ),
)
