"""Result records: what one model scored on one task under one protocol, as versioned JSON.

A record holds everything a table, a leaderboard or a doubter needs: the unit of work, which says
what decided the numbers and what they may be compared with; the scores in long form, one for each
fold, seed and metric; how each training went; the provenance of weights and data, the machine, and
the seconds of every phase. Means and intervals are derived (`benchmark.records.statistics`); they
are written beside the scores for readers of the JSON, and checked when a record is read.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.records.json_form import Extended, RecordError, from_json, to_json
from benchmark.records.statistics import Score, ScoreSummary, summarise_all
from benchmark.records.work_unit import EvaluationUnit
from tasks.entries import DEMO_ENTRIES, ENTRIES

SCHEMA = 2


@dataclass(frozen=True)
class Training:
    """How one probe was trained.

    Attributes
    ----------
    values
        Of the chosen epoch: validation_score, epoch, time_in_min, test_loss, ...
    hparams
        What was trained.
    postprocessing
        How events are made of predictions; None in scene tasks.
    """

    fold: str
    seed: int
    values: dict[str, Extended | None]
    hparams: dict[str, Any]
    postprocessing: Any


@dataclass(frozen=True)
class TaskInfo:
    """The task of a record.

    Attributes
    ----------
    domain
        Speech, environment, music, or "" where the task does not say.
    demo
        A built-in task of synthesised sound, whose scores say nothing about real tasks.
    prediction_type
        multiclass or multilabel.
    published
        Whether its counts and labels are those of the published task of its name; None where no
        published task has this name.
    published_note
        What differs from the published task, in words; "" where nothing does.
    test_clips
        Clips, or frames of events, that were tested; with the folds together.
    """

    name: str
    version: str
    mode: str
    domain: str
    demo: bool
    prediction_type: str
    published: bool | None
    published_note: str
    test_clips: int | None


@dataclass(frozen=True)
class Record:
    """One model x task x protocol.

    Attributes
    ----------
    unit
        What decided the scores.
    name
        What the user calls the model; "" for its module's name.
    weights
        Provenance; ``weights["weights"]`` is none, file, package, random or unknown.
    hop_ms
        Median step of the timestamps; None for scene embeddings.
    chance
        For some metrics, what a model that hears nothing scores.
    seconds
        By phase: decode, resample, model, write, ..., evaluate.
    versions, machine
        ``{"embedding": ..., "evaluation": ...}``, see `benchmark.records.environment`.
    commit
        Of this code.
    date
        ISO 8601, UTC.
    """

    unit: EvaluationUnit
    task: TaskInfo
    name: str
    weights: dict[str, Any]
    embedding_size: int
    hop_ms: float | None
    primary_metric: str
    chance: dict[str, float]
    scores: tuple[Score, ...]
    trainings: tuple[Training, ...]
    seconds: dict[str, float]
    audio_seconds: float
    versions: dict[str, dict[str, str]]
    machine: dict[str, Any]
    commit: str | None
    date: str

    @property
    def module(self) -> str:
        """Import path of the HEAR module."""
        return self.unit.model.module

    @property
    def random_weights(self) -> bool:
        """Whether the weights are random: the scores say nothing about the published model."""
        return self.weights.get("weights") == "random"

    def is_called(self, model: str) -> bool:
        """Whether that is the model's module, its ``<module>-<key>``, or its name."""
        return model in (self.module, self.unit.model.folder, self.name or self.module)

    def metrics(self) -> list[str]:
        """Names of all metrics, the primary one first."""
        return list(dict.fromkeys([self.primary_metric, *(score.metric for score in self.scores)]))


def make_record(
    unit: EvaluationUnit,
    scores: Iterable[Score],
    trainings: Iterable[Training],
    embedding: Mapping[str, Any],
    task: Mapping[str, Any],
    *,
    seconds: float,
    versions: Mapping[str, str],
    machine: Mapping[str, Any],
    commit: str | None,
    chance: Mapping[str, float] | None = None,
    test_clips: int | None = None,
    published: bool | None = None,
    published_note: str = "",
) -> Record:
    """Record of one evaluation.

    Parameters
    ----------
    embedding
        Content of `embedding.json`: `name`, `weights`, `embedding_size`, `hop_ms`, `seconds`,
        `audio_seconds`, `versions`, `machine`.
    task
        Content of `task_metadata.json`; the domain, and whether it is a demo task, follow from the
        name where `tasks.entries` knows it.
    seconds
        Wall time of the evaluation.
    versions, machine, commit
        Of the evaluation (`environment`); those of the embedding are in `embedding`.
    chance, test_clips, published, published_note
        See `Record` and `TaskInfo`.

    Raises
    ------
    RecordError
        A key is missing or of the wrong kind.
    """
    name = _get(task, "task_name", "task_metadata.json")
    about = {
        "name": name,
        "version": _get(task, "version", "task_metadata.json"),
        "mode": _get(task, "mode", "task_metadata.json"),
        "domain": ENTRIES[name].domain if name in ENTRIES else "",
        "demo": any(name == entry.name for entry in DEMO_ENTRIES),
        "prediction_type": _get(task, "prediction_type", "task_metadata.json"),
        "published": published,
        "published_note": published_note,
        "test_clips": test_clips,
    }
    made = {
        key: _get(embedding, key, "embedding.json")
        for key in ("weights", "embedding_size", "hop_ms", "audio_seconds")
    }
    return parse_record(
        {
            "schema": SCHEMA,
            "unit": to_json(unit),
            "task": about,
            "name": embedding.get("name", ""),
            **made,
            "primary_metric": _get(task, "evaluation", "task_metadata.json")[0],
            "chance": dict(chance or {}),
            "scores": to_json(tuple(scores)),
            "trainings": to_json(tuple(trainings)),
            "seconds": {**_get(embedding, "seconds", "embedding.json"), "evaluate": seconds},
            "versions": {
                "embedding": _get(embedding, "versions", "embedding.json"),
                "evaluation": dict(versions),
            },
            "machine": {
                "embedding": _get(embedding, "machine", "embedding.json"),
                "evaluation": dict(machine),
            },
            "commit": commit,
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
    )


def parse_record(data: Any) -> Record:
    """Record from its JSON form, every key checked.

    Raises
    ------
    RecordError
        Not a record, of another schema, or a key is missing, unknown, of the wrong kind, or at
        odds with another.
    """
    if not isinstance(data, dict) or "schema" not in data:
        raise RecordError("not a result record: it has no key 'schema'")
    schema = data["schema"]
    if schema != SCHEMA:
        raise RecordError(
            f"schema: {schema!r} is not the schema {SCHEMA} that this version reads"
            + _advice(schema)
        )
    content = {key: value for key, value in data.items() if key not in ("schema", "summary")}
    try:
        record = from_json(Record, content)
    except UserError as error:  # of a unit that cannot be
        raise RecordError(str(error)) from None
    _check_scores(record)
    if "summary" in data:
        _check_summary(data["summary"], record)
    return record


def record_json(record: Record) -> dict[str, Any]:
    """JSON form of a record, with the summary for those who read the file itself."""
    summary = to_json(summarise_all(record.scores))
    return {"schema": SCHEMA, **to_json(record), "summary": summary}


def write_record(path: Path, record: Record) -> None:
    """Write a record to a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(_text(record_json(record)), encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_record(path: Path) -> Record:
    """Read and check one record; `RecordError` names the file and the key."""
    try:
        return parse_record(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(f"{path}: not JSON: {error}") from error
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from error


def read_records(directory: Path, on_failure: Callable[[str], None] | None = None) -> list[Record]:
    """All records of a folder and the folders in it, in the order of their paths.

    Those that cannot be read are told to `on_failure`; without it the first raises `RecordError`.
    """
    if not directory.is_dir():
        raise RecordError(f"{directory}: not a folder of result records")
    records = []
    for path in sorted(directory.rglob("*.json")):
        try:
            records.append(read_record(path))
        except RecordError as error:
            if on_failure is None:
                raise
            on_failure(str(error))
    return records


def _text(content: Mapping[str, Any]) -> str:
    """Indented JSON, the long lists with one entry a line."""

    def value_text(value: Any) -> str:
        if isinstance(value, list) and value:
            lines = (json.dumps(each, allow_nan=False) for each in value)
            return "[\n  " + ",\n  ".join(lines) + "\n ]"
        return json.dumps(value, indent=1, allow_nan=False).replace("\n", "\n ")

    entries = (f" {json.dumps(key)}: {value_text(value)}" for key, value in content.items())
    return "{\n" + ",\n".join(entries) + "\n}\n"


def _get(data: Mapping[str, Any], key: str, source: str) -> Any:
    if key not in data:
        raise RecordError(f"{source}: missing key {key!r}")
    return data[key]


def _advice(schema: Any) -> str:
    if not isinstance(schema, int) or isinstance(schema, bool):
        return ""
    if schema > SCHEMA:
        return "; a newer hear-plugins wrote it: update hear-plugins"
    return "; `python -m benchmark.records.migration FROM TO` brings older records up to date"


def _check_scores(record: Record) -> None:
    """Every fold and seed once, with the primary metric and its training, and no other."""
    if not record.scores:
        raise RecordError("scores: expected at least one, got none")
    seen = set()
    for score in record.scores:
        if (key := (score.fold, score.seed, score.metric)) in seen:
            raise RecordError(f"scores: {score.metric} of {_run(key)} is there twice")
        seen.add(key)
    runs = list(dict.fromkeys((score.fold, score.seed) for score in record.scores))
    for run in runs:
        if (*run, record.primary_metric) not in seen:
            raise RecordError(
                f"scores: {_run(run)} lacks the primary metric {record.primary_metric!r}"
            )
    seeds = {seed for _, seed in runs}
    if seeds != set(record.unit.seeds):
        raise RecordError(
            f"scores: they are of the seeds {sorted(seeds)}, the unit says {record.unit.seeds}"
        )
    trained = [(training.fold, training.seed) for training in record.trainings]
    if sorted(trained) != sorted(runs):
        odd = sorted(set(trained) ^ set(runs)) or trained
        raise RecordError(f"trainings: expected one for each fold and seed, see {_run(odd[0])}")


def _run(run: tuple[Any, ...]) -> str:
    return f"fold {run[0]!r}, seed {run[1]}"


def _check_summary(written: Any, record: Record) -> None:
    derived: dict[str, ScoreSummary] = summarise_all(record.scores)
    for metric, summary in derived.items():
        for name, value in to_json(summary).items():
            found = written.get(metric, {}).get(name) if isinstance(written, dict) else None
            if isinstance(value, float) and isinstance(found, (int, float)):
                same = math.isclose(found, value, abs_tol=1e-9)
            else:
                same = found == value
            if not same:
                raise RecordError(
                    f"summary.{metric}.{name}: {found!r} does not follow from the scores "
                    f"({value!r}); the file was edited by hand"
                )
