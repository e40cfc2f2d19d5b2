"""How fast the plugins are, beside their originals and beside what the machine can do.

    python -m benchmark.studies.model_speed                # all plugins, 10 s clips, one thread
    python -m benchmark.studies.model_speed hear_plugins.m2d --dtype bfloat16
    python -m benchmark.studies.model_speed --device cuda --batch 64
    python -m benchmark.studies.model_speed --minutes 20   # for the peak of memory
    python -m benchmark.studies.model_speed hear_plugins.matpac --kind scene --kind layers

Each plugin runs in a process of its own, with random weights (those of packages as they are) on
noise. The table, Markdown or JSON, has CPU seconds for a second of audio (the best of some runs; of
CUDA times real time only), multiply-adds for a second of audio, their rate as a share of what a
large matrix product reaches in the same process, and the process's peak of memory. With another
`--dtype` or `--compile` it also has by how much embeddings differ from those of the plain model.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from benchmark.models.calling import call
from benchmark.models.discovery import our_modules
from benchmark.models.hear_module import LoadedModel, ModelSpec, load_model
from benchmark.records.environment import (
    describe_machine,
    git_commit,
    package_versions,
    peak_memory,
)
from hear_plugins.api.precision import DTYPES, compile_blocks
from hear_plugins.networks.linear import linear
from hear_plugins.weights.loading import RANDOM_VARIABLE

SEED = 7
# By what benchmark.models.calling calls them; not all models have layers.
KINDS = {"scene": "scene", "timestamps": "event", "layers": "layers"}
DEFAULT_KINDS = ("scene", "timestamps")
LARGE_BATCH = 32  # of a GPU, beside one clip
_MATRIX = {"cpu": 2048, "cuda": 8192}
_ENOUGH_S = 60.0  # of CPU time for the runs of one kind
_LONGEST_ERROR = 200
_DIFFERENT = 1e-12  # keeps silence's relative difference finite


@dataclasses.dataclass(frozen=True)
class Original:
    """CPU seconds of the original implementation for a second of audio, one thread, 10 s clips."""

    scene: float
    timestamps: float | None = None  # None: from the same pass, at the original's coarse steps


# Measured when the golden values of the tests were made, on the machine of results/measured/speed.
ORIGINALS = {
    "ast": Original(0.243),
    "atst_clip": Original(0.065),
    "atst_frame": Original(0.051),
    "beats": Original(0.16),
    "byol_s": Original(0.0122, 0.265),
    "byol_s_resnetish34": Original(0.071, 1.11),
    "cnn14": Original(0.097),
    "crepe": Original(0.305, 1.58),
    "hts_at": Original(0.034),
    "hybrid_byol_s_cvt": Original(0.0148, 0.246),
    "m2d": Original(0.07),
    "mae_ast": Original(0.10),
    "matpac": Original(0.07),
    "openl3": Original(2.40, 10.4),
    "opensmile": Original(0.027, 1.0),
    "passt": Original(0.31, 3.1),
    "vggish": Original(0.053),
    "wav2vec2": Original(0.567, 0.567),
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is measured on each plugin."""

    device: str = "cpu"
    dtype: str = "float32"
    compiled: bool = False
    batches: tuple[int, ...] = (1,)
    seconds: float = 10.0
    kinds: tuple[str, ...] = DEFAULT_KINDS
    runs: int = 3
    threads: int = 1
    multiply_adds: bool = True


def measure(modules: Sequence[str], settings: Settings, each: Callable[[Any], None]) -> None:
    """Measure every module in a process of its own; `each` gets a row as soon as it is there.

    A row of a module that fails has its last line on stderr as "error".
    """
    for module in modules:
        arguments = json.dumps([module, dataclasses.asdict(settings)])
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                f"from {__spec__.name} import run_one; run_one()",
                arguments,
            ],
            env={
                **os.environ,
                RANDOM_VARIABLE: str(SEED),
                "OMP_NUM_THREADS": str(settings.threads),
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            capture_output=True,
            text=True,
        )
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            each({"module": module, "error": said[-1][:_LONGEST_ERROR]})
        else:
            each(json.loads(done.stdout))


def run_one() -> None:
    """One module, as `measure` starts it: its row, as JSON on stdout."""
    module, settings = json.loads(sys.argv[1])
    settings["batches"], settings["kinds"] = tuple(settings["batches"]), tuple(settings["kinds"])
    sys.stdout.write(json.dumps(row(module, Settings(**settings))))


def row(module: str, settings: Settings) -> dict[str, Any]:
    """Measure a module in this process."""
    torch.set_num_threads(settings.threads)
    plain = load_model(ModelSpec(module), settings.device)
    changed = settings.dtype != "float32" or settings.compiled
    embeddings: dict[str, Any] = {}
    found: dict[str, Any] = {kind: {} for kind in settings.kinds}
    clip = _noise(plain, 1, settings.seconds)
    for kind in settings.kinds:
        if settings.multiply_adds:
            count, embeddings[kind] = multiply_adds(plain, kind, clip)
            found[kind]["gmacs_per_s"] = round(count / settings.seconds / 1e9, 4)
        elif changed:
            embeddings[kind] = _embeddings(plain, kind, clip)
    spec = dataclasses.replace(plain.spec, dtype=settings.dtype, compiled=settings.compiled)
    model = dataclasses.replace(plain, spec=spec)
    if settings.compiled:
        compile_blocks(model.model)
    for kind in settings.kinds:
        if changed:
            other = _embeddings(model, kind, clip)
            norm = max(float(np.linalg.norm(embeddings[kind])), _DIFFERENT)
            found[kind]["difference"] = float(np.linalg.norm(other - embeddings[kind])) / norm
    for batch in settings.batches:
        for kind, times in _times(model, batch, settings).items():
            found[kind].setdefault("runs", []).append(times)
    peak = _peak_gb(settings.device)
    rate = matrix_rate(settings.device, settings.dtype)
    for kind in settings.kinds:
        if found[kind].get("gmacs_per_s") and settings.device == "cpu":
            used = found[kind]["gmacs_per_s"] / found[kind]["runs"][0]["cpu_s_per_s"]
            found[kind]["share"] = round(used / rate, 3)
    compiled = torch._dynamo.utils.counters["frames"]["ok"] if settings.compiled else None
    return {
        "module": module,
        "weights": dict(plain.provenance),
        "parameters": sum(p.numel() for p in plain.model.parameters()),
        **found,
        "peak_memory_gb": peak,
        "matrix_product_gmacs_per_s": round(rate, 1),
        **({"compiled_graphs": compiled} if compiled is not None else {}),
    }


def multiply_adds(model: LoadedModel, kind: str, clip: Any) -> tuple[int, Any]:
    """Multiply-adds of matrix products, convolutions and attention of a call; its embeddings."""
    counter = FlopCounterMode(display=False, custom_mapping=_formulas())
    with counter:
        embeddings = _embeddings(model, kind, clip)
    return counter.get_total_flops() // 2, embeddings


def _embeddings(model: LoadedModel, kind: str, clip: Any) -> Any:
    """What a call gives; of layers side by side."""
    embeddings, _ = call(model, KINDS[kind], clip.copy())
    return np.concatenate(embeddings, axis=1) if kind == "layers" else embeddings


def matrix_rate(device: str, dtype: str) -> float:
    """1e9 multiply-adds a second (of CPU time on a CPU) of large matrix products, the best."""
    size = _MATRIX[device.partition(":")[0]]
    a, b = (torch.randn(size, size, device=device).to(DTYPES[dtype]) for _ in range(2))
    ways: list[Callable[[], Tensor]] = [partial(torch.mm, a, b), partial(linear, a, b)]
    best = float("inf")
    with torch.no_grad():
        for way in ways * 3:
            cpu, wall = _spent(way, device)
            best = min(best, wall if device != "cpu" else cpu)
    return size**3 / best / 1e9


def _formulas() -> dict[Any, Any]:
    """Floating-point operations of operators that FlopCounterMode does not know, or not fully."""

    def dense(x: Sequence[int], weight: Sequence[int], *_: Any, **__: Any) -> int:
        return 2 * int(np.prod(x)) * weight[0]

    def attention(q: Sequence[int], k: Sequence[int], v: Sequence[int], *_: Any, **__: Any) -> int:
        flops: int = sdpa_flop_count(q, k, v)
        return flops

    def batched(a: Tensor, b: Tensor, *_: Any, **__: Any) -> int:
        real = 4 if a.is_complex() else 1  # products of real numbers in one of complex numbers
        return 2 * real * a.shape[0] * a.shape[1] * a.shape[2] * b.shape[2]

    batched._get_raw = True  # type: ignore[attr-defined]  # tensors instead of their shapes
    mapping: dict[Any, Any] = {torch.ops.aten.bmm: batched}
    for library, name, formula in (
        (torch.ops.mkldnn, "_linear_pointwise", dense),
        (torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", attention),
    ):
        if hasattr(library, name):
            mapping[getattr(library, name)] = formula
    return mapping


def _noise(model: LoadedModel, clips: int, seconds: float) -> Any:
    samples = round(seconds * model.sample_rate)
    return np.random.default_rng(SEED).random((clips, samples), np.float32) - np.float32(0.5)


def _times(model: LoadedModel, batch: int, settings: Settings) -> dict[str, dict[str, Any]]:
    """By kind, the best of some runs; kinds take turns, so that a busy moment hits all alike."""
    clips = _noise(model, batch, settings.seconds)
    spent: dict[str, list[tuple[float, float]]] = {kind: [] for kind in settings.kinds}
    for _ in range(settings.runs):
        for kind, runs in spent.items():
            if sum(cpu for cpu, _ in runs) < _ENOUGH_S:
                copied = clips.copy()
                runs.append(_spent(partial(call, model, KINDS[kind], copied), settings.device))
    audio = batch * settings.seconds
    found = {}
    for kind, runs in spent.items():
        cpu, wall = (min(each) for each in zip(*runs, strict=True))
        found[kind] = {"batch": batch, "times_real_time": float(f"{audio / wall:.4g}")}
        if settings.device == "cpu":
            found[kind]["cpu_s_per_s"] = round(cpu / audio, 5)
    return found


def _spent(function: Callable[[], object], device: str) -> tuple[float, float]:
    """CPU and wall seconds of a call."""
    if device != "cpu":
        torch.cuda.synchronize()
    cpu, wall = time.process_time(), time.perf_counter()
    function()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.process_time() - cpu, time.perf_counter() - wall


def _peak_gb(device: str) -> float:
    if device != "cpu":
        return round(torch.cuda.max_memory_allocated() / 1e9, 2)
    return round(peak_memory() / 1e9, 2)


# --- the table ------------------------------------------------------------------------------------


def markdown(report: Mapping[str, Any]) -> str:
    """The rows of a report as a Markdown table, with what is common to them above it."""
    measured = report["measured"]
    on_cpu = measured["device"] == "cpu"
    heads = ["module"]
    for kind in measured["kinds"]:
        heads += [f"{kind}: CPU s/s", "original"] if on_cpu else []
        heads += [f"{kind}: x real time, {batch}" for batch in measured["batches"]]
        heads += [f"{kind}: GMAC/s"] if measured["multiply_adds"] else []
        heads += ["share"] if measured["multiply_adds"] and on_cpu else []
        heads += [f"{kind}: changed by"] if _is_changed(measured) else []
    heads += ["peak GB"]
    lines = [_title(report), "", _cells(heads), "|---|" + "---:|" * (len(heads) - 1)]
    for each in report["rows"]:
        lines.append(_cells(_row_cells(each, measured, len(heads))))
    return "\n".join(lines) + "\n"


def _row_cells(each: Mapping[str, Any], measured: Mapping[str, Any], width: int) -> list[str]:
    name = each["module"].rpartition(".")[2]
    if "error" in each:
        return [name, each["error"], *[""] * (width - 2)]
    cells = [name]
    original = ORIGINALS.get(name)
    for kind in measured["kinds"]:
        found = each[kind]
        if measured["device"] == "cpu":
            figure = getattr(original, kind, None)
            cells += [f"{found['runs'][0]['cpu_s_per_s']:.3g}", _number(figure)]
        cells += [f"{run['times_real_time']:.4g}" for run in found["runs"]]
        if measured["multiply_adds"]:
            cells.append(_number(found["gmacs_per_s"] or None))
            if measured["device"] == "cpu":
                cells.append(f"{100 * found['share']:.0f} %" if "share" in found else "")
        if _is_changed(measured):
            cells.append(f"{found['difference']:.1e}")
    return [*cells, f"{each['peak_memory_gb']:.2f}"]


def _title(report: Mapping[str, Any]) -> str:
    measured = report["measured"]
    machine = report["machine"]
    on = machine["cpu"] if measured["device"] == "cpu" else ", ".join(machine["gpus"])
    compiled = ", compiled" if measured["compiled"] else ""
    return (
        f"{on}, {measured['threads']} thread, {measured['dtype']}{compiled}, clips of"
        f" {measured['seconds']:g} s, weights random (seed {SEED}) but packages',"
        f" torch {report['versions']['torch']}, {report['date']}: `{report['command']}`"
    )


def _is_changed(measured: Mapping[str, Any]) -> bool:
    return bool(measured["dtype"] != "float32" or measured["compiled"])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for; returns 1 if a module failed."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    chosen = _parser().parse_args(words)
    if chosen.device != "cpu" and not torch.cuda.is_available():
        _parser().error(f"--device {chosen.device}: not available here")
    on_gpu = chosen.device != "cpu"
    batch = chosen.batch or (LARGE_BATCH if on_gpu else 1)
    settings = Settings(
        device=chosen.device,
        dtype=chosen.dtype,
        compiled=chosen.compile,
        batches=(1, batch) if on_gpu and batch > 1 else (batch,),
        seconds=60 * chosen.minutes if chosen.minutes else chosen.seconds,
        kinds=tuple(chosen.kind or DEFAULT_KINDS),
        runs=1 if chosen.minutes else chosen.runs,
        multiply_adds=not chosen.minutes,
    )
    rows: list[Mapping[str, Any]] = []
    report = {
        "command": " ".join(["python -m benchmark.studies.model_speed", *words]),
        "measured": dataclasses.asdict(settings),
        "seed_of_random_weights": SEED,
        "machine": describe_machine(),
        "versions": package_versions(),
        "commit": git_commit(),
        "date": datetime.now(timezone.utc).isoformat(timespec="minutes"),
        "rows": rows,
    }

    def each(found: Mapping[str, Any]) -> None:
        rows.append(found)
        sys.stderr.write(f"{found['module']}: {found.get('error', 'measured')}\n")
        if chosen.out:  # after each, so that hours are not lost
            chosen.out.parent.mkdir(parents=True, exist_ok=True)
            chosen.out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
            chosen.out.with_suffix(".md").write_text(markdown(report))

    measure(chosen.modules or our_modules(), settings, each)
    sys.stdout.write(json.dumps(report, indent=1) + "\n" if chosen.json else markdown(report))
    return int(any("error" in found for found in rows))


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number of at least 1")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmark.studies.model_speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="default: all of ours")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--dtype", choices=tuple(DTYPES), default="float32")
    parser.add_argument("--compile", action="store_true", help="as of hear-benchmark")
    parser.add_argument(
        "--batch",
        type=_count,
        metavar="N",
        help=f"clips in a call (default: 1; on cuda 1 and {LARGE_BATCH})",
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of a clip (default: 10)")
    parser.add_argument(
        "--minutes", type=float, help="of a clip, in one call of each kind, for its peak of memory"
    )
    parser.add_argument(
        "--kind",
        choices=tuple(KINDS),
        action="append",
        help="these embeddings; may be repeated (default: scene and timestamps)",
    )
    parser.add_argument(
        "--runs", type=_count, default=3, help="of which the best counts (default: 3)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write FILE.json and FILE.md too")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="on stdout, the default")
    form.add_argument("--json", action="store_true", help="on stdout instead of Markdown")
    return parser


if __name__ == "__main__":
    sys.exit(main())
