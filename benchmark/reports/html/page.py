"""The page as a whole: records in groups, a part for each task and model, put into the template."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from importlib.resources import files

from benchmark.errors import UserError
from benchmark.records.comparability import ComparableGroup, comparable_groups
from benchmark.records.record import Record
from benchmark.reports.comparison import KeptPredictions
from benchmark.reports.figures import critical_difference
from benchmark.reports.formats import Table
from benchmark.reports.html.audio import Players
from benchmark.reports.html.charts import Chart, svg_uri
from benchmark.reports.html.model_parts import model_parts, speed_and_quality
from benchmark.reports.html.score_rows import choices, score_rows
from benchmark.reports.html.sources import Sources
from benchmark.reports.html.task_parts import TaskPart, task_part
from benchmark.reports.model_comparison import rank_models
from benchmark.reports.tables import detail_tables, model_table, summary_table


def report_page(
    records: Sequence[Record],
    sources: Sources,
    *,
    unreadable: Sequence[str] = (),
    players: Players | None = None,
    maps: Sequence[str] = ("pca",),
    on_task: Callable[[str], None] = lambda title: None,
) -> str:
    """A page that needs no other file and no network.

    Parameters
    ----------
    unreadable
        A line for each record that could not be read; the page has them in a section.
    players
        Makes players of the clips that most models get wrong; None for none.
    maps
        Of `benchmark.reports.html.projection.MAPS`.
    on_task
        Called with the title of each task before its part is made.

    Raises
    ------
    UserError
        There is no record, or Jinja2 or matplotlib is not installed.
    """
    if not records:
        raise UserError("no result records to report on; run an evaluation first")
    environment = _environment()
    kept = KeptPredictions((sources.out / "evaluations",))
    groups = comparable_groups(records)
    summaries = [summary_table(group, kept) for group in groups]
    rows, notes = score_rows(groups, summaries)
    tasks: list[TaskPart] = []
    overviews = []
    for group, summary in zip(groups, summaries, strict=True):
        details = detail_tables(group, kept)
        for task, detail in zip(group.tasks, details, strict=True):
            on_task(f"{group.tasks[task]}, {group.protocol}")
            tasks.append(task_part(group, task, detail, sources, players, maps))
        overviews.append(_overview(group, summary))
    facts = [_facts_by_row(model_table(group)) for group in groups]
    script, style = (_file(name) for name in ("page.js", "page.css"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("page.html.j2").render(
        title="Audio embeddings, measured",
        made=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        counts=_counts(records, groups),
        script=script,
        script_digest=digest,
        style=style,
        rows=rows,
        notes=notes,
        choices=choices(rows),
        overviews=overviews,
        tasks=tasks,
        models=model_parts(groups, facts, sources),
        unreadable=unreadable,
        players=players,
    )


def _overview(group: ComparableGroup, summary: Table) -> dict[str, object]:
    """Tables and charts over all tasks of a group."""
    tables, charts, missing = [summary], [], []
    try:
        ranking = rank_models(group, list(group.rows))
    except UserError as error:
        missing.append(f"Ranks: {error}.")
    else:
        tables.append(ranking.table())
        drawn = critical_difference(ranking.found, ranking.title)["svg"].decode()
        order = ", ".join(f"{n} {rank:.2f}" for n, rank in ranking.found.mean_ranks.items())
        alt = f"Critical-difference diagram, the best at the right. Mean ranks: {order}."
        charts.append(Chart("Critical difference (Demsar 2006)", svg_uri(drawn), alt, broad=True))
    if chart := speed_and_quality(group):
        charts.append(chart)
    tables.append(model_table(group))
    return {"title": group.title, "tables": tables, "charts": charts, "missing": missing}


def _counts(records: Sequence[Record], groups: Sequence[ComparableGroup]) -> str:
    models = len({record.unit.model.folder for record in records})
    tasks = len({record.unit.embedding.task for record in records})
    return (
        f"{len(records)} records: {models} {'model' if models == 1 else 'models'} on {tasks}"
        f" {'task' if tasks == 1 else 'tasks'}, {len(groups)}"
        f" {'protocol setting' if len(groups) == 1 else 'protocol settings'}"
    )


def _facts_by_row(table: Table) -> dict[str, dict[str, str]]:
    heads = [f"{column.name} {column.unit}".strip() for column in table.columns]
    return {
        row.label: dict(zip(heads, (cell.text for cell in row.cells), strict=True))
        for row in table.rows
    }


def _sort_key(text: str) -> str:
    """The number that a cell starts with; "" where it starts with none."""
    first = text.replace(",", "").partition(" ")[0].rstrip("†‡%")
    try:
        return str(float(first))
    except ValueError:
        return ""


def _numeric(table: Table) -> list[bool]:
    """For each column whether all of its cells that are not empty start with a number."""
    columns = ([row.cells[place].text for row in table.rows] for place in range(len(table.columns)))
    return [all(_sort_key(text) for text in texts if text) for texts in columns]


def _file(name: str) -> str:
    return files("benchmark.reports.html").joinpath(name).read_text(encoding="utf-8")


def _environment():  # type: ignore[no-untyped-def]
    try:
        from jinja2 import Environment, FunctionLoader, StrictUndefined
    except ImportError:
        raise UserError(
            "the report needs Jinja2, which is not installed; pip install 'hear-plugins[report]'"
        ) from None
    environment = Environment(
        loader=FunctionLoader(_file),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"sort_key": _sort_key, "numeric": _numeric}
    return environment
