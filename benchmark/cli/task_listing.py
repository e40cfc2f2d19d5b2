"""Lists for the terminal: the tasks there are, one of them in full, and what is on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.reports.alignment import aligned
from tasks.entries import ENTRIES, TaskEntry, find_entry
from tasks.folder import TaskError, TaskFolder, find_tasks, near_names, read_task
from tasks.get import RATE, Archive
from tasks.options import option_types

KIND = {
    ("scene", "multiclass"): "scene, one label a clip (multiclass)",
    ("scene", "multilabel"): "scene, any number of labels a clip (multilabel)",
    ("event", "multilabel"): "event, labels with begin and end (multilabel)",
}
Rows = Iterator[tuple[str, str]]


def tasks_table(tasks_dir: Path) -> str:
    """The tasks this project knows, with their folders in `tasks_dir`, then the others there."""
    folders, broken = _folders(tasks_dir)
    rows = [("task", "domain", "kind", "labels", "hours", "here")]
    for entry in ENTRIES.values():
        here = [_version(folder) for folder in folders if folder.name == entry.name]
        hours = entry.hours_of()
        rows.append(
            (
                entry.name,
                entry.domain,
                _short_kind(entry.config["embedding_type"], entry.config["prediction_type"]),
                _count(entry.labels),
                "" if hours is None else f"{hours:.3g}",
                ", ".join(here) or f"- ({_way(entry)})",
            )
        )
    for folder in folders:
        if folder.name not in ENTRIES:
            kind = _short_kind(folder.embedding_type, folder.prediction_type)
            labels = _count(len(folder.labels))
            rows.append((folder.name, "", kind, labels, "", _version(folder)))
    lines = [
        aligned(rows),
        "",
        f"here: version and mode of the folder in {tasks_dir}. To have it:",
        "(get): hear-benchmark tasks get TASK",
        "(prepare): hear-benchmark prepare TASK --from FOLDER",
        "`hear-benchmark tasks TASK` tells all about one.",
    ]
    return "\n".join([*lines, *(f"broken: {fault}" for fault in broken)])


def _short_kind(embedding_type: str, prediction_type: str) -> str:
    return "events" if embedding_type == "event" else prediction_type


def _version(folder: TaskFolder) -> str:
    return folder.path.name.removeprefix(f"{folder.name}-")


def task_details(name: str, tasks_dir: Path) -> str:
    """One task in full: its entry, and its folders in `tasks_dir`.

    Raises
    ------
    TaskError
        No entry and no folder has this name.
    """
    folders, broken = _folders(tasks_dir)
    its = [folder for folder in folders if name in (folder.name, folder.path.name)]
    by_folder = {
        entry.folder_name(mode): entry for entry in ENTRIES.values() for mode in entry.modes
    }
    entry = by_folder.get(name) or ENTRIES.get(name)
    if entry is None and not its:
        near = near_names(name, {*ENTRIES, *(folder.name for folder in folders)})
        raise TaskError(f"unknown task {name!r}{near}; `hear-benchmark tasks` lists all")
    blocks = [aligned(list(_entry_rows(find_entry(entry.name))))] if entry else []
    blocks += [aligned(list(_folder_rows(folder))) for folder in its]
    blocks += [f"broken: {fault}" for fault in broken if name in fault]
    if not its:
        blocks.append(f"not in {tasks_dir}")
    return "\n\n".join(blocks)


def _entry_rows(entry: TaskEntry) -> Rows:
    config = entry.config
    yield "task", entry.name
    yield "what", entry.title
    yield "domain", entry.domain
    yield "kind", KIND[config["embedding_type"], config["prediction_type"]]
    yield from _if_known("labels", _count(entry.labels))
    yield "scores", f"{', '.join(config['evaluation'])} (the first decides)"
    if not config.get("use_scoring_for_early_stopping", True):
        yield "", "training stops by the loss"
    if "evaluation_params" in config:
        yield "", f"with {json.dumps(config['evaluation_params'])}"
    yield "splits", _splits(config)
    for mode in entry.modes:
        yield from _mode_rows(entry, mode)
    if entry.gigabytes:
        yield "corpus", f"{entry.gigabytes:g} GB"
    for number, line in enumerate(_downloads(config)):
        yield "" if number else "downloads", line
    yield from _if_known("source", entry.source)
    yield from _if_known("licence", entry.licence)
    yield from _if_known("citation", entry.citation)
    yield from _if_known("note", entry.note)
    if entry.archives:
        yield "to get it", f"hear-benchmark tasks get {entry.name}"
    if entry.corpus:
        options = " ".join(f"[--{key.replace('_', '-')} ...]" for key in option_types(entry.name))
        line = f"hear-benchmark prepare {entry.name} --from FOLDER --tasks-dir DIR {options}"
        yield "" if entry.archives else "to get it", line.strip()
    else:
        yield "to get it", "hear-benchmark run ... --tasks demo"


def _mode_rows(entry: TaskEntry, mode: str) -> Rows:
    config, _ = entry.mode_config(mode)
    seconds, clips = config["sample_duration"], entry.files.get(mode)
    hours = entry.hours_of(mode)
    default = " (default)" if mode == entry.config["default_mode"] and len(entry.modes) > 1 else ""
    facts = [
        f"{_count(clips)} clips" if clips else "",
        "of their own length" if seconds is None else f"{seconds:g} s each",
        f"{hours:.3g} h" if hours else "",
        f"{hours * 3600 * RATE * 2 / 1e9:.3g} GB at {RATE} Hz" if hours else "",
    ]
    yield f"mode {mode}", ", ".join(fact for fact in facts if fact) + default
    if mode in entry.archives:
        md5 = entry.archives[mode]
        checksum = f"MD5 {md5}" if md5 else "no checksum published: the first one seen counts"
        yield "", f"{Archive(entry, mode, RATE).name}, {checksum}"


def _splits(config: Mapping[str, Any]) -> str:
    if config["split_mode"] == "trainvaltest":
        share = config.get("split_percentage")
        drawn = f", {' '.join(f'{k} {v} %' for k, v in share.items())} where drawn" if share else ""
        return f"train, valid, test{drawn}"
    drawn = config["split_mode"] == "new_split_kfold"
    return f"{config['nfolds']} folds, {'drawn' if drawn else 'as the corpus has them'}"


def _downloads(config: Mapping[str, Any]) -> Iterator[str]:
    for download in config.get("download_urls", ()):
        for part in download.get("multipart_zip_urls", (download,)):
            md5 = part.get("md5")
            yield f"{part['url']}, {f'MD5 {md5}' if md5 else 'no checksum published'}"
    if "tfds_task_name" in config:
        yield f"as TensorFlow Datasets has it: {config['tfds_task_name']}"


def _folder_rows(folder: TaskFolder) -> Rows:
    counts = {split: len(folder.items(split)) for split in folder.splits}
    yield "here", str(folder.path)
    yield "labels", f"{len(folder.labels)}: {_shortened(folder.labels)}"
    yield "clips", ", ".join(f"{split} {count}" for split, count in counts.items())
    yield "rates", ", ".join(f"{rate} Hz" for rate in folder.rates())
    yield "scores", ", ".join(folder.evaluation)
    yield "hash", folder.hash()


def _folders(tasks_dir: Path) -> tuple[list[TaskFolder], list[str]]:
    """Tasks of a folder, and what is wrong with those that cannot be read."""
    folders, broken = [], []
    for path in find_tasks(tasks_dir) if tasks_dir.is_dir() else ():
        try:
            folders.append(read_task(path))
        except TaskError as error:
            broken.append(str(error))
    return folders, broken


def _way(entry: TaskEntry) -> str:
    if not entry.corpus:
        return "built in"
    return "get" if entry.archives else "prepare"


def _if_known(key: str, value: str) -> Rows:
    if value:
        yield key, value


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _shortened(labels: Sequence[str], most: int = 12) -> str:
    return ", ".join(labels[:most]) + (", ..." if len(labels) > most else "")
