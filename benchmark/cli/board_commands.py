"""``mteb`` and ``xares``: a model on the boards of other benchmarks."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.console import DONE, exit_code, say
from benchmark.cli.options import (
    Commands,
    add_command,
    add_out,
    add_tasks_dir,
    module_name,
    names,
)
from benchmark.errors import UserError

if TYPE_CHECKING:
    from benchmark.adapters.adapter import Adapter


def add_commands(commands: Commands) -> None:
    """Declare ``mteb`` and ``xares``."""
    mteb = add_command(commands, "mteb", _mteb, "run MTEB's audio tasks (MAEB) on a model")
    _add_model(mteb)
    add_out(mteb, "results and the files of a pull request")
    mteb.add_argument(
        "--tasks",
        type=names,
        required=True,
        metavar="NAMES",
        help="MTEB's tasks or benchmarks, such as BeijingOpera,GTZANGenre",
    )
    mteb.add_argument(
        "--name", default="", metavar="ORG/MODEL", help="on the board (default: local/<module>)"
    )
    xares = add_command(
        commands, "xares", _xares, "write a model's encoder file for X-ARES, and tars of tasks"
    )
    _add_model(xares)
    add_out(xares, "the encoder file, and env/ with the tars")
    xares.add_argument(
        "--tasks", type=names, default=[], metavar="NAMES", help="folders to write tars of"
    )
    add_tasks_dir(xares, "folder of tasks")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("module", type=module_name, metavar="MODULE")
    parser.add_argument("--model", "-m", default="", metavar="FILE", help="weights file")
    parser.add_argument("--options", default="{}", metavar="JSON", help="for load_model")
    parser.add_argument("--device", "-d", default=None, help="cpu or cuda")


def _adapter(options: argparse.Namespace) -> Adapter:
    from benchmark.adapters.adapter import load_adapter
    from benchmark.models.hear_module import parse_options

    given = parse_options(options.options)
    return load_adapter(options.module, options.model, given, options.device)


def _mteb(options: argparse.Namespace) -> int:
    if find_spec("mteb") is None:
        raise UserError("mteb is not installed: pip install 'hear-plugins[mteb]'")
    from benchmark.adapters.mteb_facts import check_name
    from benchmark.adapters.mteb_run import find_tasks, run

    name = options.name or f"local/{options.module.rpartition('.')[2]}"
    check_name(name)
    tasks = find_tasks(options.tasks)
    failures: list[str] = []
    out = Path(options.out)
    adapter = _adapter(options)
    for task, score in run(adapter, name, tasks, out, failures.append):
        print(f"{task}: {score:.4f}")
    if adapter.model.random_weights:
        say("random weights: no files of a pull request")
    else:
        say(f"results in {out / 'results'}; how to submit: {out / 'SUBMIT.md'}")
    return exit_code(failures)


def _xares(options: argparse.Namespace) -> int:
    from benchmark.adapters.xares_encoder import write_encoder
    from benchmark.adapters.xares_tars import write_tars
    from tasks.folder import read_task, resolve_tasks

    out = Path(options.out)
    tasks = resolve_tasks(options.tasks_dir, options.tasks) if options.tasks else []
    path = write_encoder(_adapter(options), out)
    for task in tasks:
        say(f"tars of {task.name} in {write_tars(read_task(task.path), out / 'env')}")
    print(path)
    say(f"run it there: cd {out} && python -m xares.run --max-jobs 0 {path.name} TASK_FILES")
    return DONE
