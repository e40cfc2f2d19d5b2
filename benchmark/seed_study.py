"""What chance and order do to a score: HEAR's protocol from several seeds, in three ways.

    python -m benchmark.seed_study out/embeddings/<model>/<task>... --work out/seeds --threads 1

evaluates every folder of embeddings with the seeds 42, 43, ... in each of these ways: ``plain``,
hear-eval-kit's protocol but for the seed (42 is its own); ``shuffled``, with the training data
shuffled every epoch; ``parallel``, with the whole grid trained at once. It prints JSON; the kept
trainings under ``--work`` let it go on where it was interrupted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.hear_protocol import SEED, HearOptions
from benchmark.machine import describe_machine
from benchmark.native import Variant
from benchmark.shuffled import evaluate_seeds

WAYS = {
    "plain": Variant(),
    "shuffled": Variant(shuffle=True),
    "parallel": Variant(parallel_grid=True),
}


def study(
    embeddings: Path, work: Path, options: HearOptions, seeds: Sequence[int], ways: Sequence[str]
) -> dict[str, Any]:
    """Test scores of one folder of embeddings, by way and seed.

    Returns
    -------
    dict
        Way to ``scores`` (seed to the task's primary score), their ``mean`` and ``deviation``
        (of the sample; None for one seed), and ``cpu_seconds``.

    Raises
    ------
    UserError
        As `benchmark.native.evaluate_native`.
    """
    results = {}
    for way in ways:
        start = time.process_time()
        runs = evaluate_seeds(
            embeddings, work / way, options, lambda part, what: None, seeds, WAYS[way]
        )
        scores = [runs[f"seed {seed}"]["test_score"] for seed in seeds]
        results[way] = {
            "scores": dict(zip(map(str, seeds), scores, strict=True)),
            "mean": statistics.fmean(scores),
            "deviation": statistics.stdev(scores) if len(scores) > 1 else None,
            "cpu_seconds": round(time.process_time() - start, 1),
        }
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """Study what the command line names; returns the exit code."""
    parser = argparse.ArgumentParser("python -m benchmark.seed_study", description=__doc__)
    parser.add_argument("embeddings", nargs="+", type=Path, help="folders of embeddings")
    parser.add_argument("--work", type=Path, required=True, help="where trainings are kept")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--grid", default="default")
    parser.add_argument("--grid-points", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args(arguments)
    options = HearOptions(grid=chosen.grid, grid_points=chosen.grid_points, threads=chosen.threads)
    seeds = range(SEED, SEED + chosen.seeds)
    report: dict[str, Any] = {
        "options": options.that_change_scores(),
        "machine": describe_machine(),
    }
    for folder in chosen.embeddings:
        name = f"{folder.parent.name}/{folder.name}"
        report[name] = study(folder, chosen.work / name, options, seeds, chosen.ways)
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
