"""The command line as a whole: its description, its commands, and how words become options."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmark.cli import (
    board_commands,
    compare_commands,
    kit_commands,
    layer_commands,
    model_commands,
    report_commands,
    run_commands,
    task_commands,
)
from benchmark.cli.options import Commands

GROUPS = (
    run_commands,
    report_commands,
    compare_commands,
    layer_commands,
    board_commands,
    model_commands,
    task_commands,
    kit_commands,
)

DESCRIPTION = """\
Measure audio-embedding models on HEAR tasks: models -> embeddings -> scores -> tables.

Any module on the import path (the current folder is on it) that has load_model,
get_scene_embeddings and get_timestamp_embeddings is a model. A run that was interrupted
continues when the same line is typed again.
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


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Options of a command line; ``command`` is the function that does the work.

    Exits with 2 where the words are wrong, with 0 after ``--help``, as argparse does.
    """
    parser, commands = _parser()
    if words[:1] == ["prepare"]:
        task_commands.add_corpus_options(commands.choices["prepare"], words[1:])
    options, rest = parser.parse_known_args(task_commands.with_default_command(words))
    if rest and not options.takes_more:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    return options


def command_names() -> tuple[str, ...]:
    """Names of all commands."""
    return tuple(_parser()[1].choices)


def _parser() -> tuple[argparse.ArgumentParser, Commands]:
    parser = argparse.ArgumentParser(
        prog="hear-benchmark",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # `takes_more`: the command reads words that the parser does not know by itself.
    parser.set_defaults(takes_more=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for group in GROUPS:
        group.add_commands(commands)
    return parser, commands
