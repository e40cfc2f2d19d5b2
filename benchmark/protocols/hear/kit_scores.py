"""Scores as hear-eval-kit's ``test.predicted-scores.json`` has them, which both engines give."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmark.protocols.result import FoldResult

_TRAINING = ("validation_score", "epoch", "time_in_min", "test_loss")


def fold_results(scores: Mapping[str, Any], seed: int) -> tuple[FoldResult, ...]:
    """Results of the folds in a file of scores; ``aggregated_scores`` is left out."""
    hparams = {name: _without_address(value) for name, value in scores["hparams"].items()}
    return tuple(
        FoldResult(
            fold=name,
            seed=seed,
            scores={
                key.removeprefix("test_"): value
                for key, value in run.items()
                if key.startswith("test_") and key not in ("test_loss", "test_score")
            },
            training={key: run[key] for key in _TRAINING if key in run},
            hparams=hparams,
            postprocessing=scores["postprocessing"],
        )
        for name, run in scores.items()
        if name != "aggregated_scores" and isinstance(run, Mapping) and "test_score" in run
    )


def aggregate(results: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Mean and standard deviation over folds of every score, as pandas computes them.

    NaN is left out (aggregate_test_results), so a score that is undefined in one fold is the mean
    of the others.
    """
    aggregated = {}
    for name in next(iter(results.values())):
        values = np.array([result[name] for result in results.values()], np.float64)
        known = ~np.isnan(values)
        count = int(known.sum())
        with np.errstate(invalid="ignore"):  # the spread of infinities is not a number
            mean = np.where(known, values, 0.0).sum() / count if count else math.nan
            squares = np.where(known, (mean - values) ** 2, 0.0).sum()
        aggregated[f"{name}_mean"] = float(mean)
        aggregated[f"{name}_std"] = math.sqrt(squares / (count - 1)) if count > 1 else math.nan
    return aggregated


def means_by_seed(results: Sequence[FoldResult]) -> dict[int, dict[str, float]]:
    """For every seed the mean over folds of each score (`aggregate`)."""
    by_seed: dict[int, dict[str, Mapping[str, float]]] = {}
    for result in results:
        by_seed.setdefault(result.seed, {})[result.fold] = result.scores
    return {
        seed: {
            name.removesuffix("_mean"): value
            for name, value in aggregate(folds).items()
            if name.endswith("_mean")
        }
        for seed, folds in by_seed.items()
    }


def _without_address(value: Any) -> Any:
    """The kit prints functions with their address in memory, which differs in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", value) if isinstance(value, str) else value
