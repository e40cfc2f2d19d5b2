"""The grids of hear-eval-kit 2021.1.3 and the order in which their points are tried.

Source: `heareval/predictions/task_predictions.py`: PARAM_GRID, FAST_PARAM_GRID,
FASTER_PARAM_GRID, TASK_SPECIFIC_PARAM_GRID, task_predictions.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import product
from typing import Any

from benchmark.errors import UserError
from benchmark.protocols.hear.options import SEED

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
_WHOLE = ("hidden_dim", "patience", "max_epochs", "check_val_every_n_epoch", "batch_size")


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
    own = metadata.get("evaluation_params", {}).get("task_specific_param_grid", {})
    values.update(own)
    for name in own:
        _check(name, values[name])
    # scikit-learn's ParameterGrid: names sorted, the last one changes fastest.
    names = sorted(values)
    points = [
        dict(zip(names, point, strict=True)) for point in product(*(values[name] for name in names))
    ]
    # The kit's only use of Python's generator, which it has seeded just before (seed_everything).
    random.Random(SEED).shuffle(points)
    return points[:count]


def _check(name: str, values: Any) -> None:
    where = f"evaluation_params.task_specific_param_grid.{name} in task_metadata.json"
    if not isinstance(values, list) or not values:
        raise UserError(f"{where} must be a list of values, not {values!r}")
    if name in _DEFAULT and isinstance(_DEFAULT[name][0], str):
        raise UserError(f"{where}: hear-eval-kit knows no other {name} than its own; leave it out")
    if name in _WHOLE and not all(isinstance(value, int) and value >= 1 for value in values):
        raise UserError(f"{where} must hold whole numbers of at least 1, not {values!r}")
