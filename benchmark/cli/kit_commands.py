"""``kit``: hear-eval-kit's own prediction runner on a folder of embeddings."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from benchmark.cli.console import DONE, FAILED
from benchmark.cli.options import Commands, add_command
from benchmark.errors import UserError

EXAMPLE = """\
Other options are those of `heareval.predictions.runner`, such as --grid and --grid-points:
  hear-benchmark kit runs/first/embeddings/MODEL/TASK --out runs/kit --grid-points 8
"""


def add_commands(commands: Commands) -> None:
    """Declare ``kit``."""
    kit = add_command(
        commands, "kit", _kit, "run hear-eval-kit's own prediction step on embeddings"
    )
    kit.set_defaults(takes_more=True)
    kit.epilog, kit.formatter_class = EXAMPLE, argparse.RawDescriptionHelpFormatter
    kit.add_argument("folder", metavar="FOLDER", help="of complete embeddings; it stays as it is")
    kit.add_argument(
        "--out", required=True, metavar="DIR", help="new folder for what the kit writes"
    )


def _kit(options: argparse.Namespace) -> int:
    from benchmark.protocols.hear.kit import kit_environment, link_embeddings, require_kit

    require_kit()
    embeddings, out = Path(options.folder), Path(options.out)
    if not embeddings.is_dir():
        raise UserError(f"{embeddings}: no such folder; expected one of <out>/embeddings/<model>/")
    links = out / embeddings.name
    if links.exists():
        raise UserError(f"{links} is there already; choose another --out or delete it")
    link_embeddings(embeddings, links)
    command = [sys.executable, "-m", "benchmark.protocols.hear.kit_process", links.name]
    done = subprocess.run([*command, *options.rest], cwd=out, env=kit_environment())
    return DONE if done.returncode == 0 else FAILED
