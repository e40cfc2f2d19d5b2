"""Embeddings of one task on disk: the files that hear-eval-kit's prediction step reads.

For every split, clips in the kit's shuffled order:

- ``<split>.embeddings.npy``: raw float32 (rows, size), despite its name without a header;
- ``<split>.embedding-dimensions.json``: ``[rows, size]``;
- ``<split>.target-labels.pkl``: a list of labels for every row;
- ``<split>.filename-timestamps.json``: ``[file name, ms]`` for every row, of event tasks and of
  scene tasks whose clips are sequences: then every row of a clip has the clip's labels;
- ``<split>.json``, and ``task_metadata.json`` and ``labelvocabulary.csv`` of the task; where its
  labels are known in part, ``<split>_known_labels.json``, and where it tells what its clips belong
  to, ``clip_groups.json``, of which hear-eval-kit knows nothing.

Rows are appended to ``*.partial`` files, and ``journal.jsonl`` says how many of them are safe: a
process that is killed loses the seconds since the journal's last line, and the next one goes on
from there. A split is finished when the journal has the digests of its files, the task when
``embedding.json`` is there, which has the digests of all. What does not match is made again.
"""

from __future__ import annotations

import errno
import json
import os
import pickle
import random
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from benchmark.embeddings.digests import damaged_files, digests_of
from benchmark.embeddings.limited_task import LimitedTask
from benchmark.errors import BusyError, DiskFullError, UserError
from tasks.folder import (
    GROUPS_FILE,
    METADATA_FILE,
    VOCABULARY_FILE,
    TaskFolder,
    known_labels_file,
)

INFO_FILE = "embedding.json"
JOURNAL_FILE = "journal.jsonl"
LOCK_FILE = ".lock"
SYNC_SECONDS = 3.0
WAIT_SECONDS = 1.0
NO_AMOUNTS = ("hop_ms", "overhead")  # of the stats: those that do not add up over clips
EVENT_END_MS = 0.0001  # hear-eval-kit: so that an event includes its end


def final_order(task: TaskFolder) -> dict[str, list[str]]:
    """Files of every split of a task in the order of their rows."""
    return row_order({split: task.items(split) for split in task.splits})


def row_order(files: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Files of every split, in the task's order of splits, put in the order of their rows.

    hear-eval-kit's embedding step shuffles the splits one after the other by one generator
    (`heareval/embeddings/task_embeddings.py`).
    """
    rng = random.Random(0)
    order = {}
    for split, names in files.items():
        order[split] = list(names)
        rng.shuffle(order[split])
    return order


def read_info(folder: Path) -> dict[str, Any] | None:
    """Content of ``embedding.json``; None if the embeddings in the folder are not complete."""
    try:
        info: dict[str, Any] = json.loads((folder / INFO_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UserError(
            f"{folder / INFO_FILE} is not JSON ({error}); delete the folder and embed again"
        ) from None
    if not isinstance(info, dict) or not info:
        raise UserError(
            f"{folder / INFO_FILE} does not describe embeddings; delete the folder and embed again"
        )
    return info


def read_json(path: Path) -> Any:
    """Content of a JSON file made with or of embeddings; `UserError` if it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: {reason}; delete the folder and embed again") from error


def write_info(folder: Path, info: Mapping[str, Any]) -> None:
    """Write ``embedding.json``, which makes the embeddings in the folder complete."""
    _write_whole(folder / INFO_FILE, json.dumps(info, indent=1).encode())


def discard_info(folder: Path) -> None:
    """Make the embeddings in the folder incomplete: nothing of them is taken over."""
    for name in (INFO_FILE, JOURNAL_FILE):
        (folder / name).unlink(missing_ok=True)


def keep_groups(folder: Path, task: TaskFolder) -> None:
    """Bring the groups of a task's clips, which decide no embedding, to finished embeddings too."""
    path = task.path / GROUPS_FILE
    if path.exists() and (content := path.read_bytes()) != _content(folder / GROUPS_FILE):
        _write_whole(folder / GROUPS_FILE, content)


def finished_embeddings(out: Path) -> list[Path]:
    """Folders of complete embeddings under ``out/embeddings``, sorted."""
    return sorted(path.parent for path in (out / "embeddings").glob(f"*/*/{INFO_FILE}"))


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn an error of a full disk into a `DiskFullError`, any other of the system into a line."""
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"no space left on the disk of {where}; what is finished is kept: free some space"
                " and run the same command again"
            ) from error
        raise UserError(f"{where}: {error.strerror or error}") from error


def check_disk(folder: Path, needed: int) -> None:
    """Raise `DiskFullError` if `needed` bytes do not fit on the disk of the folder."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DiskFullError(
            f"{folder} will take {needed / 1e9:.3g} GB, but its disk has {free / 1e9:.3g} GB left;"
            " free some space or choose another --out"
        )


def frame_labels(
    events: Sequence[Sequence[Mapping[str, Any]]], timestamps: Sequence[npt.NDArray[np.float64]]
) -> list[list[Any]]:
    """Labels of every frame: those of the events with start <= t < end + 0.0001 ms.

    Comparisons are in float64, as the kit's were with the NumPy it was made for (under NumPy 2 it
    compares in float32, and events of more than a second lose the frame at their very end).

    Parameters
    ----------
    events
        For each clip its ``{"label", "start", "end"}`` in ms.
    timestamps
        For each clip its frames' times in ms, float64 (n_frames,), ascending.

    Returns
    -------
    list
        For each frame of all clips its labels as they are in `events`, sorted; equal lists are
        one object, so that they take little room in memory and in a pickle.
    """
    vocabulary = sorted({event["label"] for clip in events for event in clip}, key=str)
    index = {label: i for i, label in enumerate(vocabulary)}
    shared: dict[bytes, list[Any]] = {}
    labels = []
    for clip, times in zip(events, timestamps, strict=True):
        spans = np.array([(e["start"], e["end"] + EVENT_END_MS) for e in clip], np.float64)
        first, last = np.searchsorted(times, spans.reshape(-1, 2).T)
        column = np.array([index[event["label"]] for event in clip], np.intp)
        change = np.zeros((len(times) + 1, len(vocabulary)), np.int32)
        np.add.at(change, (first, column), 1)
        np.add.at(change, (last, column), -1)
        active = np.cumsum(change[:-1], axis=0) > 0
        for row, code in zip(active, np.packbits(active, axis=1), strict=True):
            key = code.tobytes()
            if key not in shared:
                shared[key] = [vocabulary[i] for i in np.flatnonzero(row)]
            labels.append(shared[key])
    return labels


class FinishedError(Exception):
    """There is nothing to do; `info` is the content of ``embedding.json``."""

    def __init__(self, info: dict[str, Any]) -> None:
        super().__init__("the embeddings are complete")
        self.info = info


class EmbeddingStore:
    """The embeddings of one task while they are made; one process at a time.

    Splits are appended to one after the other: `append` ... `finish_split`, and at the end
    `finish`. `close` keeps what was appended; opening the folder again goes on from there.

    Parameters
    ----------
    folder, task, size
        Where, what, and the length of an embedding.
    sequences
        Whether clips have a row for each of several times; those of event tasks always have.
    while_waiting
        Called every `WAIT_SECONDS` while another process has the folder; None does not wait.

    Raises
    ------
    BusyError
        Another process has the folder.
    FinishedError
        The embeddings are complete, perhaps since a moment ago.
    """

    def __init__(
        self,
        folder: Path,
        task: TaskFolder,
        size: int,
        while_waiting: Callable[[], None] | None = None,
        *,
        sequences: bool = False,
    ) -> None:
        self.folder = folder
        self._task = task
        self._size = size
        self._sequences = sequences or task.embedding_type == "event"
        self._order = final_order(task)
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / LOCK_FILE)
        self._acquire(while_waiting)
        if (info := read_info(folder)) is not None:
            self._lock.release()
            raise FinishedError(info)
        self._row_bytes = {"embeddings": 4 * size}
        if self._sequences:
            self._row_bytes["timestamps"] = 8
        self._rows: dict[str, list[int]] = {split: [] for split in task.splits}
        self._finished: dict[str, dict[str, str]] = {}  # digests of the files of finished splits
        self._spent: dict[str, dict[str, Any]] = {split: {} for split in task.splits}
        self._read_journal()
        self.stats = self._counted = _sum(self._spent.values())
        self._journal = self._open_journal()
        self._pending: list[int] = []
        self._synced = time.monotonic()
        self._split: str | None = None
        self._files: list[FileIO] = []

    def _acquire(self, while_waiting: Callable[[], None] | None) -> None:
        while True:
            try:
                self._lock.acquire(timeout=0 if while_waiting is None else WAIT_SECONDS)
                return
            except Timeout:
                if while_waiting is None:
                    raise BusyError(
                        f"{self.folder}: another process is making these embeddings"
                    ) from None
                while_waiting()

    def is_finished(self, split: str) -> bool:
        return split in self._finished

    def clips_done(self, split: str) -> int:
        """Number of the split's clips, in `final_order`, that need not be embedded again."""
        return len(self._order[split] if self.is_finished(split) else self._rows[split])

    def missing(self) -> int:
        """Number of clips, of all splits, that must be embedded yet."""
        return sum(len(files) - self.clips_done(split) for split, files in self._order.items())

    def append(
        self,
        split: str,
        embeddings: npt.NDArray[np.float32],
        timestamps: Sequence[npt.NDArray[np.float64]] | None,
        stats: Mapping[str, Any],
    ) -> None:
        """Append the next clips of a split.

        Parameters
        ----------
        embeddings
            float32 (rows, size): one row a clip, or of sequences its frames one after another.
        timestamps
            Of sequences the frames' times in ms of each clip, float64 (n_frames,).
        stats
            What is known so far about the whole task; kept across interruptions as `self.stats`.
        """
        self._open_split(split)
        _write_all(self._files[0], embeddings)
        if timestamps is None:
            rows = [1] * len(embeddings)
        else:
            rows = [len(times) for times in timestamps]
            _write_all(self._files[1], np.concatenate(timestamps))
        self._pending += rows
        self.stats = dict(stats)
        if time.monotonic() - self._synced > SYNC_SECONDS:
            self._sync()

    def finish_split(self, split: str) -> None:
        """Give the files of a split, all clips of which are appended, their final names."""
        if self.is_finished(split):
            return
        self._open_split(split)
        self._sync()
        items = self._task.items(split)
        rows, files = self._rows[split], self._order[split]
        if len(rows) != len(files):
            raise RuntimeError(f"{split} has {len(files)} clips, only {len(rows)} are embedded")
        if self._sequences:
            times = np.fromfile(self._partial(split, "timestamps"), np.float64)
            clips = np.split(times, np.cumsum(rows)[:-1])
            named = [
                [file, t] for file, clip in zip(files, clips, strict=True) for t in clip.tolist()
            ]
            _write_whole(self._path(split, "filename-timestamps.json"), _json(named))
        if self._task.embedding_type == "event":
            labels = frame_labels([items[file] for file in files], clips)
        else:
            labels = [items[file] for file, n in zip(files, rows, strict=True) for _ in range(n)]
        _write_whole(self._path(split, "embedding-dimensions.json"), _json([sum(rows), self._size]))
        _write_whole(self._path(split, "target-labels.pkl"), pickle.dumps(labels, protocol=4))
        self._close_split()
        names = ["embedding-dimensions.json", "target-labels.pkl"]
        names += ["filename-timestamps.json"] if self._sequences else []
        partial = self._partial(split, "embeddings")
        digests = digests_of(self.folder, [*(f"{split}.{name}" for name in names), partial.name])
        digests[self._path(split, "embeddings.npy").name] = digests.pop(partial.name)
        # First the line: what the journal calls finished gets its name when it is opened again.
        self._finished[split] = digests
        self._append_line(self._journal_line(split, [], {}))
        os.replace(partial, self._path(split, "embeddings.npy"))

    def finish(self, info: Mapping[str, Any]) -> dict[str, Any]:
        """Complete the folder: the task's own files, and `info` as ``embedding.json``.

        Returns
        -------
        dict
            `info`, and as "files" the SHA-256 of every file.
        """
        splits = [f"{split}.json" for split in self._task.splits]
        partial = map(known_labels_file, self._task.splits)
        known = [name for name in partial if (self._task.path / name).exists()]
        for name in (METADATA_FILE, VOCABULARY_FILE, *splits, *known):
            shutil.copyfile(self._task.path / name, self.folder / name)
        if isinstance(self._task, LimitedTask):
            for split in self._task.splits:
                _write_whole(
                    self._path(split, "json"), json.dumps(self._task.items(split)).encode()
                )
        digests = digests_of(self.folder, (METADATA_FILE, VOCABULARY_FILE, *splits, *known))
        for split in self._task.splits:
            digests |= self._finished[split]
        complete = {**info, "files": digests}
        write_info(self.folder, complete)
        for path in (*self.folder.glob("*.partial"), self.folder / JOURNAL_FILE):
            path.unlink(missing_ok=True)
        (self.folder / LOCK_FILE).unlink(missing_ok=True)
        self.close()
        return complete

    def close(self) -> None:
        """Keep what was appended so far and let other processes in."""
        with suppress(OSError):  # a full disk: then the journal's last line stays the truth
            self._sync()
        self._close_split()
        self._journal.close()
        self._lock.release()

    def _path(self, split: str, what: str) -> Path:
        return self.folder / f"{split}.{what}"

    def _partial(self, split: str, what: str) -> Path:
        return self._path(split, f"{what}.partial")

    def _open_split(self, split: str) -> None:
        if split == self._split:
            return
        for what, row_bytes in self._row_bytes.items():
            file = FileIO(self._partial(split, what), "a")
            file.truncate(row_bytes * sum(self._rows[split]))  # drop what the journal lacks
            self._files.append(file)
        self._split = split

    def _close_split(self) -> None:
        for file in self._files:
            file.close()
        self._files, self._split = [], None

    def _read_journal(self) -> None:
        """Take over what the journal counts and the disk has."""
        for line in _journal_lines(self.folder / JOURNAL_FILE, self._task.splits):
            split = line["split"]
            self._rows[split] += line["rows"]
            self._spent[split] = _sum([self._spent[split], line["spent"]])
            if line["digests"]:
                self._finished[split] = line["digests"]
        for split in self._task.splits:
            if split in self._finished:
                partial, whole = self._partial(split, "embeddings"), f"{split}.embeddings.npy"
                if partial.exists() and not (self.folder / whole).exists():
                    os.replace(partial, self.folder / whole)
                if not damaged_files(self.folder, self._finished[split]):
                    continue
                del self._finished[split]
            elif self._rows_are_there(split):
                continue
            # What was spent on lost rows is spent again, and counts once.
            self._rows[split], self._spent[split] = [], {}

    def _rows_are_there(self, split: str) -> bool:
        rows = self._rows[split]
        if len(rows) > len(self._order[split]):
            return False
        for what, row_bytes in self._row_bytes.items():
            partial = self._partial(split, what)
            held = partial.stat().st_size if partial.exists() else 0
            if held < row_bytes * sum(rows):
                return False
        return True

    def _open_journal(self) -> FileIO:
        lines = [
            self._journal_line(split, rows, self._spent[split])
            for split, rows in self._rows.items()
            if rows or self.is_finished(split)
        ]
        _write_whole(self.folder / JOURNAL_FILE, b"".join(lines))
        return FileIO(self.folder / JOURNAL_FILE, "a")

    def _journal_line(self, split: str, rows: list[int], spent: Mapping[str, Any]) -> bytes:
        digests = self._finished.get(split, {})
        return _json({"split": split, "rows": rows, "spent": spent, "digests": digests}) + b"\n"

    def _append_line(self, line: bytes) -> None:
        _write_all(self._journal, np.frombuffer(line, np.uint8))
        os.fsync(self._journal.fileno())

    def _sync(self) -> None:
        """Make what was appended safe, first the rows, then the line that counts them."""
        if self._pending:
            for file in self._files:
                os.fsync(file.fileno())
            split = str(self._split)
            spent = _difference(self.stats, self._counted)
            self._append_line(self._journal_line(split, self._pending, spent))
            self._counted = self.stats
            self._rows[split] += self._pending
            self._pending = []
        self._synced = time.monotonic()


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _write_whole(path: Path, content: bytes) -> None:
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def _journal_lines(path: Path, splits: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Lines of a journal; those after a torn or foreign one count nothing."""
    with suppress(OSError, ValueError, RecursionError):
        for text in path.read_bytes().split(b"\n")[:-1]:
            line = json.loads(text)
            if not (
                isinstance(line, dict)
                and line.keys() == {"split", "rows", "spent", "digests"}
                and line["split"] in splits
                and isinstance(line["rows"], list)
                and all(type(rows) is int and rows > 0 for rows in line["rows"])
                and isinstance(line["spent"], dict)
                and isinstance(line["digests"], dict)
            ):
                return
            yield line


def _sum(stats: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Stats of parts as those of the whole; what is no amount is as the last part has it."""
    total: dict[str, Any] = {}
    for each in stats:
        for key, value in each.items():
            if isinstance(value, dict):
                total[key] = _sum([total.get(key, {}), value])
            elif key in NO_AMOUNTS or not isinstance(value, (int, float)):
                total[key] = value
            else:
                total[key] = total.get(key, 0) + value
    return total


def _difference(stats: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What `_sum` adds to `before` to get `stats`."""
    difference: dict[str, Any] = {}
    for key, value in stats.items():
        if isinstance(value, dict):
            difference[key] = _difference(value, before.get(key, {}))
        elif key in NO_AMOUNTS or not isinstance(value, (int, float)):
            difference[key] = value
        else:
            difference[key] = value - before.get(key, 0)
    return difference


def _json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _write_all(file: FileIO, array: npt.NDArray[Any]) -> None:
    # Unbuffered: what the journal calls safe must not wait in a buffer, nor fail at closing.
    left = memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    while left:
        left = left[file.write(left) :]
