"""The benchmark's tables, made from result records and published scores and from nothing else."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from benchmark.errors import UserError
from benchmark.records.comparability import (
    ComparableGroup,
    RowKey,
    TaskKey,
    comparable_groups,
    notes_on,
)
from benchmark.records.published_sources import HEAR_TASKS
from benchmark.records.record import Record
from benchmark.reports.comparison import KeptPredictions
from benchmark.reports.formats import (
    TERMINAL_WIDTH,
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
from benchmark.reports.level import (
    Candidate,
    Gap,
    Level,
    by_predictions,
    candidate,
    gap,
    level_with_best,
    mean_gap,
    note_on,
)
from benchmark.reports.paper_tables import paper_tables
from benchmark.reports.plots import score_plot
from benchmark.reports.scores import (
    CHANCE_MARK,
    CHANCE_NOTE,
    direction,
    metric_title,
    score_summary,
    score_text,
    summary_at,
    undefined_notes,
)

LAYOUTS = ("summary", "papers", "details", "models")

# Protocols that train once from one seed, and what moves their numbers.
_SINGLE_RUNS = ("hear", "hear-standardized")
NOISE_NOTE = (
    "Single runs: on identical embeddings, scores of this protocol move by about 0.02 on esc10 "
    "with the number of threads and the processor. To compare models, use the protocol "
    "hear-multiseed."
)


def make_tables(
    records: Sequence[Record],
    out_dir: Path,
    layouts: Collection[str] = LAYOUTS,
    kept: KeptPredictions | None = None,
) -> list[Path]:
    """Write all tables of the records; tables that an earlier call left there are removed.

    Parameters
    ----------
    layouts
        Which of `LAYOUTS`: "summary" (models x tasks), "papers" (the tables of the papers and the
        leaderboard, where records fit them), "details" (a table for each task), "models".
    kept
        Predictions that decide what is level with the best; without them intervals do.

    Returns
    -------
    list
        The files: `tables.md`, `tables.tex`, `tables.html`, `scores.csv` (every metric of every
        record, one a line) and `csv/<comparable group>/<table>.csv`.

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
    kept = kept or KeptPredictions()
    tables: list[Table] = []
    sections: list[str] = []
    contents: dict[str, str] = {}
    for group in comparable_groups(records):
        made = {
            "summary": [summary_table(group, kept)],
            "details": detail_tables(group, kept),
            "models": [model_table(group)],
        }
        for layout in (layout for layout in made if layout in layouts):
            tables += made[layout]
            for table in made[layout]:
                contents[f"csv/{group.slug}/{table.name}.csv"] = csv_text(table)
            texts = "".join(html(table) for table in made[layout])
            if layout == "summary":
                texts += _plot(group)
            elif layout == "details":
                texts = f"<details><summary>All metrics</summary>{texts}</details>"
            sections.append(texts)
    papers = paper_tables(records, kept) if "papers" in layouts else []
    for paper in papers:
        tables.append(paper.table())
        sections.append(html(tables[-1]))
        contents[f"csv/papers/{paper.layout.name}.csv"] = paper.csv()
    contents |= {
        "tables.md": "\n".join(map(markdown, tables)),
        "tables.tex": "\n".join(map(latex, tables)),
        "tables.html": html_page("Audio embeddings, measured", sections),
        "scores.csv": scores_csv(records),
    }
    for name, content in contents.items():
        (out_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (out_dir / name).write_text(content, encoding="utf-8", newline="\n")
    _remove_others(out_dir / "csv", {out_dir / name for name in contents})
    return [out_dir / name for name in contents]


def terminal_tables(
    groups: Iterable[ComparableGroup],
    width: int = TERMINAL_WIDTH,
    kept: KeptPredictions | None = None,
) -> str:
    """The summary tables as plain text for a terminal."""
    return "\n".join(terminal(summary_table(group, kept), width) for group in groups)


def summary_table(group: ComparableGroup, kept: KeptPredictions | None = None) -> Table:
    """Models x tasks with every task's primary metric, and the mean over the tasks.

    The mean is over the shares (scores in [0, 1], better when higher); a published task that lies
    in two folders counts once. Of a model without some of the tasks it is over those it has, says
    so, and is never the best.
    """
    kept = kept or KeptPredictions()
    rows = list(group.rows)
    columns, cells = [], []
    values: dict[TaskKey, dict[RowKey, float]] = {}
    ways: dict[str, Collection[str]] = {}
    for task, name in group.tasks.items():
        metric = group.of_task(task)[0].primary_metric
        columns.append(Column(name, metric_title(metric), group.of_task(task)[0].task.domain))
        records = [group.records.get((row, task)) for row in rows]
        column, level = score_column(records, metric, kept, interval=False)
        cells.append(column)
        ways[name] = level.ways
        summaries = [summary_at(group, row, task, metric) for row in rows]
        values[task] = {
            row: each.mean
            for row, each in zip(rows, summaries, strict=True)
            if each is not None and each.mean is not None
        }
    notes, order = _notes(group), list(range(len(group.rows)))
    averaged = [key for key in group.tasks if _is_averaged(group, key)]
    units = _units(averaged)
    of_rows = [_unit_scores(units, values, row) for row in group.rows]
    if max(map(len, of_rows)) > 1:
        column, level = _mean_column(group, units, of_rows, kept)
        cells.append(column)
        columns.append(Column("mean", f"of {len(units)}"))
        ways["mean"] = level.ways
        order.sort(key=lambda row: (-len(of_rows[row]), -fmean(of_rows[row] or [0.0])))
        notes += _notes_on_mean(group, averaged, units, of_rows)
    notes += note_on(ways)
    names = list(group.rows.values())
    title = group.title[0].upper() + group.title[1:]
    return Table(
        "summary",
        title,
        "Model",
        tuple(columns),
        tuple(Row(names[row], tuple(column[row] for column in cells)) for row in order),
        _with_chance_note(cells, notes),
    )


def detail_tables(group: ComparableGroup, kept: KeptPredictions | None = None) -> list[Table]:
    """For every task all metrics, with interval and standard deviation over its runs."""
    kept = kept or KeptPredictions()
    tables = []
    for task, name in group.tasks.items():
        records = group.of_task(task)
        metrics = list(dict.fromkeys(metric for record in records for metric in record.metrics()))
        found = {metric: score_column(records, metric, kept, interval=True) for metric in metrics}
        cells = [column for column, _ in found.values()]
        cells.append([Cell(_runs(record)) for record in records])
        labels = [label for row, label in group.rows.items() if (row, task) in group.records]
        notes = notes_on(records)
        if any(len(record.trainings) > 1 for record in records):
            notes.append(
                "Mean ± half width of the 95 % interval (Student t), in brackets the standard "
                "deviation, over seeds where there are several, else over folds; folds share "
                "training data, so intervals over them are too narrow."
            )
        shown = [(label, name, record) for label, record in zip(labels, records, strict=True)]
        notes += undefined_notes(shown, metrics)
        notes += note_on({metric: level.ways for metric, (_, level) in found.items()})
        tables.append(
            Table(
                name=re.sub(r"[^\w.-]+", "_", f"task-{name}"),
                title=f"{name} ({group.title})",
                corner="Model",
                columns=(*(Column(metric_title(m)) for m in metrics), Column("runs")),
                rows=tuple(map(Row, labels, zip(*cells, strict=True))),
                notes=_with_chance_note(cells, notes),
            )
        )
    return tables


def model_table(group: ComparableGroup) -> Table:
    """What every row is: weights, licence, options, sizes, and how fast it went."""
    columns = (
        *map(Column, ("module", "weights", "licence", "options", "precision", "device")),
        *map(Column, ("resampler", "size", "hop ms")),
        Column("embedding", "audio s/s"),
        Column("evaluation", "s"),
    )
    rows = []
    for row, name in group.rows.items():
        records = group.of_row(row)
        model = records[0].unit.model
        hops = sorted({f"{record.hop_ms:g}" for record in records if record.hop_ms is not None})
        audio = sum(record.audio_seconds for record in records)
        embedding = sum(record.seconds.get("total", 0.0) for record in records)
        evaluation = sum(record.seconds.get("evaluate", 0.0) for record in records)
        texts = (
            model.module,
            _weights(records[0]),
            str(records[0].weights.get("licence", "")),
            " ".join(f"{key}={value}" for key, value in sorted(model.options.items())),
            model.dtype + (" TF32" if model.tf32 else "") + (" compiled" if model.compiled else ""),
            model.device,
            ", ".join(sorted({record.unit.embedding.resampler for record in records})),
            str(records[0].embedding_size),
            ", ".join(hops),
            f"{audio / embedding:.1f}" if embedding else "",
            f"{evaluation:.1f}",
        )
        rows.append(Row(name, tuple(map(Cell, texts))))
    return Table("models", f"Models ({group.title})", "Model", columns, tuple(rows))


def scores_csv(records: Iterable[Record]) -> str:
    """Every metric of every record, one a line, as fractions or in the metric's own unit."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    about_heads = ("protocol", "version", "engine", "threads", "demo", "name", "module", "task")
    task_heads = ("task_hash", "limit", "published", "options", "seeds", "weights")
    score_heads = ("metric", "primary", "mean", "std", "ci95", "n", "over", "undefined", "chance")
    writer.writerow([*about_heads, *task_heads, *score_heads])
    for record in records:
        unit = record.unit
        about = [
            unit.protocol,
            unit.version,
            unit.engine,
            unit.threads,
            record.task.demo,
            record.name,
            unit.model.module,
            unit.embedding.task,
            unit.embedding.task_hash,
            unit.embedding.limit,
            record.task.published,
            json.dumps(unit.options, sort_keys=True),
            " ".join(map(str, unit.seeds)),
            _weights(record),
        ]
        for metric in record.metrics():
            summary = score_summary(record, metric)
            if summary is not None:
                writer.writerow(
                    [*about, metric, metric == record.primary_metric]
                    + [summary.mean, summary.std, summary.ci95, summary.n, summary.over]
                    + [summary.undefined, record.chance.get(metric)]
                )
    return out.getvalue()


def _is_averaged(group: ComparableGroup, task: TaskKey) -> bool:
    return direction(group.of_task(task)[0].primary_metric).averaged


def _units(tasks: Sequence[TaskKey]) -> list[tuple[TaskKey, ...]]:
    """Tasks as they count in a mean: a published task in two folders, both there once, is one."""
    folders = [task.folder for task in tasks]
    units: dict[str, list[TaskKey]] = {}
    for task in tasks:
        several = (
            t.name for t in HEAR_TASKS.values() if len(t.folders) > 1 and task.folder in t.folders
        )
        name = next(several, "")
        whole = name and all(folders.count(folder) == 1 for folder in HEAR_TASKS[name].folders)
        units.setdefault(name if whole else f"{task.folder} {task.content}", []).append(task)
    return [tuple(unit) for unit in units.values()]


def _unit_scores(
    units: Sequence[Sequence[TaskKey]],
    values: Mapping[TaskKey, Mapping[RowKey, float]],
    row: RowKey,
) -> list[float]:
    """A row's scores of the units that it has whole."""
    return [
        fmean(values[task][row] for task in unit)
        for unit in units
        if all(row in values[task] for task in unit)
    ]


def score_column(
    records: Sequence[Record | None], metric: str, kept: KeptPredictions, interval: bool
) -> tuple[list[Cell], Level]:
    """Cells of one metric, those level with the best marked, and how that was found."""
    summaries = [score_summary(record, metric) if record else None for record in records]
    candidates = [candidate(summary, direction(metric).known) for summary in summaries]
    lower = not direction(metric).higher_is_better
    level = level_with_best(candidates, lower=lower, compared=by_predictions(records, metric, kept))
    texts = [
        score_text(summary, record, metric, interval=interval) if record else ""
        for summary, record in zip(summaries, records, strict=True)
    ]
    values = [each.value for each in candidates]
    return score_cells(values, level.best, lower=lower, texts=texts), level


def _mean_column(
    group: ComparableGroup,
    units: Sequence[Sequence[TaskKey]],
    of_rows: Sequence[Sequence[float]],
    kept: KeptPredictions,
) -> tuple[list[Cell], Level]:
    """Means of rows; those that lack units say how many they have, and are never the best."""
    means = [fmean(scores) if len(scores) > 1 else None for scores in of_rows]
    texts = [
        ""
        if mean is None
        else f"{mean:.3f}" + (f" ({len(s)}/{len(units)})" if _lacks(s, units) else "")
        for mean, s in zip(means, of_rows, strict=True)
    ]
    whole = [
        None if _lacks(scores, units) else mean for mean, scores in zip(means, of_rows, strict=True)
    ]
    rows = list(group.rows)
    weights = {task: 1 / (len(units) * len(unit)) for unit in units for task in unit}

    def compared(best: int, other: int) -> Gap | None:
        gaps = []
        for task in weights:
            metric = group.of_task(task)[0].primary_metric
            pair = [group.records[rows[number], task] for number in (best, other)]
            scores = [candidate(score_summary(record, metric)) for record in pair]
            gaps.append(by_predictions(pair, metric, kept)(0, 1) or gap(scores[0], scores[1]))
        return mean_gap(gaps, list(weights.values()))

    level = level_with_best([Candidate(value) for value in whole], compared=compared)
    return score_cells(whole, level.best, texts=texts), level


def _lacks(scores: Sequence[float], units: Sequence[Sequence[TaskKey]]) -> bool:
    return len(scores) < len(units)


def _notes_on_mean(
    group: ComparableGroup,
    averaged: Sequence[TaskKey],
    units: Sequence[Sequence[TaskKey]],
    of_rows: Sequence[Sequence[float]],
) -> list[str]:
    notes = []
    if without := [name for key, name in group.tasks.items() if key not in averaged]:
        notes.append(
            "The mean is over scores that lie in [0, 1] and are better when higher: without "
            f"{', '.join(without)}."
        )
    for unit in units:
        if len(unit) > 1:
            names = " and ".join(group.tasks[key] for key in unit)
            notes.append(f"In the mean, {names} count as one task.")
    if any(1 < len(scores) < len(units) for scores in of_rows):
        notes.append(
            "A mean with (k/n) is over the k of n tasks that the model has; it is not to be "
            "compared with others."
        )
    return notes


def _notes(group: ComparableGroup) -> list[str]:
    """What must be said under a summary."""
    notes = notes_on(list(group.records.values()))
    if group.replaced:
        notes.append(f"{group.replaced} older records of the same rows and tasks are left out.")
    if group.protocol in _SINGLE_RUNS and not group.demo:
        notes.append(NOISE_NOTE)
    return notes + undefined_notes(
        (group.rows[row], group.tasks[task], record)
        for (row, task), record in group.records.items()
    )


def _with_chance_note(cells: Iterable[Sequence[Cell]], notes: Sequence[str]) -> tuple[str, ...]:
    marked = any(CHANCE_MARK in cell.text for column in cells for cell in column)
    return (*notes, CHANCE_NOTE) if marked else tuple(notes)


def _remove_others(folder: Path, kept: Collection[Path]) -> None:
    """Remove CSV files that an earlier call wrote, and folders that are then empty."""
    for path in folder.glob("*/*.csv"):
        if path not in kept:
            path.unlink()
    for path in folder.glob("*/"):
        if not any(path.iterdir()):
            path.rmdir()


def _plot(group: ComparableGroup) -> str:
    tasks = {}
    for task, name in group.tasks.items():
        metric = group.of_task(task)[0].primary_metric
        if direction(metric).is_share:
            tasks[f"{name} {metric}"] = [summary_at(group, row, task, metric) for row in group.rows]
    return score_plot(list(group.rows.values()), tasks) if tasks else ""


def _runs(record: Record) -> str:
    folds = len({training.fold for training in record.trainings})
    seeds = len(record.unit.seeds)
    text = f"{folds} folds" if folds > 1 else "1 split"
    return f"{seeds} seeds x {text}" if seeds > 1 else text


def _weights(record: Record) -> str:
    weights = record.weights
    if record.random_weights:
        return f"random (seed {weights.get('random_weights')})"
    digest = str(weights.get("sha256", ""))[:8]
    if "file" in weights:
        return f"{weights['file']}" + (f" (sha256 {digest})" if digest else "")
    return str(weights.get("package") or weights.get("weights", ""))
