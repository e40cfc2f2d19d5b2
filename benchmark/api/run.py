"""The whole job from Python: as ``hear-benchmark run``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.api.errors import user_errors
from benchmark.api.protocol_options import protocol_with
from benchmark.api.results import RECORDS, Results
from benchmark.errors import UserError
from benchmark.execution.chosen_tasks import chosen_tasks
from benchmark.execution.isolation import EVALUATION_TIME_LIMIT, TIME_LIMIT
from benchmark.execution.run import run as run_all
from benchmark.models.devices import chosen
from benchmark.models.hear_module import ModelSpec
from benchmark.progress import write_line
from benchmark.records.record import read_record, read_records
from benchmark.reports.comparison import KeptPredictions
from benchmark.reports.tables import make_tables
from tasks.folder import RESAMPLERS
from tasks.resampling import check_resampler


@user_errors()
def run(
    models: str | ModelSpec | Sequence[str | ModelSpec],
    tasks: str | Sequence[str] = "all",
    *,
    out: str | Path,
    tasks_dir: str | Path | None = None,
    protocol: str = "hear",
    options: Mapping[str, Any] | None = None,
    layers: Sequence[str] = (),
    device: str | None = None,
    jobs: int = 1,
    resampler: str = RESAMPLERS[0],
    limit: int | None = None,
    time_limit: float | None = TIME_LIMIT,
    evaluation_time_limit: float | None = EVALUATION_TIME_LIMIT,
    verbose: bool = False,
) -> Results:
    """Embed and evaluate every task with every model, and write the tables.

    Does what ``hear-benchmark run`` does, in processes of its own, with the same files under `out`:
    what is finished there is not done again, by whichever of the two.

    Parameters
    ----------
    models
        Import paths of HEAR modules; ``hb.ModelSpec(module, weights=..., options=...)`` for other
        weights or options than the default.
    tasks
        Names of tasks in `tasks_dir`, "all" of them, or "demo" for the built-in demo tasks.
    out
        Folder of the run.
    tasks_dir
        Folder of task folders.
    protocol, options
        Name of the protocol, and its options by name.
    layers
        With a protocol of scene embeddings, selections of layers to evaluate, as ``--layers``.
    device
        "cpu" or "cuda", for the models; None for cuda if it is there.
    jobs
        Evaluations at a time.
    resampler
        One of `tasks.folder.RESAMPLERS`.
    limit
        Most clips of every split, for smoke runs.
    time_limit, evaluation_time_limit
        Seconds after which a model, or an evaluation, that shows no sign of life is given up.
    verbose
        Say the tracebacks of failures.

    Returns
    -------
    Results
        Of these models and tasks; `failures` has a line for what could not be finished.

    Raises
    ------
    UserError
        The input is wrong, or nothing at all could be finished.
    """
    folder = Path(out)
    listed = [models] if isinstance(models, (str, ModelSpec)) else list(models)
    if not listed:
        raise UserError("models is empty; expected the import path of a module")
    names = [tasks] if isinstance(tasks, str) else list(tasks)
    chosen_protocol, settings = protocol_with(protocol, options)
    check_resampler(resampler)
    if jobs < 1:
        raise UserError(f"jobs is {jobs}; expected at least 1")
    outcome = run_all(
        [ModelSpec(one) if isinstance(one, str) else one for one in listed],
        chosen_tasks(names, None if tasks_dir is None else Path(tasks_dir), folder, write_line),
        folder,
        device=chosen(device, "device"),
        protocol=chosen_protocol,
        options=settings,
        layers=layers,
        jobs=jobs,
        say=write_line,
        resampler=resampler,
        limit=limit,
        time_limit=time_limit,
        evaluation_time_limit=evaluation_time_limit,
        verbose=verbose,
    )
    if not outcome.records:
        raise UserError(f"nothing could be finished: {'; '.join(outcome.failures)}")
    kept = KeptPredictions((folder / "evaluations",))
    make_tables(read_records(folder / RECORDS, write_line), folder / "tables", kept=kept)
    return Results(
        tuple(map(read_record, outcome.records)),
        tuple(outcome.failures),
        tuple(outcome.embeddings),
        (folder,),
    )
