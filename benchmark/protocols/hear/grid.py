"""The grids of hear-eval-kit 2021.1.3 and the order in which their points are tried.

Source: `heareval/predictions/task_predictions.py`: PARAM_GRID, FAST_PARAM_GRID,
FASTER_PARAM_GRID, TASK_SPECIFIC_PARAM_GRID, task_predictions.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import product
from math import prod
from typing import Any

from benchmark.errors import UserError
from benchmark.protocols.hear.options import SEED
from benchmark.registry import near_name

# What the kit holds as objects stands here as the text that it writes for them into its scores,
# without the address in memory that it adds to functions.
_DEFAULT: dict[str, list[Any]] = {
    "hidden_layers": [1, 2],
    "hidden_dim": [1024],
    "dropout": [0.1],
    "lr": [3.2e-3, 1e-3, 3.2e-4, 1e-4],
    "patience": [20],
    "max_epochs": [500],
    "check_val_every_n_epoch": [3],
    "batch_size": [1024],
    "hidden_norm": ["<class 'torch.nn.modules.batchnorm.BatchNorm1d'>"],
    "norm_after_activation": [False],
    "embedding_norm": ["<class 'torch.nn.modules.linear.Identity'>"],
    "initialization": ["<function xavier_uniform_>", "<function xavier_normal_>"],
    "optim": ["<class 'torch.optim.adam.Adam'>"],
}
_CHANGES: dict[str, dict[str, list[Any]]] = {
    "default": {},
    "fast": {"max_epochs": [10, 50], "check_val_every_n_epoch": [3, 10]},
    "faster": {
        "hidden_layers": [0, 1],
        "hidden_dim": [64, 128],
        "patience": [1, 3],
        "max_epochs": [10],
        "check_val_every_n_epoch": [1],
    },
}
_OF_TASK: dict[str, dict[str, list[Any]]] = {
    "dcase2016_task2": {"check_val_every_n_epoch": [10]}  # "sed_eval is very slow"
}
# Of what a task may replace: the least and the largest value, and whether it is a whole number. No
# task comes near the largest; beyond them is a mistake that would end in a lack of memory.
_RANGES: dict[str, tuple[float, float, bool]] = {
    "hidden_layers": (0, 16, True),
    "hidden_dim": (1, 1 << 16, True),
    "dropout": (0, 0.99, False),
    "lr": (1e-9, 1e3, False),
    "patience": (1, 1 << 20, True),
    "max_epochs": (1, 1 << 20, True),
    "check_val_every_n_epoch": (1, 1 << 20, True),
    "batch_size": (2, 1 << 20, True),
}
MOST_POINTS = 10_000


def grid_points(grid: str, count: int, metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The first `count` points (or all, if fewer) of a task's grid in the kit's random order.

    Parameters
    ----------
    grid
        "default", "fast" or "faster".
    count
        How many points are tried.
    metadata
        The task's `task_metadata.json`; it may replace values of the grid.

    Raises
    ------
    UserError
        If the metadata asks for a head that hear-eval-kit cannot make.
    """
    values = {**_DEFAULT, **_CHANGES[grid], **_OF_TASK.get(metadata["task_name"], {})}
    check_grid(metadata)
    values.update(_own(metadata))
    # scikit-learn's ParameterGrid: names sorted, the last one changes fastest.
    names = sorted(values)
    points = [
        dict(zip(names, point, strict=True)) for point in product(*(values[name] for name in names))
    ]
    # The kit's only use of Python's generator, which it has seeded just before (seed_everything).
    random.Random(SEED).shuffle(points)
    return points[:count]


def check_grid(metadata: Mapping[str, Any]) -> None:
    """Check the part of the grid that a task replaces.

    Raises
    ------
    UserError
        Naming a value that HEAR's head and training do not have.
    """
    where = "evaluation_params.task_specific_param_grid"
    own = _own(metadata)
    if not isinstance(own, dict):
        raise UserError(f"{where} must be an object of lists, not {own!r:.80}")
    for name, values in own.items():
        if not isinstance(values, list) or not values:
            raise UserError(f"{where}.{name} must be a list of values, not {values!r:.80}")
        if name not in _DEFAULT:
            raise UserError(
                f"{where} has {name!r:.80}{near_name(name, _DEFAULT)}; expected one of"
                f" {', '.join([*_RANGES, 'norm_after_activation'])}"
            )
        if isinstance(_DEFAULT[name][0], str):
            raise UserError(
                f"{where}.{name}: hear-eval-kit knows no other {name} than its own; leave it out"
            )
        if name not in _RANGES:
            if not all(isinstance(value, bool) for value in values):
                raise UserError(f"{where}.{name} must hold true or false, not {values!r:.80}")
            continue
        least, most, whole = _RANGES[name]
        kind = int if whole else (int, float)
        if not all(
            isinstance(value, kind) and not isinstance(value, bool) and least <= value <= most
            for value in values
        ):
            raise UserError(
                f"{where}.{name} must hold {'whole ' if whole else ''}numbers from {least} to"
                f" {most}, not {values!r:.80}"
            )
    if (count := prod(len(values) for values in ({**_DEFAULT, **own}).values())) > MOST_POINTS:
        raise UserError(f"{where} makes a grid of {count} points, expected at most {MOST_POINTS}")


def _own(metadata: Mapping[str, Any]) -> Any:
    return metadata.get("evaluation_params", {}).get("task_specific_param_grid", {})
