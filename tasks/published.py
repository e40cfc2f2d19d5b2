"""Whether a task is the published one of its name: its clips by split, its labels, its settings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from .entries import ENTRIES
from .entry import TaskEntry
from .folder import METADATA_FILE, VOCABULARY_FILE, TaskError, TaskFolder

PARTIAL = "-partial"  # ends the mode, hence the folder name, of what is not the published task
# Keys of the metadata that decide what a score means.
DECISIVE = (
    "embedding_type",
    "prediction_type",
    "split_mode",
    "nfolds",
    "sample_duration",
    "evaluation",
    "use_scoring_for_early_stopping",
    "evaluation_params",
)
CAPS = ("max_task_duration_by_split", "max_task_duration_by_fold")


def published_faults(task: TaskFolder) -> list[str]:
    """What tells a task from the published one of its name; nothing where it is that one.

    A task of a name that no entry has (`tasks.entries`) is its owner's alone: nothing is told.
    What its entry does not know is not compared; `unknown_of_published` names it.

    Raises
    ------
    TaskError
        A split file that cannot be read.
    """
    counts = {split: len(task.items(split)) for split in task.splits}
    return list(differences(task.metadata, counts, task.labels))


def unknown_of_published(task: TaskFolder) -> list[str]:
    """What `published_faults` cannot compare, as the entry of that name does not know it."""
    entry = ENTRIES.get(task.name)
    if entry is None or task.mode not in entry.modes:
        return []
    lines = []
    if not entry.clips_by_split(task.mode):
        total = entry.files.get(task.mode)
        lines.append(
            f"the entry {entry.name} does not know the number of clips of each split of mode"
            f" {task.mode}" + ("" if total is None else f", only that all splits have {total}")
        )
    if not entry.vocabulary:
        lines.append(f"the entry {entry.name} knows the number of labels, not the labels")
    return lines


def differences(
    metadata: Mapping[str, Any], counts: Mapping[str, int], labels: Collection[str]
) -> Iterator[str]:
    """Lines on what tells a task from the entry of its name.

    Parameters
    ----------
    metadata
        ``task_metadata.json``.
    counts
        Clips of each split.
    labels
        The vocabulary.
    """
    entry = ENTRIES.get(str(metadata["task_name"]))
    if entry is None:
        return
    mode = str(metadata["mode"])
    if mode not in entry.modes:
        yield f"mode is {mode!r}, expected {' or '.join(entry.modes)} as {entry.name} has"
        return
    config, _ = entry.mode_config(mode)
    for key in ("version", *DECISIVE):
        if metadata.get(key) != config.get(key):
            yield (
                f"{METADATA_FILE}: {key} is {metadata.get(key)!r}, expected {config.get(key)!r} as"
                f" the entry {entry.name} has it"
            )
    yield from _of_counts(entry, mode, counts)
    yield from _of_labels(entry, config, labels)


def _of_counts(entry: TaskEntry, mode: str, counts: Mapping[str, int]) -> Iterator[str]:
    total, expected = sum(counts.values()), entry.files.get(mode)
    if expected is not None and total != expected:
        yield f"{total} clips, expected {expected} as the entry {entry.name} has it"
        return
    for split, number in entry.clips_by_split(mode).items():
        if counts.get(split) != number:
            yield (
                f"{counts.get(split, 0)} clips in {split}, expected {number} as the entry"
                f" {entry.name} has it"
            )


def _of_labels(
    entry: TaskEntry, config: Mapping[str, Any], labels: Collection[str]
) -> Iterator[str]:
    whole = _has_every_label(config)
    if entry.labels is not None and (
        len(labels) > entry.labels or (whole and len(labels) < entry.labels)
    ):
        yield (
            f"{VOCABULARY_FILE}: {len(labels)} labels, expected {entry.labels} as the entry"
            f" {entry.name} has it"
        )
    elif entry.vocabulary and (strange := sorted(set(labels) - set(entry.vocabulary))):
        yield (
            f"{VOCABULARY_FILE}: label {strange[0]!r} is none of the {len(entry.vocabulary)} that"
            f" the entry {entry.name} has"
        )


def _has_every_label(config: Mapping[str, Any]) -> bool:
    """Whether all of a corpus's labels occur: not where files are left out, or events are cut."""
    caps = [value for key in CAPS if (value := config.get(key)) is not None]
    capped = any(
        cap is not None
        for value in caps
        for cap in (value.values() if isinstance(value, dict) else [value])
    )
    return not capped and config["embedding_type"] == "scene"


def check_published(
    metadata: Mapping[str, Any],
    counts: Mapping[str, int],
    labels: Collection[str],
    allow_partial: bool,
) -> dict[str, Any]:
    """The metadata of a task to be prepared, its mode marked if it is not the published one.

    Raises
    ------
    TaskError
        It is not, and `allow_partial` is false.
    """
    found = list(differences(metadata, counts, labels))
    if not found:
        return dict(metadata)
    name, mode = metadata["task_name"], metadata["mode"]
    if not allow_partial:
        raise TaskError(
            f"this is not the published {name}: {'; '.join(found)}. Give the whole corpus, or"
            f" --allow-partial to prepare it under the mode {mode}{PARTIAL}, which no"
            " published score stands beside"
        )
    return {**metadata, "mode": f"{mode}{PARTIAL}"}
