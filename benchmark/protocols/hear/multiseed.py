"""The protocol ``hear-shuffled``: HEAR's with shuffled training data, from several seeds.

hear-eval-kit means to shuffle its training data and does not (`Rows.batches`), and a single seed
says nothing about chance. Both make other numbers, which no table may mix with HEAR's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.protocols.hear.native import OnProgress, Variant, aggregate, evaluate_native
from benchmark.protocols.hear.options import SCORES_FILE, SHUFFLED_SEEDS, HearOptions
from benchmark.protocols.hear.runs import write_file


def evaluate_shuffled(
    embeddings: Path,
    work: Path,
    options: HearOptions,
    on_progress: OnProgress,
    seeds: Sequence[int] = SHUFFLED_SEEDS,
    variant: Variant | None = None,
) -> dict[str, Any]:
    """Scores of one folder of embeddings with shuffled training data: see `evaluate_seeds`."""
    variant = replace(variant or Variant(), shuffle=True)
    return evaluate_seeds(embeddings, work, options, on_progress, seeds, variant)


def evaluate_seeds(
    embeddings: Path,
    work: Path,
    options: HearOptions,
    on_progress: OnProgress,
    seeds: Sequence[int],
    variant: Variant,
) -> dict[str, Any]:
    """Scores of one folder of embeddings, once for every seed.

    Each seed goes through the whole protocol, search included, in ``work/seed-<seed>``; the points
    of the grid are the same for all.

    Parameters
    ----------
    embeddings, work, options, on_progress
        See `evaluate_native`.
    seeds
        One evaluation each.
    variant
        What else is not the kit's way; its own seed is not used.

    Returns
    -------
    dict
        In the layout of `evaluate_native`, with a run ``seed <seed>`` for every seed whose numbers
        are means over its folds; hparams and postprocessing by run. ``folds`` holds for every run
        what `evaluate_native` returned.

    Raises
    ------
    UserError
        As `evaluate_native`, and if there are no seeds.
    """
    if not seeds:
        raise UserError("at least one seed is needed")
    each: dict[str, dict[str, Any]] = {}
    for number, seed in enumerate(seeds):
        name = f"seed {seed}"

        def on_part(part: float, what: str, number: int = number, name: str = name) -> None:
            on_progress((number + part) / len(seeds), f"{name}, {what}")

        folder = work / f"seed-{seed}"
        own = replace(variant, seed=seed)
        each[name] = evaluate_native(embeddings, folder, options, on_part, own)
    runs = {name: _mean_over_folds(result) for name, result in each.items()}
    results: dict[str, Any] = dict(runs)
    if len(runs) > 1:
        results["aggregated_scores"] = aggregate(runs)
    results |= {key: {n: each[n][key] for n in each} for key in ("hparams", "postprocessing")}
    results |= {key: each[name][key] for key in ("score_mode", "embedding_path")}
    results["folds"] = each
    write_file(work / SCORES_FILE, json.dumps(results, indent=4).encode())
    return results


def _mean_over_folds(result: Mapping[str, Any]) -> dict[str, float]:
    folds = {
        name: run for name, run in result.items() if isinstance(run, dict) and "test_score" in run
    }
    means = aggregate(folds)
    return {name: means[f"{name}_mean"] for name in next(iter(folds.values()))}
