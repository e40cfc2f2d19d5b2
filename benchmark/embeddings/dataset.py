"""Embeddings of one task as the tensors that the native engine trains and tests on.

Read are the files that hear-eval-kit reads (`benchmark.embeddings.store`). Embeddings are laid out
once, in the kit's order of rows. Those that are too large for memory stay on disk, and a batch is
read when it is needed: the same numbers, a few milliseconds later.
"""

from __future__ import annotations

import csv
import hashlib
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmark.embeddings.selected_layers import WEIGHTING_FILE
from benchmark.embeddings.store import read_json, row_order
from benchmark.errors import UserError
from benchmark.metrics.events import Frames
from tasks.folder import METADATA_FILE, VOCABULARY_FILE, known_labels_file

HELD_BYTES = 2 << 30  # embeddings of a task that take more are not held in memory
# Rows of a task by slices of their numbers or by the numbers themselves, as one tensor.
Take = Callable[[list[slice] | Tensor], Tensor]

HASHED_BLOCK, HASHED_BLOCKS = 1 << 16, 64
ALIGNMENT = 64  # bytes; torch's own for CPU memory


@dataclass(frozen=True)
class EmbeddedTask:
    """A folder of complete embeddings.

    Attributes
    ----------
    path
        The folder.
    metadata
        Its `task_metadata.json`.
    labels
        The vocabulary, by index.
    size
        Length of one embedding.
    """

    path: Path
    metadata: dict[str, Any]
    labels: tuple[str, ...]
    size: int

    @property
    def kind(self) -> str:
        """ "scene" or "event"."""
        return str(self.metadata["embedding_type"])

    @property
    def multiclass(self) -> bool:
        """Whether every row has exactly one label."""
        return bool(self.metadata["prediction_type"] == "multiclass")

    def row_names(self, split: str) -> dict[str, npt.NDArray[Any]]:
        """What each row of a split belongs to, as arrays.

        Returns
        -------
        dict
            Scene tasks: `clip` (rows,) file names. Event tasks: `file_names` (n_files,),
            `file_index` (rows,) into them and `timestamp_ms` (rows,) float64.
        """
        if self.kind == "scene":
            return {"clip": np.array(self._clips(split))}
        rows = read_json(self.path / f"{split}.filename-timestamps.json")
        index = {name: number for number, name in enumerate(dict.fromkeys(n for n, _ in rows))}
        return {
            "file_names": np.array(list(index)),
            "file_index": np.fromiter((index[name] for name, _ in rows), np.int32, len(rows)),
            "timestamp_ms": np.fromiter((time for _, time in rows), np.float64, len(rows)),
        }

    def _clips(self, split: str) -> list[str]:
        splits = self.metadata["splits"]
        return row_order({name: read_json(self.path / f"{name}.json") for name in splits})[split]

    def frames(self, split: str) -> Frames:
        """Files and times of the rows of one split of an event task."""
        return frames_of(self.row_names(split))

    def events(self, split: str) -> dict[str, list[dict[str, Any]]]:
        """The true events of one split of an event task, by file."""
        events: dict[str, list[dict[str, Any]]] = read_json(self.path / f"{split}.json")
        return events

    @property
    def has_label_mask(self) -> bool:
        """Whether only some labels of the clips are known to be there or not."""
        return any((self.path / known_labels_file(s)).exists() for s in self.metadata["splits"])

    def label_mask(self, split: str) -> npt.NDArray[np.bool_]:
        """(rows, labels), true where it is known whether the clip of a row has a label."""
        path = self.path / known_labels_file(split)
        by_clip = read_json(path)
        index = {label: number for number, label in enumerate(self.labels)}
        sequences = self.path / f"{split}.filename-timestamps.json"
        clips = [name for name, _ in read_json(sequences)] if sequences.exists() else []
        clips = clips or self._clips(split)
        mask = np.zeros((len(clips), len(self.labels)), np.bool_)
        try:
            for row, clip in enumerate(clips):
                mask[row, [index[str(label)] for label in by_clip[clip]]] = True
        except KeyError as error:
            raise UserError(f"{path}: no {error}; delete the folder and embed again") from None
        return mask

    @property
    def weighed_layers(self) -> int:
        """How many layers of one size a row holds that a probe weighs; 1 where there are none."""
        path = self.path / WEIGHTING_FILE
        return int(read_json(path)) if path.exists() else 1

    def fingerprint(self) -> str:
        """Hash that changes when embeddings, labels or events do; of large files parts are read."""
        digest = hashlib.sha256()
        splits = self.metadata["splits"]
        read = (
            *(METADATA_FILE, VOCABULARY_FILE),
            *(f"{split}." for split in splits),
            *map(known_labels_file, splits),
        )
        for path in sorted(path for path in self.path.iterdir() if path.name.startswith(read)):
            size = path.stat().st_size
            digest.update(f"{path.name} {size}\n".encode())
            with path.open("rb") as file:
                for start in range(0, size, max(HASHED_BLOCK, size // HASHED_BLOCKS)):
                    file.seek(start)
                    digest.update(file.read(HASHED_BLOCK))
        return digest.hexdigest()


def frames_of(row_names: Mapping[str, npt.NDArray[Any]]) -> Frames:
    """Files and times of the rows that `EmbeddedTask.row_names` describes.

    Raises
    ------
    UserError
        Times are negative, or do not ascend within a file.
    """
    names = row_names["file_names"][row_names["file_index"]].tolist()
    timestamps = row_names["timestamp_ms"]
    if wrong := timestamps[~(np.isfinite(timestamps) & (timestamps >= 0))].tolist():
        raise UserError(f"a timestamp is {wrong[0]}; expected ms from 0 on: the model is at fault")
    same_file = np.diff(row_names["file_index"]) == 0
    if wrong := np.flatnonzero(same_file & (np.diff(timestamps) <= 0)).tolist():
        raise UserError(
            f"{names[wrong[0]]}: a timestamp of {timestamps[wrong[0]]} ms is followed by"
            f" {timestamps[wrong[0] + 1]}; expected later ones: the model is at fault"
        )
    return Frames.of(names, timestamps)


class Rows:
    """Rows of some splits, one split after the other.

    Attributes
    ----------
    count
        Number of rows.
    multi_hot
        (count, labels) float32, 1 where a row has a label.
    targets
        What the loss compares with: `multi_hot`, with NaN where a label is not known, or (count,)
        int64 label indices if multiclass.
    label_mask
        (count, labels) bool, true where a label is known; None where all are.
    """

    def __init__(
        self,
        parts: Sequence[slice],
        multi_hot: Tensor,
        targets: Tensor,
        take: Take,
        masked: bool = False,
    ) -> None:
        self.parts = parts
        self.multi_hot = torch.cat([multi_hot[part] for part in parts])
        self.targets = torch.cat([targets[part] for part in parts])
        self.count = len(self.targets)
        self.label_mask = ~torch.isnan(self.targets) if masked else None
        self._take = take

    def batches(self, size: int, order: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Embeddings (n, embedding size) and targets; the last batch may be smaller.

        Parameters
        ----------
        size
            Rows of a batch.
        order
            (count,) row indices; None takes the rows as they lie, as the kit always does: it would
            shuffle training data, but compares a list of splits with the text "train"
            (dataloader_from_split_name).
        """
        if order is not None:
            places = torch.cat([torch.arange(part.start, part.stop) for part in self.parts])[order]
            order = order.to(self.targets.device)
        for start in range(0, self.count, size):
            stop = min(start + size, self.count)
            if order is None:
                yield self._take(self._pieces(start, stop)), self.targets[start:stop]
            else:
                yield self._take(places[start:stop]), self.targets[order[start:stop]]

    def _pieces(self, start: int, stop: int) -> list[slice]:
        """Where the rows from start to stop are among those of the task."""
        pieces = []
        for part in self.parts:
            length = part.stop - part.start
            if start < length and stop > 0:
                pieces.append(slice(part.start + max(start, 0), part.start + min(stop, length)))
            start, stop = start - length, stop - length
        return pieces


def read_embedded_task(path: Path) -> EmbeddedTask:
    """Open a folder of embeddings.

    Raises
    ------
    UserError
        If a file is missing or does not fit the others.
    """
    metadata = read_json(path / METADATA_FILE)
    for key in ("task_name", "embedding_type", "prediction_type", "split_mode", "splits"):
        if key not in metadata:
            raise UserError(f"{path / METADATA_FILE}: {key} is missing")
    for key, known in (
        ("embedding_type", ("scene", "event")),
        ("prediction_type", ("multiclass", "multilabel")),
        ("split_mode", ("trainvaltest", "new_split_kfold", "presplit_kfold")),
    ):
        if metadata[key] not in known:
            raise UserError(
                f"{path / METADATA_FILE}: {key} is {metadata[key]!r}, expected {' or '.join(known)}"
            )
    sizes = {split: dimensions(path, split)[1] for split in metadata["splits"]}
    if len(set(sizes.values())) != 1:
        raise UserError(f"{path}: embeddings have different sizes: {sizes}")
    return EmbeddedTask(path, metadata, _read_vocabulary(path), next(iter(sizes.values())))


class TaskRows:
    """All rows of a task: its labels in memory, its embeddings there too if they are not too many.

    Parameters
    ----------
    task
        Whose.
    in_memory
        Copy the embeddings now if they take no more than `HELD_BYTES`, or half of the free memory
        of another device than the CPU; else each batch when it is asked for.
    device
        Where batches and targets go.

    Raises
    ------
    UserError
        If files do not fit each other, an embedding is not finite (said when it is copied), or a
        row of a multiclass task has not exactly one label.
    """

    def __init__(self, task: EmbeddedTask, in_memory: bool, device: torch.device) -> None:
        disk = _Disk(task)
        self.places = disk.places
        everything = list(disk.places.values())
        multi_hot = torch.cat([_multi_hot(task, split) for split in disk.places]).to(device)
        self.multi_hot = multi_hot
        self.targets = multi_hot.argmax(dim=1) if task.multiclass else multi_hot
        self.masked = task.has_label_mask
        if self.masked:
            mask = torch.from_numpy(np.concatenate([task.label_mask(s) for s in disk.places]))
            if mask.shape != multi_hot.shape:
                raise UserError(f"{task.path}: {len(multi_hot)} rows, but {len(mask)} have labels")
            self.targets = multi_hot.masked_fill(~mask.to(device), torch.nan)
        limit = HELD_BYTES
        if device.type == "cuda":
            limit = torch.cuda.mem_get_info(device)[0] // 2
        if in_memory and 4 * everything[-1].stop * task.size <= limit:
            self._take: Take = _Held(disk.take(everything).to(device)).take
        else:
            self._take = lambda rows: disk.take(rows).to(device)

    def of(self, *splits: str) -> Rows:
        """Rows of some of the splits."""
        parts = [self.places[split] for split in splits]
        return Rows(parts, self.multi_hot, self.targets, self._take, self.masked)

    def mapped(self, function: Callable[[Tensor], Tensor]) -> TaskRows:
        """The same rows, of which each batch of embeddings goes through a function."""
        rows, take = copy(self), self._take
        rows._take = lambda where: function(take(where))
        return rows


class _Held:
    """Embeddings in the memory of a device."""

    def __init__(self, embeddings: Tensor) -> None:
        self.embeddings = embeddings

    def take(self, rows: list[slice] | Tensor) -> Tensor:
        if isinstance(rows, Tensor):
            # Row by row: indexing with a tensor goes number by number, and takes six times as long.
            return self.embeddings.index_select(0, rows.to(self.embeddings.device))
        pieces = [self.embeddings[piece] for piece in rows]
        # The kit's batches are tensors of their own; where memory begins can change a product.
        if len(pieces) > 1 or pieces[0].data_ptr() % ALIGNMENT:
            return torch.cat(pieces)
        return pieces[0]


class _Disk:
    """Embeddings in files, one for each split.

    They are read, not mapped: pages of a mapped file count as the process's own memory.
    """

    def __init__(self, task: EmbeddedTask) -> None:
        self.task = task
        self.places: dict[str, slice] = {}
        self.files: dict[str, FileIO] = {}
        end = 0
        for split in task.metadata["splits"]:
            path = task.path / f"{split}.embeddings.npy"
            rows, size = dimensions(task.path, split)
            try:
                self.files[split] = FileIO(path)
                length = path.stat().st_size
            except OSError as error:
                raise UserError(f"{path}: {error.strerror}; embed again") from error
            if length != 4 * rows * size or not rows:
                raise UserError(f"{path}: {length} bytes are not {rows} x {size} numbers")
            self.places[split] = slice(end, end + rows)
            end += rows

    def take(self, rows: list[slice] | Tensor) -> Tensor:
        if isinstance(rows, Tensor):
            rows = [slice(row, row + 1) for row in rows.tolist()]
        batch = torch.empty(sum(piece.stop - piece.start for piece in rows), self.task.size)
        done = 0
        for piece in rows:
            part = batch[done : done + piece.stop - piece.start]
            self._read(piece.start, part)
            done += len(part)
        # The sum tells at once unless it overflows; looking at each number takes memory.
        if not (torch.isfinite(batch.sum()) or torch.isfinite(batch).all()):
            raise UserError(
                f"{self.task.path}: an embedding is not finite; the model made NaN or infinity,"
                " or a file is damaged"
            )
        return batch

    def _read(self, start: int, into: Tensor) -> None:
        split = next(split for split, place in self.places.items() if start < place.stop)
        file, left = self.files[split], into.numpy().data.cast("B")
        file.seek(4 * self.task.size * (start - self.places[split].start))
        while left:
            count = file.readinto(left)  # at most 2 GB at once
            if not count:
                raise UserError(f"{self.task.path}: {split}.embeddings.npy has become shorter")
            left = left[count:]


def _multi_hot(task: EmbeddedTask, split: str) -> Tensor:
    """(rows, labels) float32 with a 1 for each label of a row."""
    path = task.path / f"{split}.target-labels.pkl"
    rows = read_labels(path)
    if len(rows) != dimensions(task.path, split)[0]:
        raise UserError(f"{path}: labels of {len(rows)} rows, but there are more or fewer rows")
    index = {label: number for number, label in enumerate(task.labels)}
    try:
        labels = list(chain.from_iterable(rows))
        known = {label: index[str(label)] for label in set(labels)}
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: label {error} is not in the vocabulary") from error
    counts = np.fromiter(map(len, rows), np.int64, len(rows))
    columns = np.fromiter(map(known.__getitem__, labels), np.int64, len(labels))
    multi_hot = torch.zeros(len(rows), len(task.labels))
    multi_hot.numpy()[np.repeat(np.arange(len(rows)), counts), columns] = 1.0
    wrong = (multi_hot.sum(dim=1) != 1).nonzero()
    if task.multiclass and len(wrong):
        raise UserError(
            f"{path}: row {int(wrong[0])} has {counts[wrong[0]].item()} labels,"
            " but the task is multiclass"
        )
    return multi_hot


class _PlainUnpickler(pickle.Unpickler):
    """Reads lists, texts and numbers; a pickle that names anything else is refused, not run."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def read_labels(path: Path) -> list[list[Any]]:
    """Labels of every row of a ``<split>.target-labels.pkl``, from which no code is run.

    Raises
    ------
    UserError
        It cannot be read, or holds anything but lists, texts and numbers.
    """
    try:
        with path.open("rb") as file:
            rows = _PlainUnpickler(file).load()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; delete the folder and embed again") from error
    except Exception as error:  # a damaged pickle raises nearly anything
        raise UserError(f"{path}: not a list of labels ({error})") from error
    if not isinstance(rows, list):
        raise UserError(f"{path}: not a list of labels but {type(rows).__name__}")
    return rows


def _read_vocabulary(path: Path) -> tuple[str, ...]:
    file = path / VOCABULARY_FILE
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            labels = {int(row["idx"]): row["label"] for row in csv.DictReader(lines)}
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}; delete the folder and embed again") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file}: columns idx and label expected ({error})") from error
    if sorted(labels) != list(range(len(labels))) or not labels:
        raise UserError(f"{file}: idx must run from 0 without gaps")
    return tuple(labels[number] for number in range(len(labels)))


def dimensions(path: Path, split: str) -> tuple[int, int]:
    """Rows of a split, and length of an embedding."""
    file = path / f"{split}.embedding-dimensions.json"
    value = read_json(file)
    if not (isinstance(value, list) and len(value) == 2):
        raise UserError(f"{file}: expected [rows, size], not {value!r}")
    return int(value[0]), int(value[1])
