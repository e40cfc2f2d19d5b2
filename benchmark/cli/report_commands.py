"""``tables`` and ``leaderboard``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmark.cli.console import DONE, say
from benchmark.cli.options import Commands, add_command, add_out


def add_commands(commands: Commands) -> None:
    """Declare ``tables`` and ``leaderboard``."""
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

    on_failure = None if new is None else lambda line: say(f"left out of tables: {line}")
    found = [record for folder in folders for record in read_records(folder, on_failure)]
    written = make_tables(found, out / "tables")
    groups = comparable_groups(found)
    if new is not None:
        made = [read_record(path) for path in new]
        groups = [group for group in groups if any(record in group for record in made)]
    print(terminal_tables(groups))
    say(f"{len(written)} tables in {out / 'tables'}")


def _tables(options: argparse.Namespace) -> int:
    folders = [Path(folder) for folder in options.records] or [Path(options.out) / "records"]
    print_tables(Path(options.out), folders)
    return DONE


def _leaderboard(options: argparse.Namespace) -> int:
    from datetime import date

    from benchmark.records.record import read_records
    from benchmark.reports.leaderboards.hear import leaderboard_row

    records = [
        record
        for record in read_records(Path(options.out) / "records")
        if record.is_called(options.module)
    ]
    day = options.date or date.today().isoformat()
    print(leaderboard_row(records, options.name, options.url, day))
    return DONE
