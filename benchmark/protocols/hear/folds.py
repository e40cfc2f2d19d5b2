"""Folds of a task, as hear-eval-kit makes them of its splits.

Source: hear-eval-kit 2021.1.3, `heareval/predictions/task_predictions.py`, data_split functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Fold(NamedTuple):
    """Splits of one training run; `name` is the run's key in the scores."""

    name: str
    train: tuple[str, ...]
    valid: str
    test: str


def folds(metadata: Mapping[str, Any]) -> list[Fold]:
    """Training runs of a task, the first being the one that the grid is searched on.

    Parameters
    ----------
    metadata
        A task's `task_metadata.json`.

    Raises
    ------
    ValueError
        If `split_mode` is not one of HEAR's three.
    """
    mode = metadata["split_mode"]
    if mode == "trainvaltest":
        return [Fold("test", ("train",), "valid", "test")]
    if mode not in ("new_split_kfold", "presplit_kfold"):
        raise ValueError(
            f"unknown split_mode {mode!r}: expected trainvaltest, new_split_kfold or presplit_kfold"
        )
    names: Sequence[str] = sorted(metadata["splits"])
    return [
        Fold(test, tuple(name for name in names if name not in (test, valid)), valid, test)
        for test, valid in zip(names, [*names[1:], names[0]], strict=True)
    ]
