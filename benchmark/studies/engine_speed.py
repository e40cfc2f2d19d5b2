"""How long the engines take on the same embeddings, and whether their numbers are equal.

    python -m benchmark.studies.engine_speed esc10 --grid-points 2 --threads 1
    python -m benchmark.studies.engine_speed maestro --grid-points 1 --epochs 1
    python -m benchmark.studies.engine_speed out/embeddings/<model>/<task>
    python -m benchmark.studies.engine_speed scores

writes JSON to stdout: for each engine, run in a process of its own, seconds of wall and of CPU
time and the peak of memory; for native also the share of its CPU time that is forward, backward
and optimizer; and how many of the kit's numbers are not native's, which should be none.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import math
import os
import pstats
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmark.metrics.event_metrics import EventTable
from benchmark.metrics.registry import METRICS_REGISTRY
from benchmark.protocols.hear.options import SCORES_FILE, HearOptions
from benchmark.records.environment import describe_machine, peak_memory
from benchmark.studies.synthetic import make_event_embeddings, make_scene_embeddings

SIZES = ("esc10", "dcase", "maestro")
# What no two runs have in common.
NOT_COMPARED = ("time_in_min", "embedding_path", "initialization")


def make_embeddings(path: Path, size_of: str, dimensions: int, epochs: int | None) -> Path:
    """Synthetic embeddings of the size of a real task.

    Parameters
    ----------
    path
        Folder to be made.
    size_of
        "esc10": 400 clips in 5 folds; "dcase": 72 clips of 120 s; "maestro": 185 clips of 120 s
        with 1,300 notes each, in one arrangement of its 5 folds.
    dimensions
        Length of an embedding.
    epochs
        At most so many epochs a training; None for the protocol's.
    """
    params = {"task_specific_param_grid": {"max_epochs": [epochs]}} if epochs else {}
    metadata: dict[str, Any] = {"task_name": size_of, "evaluation_params": params}
    if size_of == "esc10":
        metadata |= {
            "split_mode": "presplit_kfold",
            "embedding_type": "scene",
            "prediction_type": "multiclass",
            "evaluation": ["top1_acc", "mAP", "d_prime", "aucroc"],
        }
        rows = {f"fold{fold:02}": 80 for fold in range(5)}
        return make_scene_embeddings(path, metadata, rows, list(range(10)), dimensions)
    metadata |= {
        "split_mode": "trainvaltest",
        "embedding_type": "event",
        "prediction_type": "multilabel",
    }
    if size_of == "dcase":
        metadata["task_name"] = "dcase2016_task2"  # the kit knows an exception for this name
        metadata["evaluation"] = ["event_onset_200ms_fms", "segment_1s_er"]
        clips = {"train": 43, "valid": 14, "test": 15}
        labels = [f"label {number}" for number in range(11)]
        return make_event_embeddings(path, metadata, clips, labels, dimensions, 120, 38)
    metadata["use_scoring_for_early_stopping"] = False
    metadata["evaluation"] = ["event_onset_50ms_fms", "event_onset_offset_50ms_20perc_fms"]
    metadata["evaluation_params"] = {
        "event_postprocessing_grid": {"median_filter_ms": [150], "min_duration": [50]},
        "task_specific_param_grid": {
            "max_epochs": [epochs or 50],
            "check_val_every_n_epoch": [1],
        },
    }
    clips = {"train": 111, "valid": 37, "test": 37}
    notes = list(range(21, 109))
    return make_event_embeddings(path, metadata, clips, notes, dimensions, 120, 1300)


def measure(
    embeddings: Path, work: Path, options: HearOptions, engines: Sequence[str]
) -> dict[str, Any]:
    """Run engines one after the other on the same embeddings, each in a process of its own."""
    results: dict[str, Any] = {}
    scores = {}
    for engine in engines:
        folder = work / engine
        arguments = [engine, str(embeddings), str(folder), json.dumps(vars(options))]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(options.threads))
        start = time.perf_counter()
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"from {__spec__.name} import run_one; run_one()",
                *arguments,
            ],
            env={**os.environ, **threads},
            stdout=sys.stderr,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        if status:
            raise RuntimeError(f"engine {engine} failed")
        results[engine] = {
            "wall_seconds": round(wall, 1),
            "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
            **json.loads((folder / "measured.json").read_text()),
        }
        scores[engine] = dict(numbers(json.loads((folder / SCORES_FILE).read_text())))
    if len(scores) == 2:
        first, second = scores.values()
        results["numbers"] = len(first)
        results["numbers_that_differ"] = sum(
            first.get(name) != second.get(name) for name in {**first, **second}
        )
    return results


def measure_scores(files: int = 37, notes: int = 1300, kit_files: int = 2) -> dict[str, Any]:
    """CPU seconds of every event score, ours on all files, hear-eval-kit's on a few of them.

    Both start from lists of events. Lists have a MAESTRO fold's density: 88 labels in 120 s.
    """
    kit_scores = import_module("heareval.score").available_scores
    rng, labels = random.Random(0), [str(number) for number in range(88)]
    reference: dict[str, list[dict[str, Any]]] = {f"{n}.wav": [] for n in range(files)}
    estimated: dict[str, list[dict[str, Any]]] = {f"{n}.wav": [] for n in range(files)}
    for file in reference:
        for _ in range(notes):
            start, length = rng.uniform(0, 118_000), rng.uniform(30, 1500)
            event = {"label": rng.choice(labels), "start": start, "end": start + length}
            reference[file].append(event)
            if rng.random() < 0.9:
                heard = max(0.0, start + rng.gauss(0, 30))
                end = max(heard, start + length + rng.gauss(0, 100))
                estimated[file].append({**event, "start": heard, "end": end})
    results = {}
    for metric in METRICS_REGISTRY.all():
        if metric.name not in kit_scores or metric.kind != "event":
            continue
        start = time.process_time()
        tables = [EventTable.from_dicts(e, list(estimated), labels) for e in (estimated, reference)]
        metric.values(*tables)
        ours = time.process_time() - start
        few = [dict(list(events.items())[:kit_files]) for events in (estimated, reference)]
        start = time.process_time()
        kit = kit_scores[metric.name](label_to_idx={label: int(label) for label in labels})(*few)
        kit_seconds = (time.process_time() - start) * files / kit_files
        guessed, true = (EventTable.from_dicts(events, list(few[0]), labels) for events in few)
        results[metric.name] = {
            "native_cpu_seconds": round(ours, 3),
            "kit_cpu_seconds": round(kit_seconds, 1),
            "ratio": round(kit_seconds / ours),
            "equal": metric.value(guessed, true) == kit[0][1],
        }
    return results


def numbers(scores: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Name and value of everything that must be equal; NaN as text, to be equal to itself."""
    if isinstance(scores, Mapping):
        for key, value in scores.items():
            if not key.startswith(NOT_COMPARED):
                yield from numbers(value, f"{path}/{key}")
    else:
        yield path, "NaN" if isinstance(scores, float) and math.isnan(scores) else scores


def run_one() -> None:
    """One engine, as `measure` starts it."""
    engine, embeddings, work, options = sys.argv[1:]
    arguments = Path(embeddings), Path(work), HearOptions(**json.loads(options))
    start = time.perf_counter()
    measured: dict[str, Any] = {}
    if engine == "kit":
        from benchmark.protocols.hear.kit import evaluate_with_kit

        evaluate_with_kit(*arguments, lambda part, what: None)
    else:
        from benchmark.protocols.hear.native import evaluate_native

        profile = cProfile.Profile(time.process_time)
        profile.runcall(evaluate_native, *arguments, lambda part, what: None)
        measured["share_of_training_steps"] = round(_share_of_steps(profile), 3)
    of_children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024  # the kit's process
    measured["peak_memory_mb"] = round(max(peak_memory(), of_children) / 2**20)
    measured["seconds_without_start"] = round(time.perf_counter() - start, 1)
    (Path(work) / "measured.json").write_text(json.dumps(measured))


def _share_of_steps(profile: cProfile.Profile) -> float:
    """Of the CPU time of `evaluate_native` that of forward, backward and optimizer."""
    seconds = {
        name: value[3]
        for (file, _, name), value in pstats.Stats(profile).stats.items()  # type: ignore[attr-defined]
        if "benchmark" in Path(file).parts
    }
    steps = seconds["train"] - seconds["should_stop"] - seconds["batches"]
    return float(steps / seconds["evaluate_native"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(
        "python -m benchmark.studies.engine_speed", description=__doc__
    )
    parser.add_argument(
        "what",
        help=f"synthetic embeddings of the size of {', '.join(SIZES)}; a folder of real ones; or"
        " scores, to measure those of events alone",
    )
    parser.add_argument("--dimensions", type=int, default=768, help="of synthetic embeddings")
    parser.add_argument("--grid", default="default")
    parser.add_argument("--grid-points", type=int, default=8)
    parser.add_argument("--epochs", type=int, help="at most so many, on synthetic embeddings")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engines", nargs="+", default=["kit", "native"])
    chosen = parser.parse_args(arguments)
    if chosen.what == "scores":
        return _print(chosen, measure_scores())
    options = HearOptions(grid=chosen.grid, grid_points=chosen.grid_points, threads=chosen.threads)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(chosen.what)
        if chosen.what in SIZES:
            path = Path(folder) / "embeddings"
            make_embeddings(path, chosen.what, chosen.dimensions, chosen.epochs)
        elif not path.is_dir():
            parser.error(f"{path} is neither a folder nor one of {', '.join(SIZES)}")
        results = measure(path, Path(folder), options, chosen.engines)
    return _print(chosen, results)


def _print(chosen: argparse.Namespace, results: Mapping[str, Any]) -> int:
    what = "/".join(Path(chosen.what).parts[-2:])  # of a folder, the model and the task
    measured = {**vars(chosen), "what": what}
    report = {"measured": measured, **results, "machine": describe_machine()}
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
