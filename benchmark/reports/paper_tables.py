"""Our scores in the tables of the papers and of the HEAR leaderboard, differences beneath."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from benchmark.records.comparability import ComparableGroup, RowKey
from benchmark.records.published import (
    HEAR_TASKS,
    LEADERBOARD,
    SOURCES,
    Published,
    Source,
    load_published,
    same_model,
    why_not_comparable,
)
from benchmark.records.statistics import ScoreSummary
from benchmark.reports.formats import Cell, Column, Row, Table, score_cells
from benchmark.reports.scores import (
    UNDEFINED_MARK,
    direction,
    metric_title,
    score_summary,
    undefined_notes,
)

Key = tuple[str, str]  # task and metric, as published
_OURS = "This benchmark"
_AVERAGE = "average"
_NOTE = "A difference is ours minus the published value."


@dataclass(frozen=True)
class Layout:
    """A published table: its columns and sections are those of its entries.

    Attributes
    ----------
    heads : column heads of tasks, as printed
    not_averaged : columns that the table's average leaves out
    decimals : of all values; those printed if None
    """

    source: str
    table: str
    title: str
    heads: Mapping[str, str]
    not_averaged: frozenset[Key] = frozenset()
    decimals: int | None = None


_SPEECH = {
    "crema_d": "CREMA-D",
    "libricount": "LibriCount",
    "speech_commands_5h": "Speech Commands (5h)",
    "speech_commands_full": "Speech Commands (all)",
    "vocal_imitation": "Vocal Imitations",
    "vox_lingua_top10": "VoxLingua",
}
_ENVIRONMENT = {
    "beehive_states": "Beehive states",
    "esc50": "ESC",
    "fsd50k": "FSD50K",
    "gunshot_triangulation": "Gunshot triangulation",
}
_MUSIC = {
    "beijing_opera": "Beijing Opera",
    "gtzan_genre": "GTZAN Genre",
    "gtzan_music_speech": "GTZAN S/M",
    "mridangam_stroke": "Mridangam Stroke",
    "mridangam_tonic": "Mridangam Tonic",
    "nsynth_pitch_5h": "NSynth (5h)",
    "nsynth_pitch_50h": "NSynth (50h)",
}
_EVENTS = {"dcase2016_task2": "DCASE", "maestro_5h": "MAESTRO"}
_NOT_ONSETS = frozenset(
    {
        ("dcase2016_task2", "segment_1s_er"),
        ("maestro_5h", "event_onset_offset_50ms_20perc_fms"),
    }
)
LAYOUTS: tuple[Layout, ...] = (
    Layout(
        LEADERBOARD,
        "leaderboard",
        "HEAR leaderboard, primary scores",
        {task.name: task.column for task in HEAR_TASKS.values()},
        decimals=3,
    ),
    Layout("BYOL-S", "Table 5", "BYOL-S, Table 5: speech, per cent", _SPEECH),
    Layout(
        "BYOL-S",
        "Table 6",
        "BYOL-S, Table 6: environmental sounds, per cent",
        _ENVIRONMENT,
        frozenset({("beehive_states", "top1_acc")}),
    ),
    Layout("BYOL-S", "Table 7", "BYOL-S, Table 7: music, per cent", _MUSIC),
    Layout("BYOL-S", "Table 8", "BYOL-S, Table 8: timestamps", _EVENTS, _NOT_ONSETS),
    Layout(
        "BYOL-S", "Table 9", "BYOL-S, Table 9: timestamps, window and hop", _EVENTS, _NOT_ONSETS
    ),
)


def paper_tables(group: ComparableGroup) -> list[Table]:
    """The layouts that some score of the group fits into, with the published rows."""
    tables = (_paper_table(group, layout) for layout in LAYOUTS)
    return [table for table in tables if table]


def own_score(
    group: ComparableGroup, row: RowKey, source: Source, task: str, metric: str
) -> ScoreSummary | None:
    """Our score for a published task: the mean of both for one that lies in two folders.

    None if there is none, or if two contents stand under the folder's name.
    """
    summaries = []
    for folder in HEAR_TASKS[task].folders if task in source.tasks else ():
        found = [
            record
            for record in group.of_row(row)
            if record.unit.embedding.task == folder and not why_not_comparable(record, source)
        ]
        summary = score_summary(found[0], metric) if len(found) == 1 else None
        if summary is None or summary.mean is None:
            return None
        summaries.append(summary)
    if len(summaries) < 2:
        return summaries[0] if summaries else None
    undefined = sum(summary.undefined for summary in summaries)
    mean = fmean(summary.mean or 0.0 for summary in summaries)
    return ScoreSummary(mean, None, None, len(summaries), "folds", undefined)


class _Score(NamedTuple):
    value: float
    text: str


_Scores = Mapping[Key, _Score]


@dataclass(frozen=True)
class _Format:
    """How a column prints our values: as it does the published ones."""

    percent: bool
    decimals: int
    spread: bool

    def text(self, value: float, half_width: float | None = None, sign: str = "") -> str:
        unit = 100.0 if self.percent else 1.0
        text = f"{unit * value:{sign}.{self.decimals}f}"
        if self.spread and half_width is not None:
            text += f" ± {unit * half_width:.{self.decimals}f}"
        return text


def _paper_table(group: ComparableGroup, layout: Layout) -> Table | None:
    source = SOURCES[layout.source]
    entries = [e for e in load_published() if (e.source, e.table) == (source.name, layout.table)]
    formats = {
        key: _format([e for e in entries if (e.task, e.metric) == key], layout.decimals)
        for key in dict.fromkeys((e.task, e.metric) for e in entries)
    }
    own = _own_scores(group, layout, source, formats)
    if not own:
        return None
    rows: list[Row] = []
    for section in dict.fromkeys(e.section for e in entries):
        of_section = [e for e in entries if e.section == section]
        names = list(dict.fromkeys(e.model for e in of_section))
        printed_cells = _marked([_printed(n, of_section, layout) for n in names], formats)
        rows += [Row(name, row, section) for name, row in zip(names, printed_cells, strict=True)]
    notes = [_NOTE, source.note, *_left_out(group, source)]
    for (key, scores), cells in zip(own.items(), _marked([*own.values()], formats), strict=True):
        rows.append(Row(group.rows[key], cells, _OURS))
        notes += undefined_notes(
            (group.rows[key], record.task.name, record) for record in group.of_row(key)
        )
        same = same_model(group.of_row(key)[0], source)
        for name in same.names if same else ():
            printed = _printed(name, entries, layout)
            if same and printed:
                differences = _differences(scores, printed, formats)
                rows.append(Row(f"published {name}", _plain(printed, formats), _OURS))
                rows.append(Row("difference", _plain(differences, formats), _OURS))
                notes.append(same.note)
                break
    return Table(
        name=re.sub(r"\W+", "-", f"{source.name} {layout.table}").lower(),
        title=f"{layout.title} ({group.title})",
        corner="Model",
        columns=tuple(
            Column(layout.heads.get(task, task), metric_title(metric)) for task, metric in formats
        ),
        rows=tuple(rows),
        notes=tuple(dict.fromkeys(filter(None, notes))),
    )


def _left_out(group: ComparableGroup, source: Source) -> list[str]:
    """Records of published tasks that may not stand here, and why."""
    folders = {folder for name in source.tasks for folder in HEAR_TASKS[name].folders}
    return [
        f"{group.rows[row]}, {group.tasks[task]}, is left out: {reason}."
        for (row, task), record in group.records.items()
        if task.folder in folders and (reason := why_not_comparable(record, source))
    ]


def _format(entries: Sequence[Published], decimals: int | None) -> _Format:
    printed = max(len(entry.text.partition(".")[2]) for entry in entries)
    return _Format(
        percent=entries[0].percent,
        decimals=printed if decimals is None else decimals,
        spread=any(entry.spread for entry in entries),
    )


def _own_scores(
    group: ComparableGroup, layout: Layout, source: Source, formats: Mapping[Key, _Format]
) -> dict[RowKey, _Scores]:
    """Scores of the models that have any; an average where none of its tasks is missing."""
    own: dict[RowKey, _Scores] = {}
    for row in group.rows:
        scores = {}
        for key, form in formats.items():
            summary = own_score(group, row, source, *key)
            if summary and summary.mean is not None:
                text = form.text(summary.mean, summary.ci95)
                text += UNDEFINED_MARK if summary.undefined else ""
                scores[key] = _Score(summary.mean, text)
        averaged = [k for k in formats if k[0] != _AVERAGE and k not in layout.not_averaged]
        for key, form in formats.items():
            if key[0] == _AVERAGE and scores.keys() >= set(averaged):
                mean = fmean(scores[task].value for task in averaged)
                scores[key] = _Score(mean, form.text(mean))
        if scores:
            own[row] = scores
    return own


def _printed(model: str, entries: Sequence[Published], layout: Layout) -> _Scores:
    """Published scores of a model; where two differ, the first."""
    scores: dict[Key, _Score] = {}
    for entry in entries:
        if entry.model == model and entry.value is not None:
            text = entry.text if layout.decimals is None else f"{entry.value:.{layout.decimals}f}"
            if entry.spread:
                text += f" ± {entry.spread}"
            scores.setdefault((entry.task, entry.metric), _Score(entry.value, text))
    return scores


def _differences(
    own: _Scores, printed: _Scores, formats: Mapping[Key, _Format]
) -> dict[Key, _Score]:
    differences = {k: own[k].value - printed[k].value for k in own.keys() & printed.keys()}
    return {k: _Score(d, formats[k].text(d, sign="+")) for k, d in differences.items()}


def _plain(scores: _Scores, formats: Mapping[Key, _Format]) -> tuple[Cell, ...]:
    return tuple(Cell(scores[key].text if key in scores else "") for key in formats)


def _marked(rows: Sequence[_Scores], formats: Mapping[Key, _Format]) -> Iterator[tuple[Cell, ...]]:
    """Cells of the rows of one section, the best of each column marked."""
    columns = []
    for key, form in formats.items():
        scores = [row.get(key) for row in rows]
        columns.append(
            score_cells(
                [score.value if score else None for score in scores],
                lower=not direction(key[1]).higher_is_better,
                texts=[score.text if score else "" for score in scores],
                decimals=form.decimals + (2 if form.percent else 0),
                shaded=False,
            )
        )
    return zip(*columns, strict=True)
