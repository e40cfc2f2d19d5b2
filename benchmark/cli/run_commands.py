"""``run``, ``embed`` and ``evaluate``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.console import exit_code, say
from benchmark.cli.evaluation_options import add_evaluation
from benchmark.cli.options import (
    Commands,
    add_command,
    add_out,
    add_verbose,
    count,
    module_name,
    names,
)
from benchmark.cli.report_commands import print_tables
from benchmark.embeddings.representation import TASK, parse_representation
from benchmark.errors import UserError
from benchmark.execution.isolation import TIME_LIMIT
from benchmark.models.devices import chosen
from benchmark.protocols.arguments import protocol_from
from tasks.folder import RESAMPLERS

if TYPE_CHECKING:
    from benchmark.models.hear_module import ModelSpec
    from tasks.folder import TaskFolder


def add_commands(commands: Commands) -> None:
    """Declare ``run``, ``embed`` and ``evaluate``."""
    run = add_command(commands, "run", _run, "the whole job: embed, evaluate, and print the tables")
    _add_models(run)
    _add_tasks(run)
    add_evaluation(run)
    embed = add_command(commands, "embed", _embed, "only compute the embeddings")
    _add_models(embed)
    _add_tasks(embed)
    embed.add_argument(
        "--representation",
        type=_representation,
        default=TASK,
        metavar="NAME",
        help="what clips are embedded as: task, as its kind asks for; for protocols that need them,"
        " timestamps, layers, or windows:N of N seconds (default: task)",
    )
    evaluate = add_command(
        commands, "evaluate", _evaluate, "evaluate the embeddings that are under --out"
    )
    evaluate.add_argument("modules", nargs="*", metavar="MODULE", help="only these models")
    evaluate.add_argument("--tasks", default="", metavar="A,B", help="only these tasks")
    add_out(evaluate)
    add_evaluation(evaluate)
    for command in (run, embed, evaluate):
        add_verbose(command)


def _representation(text: str) -> str:
    try:
        return parse_representation(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "modules", nargs="+", type=module_name, metavar="MODULE", help="modules with the HEAR API"
    )
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
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="MODULE=NAME",
        help="what tables call a model; may be repeated",
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
    parser.add_argument(
        "--tf32",
        action="store_true",
        help="let CUDA round float32 to TF32 in products and convolutions; changes embeddings",
    )
    parser.add_argument(
        "--limit",
        type=count,
        metavar="N",
        help="take N clips of every split, for smoke runs; tables say so",
    )
    parser.add_argument(
        "--time-limit",
        type=count,
        default=TIME_LIMIT,
        metavar="SECONDS",
        help="give a model up that shows no sign of life for so long, in a call or in loading"
        f" (default: {TIME_LIMIT})",
    )


def _add_tasks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tasks",
        default="all",
        metavar="A,B",
        help="names of tasks, or all; demo stands for the built-in demo tasks (default: all)",
    )
    parser.add_argument("--tasks-dir", default="", metavar="DIR", help="folder of task folders")
    parser.add_argument(
        "--resampler",
        choices=RESAMPLERS,
        default=RESAMPLERS[0],
        help="of audio at rates that a task lacks; torchaudio's as in the BYOL-S paper (default:"
        f" {RESAMPLERS[0]})",
    )
    add_out(parser, "everything is written here")


def _run(options: argparse.Namespace) -> int:
    from benchmark.execution.run import run

    protocol, settings = protocol_from(options, say)

    outcome = run(
        _model_specs(options),
        _tasks(options),
        Path(options.out),
        device=chosen(options.device),
        protocol=protocol,
        options=settings,
        jobs=options.jobs,
        say=say,
        resampler=options.resampler,
        limit=options.limit,
        time_limit=options.time_limit,
        evaluation_time_limit=options.evaluation_time_limit,
        layers=options.layers,
        verbose=options.verbose,
    )
    if outcome.records:
        print_tables(Path(options.out), [Path(options.out) / "records"], outcome.records)
    return exit_code(outcome.failures)


def _embed(options: argparse.Namespace) -> int:
    from benchmark.execution.run import embed_all

    outcome = embed_all(
        _model_specs(options),
        _tasks(options),
        Path(options.out),
        device=chosen(options.device),
        say=say,
        resampler=options.resampler,
        representation=options.representation,
        limit=options.limit,
        time_limit=options.time_limit,
        verbose=options.verbose,
    )
    return exit_code(outcome.failures)


def _evaluate(options: argparse.Namespace) -> int:
    from benchmark.execution.run import evaluate_all

    protocol, settings = protocol_from(options, say)

    outcome = evaluate_all(
        Path(options.out),
        modules=options.modules,
        tasks=names(options.tasks),
        protocol=protocol,
        options=settings,
        jobs=options.jobs,
        say=say,
        time_limit=options.evaluation_time_limit,
        layers=options.layers,
        verbose=options.verbose,
    )
    if outcome.records:
        print_tables(Path(options.out), [Path(options.out) / "records"], outcome.records)
    return exit_code(outcome.failures)


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
    display_names = _by_module(options.modules, options.name, "--name", "NAME")
    return [
        ModelSpec(
            module,
            weights.get(module, ""),
            settings.get(module, {}),
            options.dtype,
            options.compile,
            options.tf32,
            display_names.get(module, ""),
        )
        for module in options.modules
    ]


def _by_module(
    modules: Sequence[str], values: Sequence[str], option: str, what: str
) -> dict[str, str]:
    given = {}
    for value in values:
        module, equals, rest = value.partition("=")
        if equals and module in modules:
            given[module] = rest
        elif len(modules) == 1:
            given[modules[0]] = value  # as hear-eval-kit has it
        else:
            raise UserError(
                f"{option} {value}: expected MODULE={what} with one of {', '.join(modules)}"
            )
    return given


def _tasks(options: argparse.Namespace) -> list[TaskFolder]:
    from benchmark.execution.chosen_tasks import chosen_tasks

    tasks_dir = Path(options.tasks_dir) if options.tasks_dir else None
    return chosen_tasks(names(options.tasks), tasks_dir, Path(options.out), say)
