"""Task folders exactly as hear-preprocess writes them.

A folder ``<task_name>-<version>-<mode>/`` holds ``task_metadata.json``, ``labelvocabulary.csv``,
one ``<split>.json`` per split, and 16-bit mono WAV files under ``<rate>/<split>/``. Audio that is
made while embedding lies beside them in ``<rate>-<resampler>/`` with a ``resampled.json`` (see
`tasks.audio`); a folder ``<rate>/`` with that file is of an earlier version, and not used. What
`tasks.prepare` made says in ``prepared.json`` how its rates were resampled. Where labels are known
in part, ``<split>_known_labels.json`` lists, for every file, those that were looked for; a label
that is not in it may be there or not. ``clip_groups.json`` may tell of what file is of the same
speaker, recording or place as which others: it changes no score, only how two models' scores are
compared, and is not part of the task's hash.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import TaskError as TaskError
from .errors import one_line, shown
from .reading import (
    is_folder,
    is_regular,
    is_sound_name,
    names_in,
    read_bytes,
    read_json,
    read_text,
)

METADATA_FILE = "task_metadata.json"
VOCABULARY_FILE = "labelvocabulary.csv"
RESAMPLED_FILE = "resampled.json"
PREPARED_FILE = "prepared.json"
GROUPS_FILE = "clip_groups.json"
TRAINVALTEST = ("train", "valid", "test")
SPLIT_MODES = ("trainvaltest", "new_split_kfold", "presplit_kfold")
SCENE_SCORES = ("top1_acc", "mAP", "d_prime", "aucroc", "pitch_acc", "chroma_acc")
EVENT_SCORES = (
    "event_onset_200ms_fms",
    "event_onset_50ms_fms",
    "event_onset_offset_50ms_20perc_fms",
    "segment_1s_er",
)
RESAMPLERS = ("soxr-int16", "torchaudio")  # the first is the default; see `tasks.resampling`
HASHED_BLOCK = 4096
MOST_METADATA_BYTES = 1 << 20
MOST_VOCABULARY_BYTES = 4 << 20
MOST_LABELS = 10_000  # models' outputs and targets are as wide
MOST_FAULTS = 100  # told of one task
MOST_MS = 1e9  # of an event: 11 days
GRIDS: Mapping[str, tuple[type, ...]] = {
    "event_postprocessing_grid": (int, float),
    "task_specific_param_grid": (int, float, str),
}
POSTPROCESSING = ("threshold", "median_filter_ms", "min_duration")
MOST_GRID_POINTS = 10_000
MOST_COMPARED = 500  # names that a mistyped one is held against, and its characters


@dataclass(frozen=True)
class TaskFolder:
    """A checked task folder; make it with `read_task`.

    Attributes
    ----------
    path
        The folder.
    metadata
        ``task_metadata.json`` as it is.
    labels
        The label vocabulary as strings, in the order of ``idx``.
    """

    path: Path
    metadata: dict[str, Any]
    labels: tuple[str, ...]

    @property
    def name(self) -> str:
        return str(self.metadata["task_name"])

    @property
    def version(self) -> str:
        return str(self.metadata["version"])

    @property
    def mode(self) -> str:
        return str(self.metadata["mode"])

    @property
    def embedding_type(self) -> str:
        """``scene`` or ``event``."""
        return str(self.metadata["embedding_type"])

    @property
    def prediction_type(self) -> str:
        """``multiclass`` or ``multilabel``."""
        return str(self.metadata["prediction_type"])

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self.metadata["splits"])

    @property
    def sample_duration(self) -> float | None:
        """Seconds of every clip, or None where clips keep their own length."""
        duration = self.metadata["sample_duration"]
        return None if duration is None else float(duration)

    @property
    def evaluation(self) -> tuple[str, ...]:
        """Names of the scores, the primary one first."""
        return tuple(self.metadata["evaluation"])

    def items(self, split: str) -> dict[str, list[Any]]:
        """Every file of a split with its labels, or its ``{"label", "start", "end"}`` in ms."""
        path = self.path / f"{split}.json"
        items: dict[str, list[Any]] = read_json(path)
        if not isinstance(items, dict) or not items:
            raise TaskError(
                f"{path}: expected an object with a list of labels for every audio file"
            )
        return items

    def known_labels(self, split: str) -> dict[str, list[Any]] | None:
        """For every file the labels known to be there or not, or None where all are."""
        path = self.path / known_labels_file(split)
        if not path.exists():
            return None
        known: dict[str, list[Any]] = read_json(path)
        return known

    def rates(self) -> tuple[int, ...]:
        """Sample rates (Hz) that the task came with, ascending."""
        return tuple(
            sorted(
                int(folder.name)
                for folder in self.path.iterdir()
                if re.fullmatch(r"[1-9][0-9]{0,6}", folder.name)
                and is_folder(folder)
                and not (folder / RESAMPLED_FILE).exists()
            )
        )

    def best_rate(self) -> int:
        """Highest of `rates`."""
        own = self.rates()
        if not own:
            raise TaskError(
                f"{self.path}: no audio; expected folders such as 16000/{self.splits[0]}"
            )
        return own[-1]

    def prepared_by(self, rate: int) -> str:
        """What `tasks.prepare` resampled a rate (Hz) with; empty where it did not."""
        path = self.path / PREPARED_FILE
        if not path.exists():
            return ""
        prepared = read_json(path, MOST_METADATA_BYTES)
        try:
            sources = prepared["rates"][str(rate)]
            made_from = " and ".join(f"{source} Hz" for source in sources if source != rate)
            return f"{prepared['resampler']} from {made_from}" if made_from else ""
        except (TypeError, KeyError):
            raise TaskError(
                f"{path}: expected a resampler and, for {rate} Hz, the rates that it was made from"
            ) from None

    def audio_path(self, split: str, filename: str, rate: int) -> Path:
        return self.path / str(rate) / split / filename

    def hash(self) -> str:
        """Hexadecimal SHA-256 of what the task is.

        Taken over metadata, vocabulary and split files (all bytes), and at `best_rate` every audio
        file's name, size and three blocks of 4 KiB (begin, middle, end): another resampling or
        another recording changes it, and a corpus of 100 hours takes seconds. Rates made from the
        best one do not enter.
        """
        rate = self.best_rate()
        digest = hashlib.sha256(str(rate).encode())
        partial = (known_labels_file(split) for split in self.splits)
        for name in (
            *(METADATA_FILE, VOCABULARY_FILE),
            *(f"{split}.json" for split in self.splits),
            *(name for name in partial if (self.path / name).exists()),
        ):
            content = read_bytes(self.path / name)
            digest.update(f"\n{name} {len(content)}\n".encode() + content)
        for split in self.splits:
            for filename in sorted(self.items(split)):
                path = self.audio_path(split, filename, rate)
                size = path.stat().st_size
                digest.update(f"\n{split}/{filename} {size}\n".encode())
                with path.open("rb") as file:
                    last = max(0, size - HASHED_BLOCK)
                    for start in (0, last // 2, last):
                        file.seek(start)
                        digest.update(file.read(HASHED_BLOCK))
        return digest.hexdigest()


def read_task(path: Path | str) -> TaskFolder:
    """Read a task folder and check all of it but the samples.

    Raises
    ------
    TaskError
        Naming the file and the key at fault: a file missing or unreadable, a key missing or with a
        wrong value, a label outside the vocabulary, an audio file missing.
    """
    task = open_task(path)
    for fault in faults(task):
        raise TaskError(fault)
    return task


def open_task(path: Path | str) -> TaskFolder:
    """Read metadata and vocabulary of a task folder, and check those alone; as `read_task`."""
    path = Path(path)
    if not is_folder(path):
        raise TaskError(f"{path}: no such task folder")
    metadata = read_json(path / METADATA_FILE, MOST_METADATA_BYTES)
    _check_metadata(path / METADATA_FILE, metadata)
    return TaskFolder(path, metadata, _read_vocabulary(path / VOCABULARY_FILE))


def faults(task: TaskFolder) -> Iterator[str]:
    """Lines on what is wrong in an opened task, as far as names and labels tell.

    They are those of `MOST_FAULTS` faults at most, and of whether there are more.
    """
    for told, fault in enumerate(_faults(task)):
        if told == MOST_FAULTS:
            yield f"{task.path}: more faults; the first {MOST_FAULTS} are told"
            return
        yield one_line(fault)


def _faults(task: TaskFolder) -> Iterator[str]:
    try:
        rate = task.best_rate()
    except TaskError as error:
        yield str(error)
        return
    seen: dict[str, str] = {}
    names: set[str] = set()
    for split in task.splits:
        path = task.path / f"{split}.json"
        folder = task.path / str(rate) / split
        try:
            items = task.items(split)
            names.update(items)
            yield from _item_faults(task, path, items)
            yield from _known_faults(task, split, items)
            missing = set(items) - names_in(folder)
        except TaskError as error:
            yield str(error)
            continue
        if missing:
            name = min(missing)
            there = os.path.lexists(folder / name) if is_sound_name(name) else False
            yield (
                f"{folder / name}: audio is missing{' (it is no regular file)' if there else ''}"
                f" ({len(missing)} of {len(items)} files of {split}.json); restore it or prepare"
                " the task again"
            )
        for filename in items:
            if seen.setdefault(filename, split) != split:
                yield f"{path}: {filename} is in {seen[filename]}.json too"
    try:
        groups = read_groups(task.path)
    except TaskError as error:
        yield str(error)
        return
    if groups and (missing := names - groups.keys()):
        yield f"{task.path / GROUPS_FILE}: {min(missing)} has no group, but other files have"


def find_tasks(tasks_dir: Path | str) -> list[Path]:
    """Folders directly under `tasks_dir` that hold a ``task_metadata.json``, by name."""
    tasks_dir = Path(tasks_dir)
    if not is_folder(tasks_dir):
        raise TaskError(f"{tasks_dir}: no such folder of tasks")
    return sorted(
        folder
        for folder in tasks_dir.iterdir()
        if is_regular(folder / METADATA_FILE) and not folder.name.startswith(".")
    )


def resolve_tasks(tasks_dir: Path | str, names: Sequence[str] = ()) -> list[TaskFolder]:
    """Read the tasks called `names`, all of them where none is named.

    A name is a folder's (``esc50-v2.0.0-full``) or a task's (``esc50``: every version and mode of
    it). The order is that of `names`, without repetitions.

    Raises
    ------
    TaskError
        No such task (with near names), or a task at fault.
    """
    return [read_task(folder) for folder in folders_named(tasks_dir, names)]


def folders_named(tasks_dir: Path | str, names: Sequence[str] = ()) -> list[Path]:
    """Folders of the tasks called `names`; as `resolve_tasks`, but they are not read."""
    folders = find_tasks(tasks_dir)
    if not folders:
        raise TaskError(
            f"{tasks_dir}: no tasks here; `hear-benchmark tasks get` or `prepare` brings some"
        )
    by_name: dict[str, list[Path]] = {}
    for folder in folders:
        for name in {folder.name, _task_name(folder)}:
            by_name.setdefault(name, []).append(folder)
    chosen: dict[Path, None] = {}
    for name in names:
        if name not in by_name:
            raise TaskError(
                f"{tasks_dir}: no task {name!r}{near_names(name, by_name)}"
                f"; there: {', '.join(folder.name for folder in folders)}"
            )
        chosen.update(dict.fromkeys(by_name[name]))
    return list(chosen) if names else folders


def near_names(name: str, names: Iterable[str]) -> str:
    """`` (did you mean a or b?)``, or nothing where no name is near, or they are too many."""
    known = sorted(set(names))
    if len(known) > MOST_COMPARED or len(name) > MOST_COMPARED:
        return ""
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def folder_name(metadata: Mapping[str, Any]) -> str:
    """``<task_name>-<version>-<mode>``."""
    return f"{metadata['task_name']}-{metadata['version']}-{metadata['mode']}"


def read_groups(folder: Path) -> dict[str, str]:
    """Group of every file of a task, or of its embeddings; empty where none are known.

    Raises
    ------
    TaskError
        ``clip_groups.json`` is not an object of texts.
    """
    path = folder / GROUPS_FILE
    if not path.exists():
        return {}
    groups: dict[str, str] = read_json(path)
    if not isinstance(groups, dict) or not all(isinstance(g, str) and g for g in groups.values()):
        raise TaskError(f"{path}: expected an object with the group of every audio file, as text")
    return groups


def known_labels_file(split: str) -> str:
    """Name of the file that tells which labels of a split are known."""
    return f"{split}_known_labels.json"


def vocabulary(items: Mapping[str, Mapping[str, Sequence[Any]]]) -> list[Any]:
    """Labels of the files of all splits, in the order of ``labelvocabulary.csv``."""
    labels: set[Any] = set()
    for files in items.values():
        for entries in files.values():
            labels.update(e["label"] if isinstance(e, Mapping) else e for e in entries)
    return sorted(labels)


def write_prepared(path: Path, resampler: str, rates: Mapping[int, Iterable[int]]) -> None:
    """Write ``prepared.json``: for each rate (Hz) the rates of the recordings it was made from."""
    sources = {str(rate): sorted(rates[rate]) for rate in sorted(rates)}
    _write_json(path / PREPARED_FILE, {"resampler": resampler, "rates": sources})


def write_task(
    path: Path | str,
    metadata: Mapping[str, Any],
    items: Mapping[str, Mapping[str, Sequence[Any]]],
    known: Mapping[str, Mapping[str, Sequence[Any]]] | None = None,
    groups: Mapping[str, str] | None = None,
) -> None:
    """Write the JSON and CSV files of a task folder, byte for byte as hear-preprocess does.

    Parameters
    ----------
    path
        The folder; made where it is missing. Audio is written beside this.
    metadata
        ``task_metadata.json``, its keys in their order.
    items
        For each split of the metadata: labels (scene) or events of every file.
    known
        Likewise, the labels that are known of every file, where not all are.
    groups
        What every file belongs to (`read_groups`), where that is known.
    """
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    for split in metadata["splits"]:
        _write_json(path / f"{split}.json", dict(sorted(items[split].items())))
        if known is not None:
            _write_json(path / known_labels_file(split), dict(sorted(known[split].items())))
    with (path / VOCABULARY_FILE).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("idx", "label"))
        rows.writerows(enumerate(vocabulary(items)))
    if groups:
        _write_json(path / GROUPS_FILE, dict(sorted(groups.items())))
    _write_json(path / METADATA_FILE, metadata)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8", newline="\n")


def _task_name(folder: Path) -> str:
    try:
        metadata = read_json(folder / METADATA_FILE, MOST_METADATA_BYTES)
        return str(metadata["task_name"])
    except (TaskError, TypeError, KeyError):
        return folder.name  # a broken neighbour must not stand in the way of the other tasks


def _read_vocabulary(path: Path) -> tuple[str, ...]:
    try:
        text = read_text(path, MOST_VOCABULARY_BYTES)
        # The csv module, not pandas: labels such as "NA" must stay labels.
        header, *rows = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    except FileNotFoundError:
        raise TaskError(f"{path}: missing; the task folder is not complete") from None
    except csv.Error as error:
        raise TaskError(f"{path}: cannot be read ({error})") from None
    if header != ["idx", "label"]:
        raise TaskError(f"{path}: header is {','.join(header)!r}, expected 'idx,label'")
    if len(rows) > MOST_LABELS:
        raise TaskError(f"{path}: {len(rows)} labels, expected at most {MOST_LABELS}")
    labels: dict[str, None] = {}
    for number, row in enumerate(rows):
        if len(row) != 2 or row[0] != str(number) or not row[1]:
            raise TaskError(
                f"{path}: line {number + 2} is {','.join(row)!r}, expected '{number},<label>'"
            )
        if row[1] in labels:
            raise TaskError(f"{path}: label {row[1]!r} is there twice")
        labels[row[1]] = None
    if not labels:
        raise TaskError(f"{path}: no labels")
    return tuple(labels)


def _check_metadata(path: Path, metadata: Any) -> None:
    if not isinstance(metadata, dict):
        raise TaskError(f"{path}: expected an object, found {type(metadata).__name__}")

    def check(key: str, fits: bool, expected: str) -> None:
        if key not in metadata:
            raise TaskError(f"{path}: {key} is missing; expected {expected}")
        if not fits:
            raise TaskError(f"{path}: {key} is {shown(metadata[key])}, expected {expected}")

    for key in ("task_name", "version", "mode"):
        value = metadata.get(key)
        check(key, isinstance(value, str) and is_sound_name(value), "a name as files have")
    kind = metadata.get("embedding_type")
    check("embedding_type", kind in ("scene", "event"), "scene or event")
    kinds = ("multilabel",) if kind == "event" else ("multiclass", "multilabel")
    check("prediction_type", metadata.get("prediction_type") in kinds, " or ".join(kinds))
    mode = metadata.get("split_mode")
    check("split_mode", mode in SPLIT_MODES, ", ".join(SPLIT_MODES))
    splits = metadata.get("splits")
    if mode == "trainvaltest":
        check("splits", _is_permutation(splits, TRAINVALTEST), ", ".join(TRAINVALTEST))
    else:
        fits = (
            isinstance(splits, list)
            and len(splits) >= 3
            and _is_permutation(splits, [f"fold{i:02d}" for i in range(len(splits))])
        )
        check("splits", fits, "fold00, fold01, ... (three or more)")
    seconds = metadata.get("sample_duration")
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    fits = seconds is None or (is_number and 0 < 1000 * seconds <= MOST_MS)
    check("sample_duration", fits, "seconds or null")
    # Which metrics there are is not known here: others than HEAR's may be registered.
    scores = metadata.get("evaluation")
    fits = isinstance(scores, list) and all(map(_is_metric_name, scores))
    fits = fits and len(set(scores or ())) == len(scores or ()) > 0
    known = EVENT_SCORES if kind == "event" else SCENE_SCORES
    check("evaluation", fits, f"a list of metrics such as {', '.join(known)}")
    if "evaluation_params" in metadata:
        check("evaluation_params", isinstance(metadata["evaluation_params"], dict), "an object")
        _check_grids(f"{path}: evaluation_params", metadata["evaluation_params"])
    if "use_scoring_for_early_stopping" in metadata:
        key = "use_scoring_for_early_stopping"
        check(key, isinstance(metadata[key], bool), "true or false")


def _is_metric_name(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\w{1,100}", value) is not None


def _is_number(value: Any, most: float = MOST_MS) -> bool:
    return isinstance(value, (int, float)) and 0 <= value <= most


def _check_grids(where: str, params: Mapping[str, Any]) -> None:
    """Check the form of ``evaluation_params``: for each grid, lists of values by name."""
    for name, grid in params.items():
        if name not in GRIDS:
            raise TaskError(f"{where}: {name!r}: expected {' or '.join(GRIDS)}")
        if not isinstance(grid, dict):
            raise TaskError(f"{where}.{name} is {shown(grid)}, expected an object of lists")
        points = 1
        for key, values in grid.items():
            if name == "event_postprocessing_grid" and key not in POSTPROCESSING:
                raise TaskError(f"{where}.{name}: {key!r}: expected {', '.join(POSTPROCESSING)}")
            if not isinstance(values, list) or not values:
                raise TaskError(f"{where}.{name}.{key} is {shown(values)}, expected a list")
            for value in values:
                fits = _is_number(value) or (isinstance(value, str) and str in GRIDS[name])
                if not fits:
                    raise TaskError(
                        f"{where}.{name}.{key} has {shown(value)}, expected numbers of at least 0"
                    )
            points *= len(values)
        if points > MOST_GRID_POINTS:
            raise TaskError(
                f"{where}.{name} has {points} points, expected at most {MOST_GRID_POINTS}"
            )


def _is_permutation(found: Any, expected: Sequence[str]) -> bool:
    return isinstance(found, list) and sorted(map(str, found)) == sorted(expected)


def _item_faults(task: TaskFolder, path: Path, items: Mapping[str, Any]) -> Iterator[str]:
    vocabulary = set(task.labels)
    is_event = task.embedding_type == "event"
    for filename, entries in items.items():
        where = f"{path}: {filename}"
        if not is_sound_name(filename) or not filename.endswith(".wav"):
            yield f"{where} is not the name of a .wav file"
        if not isinstance(entries, list):
            yield f"{where}: expected a list, found {shown(entries)}"
            continue
        if task.prediction_type == "multiclass" and len(entries) != 1:
            yield f"{where}: {len(entries)} labels; multiclass has exactly one a file"
        for entry in entries:
            if is_event and (fault := event_fault(entry)):
                yield f"{where}: event {shown(entry)}{fault}"
                continue
            label = entry["label"] if is_event else entry
            if not _is_label(label) or str(label) not in vocabulary:
                near = near_names(label, vocabulary) if isinstance(label, str) else ""
                yield f"{where}: label {shown(label)} is not in {VOCABULARY_FILE}{near}"


def _known_faults(task: TaskFolder, split: str, items: Mapping[str, Any]) -> Iterator[str]:
    known = task.known_labels(split)
    if known is None:
        return
    path = task.path / known_labels_file(split)
    if task.embedding_type != "scene" or task.prediction_type != "multilabel":
        yield f"{path}: only multilabel scene tasks can have labels that are not known"
        return
    if not isinstance(known, dict) or known.keys() != items.keys():
        yield f"{path}: its files are not those of {split}.json"
        return
    vocabulary = set(task.labels)
    for filename, labels in known.items():
        if (
            not isinstance(labels, list)
            or not all(map(_is_label, labels))
            or not set(map(str, labels)) <= vocabulary
        ):
            yield f"{path}: {filename}: labels {shown(labels)} are not in {VOCABULARY_FILE}"
            continue
        present = items[filename]
        if not isinstance(present, list) or not all(map(_is_label, present)):
            continue  # told already
        if not set(map(str, present)) <= set(map(str, labels)):
            yield f"{path}: {filename}: {shown(present)} are there but not known"


def _is_label(value: Any) -> bool:
    return isinstance(value, (str, int, float))


def event_fault(event: Any) -> str:
    """What is wrong with an event, to go on from "event ..."; empty where it is sound."""
    if not isinstance(event, dict) or not {"label", "start", "end"} <= event.keys():
        return " has not label, start and end"
    start, end = event["start"], event["end"]
    numbers = all(isinstance(t, (int, float)) and not isinstance(t, bool) for t in (start, end))
    if not (numbers and 0 <= start <= end <= MOST_MS):
        return "; expected ms with 0 <= start <= end"
    return ""
