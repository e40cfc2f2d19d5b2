"""Result records: what one model scored on one task under one protocol, as versioned JSON.

A record holds everything a table, a leaderboard or a doubter needs: scores of every run (fold or
repeat), the settings that make numbers comparable, the provenance of weights and data, the machine,
and the seconds of every phase. Means, deviations and intervals are derived from the runs
(`summarise`), written beside them for readers of the JSON, and checked when a record is read.
"""

from __future__ import annotations

import json
import math
import os
import re
import types
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from scipy.special import stdtrit

from tasks.entries import DEMO_ENTRIES, ENTRIES

SCHEMA = 1


class RecordError(ValueError):
    """A record, or the material for one, is not as it should be; one line naming file and key."""


@dataclass(frozen=True)
class Record:
    """One model x task x protocol; `None` among scores is a score that is not defined."""

    model: str  # <module>-<key over options, weights and version>
    module: str  # import path of the HEAR module
    options: dict[str, Any]  # keyword options of its load_model; "--dtype" and "--compile"
    weights: dict[str, Any]  # provenance; weights["weights"] is none, file, package or random
    embedding_size: int
    hop_ms: float | None  # median step of the timestamps; None for scene embeddings
    resampler: str  # what made the audio at the model's rate
    task: str
    task_version: str
    task_mode: str
    task_hash: str
    domain: str  # speech, environment, music, or "" when the task does not say
    demo: bool  # a built-in task of synthesised sound, whose scores say nothing about real tasks
    embedding_type: str  # scene or event
    prediction_type: str  # multiclass or multilabel
    protocol: str
    engine: str
    settings: dict[str, Any]  # that change scores; different ones are never in one table
    seeds: tuple[int, ...]
    runs_are: str  # folds, repeats, or split for a single test split
    primary_metric: str
    scores: dict[str, dict[str, float | None]]  # run -> metric -> value, never per cent
    training: dict[str, dict[str, float | None]]  # run -> validation_score, epoch, ...
    hparams: dict[str, Any]  # what the search chose
    postprocessing: Any  # of events, chosen on validation data
    seconds: dict[str, float]  # by phase: decode, resample, model, write, ..., evaluate
    audio_seconds: float
    versions: dict[str, dict[str, str]]  # {"embedding": ..., "evaluation": ...}
    machine: dict[str, Any]  # {"embedding": ..., "evaluation": ...}, see `environment`
    commit: str | None
    date: str  # ISO 8601, UTC

    @property
    def random_weights(self) -> bool:
        """Whether the weights are random: the scores say nothing about the published model."""
        return self.weights.get("weights") == "random"

    @property
    def task_folder(self) -> str:
        """Name of the task's folder, as hear-preprocess gives it: `<task>-<version>-<mode>`."""
        return f"{self.task}-{self.task_version}-{self.task_mode}"


@dataclass(frozen=True)
class Spread:
    """Mean, standard deviation (ddof 1) and half width of the 95 % Student t interval of n runs."""

    mean: float | None
    std: float | None
    ci95: float | None
    n: int


def spread(values: Iterable[float | None]) -> Spread:
    """Spread of the defined values; as in hear-eval-kit undefined ones are left out (`n` tells).

    Folds share training data: an interval over folds is narrower than one over experiments.
    """
    defined = [value for value in values if value is not None]
    n = len(defined)
    if n == 0:
        return Spread(None, None, None, 0)
    mean = math.fsum(defined) / n
    if n == 1:
        return Spread(mean, None, None, 1)
    std = math.sqrt(math.fsum((value - mean) ** 2 for value in defined) / (n - 1))
    return Spread(mean, std, float(stdtrit(n - 1, 0.975)) * std / math.sqrt(n), n)


def summarise(record: Record) -> dict[str, Spread]:
    """Spread over the runs of every metric, the primary one first."""
    metrics = [record.primary_metric]
    metrics += [metric for run in record.scores.values() for metric in run]
    return {
        metric: spread(run.get(metric) for run in record.scores.values())
        for metric in dict.fromkeys(metrics)
    }


def make_record(
    result: Mapping[str, Any],
    embedding: Mapping[str, Any],
    task: Mapping[str, Any],
    *,
    protocol: str,
    engine: str,
    settings: Mapping[str, Any],
    seeds: Iterable[int],
    seconds: float,
    versions: Mapping[str, str],
    machine: Mapping[str, Any],
    commit: str | None,
    runs_are: str | None = None,
) -> Record:
    """Record of one evaluation.

    Parameters
    ----------
    result
        Content of hear-eval-kit's `test.predicted-scores.json`, or the same layout from another
        engine: a mapping for each run with `test_<metric>`, `test_score`, `test_loss`,
        `validation_score`, `epoch`, `time_in_min`; beside them `hparams` and `postprocessing`.
        `aggregated_scores` is recomputed, not read.
    embedding
        Content of `embedding.json`: `model`, `module`, `options`, `weights`, `embedding_size`,
        `hop_ms`, `resampler`, `task_hash`, `seconds`, `audio_seconds`, `versions`, `machine`.
    task
        Content of `task_metadata.json`; the domain, and whether it is a demo task, follow from the
        name where `tasks.entries` knows it.
    settings
        Options of the protocol, only those that can change a score.
    seconds
        Wall time of the evaluation.
    versions, machine, commit
        Of the evaluation (`environment`); those of the embedding are in `embedding`.
    runs_are
        "repeats" where runs are repeats; folds and a single split are told by their number.

    Raises
    ------
    RecordError
        A key is missing or of the wrong kind.
    """
    runs = {
        run_name: run
        for run_name, run in result.items()
        if run_name != "aggregated_scores" and isinstance(run, Mapping) and "test_score" in run
    }
    name = _get(task, "task_name", "task_metadata.json")
    return parse_record(
        {
            "schema": SCHEMA,
            **{
                key: _get(embedding, key, "embedding.json")
                for key in (
                    "model",
                    "module",
                    "options",
                    "weights",
                    "embedding_size",
                    "hop_ms",
                    "resampler",
                    "task_hash",
                    "audio_seconds",
                )
            },
            "task": name,
            "task_version": _get(task, "version", "task_metadata.json"),
            "task_mode": _get(task, "mode", "task_metadata.json"),
            "domain": ENTRIES[name].domain if name in ENTRIES else "",
            "demo": any(name == entry.name for entry in DEMO_ENTRIES),
            "embedding_type": _get(task, "embedding_type", "task_metadata.json"),
            "prediction_type": _get(task, "prediction_type", "task_metadata.json"),
            "protocol": protocol,
            "engine": engine,
            "settings": dict(settings),
            "seeds": list(seeds),
            "runs_are": runs_are or ("folds" if len(runs) > 1 else "split"),
            "primary_metric": _get(task, "evaluation", "task_metadata.json")[0],
            "scores": {
                run_name: {
                    key.removeprefix("test_"): _defined(value)
                    for key, value in run.items()
                    if key.startswith("test_") and key not in ("test_loss", "test_score")
                }
                for run_name, run in runs.items()
            },
            "training": {
                run_name: {
                    key: _defined(run[key])
                    for key in ("validation_score", "epoch", "time_in_min", "test_loss")
                    if key in run
                }
                for run_name, run in runs.items()
            },
            # The kit prints functions with their address, which differs in every process.
            "hparams": {
                key: re.sub(r" at 0x[0-9a-f]+", "", value) if isinstance(value, str) else value
                for key, value in result.get("hparams", {}).items()
            },
            "postprocessing": result.get("postprocessing"),
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
        Not a record, of a newer schema, or a key is missing, unknown, of the wrong kind, or at
        odds with another.
    """
    if not isinstance(data, dict) or "schema" not in data:
        raise RecordError("not a result record: it has no key 'schema'")
    schema = data["schema"]
    if schema != SCHEMA:
        newer = isinstance(schema, int) and schema > SCHEMA
        raise RecordError(
            f"schema: {schema!r} is not the schema {SCHEMA} that this version reads"
            + ("; a newer hear-plugins wrote it: update hear-plugins" if newer else "")
        )
    hints = get_type_hints(Record)
    unknown = data.keys() - hints.keys() - {"schema", "summary"}
    if unknown:
        raise RecordError(f"unknown key {sorted(unknown)[0]!r}")
    record = Record(**{key: _conform(_get(data, key), hint, key) for key, hint in hints.items()})
    if not record.scores:
        raise RecordError("scores: expected at least one run, got none")
    for run, scores in record.scores.items():
        if record.primary_metric not in scores:
            raise RecordError(f"scores.{run}: lacks the primary metric {record.primary_metric!r}")
    if "summary" in data:
        _check_summary(data["summary"], record)
    return record


def record_json(record: Record) -> dict[str, Any]:
    """JSON form of a record, with the summary over runs for those who read the file itself."""
    summary = {metric: asdict(value) for metric, value in summarise(record).items()}
    content = {field.name: getattr(record, field.name) for field in fields(record)}
    return {"schema": SCHEMA, **content, "seeds": list(record.seeds), "summary": summary}


def write_record(path: Path, record: Record) -> None:
    """Write a record to a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(
            json.dumps(record_json(record), indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_record(path: Path) -> Record:
    """Read and check one record; `RecordError` names the file and the key."""
    try:
        return parse_record(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: not JSON: {error}") from error
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from error


def read_records(directory: Path) -> list[Record]:
    """All records of a folder and the folders in it, in the order of their paths."""
    if not directory.is_dir():
        raise RecordError(f"{directory}: not a folder of result records")
    return [read_record(path) for path in sorted(directory.rglob("*.json"))]


def _get(data: Mapping[str, Any], key: str, source: str = "") -> Any:
    if key not in data:
        raise RecordError(f"{source}: missing key {key!r}" if source else f"missing key {key!r}")
    return data[key]


def _defined(value: Any) -> Any:
    """JSON has no NaN: scores that are not defined are null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _conform(value: Any, hint: Any, key: str) -> Any:
    """`value` of a JSON document as the type that `hint` says, or `RecordError` naming `key`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        return _conform(value, next(a for a in arguments if a is not types.NoneType), key)
    if origin is dict and isinstance(value, dict):
        return {k: _conform(v, arguments[1], f"{key}.{k}") for k, v in value.items()}
    if origin is tuple and isinstance(value, list):
        return tuple(_conform(v, arguments[0], f"{key}[{i}]") for i, v in enumerate(value))
    is_bool = isinstance(value, bool)
    if hint is float and isinstance(value, (int, float)) and not is_bool and math.isfinite(value):
        return float(value)
    if hint in (str, bool, int) and isinstance(value, hint) and (hint is bool or not is_bool):
        return value
    kinds = {str: "text", bool: "true or false", int: "a whole number", float: "a finite number"}
    kind = kinds.get(hint) or {dict: "a mapping", tuple: "a list"}[origin]
    raise RecordError(f"{key}: expected {kind}, got {value!r:.60}")


def _check_summary(written: Any, record: Record) -> None:
    derived = {metric: asdict(value) for metric, value in summarise(record).items()}
    for metric, values in derived.items():
        for name, value in values.items():
            found = written.get(metric, {}).get(name) if isinstance(written, dict) else None
            same = (
                found is None
                if value is None
                else (isinstance(found, (int, float)) and math.isclose(found, value, abs_tol=1e-9))
            )
            if not same:
                raise RecordError(
                    f"summary.{metric}.{name}: {found!r} does not follow from the scores "
                    f"({value!r}); the file was edited by hand"
                )
