"""CPU time of the protocol ``linear`` on embeddings of ESC-50's size.

    python -m benchmark.studies.probe_speed --work out/probe_speed

makes embeddings of 2,000 clips x 3,840 numbers, 50 labels and 5 folds, evaluates them with the
protocol's defaults, 5 seeds x 6 learning rates, and prints JSON. A linear layer gets about two
thirds of the clips right, so trainings last as long as they do on real embeddings of that score.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch

from benchmark.embeddings.dataset import TaskRows, read_embedded_task
from benchmark.protocols.linear import LinearOptions, evaluate
from benchmark.records.environment import describe_machine
from benchmark.studies.synthetic import make_scene_embeddings

FOLDS, CLIPS, SIZE, LABELS = 5, 400, 3840, 50
FACTORS = 200  # real embeddings have far fewer directions than numbers
SEPARATION, NOISE, SCALE = 0.35, 0.3, 0.3


def make_embeddings(folder: Path, folds: int, clips: int, size: int, labels: int) -> Path:
    """Embeddings that are hard to tell apart; `clips` are those of one fold."""
    metadata = {
        "task_name": "speed",
        "split_mode": "new_split_kfold",
        "embedding_type": "scene",
        "prediction_type": "multiclass",
        "evaluation": ["top1_acc"],
    }
    splits = {f"fold{fold:02d}": clips for fold in range(folds)}
    make_scene_embeddings(folder, metadata, splits, list(range(labels)), size)
    chance = np.random.default_rng(0)
    mixing = chance.standard_normal((FACTORS, size)) * np.logspace(0, -1.5, FACTORS)[:, None]
    centres = SEPARATION * chance.standard_normal((labels, FACTORS))
    rows = TaskRows(read_embedded_task(folder), in_memory=False, device=torch.device("cpu"))
    for split in splits:
        factors = centres[rows.of(split).targets] + chance.standard_normal((clips, FACTORS))
        x = factors @ mixing + NOISE * chance.standard_normal((clips, size))
        (SCALE * x / x.std()).astype(np.float32).tofile(folder / f"{split}.embeddings.npy")
    return folder


def study(work: Path, options: LinearOptions, shape: tuple[int, int, int, int]) -> dict[str, Any]:
    """CPU seconds of one evaluation that starts from nothing, and what was trained in them."""
    embeddings = make_embeddings(work / "embeddings", *shape)
    cpu, wall = time.process_time(), time.perf_counter()
    results = evaluate(embeddings, work / "evaluation", options, lambda part, what: None)
    return {
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "wall_seconds": round(time.perf_counter() - wall, 1),
        "trainings": len(options.seeds) * len(options.learning_rates) * shape[0],
        "accuracy": mean(result.scores["top1_acc"] for result in results),
        "best_epochs": [int(result.training["epoch"]) for result in results],
        "learning_rates": sorted({result.hparams["learning_rate"] for result in results}),
        "machine": describe_machine(),
    }


def main() -> int:
    """Run the study as a program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="new folder of the study")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    report = study(
        arguments.work, LinearOptions(threads=arguments.threads), (FOLDS, CLIPS, SIZE, LABELS)
    )
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
