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
    leaderboard.add_argument("module", metavar="MODULE", help="module, or <module>-<key>")
    add_out(leaderboard)
    leaderboard.add_argument("--name", required=True, help="the model's name on the board")
    leaderboard.add_argument("--url", required=True, help="its page")
    leaderboard.add_argument("--date", default="", metavar="YYYY-MM-DD", help="default: today")


def print_tables(out: Path, records: Sequence[Path]) -> None:
    """Write the tables of `records` (files or folders) under `out`, and print them."""
    from benchmark.records.record import read_record, read_records
    from benchmark.reports.tables import make_tables, terminal_table

    found = []
    for path in records:
        found += [read_record(path)] if path.is_file() else read_records(path)
    written = make_tables(found, out / "tables")
    print(terminal_table(found))
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
        if options.module in (record.module, record.model)
    ]
    day = options.date or date.today().isoformat()
    print(leaderboard_row(records, options.name, options.url, day))
    return DONE
