"""Tables of the papers and of the HEAR leaderboard: published values, ours, and the differences."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmark.records.comparability import RowKey, names_of_rows, rows_of
from benchmark.records.published import Published, load_published
from benchmark.records.published_models import SAME_MODELS, SameModel, same_model
from benchmark.records.published_sources import SOURCES, Source
from benchmark.records.record import Record
from benchmark.reports.comparison import KeptPredictions
from benchmark.reports.level import by_predictions, candidate, level_with_best, note_on
from benchmark.reports.paper_layouts import LAYOUTS, Key, Layout
from benchmark.reports.paper_rendering import (
    LEGEND,
    Line,
    PaperTable,
    Place,
    Print,
    lower_is_better,
)
from benchmark.reports.paper_scores import averaged_columns, left_out, own_metric, own_scores
from benchmark.reports.scores import undefined_notes

_OURS = "This benchmark"


@dataclass(frozen=True)
class Here:
    """What is on this machine.

    Attributes
    ----------
    has_weights
        Whether a model's published weights are.
    folders
        Names of the task folders that are.
    """

    has_weights: Callable[[SameModel], bool]
    folders: Collection[str]


def paper_tables(
    records: Sequence[Record], kept: KeptPredictions | None = None
) -> list[PaperTable]:
    """The published tables that some record fits into."""
    tables = (paper_table(layout, records, kept) for layout in LAYOUTS.values())
    return [table for table in tables if table.has_own]


def paper_table(
    layout: Layout,
    records: Sequence[Record],
    kept: KeptPredictions | None = None,
    here: Here | None = None,
) -> PaperTable:
    """A published table with all scores of ours that were made as the paper's.

    Parameters
    ----------
    kept
        Predictions that decide which of ours are level with the best.
    here
        Tells whether what was not measured could be; without it nothing is said of that.
    """
    source = SOURCES[layout.source]
    entries = [e for e in load_published() if (e.source, e.table) == (source.name, layout.table)]
    columns = {
        key: _print([e for e in entries if e.key == key], layout.decimals)
        for key in dict.fromkeys(e.key for e in entries)
    }
    tasks = {
        part[0] for key in columns for part in (averaged_columns(layout, columns, key) or [key])
    }
    folders = {folder for task in tasks for folder in source.folders.get(task, ())}
    mine = [
        record
        for record in records
        if record.unit.protocol == source.protocol and record.unit.embedding.task in folders
    ]
    refused = left_out(mine, source, entries)
    others = [record for record, _ in refused]
    left = {id(record) for record in others}
    rows = rows_of(record for record in mine if id(record) not in left)
    names = names_of_rows(rows) if rows else {}
    lines = _published_lines(layout, source, entries, columns, rows, names)
    lines += _lines_of_ours_alone(layout, source, entries, columns, rows, names)
    marks = _column_marks(source, columns, records, here)
    lines = [_explained(line, source, columns, marks, records, others, here) for line in lines]
    found = {key: _level_of_ours(lines, key, kept or KeptPredictions()) for key in columns}
    shown = "".join(
        [*marks.values(), *(mark for line in lines for mark in (line.mark, *line.why.values()))]
    )
    labels = names_of_rows(rows_of(mine)) if mine else {}
    called = {id(r): labels[row] for row, of_row in rows_of(mine).items() for r in of_row}
    heads = {key: f"{layout.heads.get(key[0], key[0])} {key[1]}" for key in columns}
    notes = [
        _how_ours_are_made(source),
        _how_differences_are(source) if any(line.own and line.model for line in lines) else "",
        source.note,
        *(f"{mark}: {text}." for mark, text in LEGEND.items() if mark in shown),
        *(
            f"{layout.heads.get(t, t)}: {why}."
            for t, why in source.other_data.items()
            if t in tasks
        ),
        *(
            f"{called[id(record)]}, {record.task.name}, is left out: {reason}."
            for record, reason in refused
        ),
        *_notes_on_models(source, entries, rows),
        *undefined_notes(
            (names[row], record.task.name, record) for row in names for record in rows[row]
        ),
        *note_on({heads[key]: ways for key, (_, ways) in found.items()}, "Bold of ours (*)"),
        _how_printed_are_marked(entries, source),
    ]
    return PaperTable(
        layout=layout,
        columns=columns,
        lines=tuple(lines),
        marks=marks,
        level={key: places for key, (places, _) in found.items()},
        notes=tuple(dict.fromkeys(filter(None, notes))),
    )


def _print(entries: Sequence[Published], decimals: int | None) -> Print:
    printed = max(len(entry.text.partition(".")[2]) for entry in entries)
    percent = entries[0].percent
    return Print(percent, printed if decimals is None else decimals, decimals is not None)


def _published_lines(
    layout: Layout,
    source: Source,
    entries: Sequence[Published],
    columns: Mapping[Key, Print],
    rows: Mapping[RowKey, Sequence[Record]],
    names: Mapping[RowKey, str],
) -> list[Line]:
    by_place: dict[tuple[str, str], dict[Key, Published]] = {}
    for entry in entries:  # where a paper prints two values, the first
        by_place.setdefault((entry.section, entry.model), {}).setdefault(entry.key, entry)
    lines = []
    for section in dict.fromkeys(section for section, _ in by_place):
        for model in (model for place, model in by_place if place == section):
            own = {
                name: scores
                for row, name in names.items()
                if _is(rows[row][0], source, model)
                and (scores := own_scores(rows[row], layout, source, columns, section))
            }
            lines.append(Line(section, model, by_place[section, model], own))
    return lines


def _lines_of_ours_alone(
    layout: Layout,
    source: Source,
    entries: Sequence[Published],
    columns: Mapping[Key, Print],
    rows: Mapping[RowKey, Sequence[Record]],
    names: Mapping[RowKey, str],
) -> list[Line]:
    """Models that the table does not have, for every way in which its sections are made."""
    models = {entry.model for entry in entries}
    lines = []
    for section in source.representation_by_section or ("",):
        for row, name in names.items():
            if any(_is(rows[row][0], source, model) for model in models):
                continue
            if scores := own_scores(rows[row], layout, source, columns, section):
                title = ", ".join(filter(None, (_OURS, section)))
                lines.append(Line(title, "", {}, {name: scores}))
    return lines


def _is(record: Record, source: Source, model: str) -> bool:
    same = same_model(record, source)
    return same is not None and model in same.names


def _column_marks(
    source: Source,
    columns: Mapping[Key, Print],
    records: Sequence[Record],
    here: Here | None,
) -> dict[Key, str]:
    """Why a whole column has none of ours: other data, or none on this machine."""
    there = {record.unit.embedding.task for record in records}
    marks = {}
    for key in columns:
        folders = source.folders.get(key[0], ())
        if key[0] in source.other_data:
            marks[key] = "s"
        elif here and folders and not (there | set(here.folders)).issuperset(folders):
            marks[key] = "c"
    return marks


def _explained(
    line: Line,
    source: Source,
    columns: Mapping[Key, Print],
    marks: Mapping[Key, str],
    records: Sequence[Record],
    others: Sequence[Record],
    here: Here | None,
) -> Line:
    """The line with the reasons of what it lacks."""
    if not line.model:
        return line
    why: dict[Key, str] = {
        key: "p"
        for key in columns
        if key not in line.published or line.published[key].value is None
    }
    same = [each for each in SAME_MODELS if each.source == source.name and line.model in each.names]
    if not same:
        return replace(line, mark="n", why=why)
    of_model = [record for record in records if _is(record, source, line.model)]
    if here and not of_model and not any(map(here.has_weights, same)):
        return replace(line, mark="w", why=why)
    refused = {r.unit.embedding.task for r in others if _is(r, source, line.model)}
    for key in columns:
        if key in marks or any(key in scores for scores in line.own.values()):
            continue
        folders = source.folders.get(key[0], ())
        reason = "a" if not folders else "x" if refused & set(folders) else "r"
        why[key] = why.get(key, "") + reason
    return replace(line, why=why)


def _level_of_ours(
    lines: Sequence[Line], key: Key, kept: KeptPredictions
) -> tuple[frozenset[Place], frozenset[str]]:
    """Which of our scores in a column are level with the best of them, and how that was found."""
    places = {
        (number, name): scores[key]
        for number, line in enumerate(lines)
        for name, scores in line.own.items()
        if key in scores
    }
    # A model that several rows of a table show is one score.
    distinct = {
        (name, score.record and score.record.unit.key, score.value): score
        for (_, name), score in places.items()
    }
    scores = list(distinct.values())
    level = level_with_best(
        [candidate(score.summary) for score in scores],
        lower=lower_is_better(key),
        compared=by_predictions([score.record for score in scores], own_metric(key[1]), kept),
    )
    best = [scores[number] for number in level.best]
    return frozenset(place for place, score in places.items() if score in best), level.ways


def _how_ours_are_made(source: Source) -> str:
    options = ", ".join(f"{name} {_value(value)}" for name, value in source.options.items())
    varied = {name for of_metric in source.options_by_metric.values() for name in of_metric}
    more = f"; {', '.join(sorted(varied))} as the column asks" if varied else ""
    seeds = f", seeds {_value(source.seeds)}" if source.seeds else ""
    version = "" if source.version == 1 else f" version {source.version}"
    return (
        f"Ours: records of the protocol {source.protocol}{version}, {options}{more}{seeds}; of no"
        " other."
    )


def _how_differences_are(source: Source) -> str:
    both = " and the printed one" if source.spread == "ci95" else ""
    unstated = (
        " What the paper prints behind ± is not said, and not in it."
        if source.spread == "unstated"
        else ""
    )
    return (
        "A difference is ours less the published value; ± is half of its 95 % interval, from ours"
        f" over seeds or folds{both}.{unstated}"
    )


def _how_printed_are_marked(entries: Sequence[Published], source: Source) -> str:
    known = source.spread == "ci95" and any(entry.spread for entry in entries)
    by = "printed intervals" if known else "printed digits"
    return f"Bold of published rows: the best of a section by the {by}."


def _notes_on_models(
    source: Source, entries: Sequence[Published], rows: Mapping[RowKey, Sequence[Record]]
) -> list[str]:
    models = {entry.model for entry in entries}
    same = (same_model(records[0], source) for records in rows.values())
    return [each.note for each in same if each and models & set(each.names)]


def _value(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return " ".join(map(_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
