"""How fast recordings are decoded, cut and resampled, and the memory that a long one takes.

    python -m benchmark.studies.resample_speed --workers 1
    python -m benchmark.studies.resample_speed --from 44100 --to 16000,48000 --workers 4

makes WAV files of noise, prepares them as `hear-benchmark prepare` does, and writes JSON to stdout:
for clips of several lengths seconds of audio for each second of wall and of CPU time (of all
processes, their start included), and the peak of memory of a recording of an hour beside that of a
clip of a second. The aim is 500 s of audio a second on each core, from 48 to 16 kHz.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np

from benchmark.records.environment import (
    describe_machine,
    git_commit,
    package_versions,
    peak_memory,
)
from tasks.audio import wav_writer, write_at_rates
from tasks.folder import RESAMPLERS
from tasks.parallel import in_parallel
from tasks.resampling import resample

AIM = 500
CLIP_SECONDS = (1, 5, 120)
AUDIO_SECONDS = 1200  # of clips of each length
LONG_SECONDS = 3600


def measure_clips(folder: Path, rate: int, to: Sequence[int], workers: int) -> list[dict[str, int]]:
    """Speed of `write_at_rates` on clips of each length, cut to nine tenths."""
    found = []
    for seconds in CLIP_SECONDS:
        paths = [folder / f"{seconds}_{number}.wav" for number in range(AUDIO_SECONDS // seconds)]
        for number, path in enumerate(paths):
            _write_noise(path, rate, seconds, number)
        wall, cpu = time.perf_counter(), _cpu_seconds()
        for _ in in_parallel(partial(_convert, tuple(to), 0.9 * seconds), paths, workers):
            pass
        wall, cpu = time.perf_counter() - wall, _cpu_seconds() - cpu
        total = len(paths) * seconds
        found.append(
            {
                "clip_seconds": seconds,
                "clips": len(paths),
                "audio_s_per_wall_s": round(total / wall),
                "audio_s_per_cpu_s": round(total / cpu),
            }
        )
        for path in folder.iterdir():
            path.unlink()
    return found


def measure_resamplers(rate: int, to: int) -> dict[str, int]:
    """Speed of each resampler alone, in seconds of audio for each second of CPU time."""
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, 120 * rate).astype(np.float32)
    found = {}
    for name in RESAMPLERS:
        resample(audio[:rate], rate, to, name)
        start = time.process_time()
        resample(audio, rate, to, name)
        found[name] = round(120 / (time.process_time() - start))
    return found


def measure_memory(folder: Path, rate: int, to: Sequence[int]) -> dict[str, float]:
    """Peak of memory (MiB) of a process that converts a clip of 1 s, and a recording of an hour."""
    found = {}
    for seconds in (1, LONG_SECONDS):
        path = folder / "long.wav"
        _write_noise(path, rate, seconds, 0)
        run = f"from {__spec__.name} import peak; peak({str(path)!r}, {list(to)})"
        ended = subprocess.run(
            [sys.executable, "-c", run], stdout=subprocess.PIPE, text=True, check=True
        )
        found[f"peak_mib_of_{seconds}_s"] = round(float(ended.stdout), 1)
    return found


def peak(path: str, to: Sequence[int]) -> None:
    """Convert a recording and write this process's peak of memory in MiB."""
    _convert(tuple(to), None, Path(path))
    sys.stdout.write(str(peak_memory() / 2**20))


def _convert(rates: tuple[int, ...], seconds: float | None, path: Path) -> None:
    write_at_rates(path, {rate: path.with_suffix(f".{rate}.wav") for rate in rates}, seconds)


def _write_noise(path: Path, rate: int, seconds: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    with wav_writer(path, rate) as write:
        for _ in range(seconds):
            write(draw.uniform(-0.5, 0.5, rate).astype(np.float32))


def _cpu_seconds() -> float:
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(each.ru_utime + each.ru_stime for each in map(resource.getrusage, whose))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(
        "python -m benchmark.studies.resample_speed", description=__doc__
    )
    parser.add_argument("--from", dest="rate", type=int, default=48000, help="Hz (48000)")
    parser.add_argument("--to", default="16000", help="Hz, with commas (16000)")
    parser.add_argument("--workers", type=int, default=1, help="processes (1)")
    options = parser.parse_args(arguments)
    to = [int(rate) for rate in options.to.split(",")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report = {
            "measured": {"from": options.rate, "to": to, "workers": options.workers},
            "aim_audio_s_per_s_of_a_core": AIM,
            "clips": measure_clips(folder, options.rate, to, options.workers),
            "resamplers_alone_audio_s_per_cpu_s": measure_resamplers(options.rate, to[0]),
            "memory": measure_memory(folder, options.rate, to),
            "versions": package_versions(),
            "machine": describe_machine(),
            "commit": git_commit(),
            "date": date.today().isoformat(),
        }
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
