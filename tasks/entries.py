"""The tasks this project knows, as data."""

from __future__ import annotations

from collections.abc import Mapping

from .entry import TaskEntry as TaskEntry
from .folder import TaskError, near_names
from .hear_entries import HEAR_ENTRIES
from .local_entries import DEMO_ENTRIES as DEMO_ENTRIES
from .local_entries import LOCAL_ENTRIES
from .paper_entries import PAPER_ENTRIES

ENTRIES: Mapping[str, TaskEntry] = {
    entry.name: entry for entry in (*HEAR_ENTRIES, *PAPER_ENTRIES, *LOCAL_ENTRIES, *DEMO_ENTRIES)
}


def find_entry(name: str) -> TaskEntry:
    """The entry called `name`; TaskError with near names where there is none."""
    if name not in ENTRIES:
        raise TaskError(
            f"unknown task {name!r}{near_names(name, ENTRIES)}; known: {', '.join(ENTRIES)}"
        )
    return ENTRIES[name]
