"""The main job: models x tasks -> embeddings -> scores -> records.

Every stage keeps what it has finished, so the same call after an interruption goes on where it
was. A model or task that fails does not stop the others: the failure is said when it happens and
listed in the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmark.embeddings.extract import embed
from benchmark.embeddings.store import finished_embeddings, read_info
from benchmark.errors import DiskFullError, UserError
from benchmark.execution.evaluate import evaluate
from benchmark.execution.local import OnProgress, evaluate_in_processes
from benchmark.models.conformance import probe
from benchmark.models.hear_module import LoadedModel, ModelSpec, load_model
from benchmark.progress import progress_bar
from benchmark.protocols.options import ProtocolOptions
from benchmark.protocols.registry import Protocol
from tasks.folder import TaskError, TaskFolder, near_names
from tasks.resampling import SOXR

Say = Callable[[str], None]


@dataclass
class Outcome:
    """What a job made.

    Attributes
    ----------
    embeddings, records
        Folders of complete embeddings, files of result records.
    failures
        One line for each model or task that could not be finished.
    """

    embeddings: list[Path] = field(default_factory=list)
    records: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def run(
    specs: Sequence[ModelSpec],
    tasks: Sequence[TaskFolder],
    out: Path,
    *,
    device: str,
    protocol: Protocol,
    options: ProtocolOptions,
    jobs: int,
    say: Say,
    resampler: str = SOXR,
) -> Outcome:
    """Embed and evaluate every task with every model.

    Raises
    ------
    DiskFullError
        Nothing else can go on then; what is finished is kept.
    """
    protocol.check(options)
    outcome = Outcome()
    for model in _load_models(specs, device, say, outcome):
        for task in tasks:
            made = _embed_task(model, task, out, resampler, say, outcome)
            if jobs == 1:  # task by task: the first scores come early, and a mistake shows soon
                _evaluate_folders(made, out, protocol, options, jobs, say, outcome)
    if jobs > 1:
        _evaluate_folders(outcome.embeddings, out, protocol, options, jobs, say, outcome)
    return outcome


def embed_all(
    specs: Sequence[ModelSpec],
    tasks: Sequence[TaskFolder],
    out: Path,
    *,
    device: str,
    say: Say,
    resampler: str = SOXR,
) -> Outcome:
    """Embed every task with every model; see `run`."""
    outcome = Outcome()
    for model in _load_models(specs, device, say, outcome):
        for task in tasks:
            _embed_task(model, task, out, resampler, say, outcome)
    return outcome


def evaluate_all(
    out: Path,
    *,
    modules: Sequence[str],
    tasks: Sequence[str],
    protocol: Protocol,
    options: ProtocolOptions,
    jobs: int,
    say: Say,
) -> Outcome:
    """Evaluate the complete embeddings under `out`, those of `modules` and `tasks` where named.

    Raises
    ------
    UserError
        There are none, or none of a module or task that is named; the engine is not installed.
    """
    protocol.check(options)
    chosen = []
    there: dict[str, set[str]] = {"model": set(), "task": set()}
    for folder in finished_embeddings(out):
        info = read_info(folder) or {}
        names = {
            "model": {info["module"], info["model"]},
            "task": {info["task"], info["task_name"]},
        }
        for kind in there:
            there[kind] |= names[kind]
        if names["model"] & set(modules or names["model"]) and names["task"] & set(
            tasks or names["task"]
        ):
            chosen.append(folder)
    for kind, wanted in (("model", modules), ("task", tasks)):
        for name in wanted:
            if name not in there[kind]:
                raise UserError(
                    f"{out}: no embeddings of {kind} {name!r}{near_names(name, there[kind])};"
                    f" there: {', '.join(sorted(there[kind])) or 'none'}"
                )
    if not chosen:
        raise UserError(f"{out}: no complete embeddings; `hear-benchmark embed` makes them")
    outcome = Outcome(embeddings=chosen)
    _evaluate_folders(chosen, out, protocol, options, jobs, say, outcome)
    return outcome


def _load_models(
    specs: Sequence[ModelSpec], device: str, say: Say, outcome: Outcome
) -> list[LoadedModel]:
    models = []
    for spec in specs:
        try:
            models.append(load_model(spec, device))
        except UserError as error:
            _fail(str(error), say, outcome)
    return models


def _embed_task(
    model: LoadedModel, task: TaskFolder, out: Path, resampler: str, say: Say, outcome: Outcome
) -> list[Path]:
    with progress_bar(f"{model.name} {task.path.name}") as advance:
        try:
            probe(model, task.embedding_type)
            embedded = embed(
                model,
                task,
                out,
                resampler=resampler,
                on_progress=lambda done, total, seconds: advance(1, seconds),
            )
        except DiskFullError:
            raise
        except (UserError, TaskError) as error:
            _fail(str(error), say, outcome)
            return []
    info = embedded.info
    say(
        f"embedded  {model.name}  {task.path.name}:"
        f" {info['audio_seconds']:.0f} s of audio in {info['seconds']['total']:.1f} s,"
        f" {100 * info['overhead']:.1f} % of the CPU time beside reading and the model"
    )
    outcome.embeddings.append(embedded.path)
    return [embedded.path]


def _evaluate_folders(
    folders: Sequence[Path],
    out: Path,
    protocol: Protocol,
    options: ProtocolOptions,
    jobs: int,
    say: Say,
    outcome: Outcome,
) -> None:
    parts: dict[Path, float] = {}
    with progress_bar("evaluating", total=float(len(folders)), unit="task") as advance:

        def on_progress(folder: Path, part: float, _text: str) -> None:
            advance(part - parts.get(folder, 0.0))
            parts[folder] = part

        evaluated = (
            evaluate_in_processes(folders, out, protocol, options, jobs, on_progress)
            if jobs > 1
            else _evaluate_in_turn(folders, out, protocol, options, on_progress)
        )
        for folder, result in evaluated:
            name = f"{folder.parent.name}  {folder.name}"
            if isinstance(result, DiskFullError):
                raise result
            if isinstance(result, UserError):
                _fail(f"{name}: {result}", say, outcome)
            else:
                outcome.records.append(result)
                say(f"evaluated {name}")
    outcome.records.sort()


def _evaluate_in_turn(
    folders: Sequence[Path],
    out: Path,
    protocol: Protocol,
    options: ProtocolOptions,
    on_progress: OnProgress,
) -> Iterator[tuple[Path, Path | UserError]]:
    for folder in folders:
        try:
            yield folder, evaluate(folder, out, protocol, options, partial(on_progress, folder))
        except UserError as error:
            yield folder, error


def _fail(line: str, say: Say, outcome: Outcome) -> None:
    outcome.failures.append(line)
    say(f"failed: {line}")
