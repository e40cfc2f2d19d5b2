"""Any folder of audio with CSV or JSON files of labels.

A label file is a table with one label a row. CSV (or ``.tsv``) has a header ::

    file,label,group            multiclass: one row a file
    a.wav,dog,anna              (`group`, of any name, and `split` are optional)

    file,label                  multilabel: a row for each label, none: an empty cell
    a.wav,dog
    a.wav,rain
    b.wav,

    file,label,start,end        event: from start to end, in ms or s
    a.wav,dog,0,90

and JSON is one of ::

    {"a.wav": "dog"}                                     one label
    {"a.wav": ["dog", "rain"]}                           several
    {"a.wav": [{"label": "dog", "start": 0, "end": 90}]} events
    {"a": {"pitch": 60, "instrument": "oboe"}}           a row of columns
    [{"file": "a.wav", "label": "dog"}]                  rows of columns

In JSON keyed by file, the key is the column `file`. A row without a label says that the file has
none (multilabel and event tasks). Files are named by their path without extension, ``/`` turned
into ``_``.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ..audio import audio_seconds
from ..corpus import Clip, Corpus, Event, Label
from ..entry import DCASE_PARAMS, SCENE_SCORES
from ..folder import TRAINVALTEST, TaskError, near_names
from ..reading import read_text
from ..splits import PERCENTAGES, draw_stratified, fold_names

KINDS = {
    "multiclass": ("scene", "multiclass"),
    "multilabel": ("scene", "multilabel"),
    "event": ("event", "multilabel"),
}
EVALUATION = {
    "multiclass": SCENE_SCORES,
    "multilabel": ["mAP", "d_prime", "aucroc", "top1_acc"],
    "event": ["event_onset_200ms_fms", "segment_1s_er"],
}
AUDIO_SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au", ".m4a", ".aac"),
    *(".wma", ".webm", ".mp4", ".caf", ".w64"),
)
MOST_LABEL_BYTES = 1 << 30
TOLERANCE_MS = 1.0
# Times that were seconds are within a thousandth of the clip when they are taken for ms.
SECONDS_AS_MS = 1 / 1000
MS_PER_UNIT = {"ms": 1.0, "s": 1000.0}
SPLIT_NAMES = {
    **{name: name for name in TRAINVALTEST},
    "training": "train",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "testing": "test",
}


def make(
    source: Path,
    *,
    name: str,
    kind: str = "multiclass",
    version: str = "v1",
    splits: str = "",
    nfolds: int = 5,
    sample_duration: float | None = None,
    max_split_duration: float | None = None,
    evaluation: Sequence[str] = (),
    evaluation_params: Mapping[str, Any] | None = None,
    use_scoring_for_early_stopping: bool = True,
    allow_missing_labels: bool = False,
    stratify: bool = False,
    seed: int = 0,
    labels: str = "",
    **layout: Any,
) -> Corpus:
    """A corpus of one's own; `layout` is the keywords of `read`.

    Parameters
    ----------
    source
        Folder of the audio and the label files.
    name, version
        Of the task; its folder is ``<name>-<version>-full``.
    kind
        ``multiclass`` (one label a file), ``multilabel`` or ``event``.
    splits
        ``given`` (by the column `split` or ``{split}`` in `labels`: train, valid and test, of
        which valid and test are drawn where missing, or three or more folds), ``folds`` or
        ``trainvaltest`` (80/10/10), both drawn. Default: ``given`` if any file has a split, else
        ``folds``.
    nfolds
        Number of folds to draw.
    sample_duration
        Seconds to which every clip is cut or padded with zeros; None leaves them as they are.
    max_split_duration
        Seconds of audio to keep at most of every split.
    evaluation
        Metrics, the primary one first. Default by `kind`: HEAR's usual ones.
    evaluation_params
        hear-eval-kit's ``event_postprocessing_grid`` and ``task_specific_param_grid``. Default for
        events: as dcase2016_task2.
    use_scoring_for_early_stopping
        False: stop training by the loss.
    allow_missing_labels
        Accept splits that lack some label.
    stratify
        Draw splits that have each label in proportion instead of HEAR's, which are drawn by names
        alone.
    seed
        Of stratified splits.
    labels
        Label file, by its path from the current folder or from `source`; default:
        ``labels.csv``. ``{split}`` in it stands for the name of a split: one file for each, such as
        ``{split}.json`` or ``{split}/examples.json``.

    Raises
    ------
    TaskError
        Anything wrong with an option, a label file, or a file that it names.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_]*", name):
        raise TaskError(f"name is {name!r}; expected letters, digits and _")
    embedding_type, prediction_type = KINDS[_one_of("kind", kind, KINDS)]
    _one_of("splits", splits, ("", "given", "folds", "trainvaltest"))
    config: dict[str, Any] = {
        "task_name": name,
        "version": version,
        "embedding_type": embedding_type,
        "prediction_type": prediction_type,
    }
    if labels:
        layout["labels"] = _from_here(source, labels)
    clips = read(source, {**config, "sample_duration": sample_duration}, "full", **layout)
    given = {clip.split for clip in clips}
    if splits == "given" and given == {""}:
        raise TaskError("splits is given, but no file has a split; name the column with split")
    if stratify and not (splits in ("folds", "trainvaltest") or given == {""}):
        raise TaskError(
            "stratify draws splits, but files have theirs; say --splits folds or trainvaltest"
        )
    if splits == "folds" or (not splits and given == {""}):
        config.update(split_mode="new_split_kfold", nfolds=nfolds)
    elif splits == "trainvaltest" or given <= set(TRAINVALTEST):
        config.update(split_mode="trainvaltest")
        if splits == "trainvaltest":
            clips = tuple(replace(clip, split="train") for clip in clips)
    else:
        config.update(split_mode="presplit_kfold", nfolds=len(given))
    if not splits or splits == "given":
        _check_groups(clips)
    if stratify:
        clips = _stratified(clips, config, seed)
    config["sample_duration"] = sample_duration
    # Which metrics there are is not known here: others than HEAR's may be registered.
    config["evaluation"] = list(evaluation or EVALUATION[kind])
    if not use_scoring_for_early_stopping:
        config["use_scoring_for_early_stopping"] = False
    if evaluation_params is None and kind == "event":
        evaluation_params = DCASE_PARAMS
    if evaluation_params is not None:
        config["evaluation_params"] = evaluation_params
    if stratify:
        config["stratified_by_seed"] = seed
    config["default_mode"] = "full"
    if config["split_mode"] == "trainvaltest":
        config["max_task_duration_by_split"] = dict.fromkeys(TRAINVALTEST, max_split_duration)
    else:
        config["max_task_duration_by_fold"] = max_split_duration
    return Corpus(config, "full", clips, every_label=not allow_missing_labels)


def _stratified(clips: Sequence[Clip], config: dict[str, Any], seed: int) -> tuple[Clip, ...]:
    """Clips with their splits; `config` says that these are given."""
    shares = PERCENTAGES
    if config["split_mode"] != "trainvaltest":
        config["split_mode"] = "presplit_kfold"
        shares = dict.fromkeys(fold_names(config["nfolds"]), 1.0)
    labels = {
        clip.stem: [label.label if isinstance(label, Event) else label for label in clip.labels]
        for clip in clips
    }
    groups = {clip.stem: clip.group or clip.stem for clip in clips}
    split_of = draw_stratified(groups, labels, shares, seed)
    return tuple(replace(clip, split=split_of[clip.stem]) for clip in clips)


@dataclass(frozen=True)
class Row:
    """One row of a label file: where it stands, for messages, and its columns."""

    where: str
    split: str
    columns: Mapping[str, Any]

    def __getitem__(self, column: str) -> Any:
        if column not in self.columns:
            raise TaskError(
                f"{self.where}: no column {column!r}{near_names(column, self.columns)};"
                f" there: {', '.join(self.columns)}"
            )
        return self.columns[column]


def read(
    source: Path,
    config: Mapping[str, Any],
    mode: str,
    *,
    labels: str = "labels.csv",
    pattern: str = "",
    audio: str = "{file}",
    file: str = "file",
    label: str = "label",
    start: str = "start",
    end: str = "end",
    time_unit: str = "",
    split: str = "",
    group: str = "",
    label_separator: str = "",
    label_range: Sequence[int] = (),
) -> tuple[Clip, ...]:
    """Clips of a folder of audio with label files.

    Parameters
    ----------
    source
        The folder.
    config, mode
        Of the task; ``embedding_type`` and ``prediction_type`` say what the labels are.
    labels
        As for `make`, but relative to `source`.
    pattern
        Instead of label files: paths from `source` of all its audio files, such as ``{label}/*``
        (a folder for each label) or ``{split}/{group}-*-{label}.wav``. ``{label}``, ``{split}`` and
        ``{group}`` take what stands there, ``*`` stands for anything in a name, ``**/`` for
        folders.
    audio
        Audio file of a row, relative to `source`: ``{file}`` stands for its column `file`,
        ``{split}`` for the split as ``labels`` names it.
    file, label, start, end
        Name of the column.
    split, group
        Name of the column, if there is one; files of one group stay together.
    time_unit
        Of start and end: ``ms``, the default, or ``s``. Where it is not given, times so near the
        begin of every file that they can only be seconds are refused.
    label_separator
        Splits a cell into several labels.
    label_range
        Lowest and highest of integer labels; rows with others are left out.

    Raises
    ------
    TaskError
        Naming the label file and the row at fault.
    """
    scale = MS_PER_UNIT[_one_of("time_unit", time_unit or "ms", MS_PER_UNIT)]
    is_event = config["embedding_type"] == "event"
    rows = _rows(source, labels, file, label)
    if pattern:
        if is_event:
            raise TaskError("pattern gives no times; events need a label file (--labels)")
        rows = _rows_of_names(source, pattern)
        file, label, split, group = "file", "label", "split", "group"
    files: dict[str, _File] = {}
    for row in rows:
        name = str(row[file])
        path = source / _filled(audio, file=name, split=row.split)
        stem = name.removesuffix(path.suffix) if audio.endswith("{file}") else name
        its_split = str(row[split]) if split else row.split
        new = _File(path, its_split, str(row[group]) if group else "", row.where)
        texts = [text for text in _texts(row, label, label_separator) if text]
        if label_range:
            texts = [text for text in texts if _in_range(row, text, label_range)]
            if not texts:
                continue
        stem = stem.strip("/").replace("/", "_")
        if stem not in files and not path.is_file():
            raise TaskError(f"{row.where}: no audio file {path}")
        its = files.setdefault(stem, new)
        if (its.path, its.split, its.group) != (new.path, new.split, new.group):
            raise TaskError(
                f"{row.where}: {new.path}, split {new.split!r}, group {new.group!r}; but an earlier"
                f" row of {stem}, {its.where}, has {its.path}, split {its.split!r}, group"
                f" {its.group!r}"
            )
        for text in texts:
            entry: tuple[Any, ...] = (text,)
            if is_event:
                entry = (text, *_times(row, start, end, scale))
                _check_within(row, entry[1:], its, config.get("sample_duration"))
            if entry in its.labels:
                raise TaskError(f"{row.where}: {name} has the label {text!r} already")
            its.labels.append(entry)
        if config["prediction_type"] == "multiclass" and len(its.labels) != 1:
            raise TaskError(
                f"{row.where}: {name} has {len(its.labels)} labels; multiclass has one a file"
            )
    if not files:
        raise TaskError(
            f"{source / labels}: no rows; expected a label a row, under a header in CSV"
        )
    if is_event and not time_unit:
        _check_unit(files.values())
    split_of = _split_names({its.split for its in files.values()})
    to_label = _label_type({entry[0] for its in files.values() for entry in its.labels})
    return tuple(
        Clip(
            its.path,
            stem,
            tuple(
                Event(to_label(entry[0]), *entry[1:]) if is_event else to_label(entry[0])
                for entry in its.labels
            ),
            split_of[its.split],
            its.group,
            where=its.where,
        )
        for stem, its in files.items()
    )


def _filled(audio: str, **values: str) -> str:
    try:
        return audio.format(**values)
    except (KeyError, IndexError, ValueError, AttributeError):
        raise TaskError(
            f"audio is {audio!r}; expected a path with {{file}} and perhaps {{split}}"
        ) from None


def _from_here(source: Path, labels: str) -> str:
    """The label files named, from the current folder or from `source`, as an absolute path."""
    found = {
        folder: (folder / labels).resolve()
        for folder in (Path.cwd(), source.resolve())
        if _matching(folder / labels)
    }
    if len(set(found.values())) > 1:
        raise TaskError(
            f"labels is {labels!r}, which is both in {Path.cwd()} and in {source}; give its whole"
            " path"
        )
    return str(next(iter(found.values()), labels))


def _matching(labels: Path) -> list[Path]:
    """The label files of a path in which ``{split}`` stands for any name."""
    if "{split}" not in str(labels):
        return [labels] if labels.exists() else []
    anchor = Path(labels.anchor)
    return sorted(anchor.glob(str(labels.relative_to(anchor)).replace("{split}", "*")))


@dataclass
class _File:
    path: Path
    split: str
    group: str
    where: str
    labels: list[Any] = field(default_factory=list)  # (text,) or (text, start, end)

    @cached_property
    def milliseconds(self) -> float:
        """Length of the audio."""
        return 1000 * audio_seconds(self.path)


def _rows(source: Path, labels: str, file: str, label: str) -> Iterator[Row]:
    """Rows of all label files."""
    path = (source / labels).absolute()
    if "{split}" not in labels:
        yield from _rows_of(path, "", file, label)
        return
    before, after = path.as_posix().split("{split}", 1)
    found = re.compile(re.escape(before) + r"([^/]+)" + re.escape(after))
    matches = [(path, found.fullmatch(path.as_posix())) for path in _matching(path)]
    if not any(match for _, match in matches):
        raise TaskError(f"{source}: no label files {labels}")
    for path, match in matches:
        if match:
            yield from _rows_of(path, match.group(1), file, label)


def _rows_of_names(source: Path, pattern: str) -> Iterator[Row]:
    """A row for each audio file under a folder, by what its path says."""
    found = _path_pattern(pattern)
    paths = sorted(
        path
        for path in source.rglob("*")
        if path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")
    )
    if not paths:
        raise TaskError(f"{source}: no audio files; known are {', '.join(AUDIO_SUFFIXES)}")
    for path in paths:
        name = path.relative_to(source).as_posix()
        match = found.fullmatch(name)
        if match is None:
            raise TaskError(
                f"{path}: its name does not fit the pattern {pattern!r}; move it away, or give"
                " another pattern"
            )
        parts = {"split": "", "group": "", **match.groupdict()}
        yield Row(str(path), parts["split"], {"file": name, **parts})


def _path_pattern(pattern: str) -> re.Pattern[str]:
    meanings = {
        **{f"{{{name}}}": f"(?P<{name}>[^/]+?)" for name in ("label", "split", "group")},
        "**/": "(?:[^/]+/)*",
        "*": "[^/]*",
    }
    parts = re.split(r"(\{\w*\}|\*\*/|\*)", pattern)
    fields = [part for part in parts if part.startswith("{") and part.endswith("}")]
    unknown = [part for part in fields if part not in meanings]
    if "{label}" not in fields or unknown or len(set(fields)) < len(fields):
        raise TaskError(
            f"pattern is {pattern!r}; expected {{label}} once, {{split}} and {{group}} at most"
            " once, such as '{label}/*'"
        )
    return re.compile("".join(meanings.get(part, re.escape(part)) for part in parts))


def _rows_of(path: Path, split: str, file: str, label: str) -> Iterator[Row]:
    try:
        text = read_text(path, MOST_LABEL_BYTES, "utf-8-sig")
    except FileNotFoundError:
        raise TaskError(f"{path}: label file cannot be read (there is none)") from None
    if path.suffix.lower() != ".json":
        reader = csv.DictReader(
            io.StringIO(text, newline=""), delimiter="\t" if path.suffix == ".tsv" else ","
        )
        try:
            for columns in reader:
                where = f"{path}: line {reader.line_num}"
                if None in columns or None in columns.values():
                    raise TaskError(f"{where}: expected {len(reader.fieldnames or ())} cells")
                yield Row(where, split, columns)
        except csv.Error as error:
            raise TaskError(f"{path}: line {reader.line_num}: not CSV ({error})") from None
        return
    try:
        content = json.loads(text)
    except RecursionError:
        raise TaskError(f"{path}: is nested too deeply") from None
    except ValueError as error:
        raise TaskError(f"{path}: not JSON ({error})") from None
    if isinstance(content, list):
        for number, columns in enumerate(content):
            if not isinstance(columns, dict):
                raise TaskError(f"{path}: row {number} is {columns!r}; expected an object")
            yield Row(f"{path}: row {number}", split, columns)
    elif isinstance(content, dict):
        for name, value in content.items():
            values = value if isinstance(value, list) else [value]
            for entry in values or [None]:
                columns = entry if isinstance(entry, dict) else {label: entry}
                yield Row(f"{path}: {name}", split, {**columns, file: name})
    else:
        raise TaskError(f"{path}: expected an object or a list, found {content!r}")


def _texts(row: Row, label: str, separator: str) -> list[str]:
    value = row[label]
    values = value if isinstance(value, list) else [value]
    texts = ["" if value is None else str(value).strip() for value in values]
    return (
        [part.strip() for text in texts for part in text.split(separator)] if separator else texts
    )


def _in_range(row: Row, text: str, label_range: Sequence[int]) -> bool:
    low, high = label_range
    try:
        return low <= int(text) <= high
    except ValueError:
        raise TaskError(f"{row.where}: label {text!r} is not an integer, yet label_range") from None


def _times(row: Row, start: str, end: str, scale: float) -> tuple[float, float]:
    try:
        begin, finish = float(row[start]) * scale, float(row[end]) * scale
    except (TypeError, ValueError):
        raise TaskError(
            f"{row.where}: start {row[start]!r}, end {row[end]!r}; expected numbers"
        ) from None
    if not 0 <= begin <= finish < float("inf"):
        raise TaskError(f"{row.where}: from {begin} to {finish} ms; expected 0 <= start <= end")
    return begin, finish


def _split_names(given: set[str]) -> dict[str, str]:
    """HEAR's names for the splits as given: train, valid and test, or fold00, fold01 ..."""
    named = {name: SPLIT_NAMES.get(name.lower(), "") for name in given}
    if given == {""} or all(named.values()):
        return named
    if "" in given or any(named.values()):
        raise TaskError(
            f"splits are {', '.join(map(repr, sorted(given)))}; expected train, valid and test,"
            " or a fold for every file"
        )
    in_order = sorted(given, key=lambda name: (not name.isdecimal(), len(name), name))
    return dict(zip(in_order, fold_names(len(in_order)), strict=True))


def _label_type(texts: set[str]) -> Callable[[str], Label]:
    # As in hear-preprocess, where a CSV read by pandas makes integers of labels that are.
    return int if texts and all(re.fullmatch(r"0|-?[1-9]\d*", text) for text in texts) else str


def _check_within(row: Row, times: tuple[float, float], its: _File, seconds: float | None) -> None:
    """Refuse an event after the end of its file, unless clips are cut there anyway."""
    begin, finish = times
    length = its.milliseconds
    if seconds is not None:
        begin, finish = min(begin, 1000 * seconds), begin
    if begin > length or finish > length + TOLERANCE_MS:
        raise TaskError(
            f"{row.where}: from {times[0]:g} to {times[1]:g} ms, but {its.path} has {length:g} ms;"
            " are times in another unit (--time-unit)?"
        )


def _check_unit(files: Collection[_File]) -> None:
    """Refuse ms that can only be seconds: none is later than a thousandth of its file."""
    ends = [(max(entry[2] for entry in its.labels), its) for its in files if its.labels]
    if ends and all(end <= SECONDS_AS_MS * its.milliseconds for end, its in ends):
        last, its = max(ends, key=lambda each: each[0])
        raise TaskError(
            f"{its.where}: events of all files end within their first {last:g} ms, though files"
            f" last up to {max(each.milliseconds for _, each in ends) / 1000:g} s: are times in"
            " seconds? Give --time-unit s, or --time-unit ms if they are right"
        )


def _check_groups(clips: Iterable[Clip]) -> None:
    first: dict[str, Clip] = {}
    for clip in clips:
        if clip.group and first.setdefault(clip.group, clip).split != clip.split:
            other = first[clip.group]
            raise TaskError(
                f"{clip.where}: group {clip.group!r} is in {clip.split} ({clip.stem}), but by"
                f" {other.where} in {other.split} ({other.stem}); a group stays in one split"
            )


def _one_of(key: str, value: str, known: Collection[str]) -> str:
    if value not in known:
        expected = ", ".join(name for name in known if name)
        raise TaskError(f"{key} is {value!r}{near_names(value, known)}; expected {expected}")
    return value
