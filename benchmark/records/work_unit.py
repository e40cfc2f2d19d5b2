"""Units of work: everything that decides a number, as one frozen, serialisable value.

An `EmbeddingUnit` decides the embeddings of one task by one model, an `EvaluationUnit` the scores
of one protocol on them. The folders of embeddings, evaluations and records are named by their
keys, and what may share a table is read off the same fields: each is declared with what two
records that differ in it may still share (`Part`).

The rule, in words:

- A **table** holds one protocol in one version with the same options and seeds, its heads trained
  on one class of device. Demo tasks have tables of their own.
- A **column** is one content of one task, whole or limited to the same number of clips.
- A **row** is one module with the same options and weights (by digest, whatever the file is
  called), in one precision, compiled or not, on one class of device, from audio of one resampler;
  it is of the model's own scene embedding or of some of its layers.
- What remains may differ inside a row and is said in a **note**: the code behind a module or a
  protocol of the same version, the engine (`kit` and `native` give the same numbers on one machine)
  and the number of threads, which moves last digits as another processor would. Beside the unit,
  in a record's provenance, stand package versions, machine and commit: they may differ as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.records.json_form import LATER, RecordError, from_json, short_key, to_json


class Part(Enum):
    """What a field tells apart; see the rule above."""

    TABLE = "table"
    COLUMN = "column"
    ROW = "row"
    NOTE = "note"


def _of(part: Part, later: bool = False, **default: Any) -> Any:
    return field(metadata={"part": part, **(LATER if later else {})}, **default)


@dataclass(frozen=True)
class ModelIdentity:
    """A model as it is run: everything that decides what it makes of a clip.

    Attributes
    ----------
    module
        Import path of the HEAR module.
    code
        Fingerprint of the code behind it; None for a module without source.
    version
        Name and version of the distribution it belongs to, if any.
    options
        Keyword options of its `load_model`, JSON values.
    weights
        Digest of its tensors, or for a model without tensors the package or file that it is.
    sample_rate
        Rate (Hz) of the audio it takes, which follows from what stands above; None in records of
        the first schema, which did not have it.
    dtype
        Precision it runs in.
    device
        Class of device: "cpu", "cuda", ... (`device_class`).
    tf32
        Whether matrix products or convolutions may use TF32; never on a CPU.
    compiled
        Whether `torch.compile` changed it.
    """

    module: str = _of(Part.ROW)
    code: str | None = _of(Part.NOTE)
    version: str | None = _of(Part.NOTE)
    options: dict[str, Any] = _of(Part.ROW)
    weights: str = _of(Part.ROW)
    sample_rate: int | None = _of(Part.NOTE)
    dtype: str = _of(Part.ROW, default="float32")
    device: str = _of(Part.ROW, default="cpu")
    tf32: bool = _of(Part.ROW, default=False)
    compiled: bool = _of(Part.ROW, default=False)

    def __post_init__(self) -> None:
        _check_name("module", self.module)
        _check_device(self.device)
        object.__setattr__(self, "options", _json_values(self.options, self.module))

    @property
    def key(self) -> str:
        return short_key(to_json(self))

    @property
    def folder(self) -> str:
        """``<module>-<key>``."""
        return f"{self.module}-{self.key}"


@dataclass(frozen=True)
class EmbeddingUnit:
    """One task embedded by one model.

    Attributes
    ----------
    task
        Name of its folder: ``<task>-<version>-<mode>``.
    task_hash
        Hash of the task's content.
    representation
        "scene", "timestamps", "layers", or "windows:3" for windows of 3 s.
    resampler
        What made the audio at the model's rate, and from which rate; "none" if the task has it.
    batch_clips
        Most clips in a batch, for models whose embeddings depend on it; None for the default.
    limit
        Clips taken of each split; None for all.
    """

    model: ModelIdentity
    task: str = _of(Part.COLUMN)
    task_hash: str = _of(Part.COLUMN)
    representation: str = _of(Part.COLUMN)
    resampler: str = _of(Part.ROW)
    batch_clips: int | None = _of(Part.NOTE, default=None)
    limit: int | None = _of(Part.COLUMN, default=None)

    def __post_init__(self) -> None:
        _check_name("task", self.task)

    @property
    def key(self) -> str:
        return short_key(to_json(self))

    @property
    def folder(self) -> Path:
        """Under ``embeddings``: ``<module>-<key of the model>/<task>-<key>``."""
        return Path(self.model.folder, f"{self.task}-{self.key}")


@dataclass(frozen=True)
class EvaluationUnit:
    """One protocol on one folder of embeddings.

    Attributes
    ----------
    protocol, version
        Name and version of the protocol; its version is raised when its numbers change.
    code
        Fingerprint of the code that evaluates.
    options
        Of the protocol: those that change scores, JSON values.
    seeds
        One whole evaluation each.
    engine
        Which of several implementations; empty where there is one.
    threads
        CPU threads that train; None where the protocol does not fix them.
    device
        Class of device that trains.
    layers
        Of embeddings by "layers", which of them are evaluated: "5" of the model's layers 1, 2, ...,
        "5+12" for these side by side, "weighted" for a mean of all with weights that the probe
        learns. Empty of other embeddings.
    """

    embedding: EmbeddingUnit
    protocol: str = _of(Part.TABLE)
    version: int = _of(Part.TABLE)
    code: str | None = _of(Part.NOTE)
    options: dict[str, Any] = _of(Part.TABLE)
    seeds: tuple[int, ...] = _of(Part.TABLE)
    engine: str = _of(Part.NOTE, default="")
    threads: int | None = _of(Part.NOTE, default=None)
    device: str = _of(Part.TABLE, default="cpu")
    layers: str = _of(Part.ROW, later=True, default="")

    def __post_init__(self) -> None:
        _check_name("protocol", self.protocol)
        _check_device(self.device)
        object.__setattr__(self, "options", _json_values(self.options, self.protocol))

    @property
    def model(self) -> ModelIdentity:
        return self.embedding.model

    @property
    def key(self) -> str:
        return short_key(to_json(self))

    @property
    def folder(self) -> Path:
        """Under ``evaluations``: ``<embeddings' folder>/<protocol>[-<engine>]-<key>``."""
        name = "-".join(filter(None, (self.protocol, self.engine, self.key)))
        return self.embedding.folder / name

    @property
    def record(self) -> Path:
        """File of the record under ``records``."""
        return self.folder.with_name(f"{self.folder.name}.json")


WorkUnit = EmbeddingUnit | EvaluationUnit


def parse_embedding_unit(data: Any) -> EmbeddingUnit:
    """An embedding unit from its JSON form (`to_json`); `RecordError` names what is wrong."""
    try:
        unit: EmbeddingUnit = from_json(EmbeddingUnit, data)
    except UserError as error:
        raise RecordError(str(error)) from None
    return unit


def layers_text(layers: str) -> str:
    """What is said of evaluated layers behind a name: ", layer 5", ", layers 5+12" or nothing."""
    return f", layer{'' if layers.isdigit() else 's'} {layers}" if layers else ""


def device_class(device: object) -> str:
    """The kind of a device without its number: "cuda" of "cuda:0" and of a `torch.device`."""
    return str(device).partition(":")[0]


def part_of(unit: WorkUnit | ModelIdentity, part: Part) -> dict[str, Any]:
    """The fields of a unit that belong to a part, as JSON by their dotted paths."""
    return {
        path: to_json(value) for path, value, metadata in _leaves(unit) if metadata["part"] is part
    }


def _leaves(unit: Any, prefix: str = "") -> Iterator[tuple[str, Any, Mapping[Any, Any]]]:
    for each in fields(unit):
        value = getattr(unit, each.name)
        if isinstance(value, (EmbeddingUnit, ModelIdentity)):
            yield from _leaves(value, f"{prefix}{each.name}.")
        else:
            yield f"{prefix}{each.name}", value, each.metadata


def _json_values(options: Mapping[str, Any], owner: str) -> dict[str, Any]:
    try:
        text = json.dumps(dict(options), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError):
        raise UserError(f"{owner}: options {dict(options)!r:.200} are not JSON values") from None
    values: dict[str, Any] = json.loads(text)  # so that a unit equals the one read back
    return values


def _check_name(what: str, name: str) -> None:
    if not name or name.startswith(".") or re.search(r"[/\\\x00-\x1f]", name):
        raise UserError(f"{what} {name!r:.80} cannot name a folder")


def _check_device(device: str) -> None:
    if not re.fullmatch(r"[a-z]+", device):
        raise UserError(f"device {device!r} is not a class of devices such as cpu or cuda")
