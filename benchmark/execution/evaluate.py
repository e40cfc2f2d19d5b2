"""Evaluate embeddings: a folder of embeddings -> scores -> a result record.

``out/evaluations/<module>-<key>/<task>-<key>/<protocol>[-<engine>]-<key>/`` holds what the protocol
leaves, and ``evaluation.json`` once it is done; the record is at the same place under
``out/records/``. The names are those of the evaluation's unit of work, which holds all that can
change a score, the code included: an evaluation that was finished is never done again, and one
whose code changed is.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from benchmark.embeddings.layers import size_of
from benchmark.embeddings.selected_layers import selected_layers
from benchmark.embeddings.store import disk_errors, read_info
from benchmark.errors import BusyError, UserError
from benchmark.execution.task_facts import chance_scores, published_status
from benchmark.metrics.registry import metric
from benchmark.models.fingerprint import functions_hash
from benchmark.protocols.options import ProtocolOptions
from benchmark.protocols.registry import Protocol
from benchmark.protocols.result import FoldResult, results_from_json, results_json
from benchmark.records.environment import describe_machine, git_commit, package_versions
from benchmark.records.json_form import RecordError
from benchmark.records.record import Record, Training, make_record, read_record, write_record
from benchmark.records.statistics import Score
from benchmark.records.work_unit import EvaluationUnit, device_class, parse_embedding_unit
from tasks.folder import METADATA_FILE

FINISHED_FILE = "evaluation.json"
LOCK_FILE = ".lock"

OnProgress = Callable[[float, str], None]


def evaluate(
    embeddings: Path,
    out: Path,
    protocol: Protocol,
    options: ProtocolOptions,
    on_progress: OnProgress,
    layers: str = "",
) -> Path:
    """Evaluate one folder of complete embeddings and write its result record.

    Where another process is at the same evaluation, its end is waited for.

    Parameters
    ----------
    embeddings
        Folder that `benchmark.embeddings.extract` made; nothing is written there.
    protocol, options
        What the evaluation is; `options` are of the protocol's kind.
    on_progress
        Called with the part of the work that is done, 0 to 1, and what is being done.
    layers
        Of embeddings by layers, the selection to evaluate (`benchmark.embeddings.layers`).

    Returns
    -------
    Path
        The record under ``out/records``.

    Raises
    ------
    UserError
        The embeddings are not complete or of another representation than the protocol's, the disk
        is full, the protocol cannot evaluate the task, or a record is there that cannot be read: it
        is not overwritten.
    BusyError
        Another process is at the same evaluation.
    """
    embedding = read_info(embeddings)
    if embedding is None:
        raise UserError(f"{embeddings}: the embeddings are not complete; embed again first")
    task = json.loads((embeddings / METADATA_FILE).read_text(encoding="utf-8"))
    protocol.require_embedding_type(task["embedding_type"], task["task_name"])
    unit = evaluation_unit(embeddings, embedding, task, protocol, options, layers)
    wanted = protocol.representation_of(task["embedding_type"], options, [layers] if layers else [])
    if unit.embedding.representation != wanted:
        raise UserError(
            f"{embeddings}: protocol {protocol.name} takes {task['embedding_type']} tasks embedded"
            f" as {wanted}, but this one is as {unit.embedding.representation}"
        )
    path = out / "records" / unit.record
    with disk_errors(out):
        work = out / "evaluations" / unit.folder
        work.mkdir(parents=True, exist_ok=True)
        # The file stays: another process may hold it open, and would lock what is no longer there.
        with _locked(work / LOCK_FILE):
            if (record := _kept_record(path)) is None:
                sizes = embedding.get("layer_sizes", [])
                finished = _finish(embeddings, work, protocol, options, on_progress, layers, sizes)
                results = results_from_json(finished.pop("results"))
                chance, test_clips = chance_scores(embeddings)
                limited = unit.embedding.limit is not None
                published, note = (None, "") if limited else published_status(embeddings)
                record = make_record(
                    unit,
                    _scores(results),
                    _trainings(results),
                    embedding | ({"embedding_size": size_of(layers, sizes)} if layers else {}),
                    task,
                    chance=chance,
                    test_clips=test_clips,
                    published=published,
                    published_note=note,
                    **finished,
                )
                write_record(path, record)
            elif record.name != embedding.get("name", ""):
                write_record(path, replace(record, name=embedding.get("name", "")))
    on_progress(1.0, "done")
    return path


def evaluation_unit(
    embeddings: Path,
    embedding: Mapping[str, Any],
    task: Mapping[str, Any],
    protocol: Protocol,
    options: ProtocolOptions,
    layers: str = "",
) -> EvaluationUnit:
    """All that decides the scores of an evaluation.

    Parameters
    ----------
    embedding, task
        Content of `embedding.json` and of `task_metadata.json`.

    Raises
    ------
    UserError
        `embedding.json` does not say what decided the embeddings.
    """
    try:
        embedding_unit = parse_embedding_unit(embedding.get("unit"))
    except RecordError as error:
        raise UserError(
            f"{embeddings}: embedding.json names no unit of work ({error}); delete the folder and"
            " embed again"
        ) from None
    functions: list[Any] = [
        protocol.evaluate,
        *(metric(name).compute for name in task["evaluation"]),
    ]
    return EvaluationUnit(
        embedding=embedding_unit,
        protocol=protocol.name,
        version=protocol.version,
        code=functions_hash(functions),
        options=options.settings(),
        seeds=protocol.seeds(options),
        engine=options.value_of("engine", ""),
        threads=options.value_of("threads"),
        device=device_class(options.value_of("device", "cpu")),
        layers=layers,
    )


def _locked(path: Path) -> AbstractContextManager[Any]:
    """The lock of an evaluation, held; `BusyError` if another process holds it."""
    try:
        return FileLock(path).acquire(timeout=0)
    except Timeout:
        raise BusyError(f"{path.parent}: another process is at this evaluation") from None


def _kept_record(path: Path) -> Record | None:
    """The record of an earlier run; None if there is none."""
    if not path.exists():
        return None
    try:
        return read_record(path)
    except RecordError as error:
        raise UserError(
            f"{error}. It is not overwritten: move it away to have it written again"
        ) from None


def _finish(
    embeddings: Path,
    work: Path,
    protocol: Protocol,
    options: ProtocolOptions,
    on_progress: OnProgress,
    layers: str,
    layer_sizes: Sequence[int],
) -> dict[str, Any]:
    """What the evaluation gave and what it was made with, from disk if it was done before."""
    path = work / FINISHED_FILE
    if not path.exists():
        start = time.perf_counter()
        with (
            selected_layers(embeddings, layers, layer_sizes, work)
            if layers
            else nullcontext(embeddings)
        ) as source:
            results = protocol.evaluate(source, work, options, on_progress)
        finished = {
            "results": results_json(results),
            "seconds": time.perf_counter() - start,
            "versions": package_versions(),
            "machine": describe_machine(),
            "commit": git_commit(),
        }
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(finished, indent=1), encoding="utf-8")
        os.replace(partial, path)
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}); delete it and evaluate again") from None
    return content


def _scores(results: tuple[FoldResult, ...]) -> list[Score]:
    return [
        Score(result.fold, result.seed, name, value)
        for result in results
        for name, value in result.scores.items()
    ]


def _trainings(results: tuple[FoldResult, ...]) -> list[Training]:
    return [
        Training(
            result.fold,
            result.seed,
            dict(result.training),
            dict(result.hparams),
            result.postprocessing,
        )
        for result in results
    ]
