"""``hear-benchmark``: what the commands are called, which options they take, what they print.

Exit codes: 0 all done; 1 some of the work failed, what could be finished is kept; 2 the command or
its input is wrong, nothing was started; 130 interrupted, the same line goes on where it was.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

# Only what --help needs is imported here: torch and the models take seconds.
from benchmark.errors import DiskFullError, UserError
from benchmark.protocols.hear.options import ENGINES, GRIDS, PROTOCOLS, HearOptions
from tasks.folder import RESAMPLERS, near_names

if TYPE_CHECKING:
    from benchmark.models.hear_module import ModelSpec
    from tasks.folder import TaskFolder

DONE, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130
DEMO = "demo"
TASKS_DIR = "hear-tasks"
MIRROR_VARIABLE = "HEAR_TASKS_URL"
TWO_WORDS = ("tasks get", "tasks verify")

DESCRIPTION = """\
Measure audio-embedding models on HEAR tasks: models -> embeddings -> scores -> tables.

Any module on the import path (the current folder is on it) that has load_model,
get_scene_embeddings and get_timestamp_embeddings is a model. A run that was interrupted goes on
where it was when the same line is typed again.
"""

EXAMPLES = """\
examples:
  hear-benchmark run hear_plugins.logmel hear_plugins.crepe --tasks demo --out runs/first
  hear-benchmark tasks get esc50 dcase2016_task2 --into my-tasks
  hear-benchmark prepare esc10 --from ESC-10-master --tasks-dir my-tasks
  hear-benchmark run hear_plugins.byol_a --model hear_plugins.byol_a=weights.pth \\
      --tasks-dir my-tasks --tasks esc10 --out runs/byol_a
  hear-benchmark tables --out runs/byol_a
  hear-benchmark validate hear_plugins.crepe

exit codes: 0 all done; 1 some of the work failed, the rest is kept; 2 wrong command or input;
130 interrupted.
"""


PREPARE_EXAMPLES = """\
Other options are those of the corpus, of which `hear-benchmark tasks NAME` tells, and of all:
--rates 16000,48000  --mode MODE  --workers N

custom makes a task of any folder of audio, from a table with one label a row (CSV with a header,
TSV, or JSON):
  hear-benchmark prepare custom --from birds --tasks-dir my-tasks --name birds --labels labels.csv
      file,label               one label a file; a.wav,robin
  ... --kind multilabel        several rows a file, or none: b.wav,
  ... --kind event             file,label,start,end in ms; --time-unit s for seconds
  ... --split fold             the column fold says where a file belongs; else folds are drawn:
  ... --nfolds 5               or --splits trainvaltest, by names as HEAR does it
  ... --group speaker          files of one speaker are never in two splits
  ... --stratify true --seed 0 every label in proportion in every split
  ... --sample-duration 5      cut or pad to 5 s
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    Parameters
    ----------
    arguments
        Words after the command's name; those of the process if None.
    """
    parser = _parser()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if " ".join(words[:2]) in TWO_WORDS:
        words[:2] = [" ".join(words[:2])]
    options, rest = parser.parse_known_args(words)
    if rest and options.command is not _prepare:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    # Before torch is loaded: threads that spin while they wait cost twice the CPU time beside other
    # work, and gain nothing.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # What libraries say to their developers is not for the user's screen.
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    # As with `python -m`: a module in the current folder is a model like any other.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code: int = options.command(options)
        return code
    except DiskFullError as error:
        sys.stderr.write(f"hear-benchmark: {error}\n")
        return FAILED
    except _input_errors() as error:
        sys.stderr.write(f"hear-benchmark: {error}\n")
        return WRONG
    except KeyboardInterrupt:
        sys.stderr.write("\nhear-benchmark: interrupted; type the same line again to go on\n")
        return INTERRUPTED
    except BrokenPipeError:  # `| head`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - lives as long as the process
        return DONE


def _interrupt(_signal: int, _frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def _input_errors() -> tuple[type[Exception], ...]:
    from benchmark.records.record import RecordError
    from tasks.folder import TaskError

    return (UserError, RecordError, TaskError)


# --- the commands ---------------------------------------------------------------------------------


def _run(options: argparse.Namespace) -> int:
    from benchmark.execution.run import run

    outcome = run(
        _model_specs(options),
        _tasks(options),
        Path(options.out),
        device=_device(options),
        engine=options.engine,
        hear=_hear_options(options),
        jobs=options.jobs,
        say=_say,
        resampler=options.resampler,
    )
    if outcome.records:
        _print_tables(Path(options.out), outcome.records)
    return _exit_code(outcome.failures)


def _embed(options: argparse.Namespace) -> int:
    from benchmark.execution.run import embed_all

    outcome = embed_all(
        _model_specs(options),
        _tasks(options),
        Path(options.out),
        device=_device(options),
        say=_say,
        resampler=options.resampler,
    )
    return _exit_code(outcome.failures)


def _evaluate(options: argparse.Namespace) -> int:
    from benchmark.execution.run import evaluate_all

    outcome = evaluate_all(
        Path(options.out),
        modules=options.modules,
        tasks=_names(options.tasks),
        engine=options.engine,
        hear=_hear_options(options),
        jobs=options.jobs,
        say=_say,
    )
    if outcome.records:
        _print_tables(Path(options.out), outcome.records)
    return _exit_code(outcome.failures)


def _tables(options: argparse.Namespace) -> int:
    folders = [Path(folder) for folder in options.records] or [Path(options.out) / "records"]
    _print_tables(Path(options.out), folders)
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


def _models(options: argparse.Namespace) -> int:
    from benchmark.cli.model_listing import (
        model_details,
        models_markdown,
        models_table,
        ready_modules,
    )

    if options.name:
        print(model_details(options.name))
    elif options.ready:
        print("\n".join(ready_modules()))
    else:
        print(models_markdown() if options.markdown else models_table())
    return DONE


def _tasks_command(options: argparse.Namespace) -> int:
    from benchmark.cli.task_listing import task_details, tasks_table

    tasks_dir = Path(options.tasks_dir)
    print(task_details(options.name, tasks_dir) if options.name else tasks_table(tasks_dir))
    return DONE


def _tasks_get(options: argparse.Namespace) -> int:
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
            say=_say,
        )
    for folder in folders:
        print(folder)
    return _exit_code(failures)


def _tasks_verify(options: argparse.Namespace) -> int:
    from benchmark.progress import counting_bar
    from tasks.folder import folders_named
    from tasks.verify import verify_task

    tasks_dir = Path(options.tasks_dir)
    wrong = 0
    for path in folders_named(tasks_dir, options.names):
        with counting_bar(f"verifying {path.name}", unit="file") as on_progress:
            found = verify_task(path, options.jobs, on_progress)
        rates = ", ".join(f"{rate} Hz" for rate in found.rates) or "no rate"
        print(
            f"{path.name}: {'WRONG' if found.faults else 'ok'}: {found.clips} clips,"
            f" {found.hours:.3g} h, whole at {rates}; hash {found.hash or 'none'}"
        )
        for fault in found.faults:
            print(f"  {fault}")
        for note in found.notes:
            print(f"  note: {note}")
        wrong += bool(found.faults)
    return FAILED if wrong else DONE


def _prepare(options: argparse.Namespace) -> int:
    from benchmark.progress import counting_bar
    from tasks.prepare import option_types, prepare

    keywords = _keywords(options.rest, [*option_types(options.name), "rates", "mode", "workers"])
    with counting_bar(f"preparing {options.name}") as on_progress:
        folder = prepare(
            options.name, options.source, options.tasks_dir, on_progress=on_progress, **keywords
        )
    print(folder)
    return DONE


def _validate(options: argparse.Namespace) -> int:
    from benchmark.models.conformance import validate
    from benchmark.models.hear_module import parse_options

    results = validate(
        options.module, options.model, device=options.device, options=parse_options(options.options)
    )
    for result in results:
        verdict = "FAIL" if not result.ok else "note" if result.advice else "ok"
        print(f"{verdict:4}  {result.name}: {result.detail}")
    failed = sum(not result.ok for result in results)
    print(f"{options.module}: {failed} of {len(results)} checks fail" if failed else "Looks good!")
    return FAILED if failed else DONE


# --- what several commands share ----------------------------------------------------------------


def _model_specs(options: argparse.Namespace) -> list[ModelSpec]:
    """The models asked for; weights and options are given by module, or for the only one."""
    from benchmark.models.hear_module import ModelSpec, parse_options

    weights = _by_module(options.modules, options.model, "--model", "FILE")
    settings = {
        module: parse_options(text)
        for module, text in _by_module(
            options.modules, options.model_options, "--model-options", "JSON"
        ).items()
    }
    return [
        ModelSpec(
            module,
            weights.get(module, ""),
            settings.get(module, {}),
            options.dtype,
            options.compile,
        )
        for module in options.modules
    ]


def _by_module(
    modules: Sequence[str], values: Sequence[str], option: str, what: str
) -> dict[str, str]:
    chosen = {}
    for value in values:
        module, equals, rest = value.partition("=")
        if equals and module in modules:
            chosen[module] = rest
        elif len(modules) == 1:
            chosen[modules[0]] = value  # as hear-eval-kit has it
        else:
            raise UserError(
                f"{option} {value}: expected MODULE={what} with one of {', '.join(modules)}"
            )
    return chosen


def _tasks(options: argparse.Namespace) -> list[TaskFolder]:
    from benchmark.progress import progress_bar
    from tasks.demo import make_demo_tasks
    from tasks.folder import read_task, resolve_tasks

    names = _names(options.tasks)
    tasks = []
    if DEMO in names:
        names.remove(DEMO)
        with progress_bar("synthesising the demo tasks"):
            tasks += [read_task(path) for path in make_demo_tasks(Path(options.out) / "tasks")]
        if not names:
            return tasks
    if not options.tasks_dir:
        raise UserError("--tasks-dir is missing: name the folder that holds the task folders")
    return tasks + resolve_tasks(Path(options.tasks_dir), [name for name in names if name != "all"])


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _device(options: argparse.Namespace) -> str:
    import torch

    if options.device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    return _available(options.device, "--device")


def _available(device: str, option: str) -> str:
    import torch

    kind = device.partition(":")[0]
    if kind != "cpu" and not (kind == "cuda" and torch.cuda.is_available()):
        raise UserError(f"{option} {device}: not available here; expected cpu or cuda[:N]")
    return device


def _hear_options(options: argparse.Namespace) -> HearOptions:
    try:
        return HearOptions(
            protocol=options.protocol,
            grid=options.grid,
            grid_points=options.grid_points,
            threads=options.threads,
            seeds=options.seeds,
            parallel_grid=options.parallel_grid,
            device=_available(options.train_device, "--train-device"),
        )
    except ValueError as error:
        raise UserError(str(error)) from None


def _keywords(words: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """``--key value`` words as keyword arguments; `prepare` reads the values."""
    keywords = {}
    for option, value in zip(words[::2], [*words[1::2], ""], strict=False):
        key = option.removeprefix("--").replace("-", "_")
        if not option.startswith("--") or key not in known or len(words) % 2:
            options = [f"--{name.replace('_', '-')}" for name in known]
            near = near_names(option, options) if option not in options else ""
            there = " ".join(options)
            raise UserError(f"{option} {value}: expected --OPTION VALUE{near}, options: {there}")
        keywords[key] = value
    return keywords


def _print_tables(out: Path, records: Sequence[Path]) -> None:
    from benchmark.records.record import read_record, read_records
    from benchmark.reports.tables import make_tables, terminal_table

    found = []
    for path in records:
        found += [read_record(path)] if path.is_file() else read_records(path)
    written = make_tables(found, out / "tables")
    print(terminal_table(found))
    _say(f"{len(written)} tables in {out / 'tables'}")


def _exit_code(failures: Sequence[str]) -> int:
    if failures:
        _say(f"{len(failures)} failed; everything else is kept, type the same line to try again:")
        for failure in failures:
            _say(f"  {failure}")
    return FAILED if failures else DONE


def _say(line: str) -> None:
    """A line of progress: on stderr, so that stdout holds the tables alone."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


# --- the parser -----------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hear-benchmark",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(
        name: str, function: Callable[[argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False
        )
        made.set_defaults(command=function)
        return made

    run = command("run", _run, "the whole job: embed, evaluate, and print the tables")
    _add_models(run)
    _add_tasks(run)
    _add_evaluation(run)
    embed = command("embed", _embed, "only compute the embeddings")
    _add_models(embed)
    _add_tasks(embed)
    evaluate = command("evaluate", _evaluate, "evaluate the embeddings that are under --out")
    evaluate.add_argument("modules", nargs="*", metavar="MODULE", help="only these models")
    evaluate.add_argument("--tasks", default="", metavar="A,B", help="only these tasks")
    evaluate.add_argument("--out", required=True, metavar="DIR", help="folder of the run")
    _add_evaluation(evaluate)
    tables = command("tables", _tables, "write and print the tables of result records")
    tables.add_argument("--out", required=True, metavar="DIR", help="tables go to DIR/tables")
    tables.add_argument(
        "--records",
        action="append",
        default=[],
        metavar="DIR",
        help="folder of records; may be repeated (default: the records of --out)",
    )
    leaderboard = command(
        "leaderboard", _leaderboard, "a model's row for the HEAR leaderboard's CSV file"
    )
    leaderboard.add_argument("module", metavar="MODULE", help="module, or <module>-<key>")
    leaderboard.add_argument("--out", required=True, metavar="DIR", help="folder of the run")
    leaderboard.add_argument("--name", required=True, help="the model's name on the board")
    leaderboard.add_argument("--url", required=True, help="its page")
    leaderboard.add_argument("--date", default="", metavar="YYYY-MM-DD", help="default: today")
    models = command("models", _models, "the models of this package, and their weights")
    models.add_argument("name", nargs="?", default="", metavar="MODULE", help="one in full")
    models.add_argument(
        "--ready", action="store_true", help="only the names of those whose weights are here"
    )
    models.add_argument("--markdown", action="store_true", help="as the README has them")
    tasks = command("tasks", _tasks_command, "the tasks, and which of them are on this machine")
    tasks.add_argument(
        "name",
        nargs="?",
        default="",
        metavar="TASK",
        help="one task in full; `tasks get` and `tasks verify` are commands of their own",
    )
    _add_tasks_dir(tasks, "where to look")
    get = command("tasks get", _tasks_get, "download HEAR's published task folders")
    get.add_argument("names", nargs="*", metavar="TASK", help="esc50, speech_commands-v0.0.2-5h")
    get.add_argument("--all", action="store_true", help="all of HEAR's tasks")
    get.add_argument(
        "--rate",
        type=_count,
        default=48000,
        metavar="HZ",
        help="of the audio (default: 48000, the only one published at no cost)",
    )
    _add_tasks_dir(get, "where they go", "--into")
    get.add_argument(
        "--jobs", type=_count, default=4, metavar="N", help="archives at a time (default: 4)"
    )
    get.add_argument(
        "--base-url",
        default=os.environ.get(MIRROR_VARIABLE, ""),
        metavar="URL",
        help=f"a mirror's folder of archives, or file:///... (default: {MIRROR_VARIABLE}, else"
        " Zenodo)",
    )
    get.add_argument("--keep-archives", action="store_true", help="do not delete what is unpacked")
    verify = command("tasks verify", _tasks_verify, "check every file of the tasks that are here")
    verify.add_argument("names", nargs="*", metavar="TASK", help="only these")
    _add_tasks_dir(verify, "where they are")
    verify.add_argument(
        "--jobs", type=_count, default=0, metavar="N", help="processes (default: one a core)"
    )
    prepare = command("prepare", _prepare, "make a task folder from a corpus on this machine")
    prepare.epilog, prepare.formatter_class = PREPARE_EXAMPLES, argparse.RawDescriptionHelpFormatter
    prepare.add_argument("name", metavar="NAME", help="spoken_digit, esc10, custom, ...")
    prepare.add_argument("--from", dest="source", required=True, metavar="DIR", help="the corpus")
    prepare.add_argument("--tasks-dir", required=True, metavar="DIR", help="where the task goes")
    validate = command("validate", _validate, "check a module against the HEAR API, strictly")
    validate.add_argument("module", metavar="MODULE")
    validate.add_argument("--model", "-m", default="", metavar="FILE", help="weights file")
    validate.add_argument("--device", "-d", default=None, help="cpu or cuda")
    validate.add_argument("--options", default="{}", metavar="JSON", help="for load_model")
    return parser


def _add_tasks_dir(parser: argparse.ArgumentParser, what: str, *names: str) -> None:
    parser.add_argument(
        *names,
        "--tasks-dir",
        dest="tasks_dir",
        default=TASKS_DIR,
        metavar="DIR",
        help=f"{what} (default: {TASKS_DIR})",
    )


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number of at least 1")
    return int(text)


def _seeds(text: str) -> tuple[int, ...]:
    words = _names(text)
    if not words or not all(word.isascii() and word.isdigit() for word in words):
        raise argparse.ArgumentTypeError(f"{text!r}; expected whole numbers such as 0,1,2")
    return tuple(map(int, words))


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("modules", nargs="+", metavar="MODULE", help="modules with the HEAR API")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="MODULE=FILE",
        help="weights file of a module; may be repeated",
    )
    parser.add_argument(
        "--model-options",
        action="append",
        default=[],
        metavar="MODULE=JSON",
        help="options of a module's load_model; may be repeated",
    )
    parser.add_argument("--device", default=None, help="cpu or cuda (default: cuda if there)")
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16", "float16"),
        default="float32",
        help="precision of the networks; a lower one changes embeddings, and is recorded"
        " (default: float32)",
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        help="compile the networks by torch.compile: faster after a minute, other last digits",
    )


def _add_tasks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tasks",
        default="all",
        metavar="A,B",
        help=f"names of tasks, or all; {DEMO} stands for the built-in demo tasks (default: all)",
    )
    parser.add_argument("--tasks-dir", default="", metavar="DIR", help="folder of task folders")
    parser.add_argument(
        "--resampler",
        choices=RESAMPLERS,
        default=RESAMPLERS[0],
        help="of audio at rates that a task lacks; torchaudio's as in the BYOL-S paper (default:"
        f" {RESAMPLERS[0]})",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="everything is written here")


def _add_evaluation(parser: argparse.ArgumentParser) -> None:
    defaults = HearOptions()
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default=ENGINES[0],
        help="what trains and scores: native, or kit, hear-eval-kit itself, for the same numbers"
        f" more slowly (default: {ENGINES[0]})",
    )
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default=defaults.protocol,
        help="hear-standardized: HEAR's on embeddings standardised split by split; hear-shuffled:"
        f" with shuffled training data, over --seeds (default: {defaults.protocol})",
    )
    parser.add_argument(
        "--seeds",
        type=_seeds,
        default=defaults.seeds,
        metavar="A,B",
        help=f"of hear-shuffled (default: {','.join(map(str, defaults.seeds))})",
    )
    parser.add_argument(
        "--grid",
        choices=GRIDS,
        default=defaults.grid,
        help=f"hear-eval-kit's grids; published scores use {defaults.grid}",
    )
    parser.add_argument(
        "--grid-points",
        type=int,
        default=defaults.grid_points,
        metavar="N",
        help=f"points of the grid to try (default: {defaults.grid_points})",
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=defaults.threads,
        metavar="N",
        help="CPU threads of an evaluation; part of the recipe, since it changes the last digits"
        f" (default: {defaults.threads})",
    )
    parser.add_argument(
        "--parallel-grid",
        action="store_true",
        help="train the whole grid at once, for GPUs; other numbers, as another seed gives",
    )
    parser.add_argument(
        "--train-device",
        default=defaults.device,
        metavar="DEVICE",
        help=f"where heads are trained (default: {defaults.device}, the only one that gives"
        " hear-eval-kit's numbers to the last digit)",
    )
    parser.add_argument(
        "--jobs",
        type=_count,
        default=1,
        metavar="N",
        help="evaluations at a time, each with --threads threads; changes no number (default: 1)",
    )
