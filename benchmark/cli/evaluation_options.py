"""The options of an evaluation: the protocol with its own options, and how many run at a time."""

from __future__ import annotations

import argparse

from benchmark.cli.options import add_layers, count
from benchmark.execution.isolation import EVALUATION_TIME_LIMIT
from benchmark.protocols.arguments import add_protocol_options


def add_evaluation(parser: argparse.ArgumentParser) -> None:
    """Declare them; `benchmark.protocols.arguments.protocol_from` reads those of the protocol."""
    add_protocol_options(parser)
    add_layers(
        parser,
        "evaluate layers of the models in place of their scene embeddings: 5, two side by side"
        " 5+12, all one by one, or weighted by weights that the probe learns",
    )
    parser.add_argument(
        "--jobs",
        type=count,
        default=1,
        metavar="N",
        help="evaluations at a time, each with --threads threads; changes no number (default: 1)",
    )
    parser.add_argument(
        "--evaluation-time-limit",
        type=count,
        default=EVALUATION_TIME_LIMIT,
        metavar="SECONDS",
        help="give an evaluation up that shows no sign of life for so long, in an epoch or a fit"
        f" (default: {EVALUATION_TIME_LIMIT})",
    )
