"""Records of the first schema brought to the present one, or refused by name.

usage: python -m benchmark.records.migration FROM TO

Records under FROM are written under TO, each at the path of its unit of work; a file that is there
already is left alone. What the first schema did not keep (code fingerprints, sample rate) is null.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.records.json_form import RecordError, to_json
from benchmark.records.record import SCHEMA, Record, parse_record, write_record
from benchmark.records.work_unit import (
    EmbeddingUnit,
    EvaluationUnit,
    ModelIdentity,
    device_class,
)

# Of the first schema: repeats whose folds it dropped.
_WITHOUT_FOLDS = "hear-shuffled"
# Metrics without a highest value: there null stood for what is not defined and for infinity.
_UNBOUNDED = ("d_prime",)
_TASK_KEYS = {
    "name": "task",
    "version": "task_version",
    "mode": "task_mode",
    "domain": "domain",
    "demo": "demo",
    "prediction_type": "prediction_type",
}
_SAME_KEYS = (
    "weights",
    "embedding_size",
    "hop_ms",
    "primary_metric",
    "seconds",
    "audio_seconds",
    "versions",
    "machine",
    "commit",
    "date",
)


def migrated(data: Any) -> Record:
    """A record of the first schema as one of the present schema.

    Parameters
    ----------
    data
        Its JSON form.

    Raises
    ------
    RecordError
        It is not one, or lacks what the present schema needs.
    """
    if not isinstance(data, dict) or data.get("schema") != 1:
        raise RecordError("not a result record of schema 1")
    try:
        return _migrated(data)
    except KeyError as error:
        raise RecordError(f"missing key {error}") from None
    except (TypeError, AttributeError) as error:
        raise RecordError(f"not a result record of schema 1: {error}") from None


def migrate_folder(source: Path, target: Path, say: Callable[[str], None]) -> list[str]:
    """Migrate all records of a folder; returns a line for each that is refused.

    Raises
    ------
    RecordError
        `source` is not a folder.
    """
    if not source.is_dir():
        raise RecordError(f"{source}: not a folder of result records")
    refused = []
    for path in sorted(source.rglob("*.json")):
        try:
            record = migrated(json.loads(path.read_text(encoding="utf-8")))
            new = target / record.unit.record
            if new.exists():
                raise RecordError(f"{new} exists already")
        except (ValueError, OSError, UserError) as error:
            refused.append(f"{path}: {error}")
            say(f"refused  {refused[-1]}")
            continue
        write_record(new, record)
        say(f"migrated {path} -> {new}")
    return refused


def _migrated(data: Mapping[str, Any]) -> Record:
    if data["protocol"] == _WITHOUT_FOLDS:
        raise RecordError(f"protocol {_WITHOUT_FOLDS}: its folds were not kept; evaluate again")
    if any(values.get(m, 0) is None for values in data["scores"].values() for m in _UNBOUNDED):
        raise RecordError("a d_prime is null, which may have been infinite; evaluate again")
    (seed,) = data["seeds"]
    return parse_record(
        {
            "schema": SCHEMA,
            "unit": to_json(_unit(data)),
            "task": {
                **{new: data[old] for new, old in _TASK_KEYS.items()},
                "published": None,
                "published_note": "",
                "test_clips": None,
            },
            "name": "",
            **{key: data[key] for key in _SAME_KEYS},
            "chance": {},
            "scores": [
                {"fold": fold, "seed": seed, "metric": metric, "value": value}
                for fold, values in data["scores"].items()
                for metric, value in values.items()
            ],
            "trainings": [
                {
                    "fold": fold,
                    "seed": seed,
                    "values": values,
                    "hparams": data["hparams"],
                    "postprocessing": data["postprocessing"],
                }
                for fold, values in data["training"].items()
            ],
        }
    )


def _unit(data: Mapping[str, Any]) -> EvaluationUnit:
    machine, weights = data["machine"]["embedding"], data["weights"]
    if machine.get("gpus") != []:
        raise RecordError("made on a machine with GPUs: the embedding's device was not recorded")
    digest = weights.get("state_sha256") or weights.get("package")
    if digest is None and weights.get("weights") != "none":
        raise RecordError("the digest of its weights was not recorded")
    options = {k: v for k, v in data["options"].items() if not k.startswith("--")}
    settings = dict(data["settings"])
    model = ModelIdentity(
        module=data["module"],
        code=None,
        version=f"hear-plugins {data['versions']['embedding']['hear-plugins']}"
        if data["module"].startswith("hear_plugins.")
        else None,
        options=options,
        weights=digest or "none",
        sample_rate=None,
        dtype=data["options"].get("--dtype", "float32"),
        compiled=data["options"].get("--compile", False),
    )
    embedding = EmbeddingUnit(
        model=model,
        task=f"{data['task']}-{data['task_version']}-{data['task_mode']}",
        task_hash=data["task_hash"],
        representation="scene" if data["embedding_type"] == "scene" else "timestamps",
        resampler=data["resampler"],
    )
    return EvaluationUnit(
        embedding=embedding,
        protocol=data["protocol"],
        version=1,
        code=None,
        threads=settings.pop("threads", None),
        device=device_class(settings.pop("device", "cpu")),
        options=settings,
        seeds=tuple(data["seeds"]),
        engine=data["engine"],
    )


def main(arguments: list[str]) -> int:
    """The command line; returns the exit code: 1 if a record is refused."""
    if len(arguments) != 2:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    try:
        refused = migrate_folder(Path(arguments[0]), Path(arguments[1]), _say)
    except RecordError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    _say(f"{len(refused)} refused")
    return 1 if refused else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
