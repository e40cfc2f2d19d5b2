"""``tasks`` (list, show, get, verify) and ``prepare``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.cli.console import DONE, FAILED, exit_code, say
from benchmark.cli.options import Commands, add_command, add_tasks_dir, count
from benchmark.errors import UserError

_PREFIX = "prepare_option_"
MIRROR_VARIABLE = "HEAR_TASKS_URL"
SHOW, GET, VERIFY = "show", "get", "verify"

PREPARE_EPILOG = """\
`hear-benchmark tasks` lists the names; custom makes a task of any folder of audio.
`hear-benchmark prepare NAME --help` tells the options of one.
"""
CUSTOM_EXAMPLES = """\
A task of any folder of audio, from a table with one label a row (CSV with a header, TSV, or JSON):
  hear-benchmark prepare custom --from birds --tasks-dir my-tasks --name birds --labels labels.csv
      file,label               one label a file; a.wav,robin
  ... --kind multilabel        several rows a file, or none: b.wav,
  ... --kind event             file,label,start,end in ms; --time-unit s for seconds
  ... --split fold             the column fold says where a file belongs; else folds are drawn:
  ... --nfolds 5               or --splits trainvaltest, by names as HEAR does it
  ... --group speaker          files of one speaker are never in two splits
  ... --stratify --seed 0      every label in proportion in every split
  ... --sample-duration 5      cut or pad to 5 s
or without a table, from the names of folders or files:
  hear-benchmark prepare custom --from birds --tasks-dir my-tasks --name birds --pattern '{label}/*'
"""


def add_commands(commands: Commands) -> None:
    """Declare ``tasks`` and ``prepare``."""
    tasks = commands.add_parser(
        "tasks",
        help="the tasks, and which of them are on this machine; get and verify them",
        description="The tasks: list them, show one, download HEAR's, verify those that are here.",
        allow_abbrev=False,
    )
    nested = tasks.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = add_command(
        nested,
        SHOW,
        _show,
        "list the tasks, or show one in full; the word `show` may be left out",
    )
    show.add_argument("name", nargs="?", default="", metavar="TASK", help="one task in full")
    add_tasks_dir(show, "where to look")

    get = add_command(nested, GET, _get, "download HEAR's published task folders")
    get.add_argument("names", nargs="*", metavar="TASK", help="esc50, speech_commands-v0.0.2-5h")
    get.add_argument("--all", action="store_true", help="all of HEAR's tasks")
    get.add_argument(
        "--rate",
        type=count,
        default=48000,
        metavar="HZ",
        help="of the audio (default: 48000, the only one published at no cost)",
    )
    add_tasks_dir(get, "where they go", "--into")
    get.add_argument(
        "--jobs", type=count, default=4, metavar="N", help="archives at a time (default: 4)"
    )
    get.add_argument(
        "--base-url",
        default=os.environ.get(MIRROR_VARIABLE, ""),
        metavar="URL",
        help=f"a mirror's folder of archives, or file:///... (default: {MIRROR_VARIABLE}, else"
        " Zenodo)",
    )
    get.add_argument("--keep-archives", action="store_true", help="do not delete what is unpacked")

    verify = add_command(nested, VERIFY, _verify, "check every file of the tasks that are here")
    verify.add_argument("names", nargs="*", metavar="TASK", help="only these")
    add_tasks_dir(verify, "where they are")
    verify.add_argument(
        "--jobs", type=count, default=0, metavar="N", help="processes (default: one a core)"
    )

    prepare = add_command(
        commands, "prepare", _prepare, "make a task folder from a corpus on this machine"
    )
    prepare.set_defaults(takes_more=True)
    prepare.epilog, prepare.formatter_class = PREPARE_EPILOG, argparse.RawDescriptionHelpFormatter
    prepare.add_argument("name", metavar="NAME", help="esc50, spoken_digit, custom ...")
    prepare.add_argument("--from", dest="source", required=True, metavar="DIR", help="the corpus")
    prepare.add_argument("--tasks-dir", required=True, metavar="DIR", help="where the task goes")


def with_default_command(words: Sequence[str]) -> list[str]:
    """``tasks [NAME]`` as ``tasks show [NAME]``; other words as they are."""
    first, second = [*words, "", ""][:2]
    if first == "tasks" and second not in (SHOW, GET, VERIFY, "-h", "--help"):
        return ["tasks", SHOW, *words[1:]]
    return list(words)


def _show(options: argparse.Namespace) -> int:
    from benchmark.cli.task_listing import task_details, tasks_table

    tasks_dir = Path(options.tasks_dir)
    print(task_details(options.name, tasks_dir) if options.name else tasks_table(tasks_dir))
    return DONE


def _get(options: argparse.Namespace) -> int:
    from benchmark.progress import counting_bar
    from tasks.get import get_tasks, official_archives

    if bool(options.names) == options.all:
        raise UserError("name the tasks to get, or say --all (and not both)")
    archives = official_archives(options.names, options.rate, options.base_url)
    failures: list[str] = []
    with counting_bar("getting tasks", unit="B") as on_progress:
        folders = get_tasks(
            archives,
            options.tasks_dir,
            jobs=options.jobs,
            keep_archives=options.keep_archives,
            on_progress=on_progress,
            on_failure=failures.append,
            say=say,
        )
    for folder in folders:
        print(folder)
    return exit_code(failures)


def _verify(options: argparse.Namespace) -> int:
    from benchmark.progress import counting_bar
    from tasks.folder import folders_named
    from tasks.verify import verify_task

    tasks_dir = Path(options.tasks_dir)
    wrong = 0
    for path in folders_named(tasks_dir, options.names):
        with counting_bar(f"verifying {path.name}", unit="file") as on_progress:
            found = verify_task(path, options.jobs, on_progress)
        faults = found.faults or _evaluation_faults(path)
        rates = ", ".join(f"{rate} Hz" for rate in found.rates) or "no rate"
        print(
            f"{path.name}: {'WRONG' if faults else 'ok'}: {found.clips} clips,"
            f" {found.hours:.3g} h, whole at {rates}; hash {found.hash or 'none'}"
        )
        for fault in faults:
            print(f"  {fault}")
        for note in found.notes:
            print(f"  note: {note}")
        wrong += bool(faults)
    return FAILED if wrong else DONE


def _evaluation_faults(path: Path) -> list[str]:
    """What `run` would refuse of a task that is whole: metrics, evaluation parameters."""
    from benchmark.protocols.registry import protocol
    from tasks.folder import read_task

    try:
        protocol("hear").require_task(read_task(path).metadata)
    except UserError as error:
        return [str(error)]
    return []


def add_corpus_options(prepare: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """Declare the options of the corpus that `prepare` is asked for, if `words` name one."""
    from tasks.options import option_types, preparable, prepare_options

    named = (
        word
        for before, word in zip(["", *words], words, strict=False)
        if word in preparable() and not before.startswith("--")
    )
    if not (name := next(named, "")):
        return
    prepare.usage = f"%(prog)s {name} --from DIR --tasks-dir DIR [OPTIONS]"
    own = option_types(name).keys()
    ours = prepare.add_argument_group(f"options of {name}")
    others = prepare.add_argument_group("options of every corpus")
    for option in prepare_options(name):
        default = f"; default: {option.default}" if option.default not in (None, "", ()) else ""
        text = f"{option.help} ({option.expects}{default})".replace("%", "%%")
        flag: dict[str, Any] = {"nargs": "?", "const": "true"} if option.is_flag else {}
        (ours if option.name in own else others).add_argument(
            f"--{option.name.replace('_', '-')}",
            dest=_PREFIX + option.name,
            metavar="true|false" if option.is_flag else option.name.rpartition("_")[2].upper(),
            help=text,
            **flag,
        )
    prepare.epilog = CUSTOM_EXAMPLES if name == "custom" else ""


def _prepare(options: argparse.Namespace) -> int:
    from benchmark.metrics.registry import metrics_named
    from benchmark.progress import counting_bar
    from tasks.folder import near_names
    from tasks.options import option_values, prepare_options
    from tasks.prepare import prepare

    known = [f"--{option.name.replace('_', '-')}" for option in prepare_options(options.name)]
    if options.rest:
        word = options.rest[0]
        raise UserError(
            f"{options.name} has no option {word}{near_names(word, known)}; options:"
            f" {' '.join(known)}"
        )
    keywords = {
        key.removeprefix(_PREFIX): value
        for key, value in vars(options).items()
        if key.startswith(_PREFIX) and value is not None
    }
    if "evaluation" in keywords:
        values = option_values(options.name, {"evaluation": keywords["evaluation"]})
        metrics_named(values["evaluation"], "event" if keywords.get("kind") == "event" else "scene")
    with counting_bar(f"preparing {options.name}") as on_progress:
        folder = prepare(
            options.name, options.source, options.tasks_dir, on_progress=on_progress, **keywords
        )
    print(folder)
    return DONE
