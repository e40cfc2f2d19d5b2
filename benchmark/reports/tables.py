"""The benchmark's tables, made from result records and published scores and from nothing else."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from statistics import fmean

from benchmark.errors import UserError
from benchmark.records.comparability import Board, boards, notes_on
from benchmark.records.published import LOWER_IS_BETTER, UNBOUNDED, metric_title
from benchmark.records.record import Record, Spread, summarise
from benchmark.reports.formats import (
    Cell,
    Column,
    Row,
    Table,
    csv_text,
    html,
    html_page,
    latex,
    markdown,
    score_cells,
    terminal,
)
from benchmark.reports.paper_tables import paper_tables
from benchmark.reports.plots import score_plot

LAYOUTS = ("summary", "papers", "details", "models")


def make_tables(
    records: Sequence[Record], out_dir: Path, layouts: Collection[str] = LAYOUTS
) -> list[Path]:
    """Write all tables of the records.

    Parameters
    ----------
    layouts
        Which of `LAYOUTS`: "summary" (models x tasks), "papers" (the tables of the papers and the
        leaderboard, where records fit them), "details" (a table for each task), "models".

    Returns
    -------
    list
        The files: `tables.md`, `tables.tex`, `tables.html`, `scores.csv` (every score of every
        record, one a line) and `csv/<board>/<table>.csv`.

    Raises
    ------
    UserError
        No records, or a layout that does not exist.
    """
    unknown = set(layouts) - set(LAYOUTS)
    if unknown:
        raise UserError(f"no layout {sorted(unknown)[0]!r}; there are {', '.join(LAYOUTS)}")
    if not records:
        raise UserError("no result records to make tables of; run an evaluation first")
    tables: list[Table] = []
    sections: list[str] = []
    contents: dict[str, str] = {}
    for board in boards(records):
        made = {
            "summary": [summary_table(board)],
            "papers": paper_tables(board),
            "details": detail_tables(board),
            "models": [model_table(board)],
        }
        for layout in (layout for layout in LAYOUTS if layout in layouts):
            tables += made[layout]
            for table in made[layout]:
                contents[f"csv/{board.slug}/{table.name}.csv"] = csv_text(table)
            texts = "".join(html(table) for table in made[layout])
            if layout == "summary":
                texts += _plot(board)
            elif layout == "details":
                texts = f"<details><summary>All metrics</summary>{texts}</details>"
            sections.append(texts)
    contents |= {
        "tables.md": "\n".join(map(markdown, tables)),
        "tables.tex": "\n".join(map(latex, tables)),
        "tables.html": html_page("Audio embeddings, measured", sections),
        "scores.csv": scores_csv(records),
    }
    for name, content in contents.items():
        (out_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (out_dir / name).write_text(content, encoding="utf-8", newline="\n")
    return [out_dir / name for name in contents]


def terminal_table(records: Iterable[Record], width: int = 100) -> str:
    """The summary tables as plain text for a terminal."""
    return "\n".join(terminal(summary_table(board), width) for board in boards(records))


def summary_table(board: Board) -> Table:
    """Models x tasks with every task's primary metric; the mean over tasks that all models have."""
    columns, values, averaged = [], [], []
    for task, name in board.tasks.items():
        first = board.of_task(task)[0]
        metric = first.primary_metric
        columns.append(Column(name, metric_title(metric), first.domain))
        spreads = [board.spread(model, task, metric) for model in board.models]
        values.append([spread.mean if spread else None for spread in spreads])
        if metric not in UNBOUNDED and None not in values[-1]:
            averaged.append(len(values) - 1)
    notes = notes_on(list(board.records.values()))
    if board.replaced:
        notes.append(f"{board.replaced} older records of the same jobs are left out.")
    cells = [
        score_cells(column, lower=head.unit.endswith("↓"))
        for column, head in zip(values, columns, strict=True)
    ]
    order = list(range(len(board.models)))
    if len(averaged) > 1:
        means = [fmean(values[task][model] or 0.0 for task in averaged) for model in order]
        cells.append(score_cells(means))
        columns.append(Column("mean", f"of {len(averaged)}"))
        order.sort(key=lambda model: -means[model])
        without = [columns[i].name for i in range(len(values)) if i not in averaged]
        if without:
            notes.append(
                "The mean is over the tasks that all models have and whose scores lie in [0, 1]: "
                f"without {', '.join(without)}."
            )
    names = list(board.models.values())
    rows = [Row(names[model], tuple(column[model] for column in cells)) for model in order]
    for model, task in board.records:
        record = board.records[model, task]
        defined, runs = summarise(record)[record.primary_metric].n, len(record.scores)
        if defined < runs:
            notes.append(
                f"{board.models[model]}, {board.tasks[task]}: {record.primary_metric} is defined "
                f"on {defined} of {runs} {record.runs_are} only, whose mean stands here."
            )
    title = board.title[0].upper() + board.title[1:]
    return Table("summary", title, "Model", tuple(columns), tuple(rows), tuple(notes))


def detail_tables(board: Board) -> list[Table]:
    """For every task all metrics, with interval and standard deviation over its runs."""
    tables = []
    for task, name in board.tasks.items():
        records = board.of_task(task)
        summaries = [summarise(record) for record in records]
        metrics = list(dict.fromkeys(metric for summary in summaries for metric in summary))
        cells = [
            score_cells(
                [summary[m].mean if m in summary else None for summary in summaries],
                lower=m in LOWER_IS_BETTER,
                texts=[_with_interval(summary[m]) if m in summary else "" for summary in summaries],
            )
            for m in metrics
        ]
        cells.append([Cell(_runs(record)) for record in records])
        notes = notes_on(records)
        if any(len(record.scores) > 1 for record in records):
            notes.append(
                "Mean ± half width of the 95 % interval (Student t), in brackets the standard "
                "deviation over the runs; folds share training data, so intervals are too narrow."
            )
        labels = [label for model, label in board.models.items() if (model, task) in board.records]
        tables.append(
            Table(
                name=re.sub(r"[^\w.-]+", "_", f"task-{name}"),
                title=f"{name} ({board.title})",
                corner="Model",
                columns=(*(Column(metric_title(m)) for m in metrics), Column("runs")),
                rows=tuple(map(Row, labels, zip(*cells, strict=True))),
                notes=tuple(notes),
            )
        )
    return tables


def model_table(board: Board) -> Table:
    """What every row is: weights, licence, options, sizes, and how fast it went."""
    columns = (
        *map(Column, ("module", "weights", "licence", "options", "resampler", "size", "hop ms")),
        Column("embedding", "audio s/s"),
        Column("evaluation", "s"),
    )
    rows = []
    for model, name in board.models.items():
        records = board.of_model(model)
        hops = sorted({f"{record.hop_ms:g}" for record in records if record.hop_ms is not None})
        audio = sum(record.audio_seconds for record in records)
        embedding = sum(record.seconds.get("total", 0.0) for record in records)
        evaluation = sum(record.seconds.get("evaluate", 0.0) for record in records)
        texts = (
            records[0].module,
            _weights(records[0]),
            str(records[0].weights.get("licence", "")),
            " ".join(f"{key}={value}" for key, value in sorted(records[0].options.items())),
            ", ".join(sorted({record.resampler for record in records})),
            str(records[0].embedding_size),
            ", ".join(hops),
            f"{audio / embedding:.1f}" if embedding else "",
            f"{evaluation:.1f}",
        )
        rows.append(Row(name, tuple(map(Cell, texts))))
    return Table("models", f"Models ({board.title})", "Model", columns, tuple(rows))


def scores_csv(records: Iterable[Record]) -> str:
    """Every score of every record, one a line, as fractions or in the metric's own unit."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    about = ("protocol", "engine", "demo", "model", "module", "task_folder", "task_hash")
    heads = ("settings", "weights", "metric", "primary", "mean", "std", "ci95", "n", "runs")
    writer.writerow([*about, *heads])
    for record in records:
        start = [getattr(record, name) for name in about]
        settings = json.dumps(record.settings, sort_keys=True)
        for metric, spread in summarise(record).items():
            writer.writerow(
                [*start, settings, _weights(record), metric, metric == record.primary_metric]
                + [spread.mean, spread.std, spread.ci95, spread.n, len(record.scores)]
            )
    return out.getvalue()


def _plot(board: Board) -> str:
    tasks = {}
    for task, name in board.tasks.items():
        metric = board.of_task(task)[0].primary_metric
        if metric not in UNBOUNDED:
            tasks[f"{name} {metric}"] = [
                board.spread(model, task, metric) for model in board.models
            ]
    return score_plot(list(board.models.values()), tasks) if tasks else ""


def _with_interval(spread: Spread) -> str:
    if spread.mean is None:
        return "not defined"
    if spread.std is None:
        return f"{spread.mean:.3f}"
    return f"{spread.mean:.3f} ± {spread.ci95:.3f} ({spread.std:.3f})"


def _runs(record: Record) -> str:
    if len(record.scores) == 1:
        return "1 split"
    return f"{len(record.scores)} {record.runs_are}"


def _weights(record: Record) -> str:
    weights = record.weights
    if record.random_weights:
        return f"random (seed {weights.get('random_weights')})"
    if "file" in weights:
        return f"{weights['file']} (sha256 {str(weights.get('sha256', ''))[:8]})"
    return str(weights.get("package") or weights.get("weights", ""))
