"""How long the window of a timestamp should be, and how far the next one: BYOL-S, Tables 8 and 9.

    python -m benchmark.studies.timestamp_windows hear_plugins.hybrid_byol_s_cvt \\
        --model weights.pth --tasks-dir hear-tasks --tasks dcase2016_task2,maestro_5h \\
        --windows 500,1000 --hops 50 --out out/windows

embeds and evaluates every task with every pair of ``window_ms`` and ``hop_ms``, options of
`load_model` that byol_s, its variants and opensmile have, and writes ``windows.md`` and
``windows.csv`` in the layout of the paper (Elbanna et al., arXiv:2206.12038): a row a pair, a
column a metric of each task, the mean of the primary metrics at the end. The protocol is ``hear``.
The same line goes on where it was interrupted.

The length of the windows of pre-training (0.5, 0.95, 1.425 and 2 s in the paper) is a matter of the
weights: one run with each file as ``--model``. The published files are of 96 frames, 0.95 s.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean

from benchmark.errors import UserError
from benchmark.execution.run import Outcome, run
from benchmark.models.hear_module import ModelSpec, parse_options
from benchmark.protocols.hear.options import HearOptions
from benchmark.protocols.options import at_least
from benchmark.protocols.registry import protocol
from benchmark.records.comparability import notes_on
from benchmark.records.record import Record, read_record
from benchmark.reports.comparison import KeptPredictions
from benchmark.reports.formats import Column, Row, Table, csv_text, markdown, score_cells
from benchmark.reports.level import note_on
from benchmark.reports.scores import metric_title, score_summary
from benchmark.reports.tables import score_column
from tasks.demo import make_demo_tasks
from tasks.folder import TaskError, TaskFolder, read_task, resolve_tasks

Pair = tuple[int, int]  # window and hop, ms


def study(
    spec: ModelSpec,
    pairs: Iterable[Pair],
    tasks: Sequence[TaskFolder],
    out: Path,
    options: HearOptions,
) -> Outcome:
    """Embed and evaluate event tasks with a model for each pair of window and hop (ms).

    Pairs that the model refuses are among the failures of what comes back.
    """
    specs = [
        ModelSpec(spec.module, spec.weights, {**spec.options, "window_ms": window, "hop_ms": hop})
        for window, hop in pairs
    ]
    return run(
        specs,
        tasks,
        out,
        device="cpu",
        protocol=protocol("hear"),
        options=options,
        jobs=1,
        say=_say,
    )


def windows_table(
    records: Sequence[Record], tasks: Sequence[TaskFolder], kept: KeptPredictions
) -> Table:
    """Scores by window and hop, as the paper's Table 9 has them.

    Parameters
    ----------
    records
        Of one model with several options ``window_ms`` and ``hop_ms``.
    tasks
        In the order of the columns; their metrics are those that the task names.
    kept
        By which the table marks what is level with the best.
    """
    found = {(_pair(record), record.unit.embedding.task): record for record in records}
    pairs = sorted({pair for pair, _ in found}, reverse=True)
    columns, cells, ways = [], [], {}
    for task in tasks:
        for metric in task.metadata["evaluation"]:
            of_task = [found.get((pair, task.path.name)) for pair in pairs]
            column, level = score_column(of_task, metric, kept, interval=False)
            columns.append(Column(task.name, metric_title(metric)))
            cells.append(column)
            ways[f"{task.name} {metric}"] = level.ways
    if len(tasks) > 1:
        columns.append(Column("mean", "primary"))
        cells.append(score_cells([_mean(found, pair, tasks) for pair in pairs]))
    rows = [
        Row(f"{window / 1000:g} s / {hop} ms", tuple(column[place] for column in cells))
        for place, (window, hop) in enumerate(pairs)
    ]
    title = f"{records[0].name or records[0].module}: timestamps by window and hop"
    notes = (*notes_on(records), *note_on(ways))
    return Table("windows", title, "Window / hop", tuple(columns), tuple(rows), notes)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _pair(record: Record) -> Pair:
    options = record.unit.model.options
    return options["window_ms"], options["hop_ms"]


def _mean(
    found: dict[tuple[Pair, str], Record], pair: Pair, tasks: Sequence[TaskFolder]
) -> float | None:
    """Of the primary metrics, of a pair that has all of them."""
    records = [found.get((pair, task.path.name)) for task in tasks]
    summaries = [score_summary(one, one.primary_metric) for one in records if one]
    means = [each.mean for each in summaries if each is not None and each.mean is not None]
    return fmean(means) if len(means) == len(tasks) else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Study what the command line names; returns 1 if some of it failed."""
    parser = argparse.ArgumentParser(
        "python -m benchmark.studies.timestamp_windows",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("module", help="with the options window_ms and hop_ms")
    parser.add_argument("--model", default="", metavar="FILE", help="its weights")
    parser.add_argument("--model-options", default="{}", metavar="JSON", help="other options of it")
    parser.add_argument("--windows", type=_lengths, default=(1000, 500), metavar="A,B", help="ms")
    parser.add_argument("--hops", type=_lengths, default=(50,), metavar="A,B", help="ms")
    parser.add_argument(
        "--tasks", default="demo", metavar="A,B", help="event tasks (default: demo)"
    )
    parser.add_argument("--tasks-dir", type=Path, metavar="DIR", help="folder of task folders")
    parser.add_argument("--grid", default="default", help="of the protocol hear")
    parser.add_argument("--grid-points", type=at_least(1), default=8, metavar="N")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="all is written here"
    )
    chosen = parser.parse_args(arguments)
    try:
        tasks = _event_tasks(chosen.tasks, chosen.tasks_dir, chosen.out)
        spec = ModelSpec(chosen.module, chosen.model, parse_options(chosen.model_options))
        pairs = product(chosen.windows, chosen.hops)
        options = HearOptions(grid=chosen.grid, grid_points=chosen.grid_points)
        outcome = study(spec, pairs, tasks, chosen.out, options)
    except (UserError, TaskError) as error:
        parser.error(str(error))
    if outcome.records:
        found = windows_table(
            [read_record(path) for path in outcome.records],
            tasks,
            KeptPredictions((chosen.out / "evaluations",)),
        )
        (chosen.out / "windows.md").write_text(markdown(found), encoding="utf-8")
        (chosen.out / "windows.csv").write_text(csv_text(found), encoding="utf-8")
        sys.stdout.write(markdown(found))
    return int(bool(outcome.failures))


def _event_tasks(names: str, folder: Path | None, out: Path) -> list[TaskFolder]:
    """Those that are named, and of the demo tasks those of events."""
    if names == "demo":
        demo = map(read_task, make_demo_tasks(out / "tasks"))
        return [task for task in demo if task.embedding_type == "event"]
    if folder is None:
        raise UserError("--tasks-dir is missing: name the folder that holds the task folders")
    tasks = resolve_tasks(folder, [name.strip() for name in names.split(",")])
    for task in tasks:
        if task.embedding_type != "event":
            raise UserError(f"{task.path.name} has no timestamps to study: name event tasks")
    return tasks


def _lengths(text: str) -> tuple[int, ...]:
    try:
        return tuple(dict.fromkeys(at_least(1)(word.strip()) for word in text.split(",")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


if __name__ == "__main__":
    sys.exit(main())
