"""Events of one file, true and predicted, for a piano-roll."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from tasks.folder import event_fault

Event = tuple[str, float, float]  # label, start, end in ms
LABELS = 60
SECONDS = 30.0


@dataclass(frozen=True)
class Roll:
    """One file of an event task, up to `end` ms.

    Attributes
    ----------
    predicted
        By model.
    labels
        Those that occur, the most frequent `LABELS` of them, in order.
    """

    file: str
    truth: tuple[Event, ...]
    predicted: Mapping[str, tuple[Event, ...]]
    labels: tuple[str, ...]
    end: float


def read_roll(truth: Path, predicted: Mapping[str, Path]) -> Roll:
    """The file of a split with the most true events in its first `SECONDS`.

    Parameters
    ----------
    truth
        ``<split>.json`` of the task, events by file.
    predicted
        ``<split>.events.json`` of evaluations, by model.

    Raises
    ------
    UserError
        A file cannot be read, or there is no event.
    """
    true = _read(truth)
    sides = {name: _read(path) for name, path in predicted.items()}
    end = 1000 * SECONDS
    within = {file: _until(events, end) for file, events in true.items()}
    file = max(within, key=lambda each: (len(within[each]), each), default="")
    if not within.get(file):
        raise UserError(f"{truth}: no event in the first {SECONDS:g} s of a file")
    found = {name: _until(of_files.get(file, ()), end) for name, of_files in sides.items()}
    everything = [event for events in (within[file], *found.values()) for event in events]
    counts: dict[str, int] = {}
    for label, _, _ in everything:
        counts[label] = counts.get(label, 0) + 1
    labels = sorted(sorted(counts, key=lambda label: -counts[label])[:LABELS], key=_place)
    last = max(stop for _, _, stop in everything)
    return Roll(file, within[file], found, tuple(labels), min(end, last))


def _place(label: str) -> tuple[bool, float, str]:
    """Pitches in the order of their numbers, names in that of the alphabet."""
    number = label.isdecimal()
    return not number, float(label) if number else 0.0, label


def _until(events: tuple[Event, ...], end: float) -> tuple[Event, ...]:
    return tuple((label, start, min(stop, end)) for label, start, stop in events if start < end)


def _read(path: Path) -> dict[str, tuple[Event, ...]]:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(file): tuple(
                (str(each["label"]), float(each["start"]), float(each["end"]))
                for each in events
                if not event_fault(each)
            )
            for file, events in content.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: events cannot be read: {reason}") from None
