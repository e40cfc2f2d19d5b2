"""What the report says of one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from benchmark.records.comparability import ComparableGroup, RowKey
from benchmark.reports.html.charts import Chart, dot_plot, speed_chart
from benchmark.reports.html.sources import Sources
from benchmark.reports.scores import direction, summary_at

MIN_TASKS = 2  # of a dot plot


@dataclass
class ModelPart:
    """Facts and charts of one model with its options and weights."""

    title: str
    facts: dict[str, str]
    charts: list[Chart] = field(default_factory=list)


def model_parts(
    groups: Sequence[ComparableGroup],
    tables: Sequence[Mapping[str, Mapping[str, str]]],
    sources: Sources,
) -> list[ModelPart]:
    """Every model of the groups once, with a dot plot for each group that has several of its tasks.

    Parameters
    ----------
    tables
        For each group facts by the name of the row, as `benchmark.reports.tables.model_table` says.
    """
    parts: dict[str, ModelPart] = {}
    for group, facts in zip(groups, tables, strict=True):
        for row, name in group.rows.items():
            record = group.of_row(row)[0]
            key = f"{record.unit.model.folder} {row.resampler}"
            if key not in parts:
                own = {head: text for head, text in facts[name].items() if text}
                parts[key] = ModelPart(name, {**sources.card(record.module), **own})
            if chart := _dots(group, row, name):
                parts[key].charts.append(chart)
    return sorted(parts.values(), key=lambda part: part.title)


def speed_and_quality(group: ComparableGroup) -> Chart | None:
    """Speed of embedding against the mean score on the tasks that all models have."""
    tasks = [
        task
        for task in group.tasks
        if direction(group.of_task(task)[0].primary_metric).averaged
        and all((row, task) in group.records for row in group.rows)
    ]
    models = {}
    for row, name in group.rows.items():
        records = group.of_row(row)
        seconds = sum(record.seconds.get("total", 0.0) for record in records)
        audio = sum(record.audio_seconds for record in records)
        scores = [_mean(group, row, task) for task in tasks]
        known = [score for score in scores if score is not None]
        if seconds > 0 and audio > 0 and known and len(known) == len(tasks):
            models[name] = (audio / seconds, fmean(known))
    if len(models) < 2:
        return None
    fastest = max(models, key=lambda name: models[name][0])
    best = max(models, key=lambda name: models[name][1])
    return speed_chart(
        "Speed against quality",
        models,
        f"{len(models)} models by seconds of audio embedded in a second and mean score on"
        f" {len(tasks)} tasks. Fastest: {fastest}, {models[fastest][0]:.0f}; best: {best},"
        f" {models[best][1]:.3f}. The table of models has the numbers.",
    )


def _dots(group: ComparableGroup, row: RowKey, name: str) -> Chart | None:
    tasks, others = {}, {}
    for task, title in group.tasks.items():
        metric = group.of_task(task)[0].primary_metric
        summary = summary_at(group, row, task, metric)
        if summary is None or summary.mean is None or not direction(metric).is_share:
            continue
        of_all = (_mean(group, other, task) for other in group.rows)
        tasks[title] = (summary.mean, summary.ci95)
        others[title] = [value for value in of_all if value is not None]
    if len(tasks) < MIN_TASKS:
        return None
    values = ", ".join(f"{task} {mean:.3f}" for task, (mean, _) in list(tasks.items())[:30])
    return dot_plot(group.title, tasks, others, f"Scores of {name}, {group.title}: {values}.")


def _mean(group: ComparableGroup, row: RowKey, task: object) -> float | None:
    metric = group.of_task(task)[0].primary_metric  # type: ignore[arg-type]
    summary = summary_at(group, row, task, metric)  # type: ignore[arg-type]
    return None if summary is None else summary.mean
