"""The main job: models x tasks -> embeddings -> scores -> records.

Every stage keeps what it has finished, so the same call after an interruption goes on where it
was. A model or task that fails does not stop the others: the failure is said when it happens and
listed in the outcome. Models and evaluations have processes of their own, so that neither what a
module does to its process nor its end reaches anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmark.embeddings.layers import selections_of
from benchmark.embeddings.representation import LAYERS, TASK, TIMESTAMPS, window_seconds
from benchmark.embeddings.store import finished_embeddings, read_info
from benchmark.errors import BusyError, DiskFullError, UserError
from benchmark.execution.isolation import (
    EVALUATION_TIME_LIMIT,
    TIME_LIMIT,
    Done,
    Failure,
    Remark,
    Worker,
)
from benchmark.execution.local import Evaluate, Evaluators
from benchmark.execution.model_process import Embed, Load, Progress, serve_model
from benchmark.models.hear_module import ModelSpec
from benchmark.progress import progress_bar
from benchmark.protocols.options import ProtocolOptions
from benchmark.protocols.registry import Protocol
from tasks.folder import TaskFolder, near_names
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


@dataclass
class _Job:
    """What all steps of a job share.

    Attributes
    ----------
    say
        Called with each line of what happens.
    verbose
        Also say the tracebacks of failures.
    """

    say: Say
    verbose: bool
    outcome: Outcome = field(default_factory=Outcome)

    def fail(self, name: str, failure: Failure) -> None:
        """Note a failure; one of the disk ends everything."""
        if failure.error is DiskFullError:
            raise DiskFullError(failure.text)
        text = failure.text if failure.text.startswith(name) else f"{name}: {failure.text}"
        self.outcome.failures.append(text)
        self.say(f"failed: {text}")
        if self.verbose and failure.trace:
            self.say(failure.trace)


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
    limit: int | None = None,
    time_limit: float | None = TIME_LIMIT,
    evaluation_time_limit: float | None = EVALUATION_TIME_LIMIT,
    layers: Sequence[str] = (),
    verbose: bool = False,
) -> Outcome:
    """Embed and evaluate every task with every model.

    Parameters
    ----------
    layers
        Selections of `benchmark.embeddings.layers`, each evaluated in place of the model's scene
        embedding; none for that itself.
    limit
        Most clips of every split, for smoke runs; None for all.
    time_limit
        Seconds after which a model that shows no sign of life has failed; None for no limit.
    evaluation_time_limit
        The same of an evaluation.
    verbose
        Say the tracebacks of failures too.

    Raises
    ------
    DiskFullError
        Nothing else can go on then; what is finished is kept.
    """
    protocol.check(options)
    wanted = protocol.wanted_representation(options, layers)
    job = _Job(say, verbose)
    tasks = [task for task in tasks if _is_evaluable(job, protocol, task)]
    with Evaluators(jobs, evaluation_time_limit) as evaluators:
        embedded = _embed(job, specs, tasks, out, device, resampler, wanted, limit, time_limit)
        with closing(embedded):
            for folder in embedded:
                if jobs == 1:  # the first scores come early, and a mistake shows soon
                    _evaluate(
                        job, evaluators, [folder], out, protocol, options, layers, check_files=False
                    )
        if jobs > 1:
            made = job.outcome.embeddings
            _evaluate(job, evaluators, made, out, protocol, options, layers, check_files=False)
    return job.outcome


def embed_all(
    specs: Sequence[ModelSpec],
    tasks: Sequence[TaskFolder],
    out: Path,
    *,
    device: str,
    say: Say,
    resampler: str = SOXR,
    representation: str = TASK,
    limit: int | None = None,
    time_limit: float | None = TIME_LIMIT,
    verbose: bool = False,
) -> Outcome:
    """Embed every task with every model; see `run` and `benchmark.embeddings.representation`."""
    job = _Job(say, verbose)
    for _ in _embed(job, specs, tasks, out, device, resampler, representation, limit, time_limit):
        pass
    return job.outcome


def evaluate_all(
    out: Path,
    *,
    modules: Sequence[str],
    tasks: Sequence[str],
    protocol: Protocol,
    options: ProtocolOptions,
    jobs: int,
    say: Say,
    time_limit: float | None = EVALUATION_TIME_LIMIT,
    layers: Sequence[str] = (),
    verbose: bool = False,
) -> Outcome:
    """Evaluate the complete embeddings under `out`, those of `modules` and `tasks` where named.

    Those of another representation than the protocol's are left out, and said to be; see `run`.

    Raises
    ------
    UserError
        There are none that the protocol takes, or none of a module or task that is named; the
        engine is not installed.
    """
    protocol.check(options)
    wanted = protocol.wanted_representation(options, layers)
    job = _Job(say, verbose)
    chosen: list[Path] = []
    others: list[Path] = []  # of another representation
    there: dict[str, set[str]] = {"model": set(), "task": set()}
    for folder in finished_embeddings(out):
        try:
            info = read_info(folder) or {}
        except UserError as error:
            job.fail(folder.name, Failure(str(error)))
            continue
        names = {
            "model": {str(info.get("module", "")), folder.parent.name},
            "task": {str(info.get(key, "")) for key in ("task", "task_name")},
        }
        for kind in there:
            there[kind] |= names[kind]
        if names["model"] & set(modules or names["model"]) and names["task"] & set(
            tasks or names["task"]
        ):
            (chosen if _is_suitable(info, protocol, options, layers) else others).append(folder)
    for kind, asked in (("model", modules), ("task", tasks)):
        for name in asked:
            if name not in there[kind]:
                raise UserError(
                    f"{out}: no embeddings of {kind} {name!r}{near_names(name, there[kind])};"
                    f" there: {', '.join(sorted(there[kind])) or 'none'}"
                )
    if not chosen:
        command = "hear-benchmark embed"
        if wanted in (TIMESTAMPS, LAYERS) or window_seconds(wanted):
            command += f" --representation {wanted}"
        which = f" that protocol {protocol.name} takes" if others else ""
        raise UserError(f"{out}: no complete embeddings{which}; `{command}` makes them")
    if others:
        job.say(
            f"note: protocol {protocol.name} takes other representations than those of"
            f" {len(others)} embeddings; they are left out"
        )
    job.outcome.embeddings += chosen
    with Evaluators(jobs, time_limit) as evaluators:
        _evaluate(job, evaluators, chosen, out, protocol, options, layers, check_files=True)
    return job.outcome


def _is_suitable(
    info: Mapping[str, Any], protocol: Protocol, options: ProtocolOptions, layers: Sequence[str]
) -> bool:
    """Whether embeddings have the protocol's representation; what else is wrong fails later."""
    unit, embedding_type = info.get("unit"), info.get("embedding_type")
    if not isinstance(unit, dict) or embedding_type not in protocol.embedding_types:
        return True
    if layers and embedding_type != "scene":
        return False
    wanted = protocol.representation_of(embedding_type, options, layers)
    return bool(unit.get("representation") == wanted)


def _is_evaluable(job: _Job, protocol: Protocol, task: TaskFolder) -> bool:
    """Whether the protocol can evaluate a task; asked before hours are spent on embeddings."""
    try:
        protocol.require_task(task.metadata)
    except UserError as error:
        job.fail(task.path.name, Failure(str(error)))
        return False
    return True


def _embed(
    job: _Job,
    specs: Sequence[ModelSpec],
    tasks: Sequence[TaskFolder],
    out: Path,
    device: str,
    resampler: str,
    representation: str,
    limit: int | None,
    time_limit: float | None,
) -> Generator[Path, None, None]:
    """Folders of complete embeddings as they come: model by model, each in its process."""
    for spec in specs:
        worker = Worker(serve_model, time_limit)
        try:
            # Absolute: a module may change the current folder.
            load = Load(_absolute(spec), device, representation)
            loaded = _load(job, worker, load)
            todo = [
                Embed(task, out.absolute(), resampler, representation, limit, wait=False)
                for task in tasks
            ]
            while loaded and todo:
                request = todo.pop(0)
                name = f"{spec.module} on {request.task.path.name}"
                if not worker.alive:  # it ended over the task before
                    loaded = _load(job, worker, load)
                    if not loaded:
                        break
                answer = _embed_task(job, worker, request, name)
                if isinstance(answer, Done):
                    folder, info = answer.result
                    job.say(_embedded(name, info))
                    job.outcome.embeddings.append(folder)
                    yield folder
                elif answer.error is BusyError and not request.wait:
                    job.say(f"{name}: another process is at it; it comes last")
                    todo.append(replace(request, wait=True))
                else:
                    job.fail(name, answer)
        finally:
            worker.close()


def _absolute(spec: ModelSpec) -> ModelSpec:
    return replace(spec, weights=str(Path(spec.weights).absolute())) if spec.weights else spec


def _load(job: _Job, worker: Worker, load: Load) -> bool:
    answer = worker.call(load, lambda message: _say_remark(job, message))
    if isinstance(answer, Failure):
        job.fail(load.spec.module, answer)
    return isinstance(answer, Done)


def _embed_task(job: _Job, worker: Worker, request: Embed, name: str) -> Done | Failure:
    with ExitStack() as bars:
        bar: list[Any] = []  # made when it is known how long it is
        before = 0

        def on_report(message: Any) -> None:
            nonlocal before
            _say_remark(job, message)
            if isinstance(message, Progress):
                if not bar:
                    bar.append(bars.enter_context(progress_bar(name, message.total)))
                bar[0](message.done - before, message.audio_seconds)
                before = message.done

        return worker.call(request, on_report)


def _say_remark(job: _Job, message: Any) -> None:
    if isinstance(message, Remark):
        job.say(f"note: {message.text}")


def _embedded(name: str, info: dict[str, Any]) -> str:
    return (
        f"embedded  {name}: {info['audio_seconds']:.0f} s of audio in"
        f" {info['seconds']['total']:.1f} s, {100 * info['overhead']:.1f} % of the CPU time beside"
        " reading and the model"
    )


def _evaluate(
    job: _Job,
    evaluators: Evaluators,
    folders: Sequence[Path],
    out: Path,
    protocol: Protocol,
    options: ProtocolOptions,
    layers: Sequence[str],
    *,
    check_files: bool,
) -> None:
    requests: list[Evaluate] = []
    for folder in folders:
        request = Evaluate(folder, out.absolute(), protocol.name, options, check_files)
        requests += _of_layers(job, request, layers) if layers else [request]

    def on_remark(request: Evaluate, text: str) -> None:
        job.say(f"note: {request.name}: {text}")

    with _evaluation_bars(len(requests)) as on_progress:
        for request, answer in evaluators.evaluate(requests, on_progress, on_remark):
            on_progress(request, 1.0, "done")
            if isinstance(answer, Failure):
                job.fail(request.name, answer)
            else:
                job.outcome.records.append(answer.result)
                job.say(f"evaluated {request.name}")
    job.outcome.records.sort()


def _of_layers(job: _Job, request: Evaluate, layers: Sequence[str]) -> list[Evaluate]:
    """A request for each selection of layers that the embeddings have."""
    found: list[str] = []
    for one in layers:
        try:
            found += selections_of(one, (read_info(request.folder) or {}).get("layer_sizes", ()))
        except UserError as error:
            job.fail(request.name, Failure(str(error)))
    return [replace(request, layers=one) for one in dict.fromkeys(found)]


@contextmanager
def _evaluation_bars(count: int) -> Iterator[Callable[[Evaluate, float, str], None]]:
    """A bar for all evaluations, and where there are several one for each that runs."""
    with ExitStack() as opened, progress_bar("evaluating", float(count), "task") as advance:
        done: dict[Evaluate, float] = {}
        bars: dict[Evaluate, tuple[ExitStack, Callable[..., None]]] = {}

        def on_progress(request: Evaluate, part: float, _text: str) -> None:
            if request not in bars and part < 1 and count > 1:
                own = opened.enter_context(ExitStack())
                bars[request] = own, own.enter_context(progress_bar(request.name, 100.0, "%"))
            step = part - done.get(request, 0.0)
            done[request] = part
            advance(step)
            if request in bars:
                bars[request][1](100 * step)
                if part == 1:
                    bars.pop(request)[0].close()

        yield on_progress
