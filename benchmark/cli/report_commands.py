"""``tables``, ``report`` and ``leaderboard``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.console import DONE, say
from benchmark.cli.options import Commands, add_command, add_out, add_tasks_dir, count
from benchmark.errors import UserError

if TYPE_CHECKING:
    from benchmark.reports.comparison import KeptPredictions

ALL = "all"


def add_commands(commands: Commands) -> None:
    """Declare ``tables``, ``report`` and ``leaderboard``."""
    tables = add_command(
        commands, "tables", _tables, "write and print the tables of result records"
    )
    add_out(tables, "tables go to DIR/tables")
    tables.add_argument(
        "--records",
        action="append",
        default=[],
        metavar="DIR",
        help="folder of records; may be repeated (default: the records of --out)",
    )
    tables.add_argument(
        "--like",
        action="append",
        default=[],
        metavar="NAME",
        help="a published table with our scores, such as matpac-2; may be repeated; all for all",
    )
    add_tasks_dir(tables, "with --like: folder of tasks, to tell what could be measured")
    report = add_command(
        commands, "report", _report, "one HTML page of a run's records and kept predictions"
    )
    add_out(report)
    report.add_argument(
        "--file", default="", metavar="FILE", help="the page (default: DIR/report.html)"
    )
    report.add_argument(
        "--map",
        action="append",
        choices=("pca", "tsne"),
        default=[],
        help="maps of embeddings; may be repeated (default: pca; tsne needs scikit-learn)",
    )
    report.add_argument(
        "--audio",
        action="store_true",
        help="put players of the clips that most models get wrong into the page",
    )
    report.add_argument(
        "--audio-mb",
        type=count,
        default=20,
        metavar="N",
        help="with --audio: at most so many MB of them (default: 20)",
    )
    add_tasks_dir(report, "with --audio: folder of tasks")
    leaderboard = add_command(
        commands, "leaderboard", _leaderboard, "a model's row for the HEAR leaderboard's CSV file"
    )
    leaderboard.add_argument(
        "module", metavar="MODULE", help="module, <module>-<key>, or display name"
    )
    add_out(leaderboard)
    leaderboard.add_argument("--name", required=True, help="the model's name on the board")
    leaderboard.add_argument("--url", required=True, help="its page")
    leaderboard.add_argument("--date", default="", metavar="YYYY-MM-DD", help="default: today")
    leaderboard.add_argument(
        "--into", default="", metavar="FOLDER", help="add it to a living board and make its page"
    )


def print_tables(out: Path, folders: Sequence[Path], new: Sequence[Path] | None = None) -> None:
    """Write the tables of all records in folders under `out`, and print them.

    Parameters
    ----------
    new
        Files of records: then only tables with one of them are printed, and a record of an earlier
        run that cannot be read is told and left out. By default all tables are printed, and a
        record that cannot be read is an error.
    """
    from benchmark.records.comparability import comparable_groups
    from benchmark.records.record import read_record, read_records
    from benchmark.reports.tables import make_tables, terminal_tables

    kept = _kept_beside(folders)
    on_failure = None if new is None else lambda line: say(f"left out of tables: {line}")
    found = [record for folder in folders for record in read_records(folder, on_failure)]
    written = make_tables(found, out / "tables", kept=kept)
    groups = comparable_groups(found)
    if new is not None:
        made = [read_record(path) for path in new]
        groups = [group for group in groups if any(record in group for record in made)]
    print(terminal_tables(groups, kept=kept))
    say(f"{len(written)} tables in {out / 'tables'}")


def _tables(options: argparse.Namespace) -> int:
    folders = [Path(folder) for folder in options.records] or [Path(options.out) / "records"]
    if options.like:
        _print_published(options, folders)
    else:
        print_tables(Path(options.out), folders)
    return DONE


def _report(options: argparse.Namespace) -> int:
    from benchmark.cli.model_listing import card_facts
    from benchmark.embeddings.sample import sample_embeddings
    from benchmark.embeddings.store import disk_errors
    from benchmark.progress import progress_bar
    from benchmark.records.record import read_records
    from benchmark.reports.html.audio import Players
    from benchmark.reports.html.page import report_page
    from benchmark.reports.html.sources import Sources

    out = Path(options.out)
    unreadable: list[str] = []
    records = read_records(out / "records", unreadable.append)
    for line in unreadable:
        say(f"left out: {line}")
    if not records:
        raise UserError(f"{out / 'records'}: no record to report on; run an evaluation first")
    tasks_dir = Path(options.tasks_dir) if options.audio else None
    players = Players(1_000_000 * options.audio_mb) if options.audio else None
    with progress_bar("report", unit="task") as advance:
        page = report_page(
            records,
            Sources(out, tasks_dir, sample_embeddings, card_facts),
            unreadable=unreadable,
            players=players,
            maps=list(dict.fromkeys(options.map)) or ["pca"],
            on_task=lambda title: advance(),
        )
    path = Path(options.file) if options.file else out / "report.html"
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8", newline="\n")
    say(f"report in {path}, {path.stat().st_size / 1e6:.1f} MB")
    if players and players.left_out:
        say(f"{players.left_out} clips have no player: more than --audio-mb {options.audio_mb}")
    return DONE


def _print_published(options: argparse.Namespace, folders: Sequence[Path]) -> None:
    """Write published tables with our scores in all formats, and print them."""
    from benchmark.cli.model_listing import has_weights
    from benchmark.records.record import read_records
    from benchmark.reports.figures import curves
    from benchmark.reports.formats import html, html_page, latex, markdown, terminal
    from benchmark.reports.paper_layouts import LAYOUTS
    from benchmark.reports.paper_tables import Here, paper_table

    names = list(LAYOUTS) if ALL in options.like else list(dict.fromkeys(options.like))
    for name in names:
        if name not in LAYOUTS:
            raise UserError(f"no published table {name!r}; there are {', '.join(LAYOUTS)}, {ALL}")
    if not options.records and not folders[0].is_dir():
        say(f"no records in {folders[0]}: published values alone")
        folders = []
    records = [record for folder in folders for record in read_records(folder)]
    tasks = Path(options.tasks_dir)
    here = Here(
        lambda same: has_weights(same.module, same.file),
        frozenset(path.name for path in tasks.iterdir()) if tasks.is_dir() else frozenset(),
    )
    kept = _kept_beside(folders)
    folder = Path(options.out) / "tables" / "like"
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        found = paper_table(LAYOUTS[name], records, kept, here)
        table = found.table()
        drawn: dict[str, bytes] = {}
        if LAYOUTS[name].figure:
            try:
                drawn = curves(found)
            except UserError as error:
                say(f"{name}: no figure: {error}")
        picture = drawn.get("svg", b"").decode()
        contents = {
            "md": markdown(table),
            "tex": latex(table),
            "csv": found.csv(),
            "html": html_page(table.title, [html(table), picture[picture.find("<svg") :]]),
        }
        contents_of_files = {ending: text.encode() for ending, text in contents.items()} | drawn
        for ending, data in contents_of_files.items():
            (folder / f"{name}.{ending}").write_bytes(data)
        print(terminal(table))
    say(f"{len(names)} published tables in {folder}")


def _kept_beside(folders: Sequence[Path]) -> KeptPredictions:
    """What evaluations kept, in the folders of the runs that the records are of."""
    from benchmark.reports.comparison import KeptPredictions

    return KeptPredictions(tuple(folder.parent / "evaluations" for folder in folders))


def _leaderboard(options: argparse.Namespace) -> int:
    from datetime import date

    from benchmark.records.record import read_records
    from benchmark.reports.leaderboards.hear import leaderboard_row
    from benchmark.reports.leaderboards.living import add_row, write_page

    records = [
        record
        for record in read_records(Path(options.out) / "records")
        if record.is_called(options.module)
    ]
    day = options.date or date.today().isoformat()
    print(leaderboard_row(records, options.name, options.url, day))
    if options.into:
        board = Path(options.into)
        add_row(records, options.name, options.url, day, board)
        say(f"page: {write_page(board)}")
    return DONE
