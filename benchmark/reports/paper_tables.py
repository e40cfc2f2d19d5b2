"""Our scores in the tables of the papers and of the HEAR leaderboard, differences beneath."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from benchmark.records.comparability import Board, ModelKey
from benchmark.records.published import (
    HEAR_TASKS,
    LEADERBOARD,
    LOWER_IS_BETTER,
    SOURCES,
    Published,
    Source,
    comparable,
    load_published,
    metric_title,
    same_model,
)
from benchmark.records.record import Spread
from benchmark.reports.formats import Cell, Column, Row, Table, score_cells

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
_PAPER_TASKS = {
    "openmic": "OpenMIC",
    "nsynth_instrument": "NSynth",
    "gtzan": "GTZAN",
    "mtt": "MTT",
    "fsd50k": "FSD50K",
    "esc50": "ESC-50",
    "us8k": "US8K",
    "speech_commands_v2": "SPCV2",
    "voxceleb1": "VC1",
    "voxforge": "VF",
    "crema_d": "CRM-D",
    "surge": "Surge",
}

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
    Layout("MATPAC", "Table II", "MATPAC, Table II: linear evaluation, per cent", _PAPER_TASKS),
    Layout("Fusion", "Table III", "Fusion, Table III: improvement, per cent", _PAPER_TASKS),
    Layout("Fusion", "Table IV", "Fusion, Table IV: comparison, per cent", _PAPER_TASKS),
)


def paper_tables(board: Board) -> list[Table]:
    """The layouts that some score of the board fits into, with the published rows."""
    tables = (_paper_table(board, layout) for layout in LAYOUTS)
    return [table for table in tables if table]


def own_score(board: Board, model: ModelKey, task: str, metric: str) -> Spread | None:
    """Our score for a published task: the mean of both for one that lies in two folders.

    None if there is none, or if two contents stand under the folder's name.
    """
    spreads = []
    for folder in HEAR_TASKS[task].folders if task in HEAR_TASKS else ():
        tasks = [key for key in board.tasks if key.folder == folder]
        spread = board.spread(model, tasks[0], metric) if len(tasks) == 1 else None
        if spread is None or spread.mean is None:
            return None
        spreads.append(spread)
    if len(spreads) < 2:
        return spreads[0] if spreads else None
    return Spread(fmean(spread.mean or 0.0 for spread in spreads), None, None, len(spreads))


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


def _paper_table(board: Board, layout: Layout) -> Table | None:
    source = SOURCES[layout.source]
    entries = [e for e in load_published() if (e.source, e.table) == (source.name, layout.table)]
    formats = {
        key: _format([e for e in entries if (e.task, e.metric) == key], layout.decimals)
        for key in dict.fromkeys((e.task, e.metric) for e in entries)
    }
    own = _own_scores(board, layout, source, formats)
    if not own:
        return None
    rows: list[Row] = []
    for section in dict.fromkeys(e.section for e in entries):
        of_section = [e for e in entries if e.section == section]
        names = list(dict.fromkeys(e.model for e in of_section))
        cells = _marked([_printed(name, of_section, layout) for name in names], formats)
        rows += [Row(name, row, section) for name, row in zip(names, cells, strict=True)]
    notes = [_NOTE, source.note]
    if any(record.random_weights for record in board.records.values()):
        notes.append("Models with random weights are left out.")
    for (model, scores), row in zip(own.items(), _marked([*own.values()], formats), strict=True):
        rows.append(Row(board.models[model], row, _OURS))
        same = same_model(board.of_model(model)[0], source)
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
        title=f"{layout.title} ({board.title})",
        corner="Model",
        columns=tuple(
            Column(layout.heads.get(task, task), metric_title(metric)) for task, metric in formats
        ),
        rows=tuple(rows),
        notes=tuple(dict.fromkeys(filter(None, notes))),
    )


def _format(entries: Sequence[Published], decimals: int | None) -> _Format:
    printed = max(len(entry.text.partition(".")[2]) for entry in entries)
    return _Format(
        percent=entries[0].percent,
        decimals=printed if decimals is None else decimals,
        spread=any(entry.spread for entry in entries),
    )


def _own_scores(
    board: Board, layout: Layout, source: Source, formats: Mapping[Key, _Format]
) -> dict[ModelKey, _Scores]:
    """Scores of the models that have any; an average where none of its tasks is missing."""
    own: dict[ModelKey, _Scores] = {}
    for model in board.models:
        if not any(comparable(record, source) for record in board.of_model(model)):
            continue
        scores = {}
        for key, form in formats.items():
            spread = own_score(board, model, *key) if key[0] in source.tasks else None
            if spread and spread.mean is not None:
                scores[key] = _Score(spread.mean, form.text(spread.mean, spread.ci95))
        averaged = [k for k in formats if k[0] != _AVERAGE and k not in layout.not_averaged]
        for key, form in formats.items():
            if key[0] == _AVERAGE and scores.keys() >= set(averaged):
                mean = fmean(scores[task].value for task in averaged)
                scores[key] = _Score(mean, form.text(mean))
        if scores:
            own[model] = scores
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
                lower=key[1] in LOWER_IS_BETTER,
                texts=[score.text if score else "" for score in scores],
                decimals=form.decimals + (2 if form.percent else 0),
                shaded=False,
            )
        )
    return zip(*columns, strict=True)
