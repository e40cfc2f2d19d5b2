"""A row for the HEAR leaderboard, byte for byte as its site reads it.

The site splits `docs/leaderboard.csv` (github.com/hearbenchmark/hearbenchmark.com) at every comma
and takes an empty last line for a submission, so fields hold no commas and the file ends without a
line feed: to submit, append a line feed and the row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmark.errors import UserError
from benchmark.records.comparability import ComparableGroup, comparable_groups
from benchmark.records.published import why_not_comparable
from benchmark.records.published_sources import HEAR_TASKS, LEADERBOARD, SOURCES
from benchmark.records.record import Record
from benchmark.reports.paper_scores import own_score

_FOLDERS = frozenset(folder for task in HEAR_TASKS.values() for folder in task.folders)


def leaderboard_row(records: Sequence[Record], name: str, url: str, date: str) -> str:
    """The row of one model.

    Parameters
    ----------
    records
        Those of the model, made with the HEAR protocol, its default grid and 8 grid points, in
        float32 on a CPU. Tasks without a record stay empty; Beehive is the mean over its two
        folds and needs both. An undefined score counts as the worst.
    name, url
        As they shall stand on the board.
    date
        ISO 8601 day of submission.

    Returns
    -------
    str
        One line without a line feed.

    Raises
    ------
    UserError
        A task has only records that do not belong on the board (named, with the reason); several
        models; two contents of one task; or a field that would break the file.
    """
    check_fields(name, url, date)
    scores = leaderboard_scores(records)
    cells = [_number(scores[task]) if task in scores else "" for task in HEAR_TASKS]
    return ",".join([name, url, date, *cells])


def check_fields(name: str, url: str, date: str) -> None:
    """UserError where a field would break the file."""
    for field in (name, url):
        if not field or re.search(r'[,"\r\n]', field):
            raise UserError(f"leaderboard: {field!r} needs text without commas, quotes, line feeds")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", date):
        raise UserError(f"leaderboard: the date is written like 2026-11-20, not {date!r}")


def leaderboard_scores(records: Sequence[Record]) -> dict[str, float]:
    """The scores of one model by task of the board; raises as `leaderboard_row`."""
    source = SOURCES[LEADERBOARD]
    fitting, refused = [], {}
    for record in records:
        if record.task.demo or record.unit.protocol != source.protocol:
            continue
        if reason := why_not_comparable(record, source):
            refused[record.unit.embedding.task] = reason
        else:
            fitting.append(record)
    there = {record.unit.embedding.task for record in fitting}
    for folder, reason in refused.items():
        if folder not in there and folder in _FOLDERS:
            raise UserError(f"leaderboard: the record of {folder} does not belong there: {reason}")
    if not fitting:
        raise UserError(
            f"leaderboard: no record of a HEAR task under the protocol {source.protocol}"
        )
    group, *others = comparable_groups(fitting)
    if others:
        raise UserError("leaderboard: records from several seeds; leave all but one out")
    if len(group.rows) > 1:
        raise UserError(
            f"leaderboard: a row is of one model, not of {', '.join(group.rows.values())}"
        )
    if several := [key.folder for key in group.tasks if _contents(group, key.folder) > 1]:
        raise UserError(f"leaderboard: records of two contents of {several[0]}; leave one out")
    (row,) = group.rows
    scores = {
        task.name: own_score(group.of_row(row), source, task.name, task.metric)
        for task in HEAR_TASKS.values()
    }
    return {task: score.value for task, score in scores.items() if score}


def _contents(group: ComparableGroup, folder: str) -> int:
    return sum(key.folder == folder for key in group.tasks)


def _number(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")
