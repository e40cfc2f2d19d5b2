"""A raw corpus as clips with labels, and how hear-preprocess arranges it into a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from . import splits
from .folder import TRAINVALTEST, TaskError, folder_name
from .reading import is_sound_name
from .resampling import Samples

Label: TypeAlias = str | int


class Event(NamedTuple):
    """A label from `start` to `end`, in ms."""

    label: Label
    start: float
    end: float


@dataclass(frozen=True)
class Clip:
    """One recording of a corpus.

    Attributes
    ----------
    source
        Audio file, or float32 samples (n,) and their rate in Hz.
    stem
        Name of the clip in the task, without ``.wav``; unique in the corpus.
    labels
        Labels (scene) or events.
    split
        The split it belongs to; empty where splits are drawn.
    group
        Clips of one group stay in one split; empty: the clip is alone.
    origin
        Its speaker, recording or place, where clips of one origin may be in several splits; empty:
        `group`. It is only kept, for comparisons of models.
    known
        Labels that are known to be there or not to be there; None: all.
    where
        The row that names it, for messages.
    """

    source: Path | tuple[Samples, int]
    stem: str
    labels: tuple[Label | Event, ...]
    split: str = ""
    group: str = ""
    origin: str = ""
    known: tuple[Label, ...] | None = None
    where: str = ""


@dataclass(frozen=True)
class Corpus:
    """Clips and the configuration of the task they make.

    Attributes
    ----------
    config
        ``task_metadata.json`` in the order of its keys, without ``tmp_dir``, ``mode``, ``splits``.
    mode
        Last part of the folder name.
    clips
        All clips.
    every_label
        Refuse a split that lacks a label, as hear-preprocess does for all but event tasks.
    """

    config: Mapping[str, Any]
    mode: str
    clips: tuple[Clip, ...]
    every_label: bool = True


def metadata_of(config: Mapping[str, Any], mode: str) -> dict[str, Any]:
    """``task_metadata.json`` from a configuration, its keys in hear-preprocess's order."""
    folds = config["split_mode"] != "trainvaltest"
    names = splits.fold_names(config["nfolds"]) if folds else TRAINVALTEST
    return {**config, "tmp_dir": "_workdir", "mode": mode, "splits": list(names)}


def arrange(
    corpus: Corpus,
) -> tuple[dict[str, Any], dict[str, dict[str, list[Any]]], dict[str, Clip]]:
    """Split, cap, trim and order a corpus as hear-preprocess does.

    Returns
    -------
    metadata
        ``task_metadata.json``.
    items
        For each split, the entries of every file.
    clips
        ``<split>/<file>.wav`` of every clip that is kept.

    Raises
    ------
    TaskError
        Two clips with one name, no clips, splits that cannot be drawn, a label a split lacks.
    """
    metadata = metadata_of(corpus.config, corpus.mode)
    is_event = metadata["embedding_type"] == "event"
    if not is_sound_name(folder_name(metadata)):
        raise TaskError(f"{folder_name(metadata)}: no folder can have this name; choose another")
    if not corpus.clips:
        raise TaskError(f"{metadata['task_name']}: the corpus has no clips")
    clips: dict[str, Clip] = {}
    for clip in corpus.clips:
        if not is_sound_name(f"{clip.stem}.wav"):
            raise TaskError(
                f"{clip.where or metadata['task_name']}: {clip.stem}.wav is not the name of a file:"
                " too long, or with characters that a task's files have not; rename it"
            )
        if clips.setdefault(clip.stem, clip) is not clip:
            raise TaskError(
                f"{clip.source} and {clips[clip.stem].source} would both be {clip.stem}.wav"
            )
    every_label = corpus.every_label and not is_event
    split_of = _split(metadata, clips, every_label)
    kept = _cap(metadata, clips, split_of)
    entries = _entries(clips, metadata["sample_duration"], is_event)
    items: dict[str, dict[str, list[Any]]] = {split: {} for split in metadata["splits"]}
    for stem in sorted(kept):
        items[split_of[stem]][f"{stem}.wav"] = entries[stem]
    if every_label:
        lacking = splits.missing_labels(
            {stem: split_of[stem] for stem in kept}, _names(kept), metadata["splits"]
        )
        if lacking:
            split, label = lacking[0]
            raise TaskError(
                f"{metadata['task_name']}: no clip of {split} has the label {label!r}; every split"
                " needs every label: leave it out, split otherwise, or allow missing labels"
            )
    return metadata, items, {f"{split_of[stem]}/{stem}.wav": clip for stem, clip in kept.items()}


def _names(clips: Mapping[str, Clip]) -> dict[str, list[Label]]:
    return {
        stem: [label.label if isinstance(label, Event) else label for label in clip.labels]
        for stem, clip in clips.items()
    }


def _split(
    metadata: Mapping[str, Any], clips: Mapping[str, Clip], every_label: bool
) -> dict[str, str]:
    groups = {stem: clip.group or stem for stem, clip in clips.items()}
    given = {stem: clip.split for stem, clip in clips.items()}
    if metadata["split_mode"] == "new_split_kfold":
        return splits.draw_folds(groups, _names(clips), metadata["nfolds"], every_label)
    if metadata["split_mode"] == "trainvaltest":
        percentages = metadata.get("split_percentage", splits.PERCENTAGES)
        return splits.draw_missing(given, groups, percentages)
    if set(given.values()) != set(metadata["splits"]):
        raise TaskError(
            f"{metadata['task_name']}: the folds are {', '.join(sorted(set(given.values())))};"
            f" expected {', '.join(metadata['splits'])}"
        )
    return given


def _cap(
    metadata: Mapping[str, Any], clips: Mapping[str, Clip], split_of: Mapping[str, str]
) -> dict[str, Clip]:
    """Keep as many clips of each split as its longest total duration allows."""
    kept: list[str] = []
    for split in metadata["splits"]:
        stems = [stem for stem, its in split_of.items() if its == split]
        by_split = metadata.get("max_task_duration_by_split") or {}
        seconds = by_split.get(split, metadata.get("max_task_duration_by_fold"))
        if seconds is not None:
            if metadata["sample_duration"] is None:
                raise TaskError("a cap on the duration of splits needs a sample_duration")
            stems = splits.subsample(stems, split, int(seconds / metadata["sample_duration"]))
        kept += stems
    return {stem: clips[stem] for stem in sorted(kept)}


def _entries(
    clips: Mapping[str, Clip], seconds: float | None, is_event: bool
) -> dict[str, list[Any]]:
    """Labels or events of every file, in the order hear-preprocess leaves them in."""
    end_of_clip = float("inf") if seconds is None else seconds * 1000.0
    # Rows are shuffled over the whole corpus: where each row of the sorted corpus goes.
    place = np.argsort(splits.row_order(sum(len(clip.labels) for clip in clips.values())))
    entries: dict[str, list[Any]] = {}
    first = 0
    for stem in sorted(clips):
        rows = sorted(
            (label.start, label.end, label.label) if isinstance(label, Event) else label
            for label in clips[stem].labels
        )
        shuffled = [rows[i] for i in np.argsort(place[first : first + len(rows)])]
        first += len(rows)
        entries[stem] = [
            {"label": row[2], "start": row[0], "end": min(row[1], end_of_clip)} if is_event else row
            for row in shuffled
            if not is_event or row[0] < end_of_clip
        ]
    return entries
