"""Scores that papers and the HEAR leaderboard printed, and what of ours may stand beside them.

The numbers are in `results/published/*.csv`; `benchmark.records.published_sources` says how to read
them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from benchmark.records.published_models import same_model
from benchmark.records.published_sources import HEAR_TASKS, LEADERBOARD, SOURCES, Setting, Source
from benchmark.records.record import Record


@dataclass(frozen=True)
class Published:
    """One printed number: `value` in the metric's own unit, None if missing; texts as printed."""

    source: str
    table: str
    section: str
    model: str
    task: str
    metric: str
    text: str
    spread: str  # printed behind ±
    value: float | None
    percent: bool
    note: str  # why there is no value

    @property
    def own_metric(self) -> str:
        """The metric as records call it."""
        return self.metric.partition(" mu_")[0]

    @property
    def key(self) -> tuple[str, str]:
        """Task and metric: the column."""
        return self.task, self.metric


@cache
def load_published() -> tuple[Published, ...]:
    """All published numbers, tables and rows in the order in which they were printed.

    Raises
    ------
    ValueError
        A metric of a source is not declared in `SOURCES`.
    """
    return (*_leaderboard(), *_papers())


def _leaderboard() -> list[Published]:
    metrics = {task.column: task for task in HEAR_TASKS.values()}
    entries = []
    for row in _rows("hear2021_leaderboard.csv"):
        section = "Challenge of 2021" if row["Submission Date"] == "HEAR 2021" else "Later"
        for column, task in metrics.items():
            note = "" if row[column] else "not submitted"
            entry = (section, row["Model"], task.name, task.metric, row[column], "", note)
            entries.append(_published(LEADERBOARD, "leaderboard", *entry))
    return entries


def _papers() -> list[Published]:
    keys = ("paper", "table", "section", "model", "task", "metric", "value", "spread", "note")
    return [_published(*(row[key] for key in keys)) for row in _rows("paper_tables.csv")]


def _published(
    source: str,
    table: str,
    section: str,
    model: str,
    task: str,
    metric: str,
    text: str,
    spread: str,
    note: str,
) -> Published:
    declared = SOURCES[source]
    if metric not in declared.percent | declared.fraction:
        raise ValueError(f"results/published: {source}, {metric}: is it in per cent? Say so here.")
    percent = metric in declared.percent
    value = float(text) / (100.0 if percent else 1.0) if text else None
    return Published(
        source, table, section, model, task, metric, text, spread, value, percent, note
    )


def _rows(name: str) -> list[dict[str, str]]:
    content = files("results").joinpath("published", name).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(content)))


def why_not_comparable(record: Record, source: Source, setting: Setting | None = None) -> str:
    """Why a record's score may not stand beside the source's printed ones; "" if it may.

    Parameters
    ----------
    setting
        What it must have been made with; the source's own by default.
    """
    unit, model = record.unit, record.unit.model
    wanted = setting or source.setting()
    folders = [folder for several in source.folders.values() for folder in several]
    resampler, representation = unit.embedding.resampler, unit.embedding.representation
    reasons = (
        (record.task.demo, "it is of a demo task"),
        (record.random_weights, "its weights are random"),
        (unit.embedding.task not in folders, f"{unit.embedding.task} is no task of {source.name}"),
        (unit.embedding.limit is not None, "only some clips of the task were taken"),
        (
            record.task.published is False,
            f"the task is not the published one: {record.task.published_note}",
        ),
        (record.task.published is None, "nobody checked that the task is the published one"),
        (
            (unit.protocol, unit.version) != (source.protocol, source.version),
            f"its protocol is {unit.protocol} version {unit.version}, expected {source.protocol}"
            f" version {source.version}",
        ),
        (
            representation != (wanted.representation or representation),
            f"its clips are {representation}, expected {wanted.representation}",
        ),
        (
            unit.options != wanted.options,
            f"its options are {_text(unit.options)}, expected {_text(wanted.options)}",
        ),
        (
            unit.seeds != (source.seeds or unit.seeds),
            f"its seeds are {unit.seeds}, expected {source.seeds}",
        ),
        (unit.device != "cpu", f"it was trained on {unit.device}, expected cpu"),
        (model.device != "cpu", f"it was embedded on {model.device}, expected cpu"),
        (model.dtype != "float32", f"it was embedded in {model.dtype}, expected float32"),
        (
            bool(unit.layers) and same_model(record, source) is None,
            f"it is of layers {unit.layers}, which are no model of {source.name}",
        ),
        (model.tf32, "it was embedded with TF32, expected float32"),
        (
            not resampler.startswith(("none", "soxr")),
            f"its audio was resampled by {resampler}, expected soxr",
        ),
    )
    return next((reason for applies, reason in reasons if applies), "")


def _text(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(options.items()))
