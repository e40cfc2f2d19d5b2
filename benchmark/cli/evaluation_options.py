"""The options of an evaluation: what trains and scores, and by which protocol."""

from __future__ import annotations

import argparse

from benchmark.cli.devices import available
from benchmark.cli.options import count, names
from benchmark.errors import UserError
from benchmark.protocols.hear.options import ENGINES, GRIDS, PROTOCOLS, HearOptions


def add_evaluation(parser: argparse.ArgumentParser) -> None:
    """Declare them; `hear_options` reads them."""
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
        type=count,
        default=1,
        metavar="N",
        help="evaluations at a time, each with --threads threads; changes no number (default: 1)",
    )


def hear_options(options: argparse.Namespace) -> HearOptions:
    """The protocol's options as declared by `add_evaluation`.

    Raises
    ------
    UserError
        A value that the protocol does not take.
    """
    try:
        return HearOptions(
            protocol=options.protocol,
            grid=options.grid,
            grid_points=options.grid_points,
            threads=options.threads,
            seeds=options.seeds,
            parallel_grid=options.parallel_grid,
            device=available(options.train_device, "--train-device"),
        )
    except ValueError as error:
        raise UserError(str(error)) from None


def _seeds(text: str) -> tuple[int, ...]:
    words = names(text)
    if not words or not all(word.isascii() and word.isdigit() for word in words):
        raise argparse.ArgumentTypeError(f"{text!r}; expected whole numbers such as 0,1,2")
    return tuple(map(int, words))
