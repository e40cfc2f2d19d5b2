"""Our own living board: a folder with one JSON file a model, and a static page made of them.

The scores are those of a row of the HEAR leaderboard, refused for the same reasons (`hear.py`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

from benchmark.errors import UserError
from benchmark.records.json_form import RecordError, from_json
from benchmark.records.published_sources import HEAR_TASKS
from benchmark.records.record import Record
from benchmark.reports.formats import html_page
from benchmark.reports.leaderboards.hear import check_fields, leaderboard_scores

PAGE = "index.html"


@dataclass(frozen=True)
class Row:
    """One model; `scores` by task of the HEAR leaderboard, as fractions."""

    name: str
    url: str
    date: str
    scores: dict[str, float]


def add_row(records: Sequence[Record], name: str, url: str, date: str, folder: Path) -> Path:
    """Write the JSON file of a model; one of the same name is replaced.

    Raises
    ------
    UserError
        As `hear.leaderboard_row`; another model has the file's name.
    """
    check_fields(name, url, date)
    row = Row(name, url, date, leaderboard_scores(records))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-') or 'model'}.json"
    if path.exists() and (there := read_row(path).name) != name:
        raise UserError(f"{path} is of {there!r}; choose another --name than {name!r}")
    path.write_text(json.dumps(asdict(row), indent=1) + "\n", encoding="utf-8")
    return path


def read_row(path: Path) -> Row:
    """Read a file of the board.

    Raises
    ------
    UserError
        It is not a row: JSON, keys, tasks, scores from 0 to 1.
    """
    try:
        row = from_json(Row, json.loads(path.read_text(encoding="utf-8")), str(path))
        check_fields(row.name, row.url, row.date)
    except (OSError, ValueError, RecordError, UserError) as error:
        raise UserError(f"{path}: no row of the board: {error}") from None
    for task, score in row.scores.items():
        if task not in HEAR_TASKS:
            raise UserError(f"{path}: no task {task!r}; there are {', '.join(HEAR_TASKS)}")
        if not math.isfinite(score) or not 0 <= score <= 1:
            raise UserError(f"{path}: {task} is {score}, expected a fraction from 0 to 1")
    return row


def write_page(folder: Path) -> Path:
    """Write ``index.html`` of all rows of a folder: most tasks first, then by name.

    Raises
    ------
    UserError
        No row, or one that cannot be read; the page that is there stays.
    """
    rows = [read_row(path) for path in sorted(folder.glob("*.json"))]
    if not rows:
        raise UserError(f"{folder}: no rows; add one by hear-benchmark leaderboard ... --into")
    rows.sort(key=lambda row: (-len(row.scores), row.name.lower()))
    best = {
        task: max((row.scores[task] for row in rows if task in row.scores), default=None)
        for task in HEAR_TASKS
    }
    head = "".join(f"<th scope=col>{escape(t)}</th>" for t in ("model", "date", *HEAR_TASKS))
    lines = ["<table><thead><tr>", head, "</tr></thead><tbody>"]
    for row in rows:
        # Other addresses than web pages, such as scripts, are shown and not linked.
        name = escape(row.name)
        if re.match("https?://", row.url):
            name = f'<a href="{escape(row.url)}">{name}</a>'
        cells = "".join(_cell(row.scores.get(task), best[task]) for task in HEAR_TASKS)
        lines.append(f"<tr><th scope=row>{name}</th><td>{row.date}</td>{cells}</tr>")
    lines.append("</tbody></table>")
    note = "<p>Protocol hear, published grid, one model a row; bold: the highest of a task.</p>"
    path = folder / PAGE
    path.write_text(html_page("HEAR, a living board", [note, "".join(lines)]), encoding="utf-8")
    return path


def _cell(score: float | None, best: float | None) -> str:
    if score is None:
        return "<td></td>"
    text = f"{score:.3f}"
    return f"<td><b>{text}</b></td>" if score == best else f"<td>{text}</td>"
