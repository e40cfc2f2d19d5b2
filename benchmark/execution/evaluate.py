"""Evaluate embeddings: a folder of embeddings -> scores -> a result record.

``out/evaluations/<model>/<task>/<protocol>-<engine>-<key>/`` holds what the engine leaves, and
``evaluation.json`` once it is done; the record is at the same place under ``out/records/``. The key
is over all that can change a score, so an evaluation that was finished is never done again.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from benchmark.embeddings.store import disk_errors, read_info
from benchmark.errors import UserError
from benchmark.protocols.hear.kit_scores import aggregate
from benchmark.protocols.options import ProtocolOptions
from benchmark.protocols.registry import Protocol
from benchmark.protocols.result import FoldResult, results_from_json, results_json
from benchmark.records.environment import describe_machine, git_commit, package_versions
from benchmark.records.record import RecordError, make_record, read_record, write_record
from tasks.folder import METADATA_FILE

FINISHED_FILE = "evaluation.json"

OnProgress = Callable[[float, str], None]


def evaluate(
    embeddings: Path,
    out: Path,
    protocol: Protocol,
    options: ProtocolOptions,
    on_progress: OnProgress,
) -> Path:
    """Evaluate one folder of complete embeddings and write its result record.

    Parameters
    ----------
    embeddings
        Folder that `benchmark.embeddings.extract` made; nothing is written there.
    protocol, options
        What the evaluation is; `options` are of the protocol's kind.
    on_progress
        Called with the part of the work that is done, 0 to 1, and what is being done.

    Returns
    -------
    Path
        The record under ``out/records``.

    Raises
    ------
    UserError
        The embeddings are not complete, the disk is full, another process is at the same
        evaluation, or the protocol cannot evaluate the task.
    """
    embedding = read_info(embeddings)
    if embedding is None:
        raise UserError(f"{embeddings}: the embeddings are not complete; embed again first")
    task = json.loads((embeddings / METADATA_FILE).read_text(encoding="utf-8"))
    protocol.require_embedding_type(task["embedding_type"], task["task_name"])
    settings = options.that_change_scores()
    engine = options.value_of("engine", "")
    identity = {key: embedding[key] for key in ("model", "task_hash", "hop_ms", "resampler")}
    chosen = [identity, protocol.name, protocol.version, engine, settings]
    key = hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:8]
    name = "-".join(filter(None, (protocol.name, engine, key)))
    place = Path(embeddings.parent.name, embeddings.name, name)
    work = out / "evaluations" / place
    record = out / "records" / place.parent / f"{place.name}.json"
    with disk_errors(out):
        if _is_readable(record):
            on_progress(1.0, "done")
            return record
        work.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(work / ".lock", timeout=0):
                finished = _finish(embeddings, work, protocol, options, on_progress)
        except Timeout:
            raise UserError(f"{work}: another process is at this evaluation") from None
        (work / ".lock").unlink(missing_ok=True)
        results = results_from_json(finished.pop("results"))
        write_record(
            record,
            make_record(
                _in_kit_layout(results),
                embedding=embedding,
                task=task,
                protocol=protocol.name,
                engine=engine,
                settings=settings,
                seeds=protocol.seeds(options),
                runs_are="repeats" if len(protocol.seeds(options)) > 1 else None,
                **finished,
            ),
        )
    return record


def _finish(
    embeddings: Path,
    work: Path,
    protocol: Protocol,
    options: ProtocolOptions,
    on_progress: OnProgress,
) -> dict[str, Any]:
    """What the evaluation gave and what it was made with, from disk if it was done before."""
    path = work / FINISHED_FILE
    if not path.exists():
        start = time.perf_counter()
        results = protocol.evaluate(embeddings, work, options, on_progress)
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
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _in_kit_layout(results: Sequence[FoldResult]) -> dict[str, Any]:
    """Results as `make_record` takes them: a run for every fold, or for every seed of several."""
    runs: dict[str, Any] = {}
    for seed in dict.fromkeys(result.seed for result in results):
        folds = {
            result.fold: {f"test_{name}": value for name, value in result.scores.items()}
            | {"test_score": next(iter(result.scores.values())), **result.training}
            for result in results
            if result.seed == seed
        }
        if len({result.seed for result in results}) == 1:
            runs |= folds
            continue
        means = aggregate(folds)
        runs[f"seed {seed}"] = {name: means[f"{name}_mean"] for name in next(iter(folds.values()))}
    return runs | {
        "hparams": dict(results[0].hparams),
        "postprocessing": results[0].postprocessing,
    }


def _is_readable(record: Path) -> bool:
    """Whether the record is there and of this version's schema; if not, it is written again."""
    try:
        read_record(record)
    except RecordError:
        return False
    return True
