"""The event scores against sed_eval (equal floats) and mir_eval (where definitions agree)."""

from __future__ import annotations

import math
import random
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.metrics.event_metrics import (
    EventTable,
    onset_f_measure,
    onset_offset_f_measure,
    segment_error_rate,
)

LABELS = ["a", "b", "c"]
Events = dict[str, list[dict[str, Any]]]


def tables(estimated: Events, reference: Events) -> tuple[EventTable, EventTable]:
    files = list(estimated)
    return (
        EventTable.from_dicts(estimated, files, LABELS),
        EventTable.from_dicts(reference, files, LABELS),
    )


def of_sed_eval(metric: str, estimated: Events, reference: Events, **options: Any) -> dict:
    """Scores as hear-eval-kit asks sed_eval for them: file by file, in seconds."""
    sound_event = pytest.importorskip("sed_eval").sound_event
    scores = getattr(sound_event, metric)(event_label_list=LABELS, **options)
    for file in estimated:
        seconds = [
            [
                {
                    "event_label": event["label"],
                    "event_onset": event["start"] / 1000.0,
                    "event_offset": event["end"] / 1000.0,
                    "file": file,
                }
                for event in events.get(file, [])
            ]
            for events in (reference, estimated)
        ]
        scores.evaluate(*seconds)
    return scores.results_overall_metrics()


def same(ours: float, theirs: float) -> bool:
    return ours == theirs or (math.isnan(ours) and math.isnan(theirs))


# Multiples of 10 ms put many distances exactly on a collar, where doubles decide.
coarse = st.integers(0, 60).map(lambda tens: tens * 10.0)
fine = st.floats(0, 3000, allow_nan=False).map(lambda ms: round(ms, 3))
event = st.builds(
    lambda label, start, length: {"label": label, "start": start, "end": start + length},
    st.sampled_from(LABELS),
    coarse | fine,
    coarse | fine | st.just(0.0),
)
some_events = st.lists(event, max_size=12)
# The reference has a file that was not predicted; the kit never looks at it.
pairs = st.tuples(
    st.fixed_dictionaries({"1.wav": some_events, "2.wav": some_events}),
    st.fixed_dictionaries({"1.wav": some_events, "3.wav": some_events}),
)


@given(pairs)
def test_onset_scores_are_those_of_sed_eval(lists: tuple[Events, Events]) -> None:
    for collar in (0.05, 0.2):
        ours = onset_f_measure(*tables(*lists), collar)
        theirs = of_sed_eval("EventBasedMetrics", *lists, evaluate_offset=False, t_collar=collar)[
            "f_measure"
        ]
        assert all(same(getattr(ours, name), theirs[name]) for name in theirs), (ours, theirs)


@given(pairs)
def test_onset_offset_scores_are_those_of_sed_eval(lists: tuple[Events, Events]) -> None:
    ours = onset_offset_f_measure(*tables(*lists), 0.05, 0.2)
    theirs = of_sed_eval("EventBasedMetrics", *lists, t_collar=0.05, percentage_of_length=0.2)
    assert all(same(getattr(ours, name), value) for name, value in theirs["f_measure"].items())


@given(pairs)
@settings(max_examples=60)
def test_segment_error_rate_is_that_of_sed_eval(lists: tuple[Events, Events]) -> None:
    ours = segment_error_rate(*tables(*lists))
    theirs = of_sed_eval("SegmentBasedMetrics", *lists, time_resolution=1.0)
    assert same(ours, theirs["error_rate"]["error_rate"])


def crowded(seed: int, files: int, notes: int, labels: int) -> tuple[Events, Events]:
    """Notes and a transcription of them with jitter, omissions and repeats.

    Reference times are whole ms and estimated ones half, so no distance is exactly on a limit.
    """
    rng = random.Random(seed)
    reference: Events = {f"{file}.wav": [] for file in range(files)}
    estimated: Events = {f"{file}.wav": [] for file in range(files)}
    for file, events in reference.items():
        for _ in range(notes):
            start, length = rng.randrange(120_000), rng.randrange(30, 1500)
            label = str(rng.randrange(labels))
            events.append({"label": label, "start": start, "end": start + length})
            for _ in range(rng.choice((0, 1, 1, 1, 2))):
                onset = max(0, start + round(rng.gauss(0, 40))) + 0.5
                end = max(onset, start + length + round(rng.gauss(0, 150)) + 0.5)
                estimated[file].append({"label": label, "start": onset, "end": end})
    return estimated, reference


def test_matchings_are_as_large_as_those_of_mir_eval() -> None:
    match_events = pytest.importorskip("mir_eval.util").match_events
    match_notes = pytest.importorskip("mir_eval.transcription").match_notes
    estimated, reference = crowded(seed=3, files=2, notes=150, labels=2)
    onsets = notes = total = 0
    for file, label in [(file, label) for file in reference for label in "01"]:
        chosen = [
            np.array([[e["start"], e["end"]] for e in events[file] if e["label"] == label]) / 1000
            for events in (reference, estimated)
        ]
        onsets += len(match_events(chosen[0][:, 0], chosen[1][:, 0], 0.05))
        pitches = [np.full(len(intervals), 440.0) for intervals in chosen]
        notes += len(match_notes(chosen[0], pitches[0], chosen[1], pitches[1]))
        total += len(chosen[0])
    est, ref = tables(estimated, reference)
    assert onset_f_measure(est, ref, 0.05).recall == onsets / total
    assert onset_offset_f_measure(est, ref, 0.05, 0.2).recall == notes / total


def test_time_grows_with_the_events_and_not_with_their_square() -> None:
    def seconds(notes: int) -> float:
        est, ref = tables(*crowded(seed=1, files=1, notes=notes, labels=88))
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            onset_f_measure(est, ref, 0.05)
            onset_offset_f_measure(est, ref, 0.05, 0.2)
            segment_error_rate(est, ref)
            best = min(best, time.process_time() - start)
        return best

    assert seconds(16_000) < 30 * seconds(2_000)  # 8 times the events; 64 times if quadratic


def test_a_sweep_over_onsets_alone_finds_the_largest_matching() -> None:
    """Earliest first, not nearest first: the nearest pairs would leave one event alone."""
    estimated = {"f": [{"label": "a", "start": s, "end": s} for s in (160.0, 300.0)]}
    reference = {"f": [{"label": "a", "start": s, "end": s} for s in (0.0, 170.0)]}
    assert onset_f_measure(*tables(estimated, reference), 0.2).f_measure == 1.0


def test_tables_and_dictionaries_say_the_same() -> None:
    events = {"x": [{"label": "b", "start": 1.0, "end": 2.5}], "y": []}
    table = EventTable.from_dicts(events, ["x", "y"], LABELS)
    assert table.to_dicts(["x", "y"], LABELS) == events
