"""What chance and order do to a score: HEAR's protocol from several seeds, in three ways.

    python -m benchmark.studies.seed_study out/embeddings/<model>/<task>... \
        --work out/seeds --threads 1

evaluates every folder of embeddings with the seeds 42, 43, ... in each of these ways: ``plain``,
hear-eval-kit's protocol but for the seed (42 is its own); ``shuffled``, with the training data
shuffled every epoch; ``parallel``, with the whole grid trained at once. It prints JSON; the kept
trainings under ``--work`` let it go on where it was interrupted.

    python -m benchmark.studies.seed_study --table studies/*.json

prints what such reports found as one Markdown table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.protocols.hear.kit_scores import means_by_seed
from benchmark.protocols.hear.native import Variant, evaluate_seeds
from benchmark.protocols.hear.options import SEED, HearOptions
from benchmark.records.environment import describe_machine

# By name: what of the kit's ways is left, and whether the grid is trained in parallel.
WAYS = {
    "plain": (Variant(), False),
    "shuffled": (Variant(shuffle=True), False),
    "parallel": (Variant(), True),
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
        As `benchmark.protocols.hear.native.evaluate_native`.
    """
    ways_found = {}
    for way in ways:
        start = time.process_time()
        variant, parallel = WAYS[way]
        own = replace(options, parallel_grid=parallel)
        results = evaluate_seeds(
            embeddings, work / way, own, lambda part, what: None, seeds, variant
        )
        scores = [means[next(iter(means))] for means in means_by_seed(results).values()]
        ways_found[way] = {
            "scores": dict(zip(map(str, seeds), scores, strict=True)),
            "mean": statistics.fmean(scores),
            "deviation": statistics.stdev(scores) if len(scores) > 1 else None,
            "cpu_seconds": round(time.process_time() - start, 1),
        }
    return ways_found


def table(reports: Sequence[Mapping[str, Any]]) -> str:
    """Reports of `main` as a Markdown table: mean, least and largest score of each way."""
    lines = [
        "| embeddings | grid, points, seeds | plain | shuffled | parallel |",
        "|---|---|---|---|---|",
    ]
    for report in reports:
        options = report["options"]
        for name, ways in report.items():
            if name in ("options", "machine"):
                continue
            seeds = len(next(iter(ways.values()))["scores"])
            cells = [name, f"{options['grid']}, {options['grid_points']}, {seeds}"]
            for way in WAYS:
                cells.append(_shown(ways[way]) if way in ways else "-")
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _shown(way: Mapping[str, Any]) -> str:
    scores = sorted(way["scores"].values())
    return f"{way['mean']:.4f} ({scores[0]:.4f} to {scores[-1]:.4f})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Study what the command line names; returns the exit code."""
    parser = argparse.ArgumentParser("python -m benchmark.studies.seed_study", description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path, help="folders of embeddings, or reports")
    parser.add_argument("--table", action="store_true", help="the paths are reports: show them")
    parser.add_argument("--work", type=Path, help="where trainings are kept")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--grid", default="default")
    parser.add_argument("--grid-points", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args(arguments)
    if chosen.table:
        sys.stdout.write(table([json.loads(path.read_text()) for path in chosen.paths]) + "\n")
        return 0
    if chosen.work is None:
        parser.error("--work is needed")
    options = HearOptions(grid=chosen.grid, grid_points=chosen.grid_points, threads=chosen.threads)
    seeds = range(SEED, SEED + chosen.seeds)
    report: dict[str, Any] = {
        "options": options.that_change_scores(),
        "machine": describe_machine(),
    }
    for folder in chosen.paths:
        name = f"{folder.parent.name}/{folder.name}"
        report[name] = study(folder, chosen.work / name, options, seeds, chosen.ways)
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
