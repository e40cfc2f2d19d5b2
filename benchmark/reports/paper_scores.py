"""Our scores at the columns of published tables: of records made as the paper's alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from benchmark.records.published import Published, why_not_comparable
from benchmark.records.published_sources import Setting, Source
from benchmark.records.record import Record
from benchmark.records.statistics import ScoreSummary
from benchmark.reports.paper_layouts import AVERAGE, Key, Layout
from benchmark.reports.scores import score_summary


@dataclass(frozen=True)
class OwnScore:
    """A score of ours at a published column; `record` is None for a mean over several."""

    summary: ScoreSummary
    record: Record | None = None

    @property
    def value(self) -> float:
        return self.summary.mean or 0.0


OwnScores = Mapping[Key, OwnScore]


def own_score(
    records: Sequence[Record],
    source: Source,
    task: str,
    metric: str,
    setting: Setting | None = None,
) -> OwnScore | None:
    """Our score for a published task: the mean of both for one that lies in two folders.

    None if there is none, or if two contents stand under the folder's name.

    Parameters
    ----------
    records
        Of one row, oldest first.
    setting
        What they must have been made with; the source's own by default.
    """
    found = []
    for folder in source.folders.get(task, ()):
        fitting = [
            record
            for record in records
            if record.unit.embedding.task == folder
            and not why_not_comparable(record, source, setting)
        ]
        contents = {record.unit.embedding.task_hash for record in fitting}
        summary = score_summary(fitting[-1], metric) if len(contents) == 1 else None
        if summary is None or summary.mean is None:
            return None
        found.append(OwnScore(summary, fitting[-1]))
    if len(found) < 2:
        return found[0] if found else None
    return OwnScore(_mean([one.summary for one in found], "folds"))


def own_scores(
    records: Sequence[Record],
    layout: Layout,
    source: Source,
    columns: Iterable[Key],
    section: str,
) -> OwnScores:
    """Our scores at a row of a table, with an average where none of its columns is missing."""

    def score(key: Key) -> OwnScore | None:
        setting = source.setting(section, key[1])
        return own_score(records, source, key[0], own_metric(key[1]), setting)

    scores = {key: found for key in columns if (found := score(key))}
    for key in columns:
        if averaged := averaged_columns(layout, columns, key):
            parts = [scores.get(part) or score(part) for part in averaged]
            summaries = [part.summary for part in parts if part]
            if len(summaries) == len(averaged):
                scores[key] = OwnScore(_mean(summaries, "columns"))
    return scores


def averaged_columns(layout: Layout, columns: Iterable[Key], key: Key) -> tuple[Key, ...]:
    """The columns that a column is the average of; none if it is a task's."""
    if key[0] in layout.averages:
        return layout.averages[key[0]]
    if key[0] != AVERAGE:
        return ()
    return tuple(each for each in columns if each[0] != AVERAGE and each not in layout.not_averaged)


def own_metric(printed: str) -> str:
    """A printed metric as records call it: "mAP mu_m" is mAP."""
    return printed.partition(" mu_")[0]


def left_out(
    records: Iterable[Record], source: Source, entries: Iterable[Published]
) -> list[tuple[Record, str]]:
    """Records that fit no cell of a table, and why."""
    cells = list(dict.fromkeys((e.section, e.task, e.metric) for e in entries))
    found = []
    for record in records:
        folder = record.unit.embedding.task
        reasons = [
            why_not_comparable(record, source, source.setting(section, metric))
            for section, task, metric in cells
            if folder in source.folders.get(task, ())
        ]
        if reasons and all(reasons):
            found.append((record, min(reasons, key=lambda reason: "clips are" in reason)))
    return found


def _mean(summaries: Sequence[ScoreSummary], over: str) -> ScoreSummary:
    """Mean of independent scores, with interval and error, std / sqrt(n), where all have them."""
    n = len(summaries)
    mean = fmean(summary.mean or 0.0 for summary in summaries)
    undefined = sum(each.undefined for each in summaries)
    if any(each.std is None or each.ci95 is None for each in summaries):
        return ScoreSummary(mean, None, None, n, over, undefined)
    error = math.hypot(*((each.std or 0.0) / math.sqrt(each.n) for each in summaries)) / n
    half = math.hypot(*(each.ci95 or 0.0 for each in summaries)) / n
    return ScoreSummary(mean, error * math.sqrt(n), half, n, over, undefined)
