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
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from benchmark.embeddings.standardize import standardized
from benchmark.embeddings.store import disk_errors, read_info
from benchmark.errors import UserError
from benchmark.protocols.hear.kit import evaluate_with_kit, require_kit
from benchmark.protocols.hear.options import ENGINES, SHUFFLED, STANDARDIZED, HearOptions
from benchmark.records.environment import describe_machine, git_commit, package_versions
from benchmark.records.record import RecordError, make_record, read_record, write_record
from tasks.folder import METADATA_FILE

FINISHED_FILE = "evaluation.json"

OnProgress = Callable[[float, str], None]


def evaluate(
    embeddings: Path, out: Path, engine: str, options: HearOptions, on_progress: OnProgress
) -> Path:
    """Evaluate one folder of complete embeddings and write its result record.

    Parameters
    ----------
    embeddings
        Folder that `benchmark.embeddings.extract` made; nothing is written there.
    engine
        "kit" for hear-eval-kit itself, "native" for the engine that gives its numbers faster.
    on_progress
        Called with the part of the work that is done, 0 to 1, and what is being done.

    Returns
    -------
    Path
        The record under ``out/records``.

    Raises
    ------
    UserError
        The engine is unknown or not installed, the embeddings are not complete, the disk is full,
        another process is at the same evaluation, or the engine failed.
    """
    embedding = read_info(embeddings)
    if embedding is None:
        raise UserError(f"{embeddings}: the embeddings are not complete; embed again first")
    settings = options.that_change_scores()
    identity = {key: embedding[key] for key in ("model", "task_hash", "hop_ms", "resampler")}
    chosen: list[object] = [identity, options.protocol, engine, settings]
    if options.protocol == SHUFFLED:
        chosen.append(options.seeds)
    text = json.dumps(chosen, sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:8]
    place = Path(embeddings.parent.name, embeddings.name, f"{options.protocol}-{engine}-{key}")
    work = out / "evaluations" / place
    record = out / "records" / place.parent / f"{place.name}.json"
    with disk_errors(out):
        if _is_readable(record):
            on_progress(1.0, "done")
            return record
        work.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(work / ".lock", timeout=0):
                finished = _finish(embeddings, work, engine, options, on_progress)
        except Timeout:
            raise UserError(f"{work}: another process is at this evaluation") from None
        (work / ".lock").unlink(missing_ok=True)
        task = json.loads((embeddings / METADATA_FILE).read_text(encoding="utf-8"))
        write_record(
            record,
            make_record(
                embedding=embedding,
                task=task,
                protocol=options.protocol,
                engine=engine,
                settings=settings,
                seeds=options.seeds_used(),
                runs_are="repeats" if options.protocol == SHUFFLED else None,
                **finished,
            ),
        )
    return record


def check_engine(engine: str, options: HearOptions) -> None:
    """Check, before any work, that an engine is there and has what is asked of it.

    Raises
    ------
    UserError
        The engine is unknown, not installed, or lacks an option.
    """
    if engine not in ENGINES:
        raise UserError(f"unknown engine {engine!r}: choose one of {', '.join(ENGINES)}")
    if engine == "kit":
        require_kit()
        if lacking := options.only_native():
            raise UserError(f"hear-eval-kit does not have {lacking}; choose --engine native")


def _finish(
    embeddings: Path, work: Path, engine: str, options: HearOptions, on_progress: OnProgress
) -> dict[str, Any]:
    """What the evaluation gave and what it was made with, from disk if it was done before."""
    path = work / FINISHED_FILE
    if not path.exists():
        start = time.perf_counter()
        with ExitStack() as cleanup:
            if options.protocol == STANDARDIZED:
                embeddings = cleanup.enter_context(standardized(embeddings, work))
            result = _score(engine, embeddings, work, options, on_progress)
        finished = {
            "result": result,
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


def _score(
    engine: str, embeddings: Path, work: Path, options: HearOptions, on_progress: OnProgress
) -> dict[str, Any]:
    if engine == "kit":
        return evaluate_with_kit(embeddings, work, options, on_progress)
    from benchmark.protocols.hear.multiseed import evaluate_shuffled
    from benchmark.protocols.hear.native import Variant, evaluate_native

    variant = Variant(device=options.device, parallel_grid=options.parallel_grid)
    if options.protocol == SHUFFLED:
        return evaluate_shuffled(embeddings, work, options, on_progress, options.seeds, variant)
    return evaluate_native(embeddings, work, options, on_progress, variant)


def _is_readable(record: Path) -> bool:
    """Whether the record is there and of this version's schema; if not, it is written again."""
    try:
        read_record(record)
    except RecordError:
        return False
    return True
