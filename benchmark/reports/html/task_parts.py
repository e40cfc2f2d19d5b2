"""What the report says of one task under one protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmark.errors import UserError
from benchmark.records.comparability import ComparableGroup, TaskKey
from benchmark.records.record import Record
from benchmark.reports.formats import Cell, Column, Row, Table
from benchmark.reports.html.audio import Players
from benchmark.reports.html.charts import (
    Chart,
    confusion_matrix,
    curve_chart,
    heat_map,
    piano_roll,
    point_map,
    reliability_chart,
)
from benchmark.reports.html.events import read_roll
from benchmark.reports.html.predictions import (
    Predictions,
    Reliability,
    class_scores,
    confused_pairs,
    confusion,
    hard_clips,
    load_predictions,
    reliability,
)
from benchmark.reports.html.projection import MAPS
from benchmark.reports.html.published_rows import published_of_task
from benchmark.reports.html.sources import Sources, read_roll_paths
from benchmark.reports.scores import goodness, metric_title

MAPPED_MODELS, ROLL_MODELS, HARD_CLIPS, CLASS_ROWS, PAIRS = 6, 3, 20, 60, 12
MIN_POINTS = 8


@dataclass(frozen=True)
class HardRow:
    """A clip of the list that most models get wrong; `audio` is a data URI or ""."""

    file: str
    labels: str
    predicted: str
    wrong: str
    audio: str = ""


@dataclass
class TaskPart:
    """Tables and charts of one task, and a line for each that could not be made."""

    title: str
    facts: str
    tables: list[Table] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    hard: list[HardRow] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def task_part(
    group: ComparableGroup,
    task: TaskKey,
    table: Table,
    sources: Sources,
    players: Players | None,
    maps: Sequence[str],
) -> TaskPart:
    """One task of a group.

    Parameters
    ----------
    table
        All metrics of the task, from `benchmark.reports.tables.detail_tables`.
    players
        Makes the players of clips; None for none.
    maps
        Of `MAPS`.
    """
    of_rows = {group.rows[row]: group.records.get((row, task)) for row in group.rows}
    records = {name: record for name, record in of_rows.items() if record}
    records = dict(sorted(records.items(), key=lambda pair: -goodness(pair[1])))
    first = next(iter(records.values()))
    about = first.task
    clips = f", {about.test_clips} test clips" if about.test_clips else ""
    part = TaskPart(
        f"{group.tasks[task]}: {group.title}",
        f"{about.domain or 'no domain'}, {about.prediction_type}, version {about.version},"
        f" mode {about.mode}{clips}; {metric_title(first.primary_metric)}",
        tables=[table],
    )
    name = group.tasks[task]
    _add_curves(part, name, records, sources)
    if first.unit.embedding.representation != "scene" and first.hop_ms is not None:
        if not _add_roll(part, name, records, sources):
            _add_predictions(part, name, records, sources, players)
    else:
        _add_predictions(part, name, records, sources, players)
    _add_maps(part, name, records, sources, maps)
    if published := published_of_task(first):
        part.tables.append(published)
    return part


def _add_predictions(
    part: TaskPart,
    name: str,
    records: Mapping[str, Record],
    sources: Sources,
    players: Players | None,
) -> None:
    found: dict[str, Predictions] = {}
    for model, record in records.items():
        try:
            one = load_predictions(
                sources.evaluation(record), record.task.prediction_type == "multiclass"
            )
        except UserError as error:
            part.missing.append(f"Predictions of {model}: {error}")
            continue
        if found and one.target.shape[1] != next(iter(found.values())).target.shape[1]:
            part.missing.append(f"Predictions of {model}: it has another number of labels.")
            continue
        found[model] = one
    if not found:
        return
    n_labels = next(iter(found.values())).target.shape[1]
    labels = sources.labels(list(records.values()))
    if labels is None or len(labels) != n_labels:
        part.missing.append("Names of labels: no embeddings are there that tell; numbers instead.")
        labels = tuple(f"label {number}" for number in range(n_labels))
    _add_classes(part, name, found, labels)
    if next(iter(found.values())).multiclass:
        _add_confusion(part, name, found, labels)
    _add_reliability(part, name, found)
    _add_hard_clips(part, next(iter(records.values())), found, labels, sources, players)


def _add_classes(
    part: TaskPart, name: str, found: Mapping[str, Predictions], labels: Sequence[str]
) -> None:
    best, first = next(iter(found.items()))
    scores = np.stack([class_scores(one) for one in found.values()])
    seen = np.flatnonzero(~np.isnan(scores).all(axis=0))
    if not len(seen):
        return
    what = "F1" if first.multiclass else "average precision"
    means = np.nanmean(scores[:, seen], axis=0)
    order = seen[np.argsort(means, kind="stable")]
    rows = first.target.sum(axis=0)
    hardest, easiest = labels[int(order[0])], labels[int(order[-1])]
    alt = (
        f"{what} of {len(seen)} classes by {len(found)} models. Hardest on average: {hardest},"
        f" easiest: {easiest}. The table of classes has the numbers."
    )
    shown = order[:CLASS_ROWS]
    part.charts.append(
        heat_map(
            f"{what} by class, hardest first",
            scores[:, shown].T,
            [labels[label] for label in shown],
            list(found),
            alt,
        )
    )
    notes = [f"{what} over all folds and seeds together; the best model is {best}."]
    if len(shown) < len(seen):
        notes.append(f"The {len(shown)} hardest of {len(seen)} classes.")
    of_class = scores[:, order]
    part.tables.append(
        Table(
            "classes",
            f"Classes of {name}",
            "Class",
            (
                Column("rows"),
                *(Column(f"{what}, {each}") for each in (f"{best}", "mean", "worst", "best")),
            ),
            tuple(
                Row(
                    labels[label],
                    tuple(
                        Cell(text)
                        for text in (
                            str(int(rows[label])),
                            _number(of_class[0, place]),
                            _number(np.nanmean(of_class[:, place])),
                            _number(np.nanmin(of_class[:, place])),
                            _number(np.nanmax(of_class[:, place])),
                        )
                    ),
                )
                for place, label in enumerate(shown)
            ),
            tuple(notes),
        )
    )


def _add_confusion(
    part: TaskPart, name: str, found: Mapping[str, Predictions], labels: Sequence[str]
) -> None:
    best, first = next(iter(found.items()))
    matrix = confusion(first)
    seen = np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))
    own = confused_pairs([first], 1)
    most = (
        f"Most frequent confusion: {labels[own[0][0]]} taken for {labels[own[0][1]]},"
        f" {own[0][2]} of {own[0][3]}."
        if own
        else "No confusion at all."
    )
    part.charts.append(
        confusion_matrix(
            f"Confusion matrix of {best}",
            matrix[np.ix_(seen, seen)],
            [labels[int(label)] for label in seen],
            f"Confusion matrix of {best} on {name}, {len(seen)} classes. {most}",
        )
    )
    if pairs := confused_pairs(list(found.values()), PAIRS):
        part.tables.append(
            Table(
                "confusions",
                f"Most frequent confusions on {name}",
                "True class",
                (Column("taken for"), Column("rows"), Column("of the class")),
                tuple(
                    Row(
                        labels[true],
                        (Cell(labels[said]), Cell(str(rows)), Cell(f"{100 * rows / of:.1f} %")),
                    )
                    for true, said, rows, of in pairs
                ),
                (f"Over {len(found)} models, their folds and seeds.",),
            )
        )


def _add_reliability(part: TaskPart, name: str, found: Mapping[str, Predictions]) -> None:
    curves: dict[str, Reliability] = {}
    for model, one in found.items():
        curve = reliability(one)
        if curve is None:
            part.missing.append(f"Calibration of {model}: its predictions are no probabilities.")
        else:
            curves[model] = curve
    if not curves:
        return
    errors = ", ".join(f"{model} {one.error:.3f}" for model, one in list(curves.items())[:8])
    part.charts.append(
        reliability_chart(
            "Calibration",
            curves,
            f"Share of predictions that are right by their confidence, {len(curves)} models on"
            f" {name}. Expected calibration error: {errors}.",
        )
    )
    part.tables.append(
        Table(
            "calibration",
            f"Calibration on {name}",
            "Model",
            (Column("expected calibration error ↓"),),
            tuple(Row(model, (Cell(_number(one.error)),)) for model, one in curves.items()),
            ("Ten bins of equal width (Guo et al. 2017). Dotted in the chart: calibrated.",),
        )
    )


def _add_hard_clips(
    part: TaskPart,
    record: Record,
    found: Mapping[str, Predictions],
    labels: Sequence[str],
    sources: Sources,
    players: Players | None,
) -> None:
    clips = hard_clips(found, HARD_CLIPS)
    task = sources.task(record) if players else None
    if players and clips and task is None:
        part.missing.append(
            f"Players: no task {record.unit.embedding.task} under {sources.tasks_dir}; give"
            " --tasks-dir."
        )
    for clip in clips:
        audio = ""
        if players and task:
            try:
                audio = players.clip(task, clip.split, clip.file)
            except UserError as error:
                part.missing.append(f"Player: {error}")
        part.hard.append(
            HardRow(
                clip.file,
                ", ".join(labels[label] for label in clip.labels),
                labels[clip.predicted],
                f"{clip.wrong} of {clip.models}",
                audio,
            )
        )


def _add_curves(part: TaskPart, name: str, records: Mapping[str, Record], sources: Sources) -> None:
    curves = {
        model: found for model, record in records.items() if (found := sources.curves(record))
    }
    if curves:
        metric = next(iter(records.values())).primary_metric
        part.charts.append(
            curve_chart(
                "Learning curves of the chosen head",
                curves,
                metric,
                f"Validation {metric} by epoch of {', '.join(list(curves)[:8])} on {name}; a line"
                " for each fold.",
            )
        )


def _add_roll(part: TaskPart, name: str, records: Mapping[str, Record], sources: Sources) -> bool:
    """Whether anything of events was there."""
    split = next(iter(records.values())).trainings[0].fold if records else ""
    truth, predicted = None, {}
    for model, record in records.items():
        try:
            truth, predicted[model] = read_roll_paths(sources, record, split)
        except UserError as error:
            part.missing.append(f"Events of {model}: {error}")
        if len(predicted) == ROLL_MODELS:
            break
    if truth is None:
        return False
    try:
        roll = read_roll(truth, predicted)
    except UserError as error:
        part.missing.append(f"Events: {error}")
        return False
    counts = ", ".join(f"{model} {len(events)}" for model, events in roll.predicted.items())
    part.charts.append(
        piano_roll(
            f"True and predicted events of {roll.file}",
            roll,
            f"Events of {roll.file} of {name} in its first {roll.end / 1000:.0f} s:"
            f" {len(roll.truth)} true ones; predicted: {counts}.",
        )
    )
    return True


def _add_maps(
    part: TaskPart,
    name: str,
    records: Mapping[str, Record],
    sources: Sources,
    maps: Sequence[str],
) -> None:
    drawn = 0
    for model, record in records.items():
        if drawn == MAPPED_MODELS:
            part.missing.append(
                f"Maps of embeddings: of the {MAPPED_MODELS} best models only, of {len(records)}."
            )
            break
        try:
            embeddings, of_rows = sources.sample(sources.embeddings(record))
        except UserError as error:
            part.missing.append(f"Map of the embeddings of {model}: {error}")
            continue
        if len(embeddings) < MIN_POINTS:
            part.missing.append(f"Map of the embeddings of {model}: too few of them.")
            continue
        drawn += 1
        classes = [labels[0] if len(labels) == 1 else "several or none" for labels in of_rows]
        for key in maps:
            title, function = MAPS[key]
            part.charts.append(
                point_map(
                    f"Embeddings of {model}, {title}",
                    function(embeddings),
                    classes,
                    f"{title} of {len(classes)} embeddings of {model} on {name}, by class.",
                )
            )


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"
