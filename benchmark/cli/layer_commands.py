"""``layer-curves``: which layer of a model is good for what."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark.cli.console import DONE, say
from benchmark.cli.options import Commands, add_command, add_out
from benchmark.errors import UserError


def add_commands(commands: Commands) -> None:
    """Declare ``layer-curves``."""
    curves = add_command(
        commands, "layer-curves", _layer_curves, "scores against the layer of a model, drawn"
    )
    curves.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="module, <module>-<key>, or display name (default: all)",
    )
    add_out(curves, "folder of the run; drawings and tables go to DIR/tables/layer-curves")


def _layer_curves(options: argparse.Namespace) -> int:
    from benchmark.records.record import read_records
    from benchmark.reports.comparison import KeptPredictions
    from benchmark.reports.formats import markdown, terminal
    from benchmark.reports.layer_curves import curves_csv, draw_curves, layer_curves

    out = Path(options.out)
    found = [
        record
        for record in read_records(out / "records")
        if not options.models or any(map(record.is_called, options.models))
    ]
    curves = layer_curves(found)
    if not curves:
        raise UserError(
            f"{out}: no records of layers of {', '.join(options.models) or 'any model'}; `run` or"
            " `evaluate` with --layers all makes them"
        )
    kept = KeptPredictions((out / "evaluations",))
    folder = out / "tables" / "layer-curves"
    for slug in dict.fromkeys(each.group.slug for each in curves):
        of_group = [each for each in curves if each.group.slug == slug]
        tables = [each.table(kept) for each in of_group]
        for table in tables:
            print(terminal(table))
        contents = {
            "md": "\n".join(map(markdown, tables)).encode(),
            "csv": curves_csv(of_group).encode(),
            **draw_curves(of_group),
        }
        (folder / slug).mkdir(parents=True, exist_ok=True)
        for ending, content in contents.items():
            (folder / slug / f"layers.{ending}").write_bytes(content)
    say(f"drawings and tables in {folder}")
    return DONE
