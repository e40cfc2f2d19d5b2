"""A row for the HEAR leaderboard, byte for byte as its site reads it.

The site splits `docs/leaderboard.csv` (github.com/hearbenchmark/hearbenchmark.com) at every comma
and takes an empty last line for a submission, so fields hold no commas and the file ends without a
line feed: to submit, append a line feed and the row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmark.errors import UserError
from benchmark.records.comparability import boards
from benchmark.records.published import HEAR_TASKS, LEADERBOARD, SOURCES, comparable
from benchmark.records.record import Record
from benchmark.reports.paper_tables import own_score


def leaderboard_row(records: Sequence[Record], name: str, url: str, date: str) -> str:
    """The row of one model.

    Parameters
    ----------
    records
        Those of the model, made with the HEAR protocol, its default grid and 8 grid points. Tasks
        without a record stay empty; Beehive is the mean over its two folds and needs both.
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
        Several models or ways of evaluation, records that do not belong on the board (demo tasks,
        random weights, other settings), or a field that would break the file.
    """
    for field in (name, url):
        if not field or re.search(r'[,"\r\n]', field):
            raise UserError(f"leaderboard: {field!r} needs text without commas, quotes, line feeds")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", date):
        raise UserError(f"leaderboard: the date is written like 2026-11-20, not {date!r}")
    fitting = [record for record in records if comparable(record, SOURCES[LEADERBOARD])]
    if not fitting:
        raise UserError(
            "leaderboard: no record of a HEAR task with published weights, protocol hear, grid "
            "default and 8 grid points"
        )
    found = boards(fitting)
    if len(found) > 1 or len(found[0].models) > 1:
        rows = [f"{row} ({board.title})" for board in found for row in board.models.values()]
        raise UserError(f"leaderboard: a row is of one model evaluated in one way, not {rows}")
    board = found[0]
    (model,) = board.models
    scores = [own_score(board, model, task.name, task.metric) for task in HEAR_TASKS.values()]
    cells = ["" if s is None or s.mean is None else _number(s.mean) for s in scores]
    return ",".join([name, url, date, *cells])


def _number(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")
