"""Checkpoints and audio for comparing a plugin with its reference implementation.

The same numbers, bit for bit, as `../shared/parity/fixtures.py`, with which the reference
implementations made the golden arrays: `tests/golden/` holds small excerpts of those.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

GOLDEN = Path(__file__).parents[1] / "golden"
PARITY = Path(__file__).parents[3] / "shared" / "parity"


def tensor(name: str, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """The value of one checkpoint tensor, from nothing but its name and shape."""
    if not dtype.startswith("float"):
        return np.zeros(shape, dtype=dtype)
    draw = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    noise = draw.standard_normal(shape, dtype=np.float32)
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "running_var":
        value = 1 + 0.1 * np.abs(noise)
    elif leaf == "running_mean":
        value = 0.1 * noise
    elif leaf in ("weight", "gamma", "weight_g") and noise.ndim <= 1:
        value = 1 + 0.1 * noise
    elif noise.ndim <= 1 or "bias" in leaf or "pos_embed" in name or "token" in name:
        value = 0.02 * noise
    else:
        value = noise / np.sqrt(np.prod(shape[1:]))
    return np.asarray(value, dtype=dtype)


def filled(entries: Iterable[tuple[str, tuple[int, ...], str]]) -> dict[str, torch.Tensor]:
    """A state dict from (name, shape, numpy dtype) triples."""
    return {
        name: torch.from_numpy(tensor(name, tuple(shape), dtype)) for name, shape, dtype in entries
    }


def filled_like(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A state dict with the names and shapes of `network`."""
    return filled(
        (name, tuple(value.shape), str(value.dtype).removeprefix("torch."))
        for name, value in network.state_dict().items()
    )


def filled_manifest(manifest: Path) -> dict[str, torch.Tensor]:
    """A state dict with the names and shapes that a parity manifest lists."""
    return filled(
        (entry["name"], tuple(entry["shape"]), entry["dtype"])
        for entry in json.loads(manifest.read_text())["tensors"]
    )


def audio(seed: int, seconds: float, sample_rate: int, clips: int = 2) -> torch.Tensor:
    """(clips, round(seconds * sample_rate)) float32: chirps, noise bursts and clicks."""
    n = int(round(seconds * sample_rate))
    t = np.arange(n) / sample_rate
    out = np.zeros((clips, n), dtype=np.float64)
    for i in range(clips):
        draw = np.random.Generator(np.random.PCG64([seed, i]))
        for _ in range(4):
            f0, f1 = draw.uniform(80, 2000), draw.uniform(200, 6000)
            phase = 2 * np.pi * (f0 * t + (f1 - f0) * t**2 / (2 * max(seconds, 1e-9)))
            onset, width = draw.uniform(0, seconds), draw.uniform(0.1, 1.0)
            out[i] += draw.uniform(0.2, 1.0) * np.sin(phase) * np.exp(-(((t - onset) / width) ** 2))
        clicks = draw.uniform(0, seconds, size=5)
        out[i] += draw.uniform(0.005, 0.05) * draw.standard_normal(n)
        for c in clicks:
            out[i, min(int(c * sample_rate), n - 1)] += 0.5
        out[i] *= 0.7 / np.abs(out[i]).max()
    return torch.from_numpy(out.astype(np.float32))


def save(tensors: Mapping[str, Any], path: Path) -> str:
    """Write a checkpoint file; returns its path as `load_model` takes it."""
    torch.save(dict(tensors), path)
    return str(path)


def relative_error(got: torch.Tensor | np.ndarray, golden: np.ndarray) -> float:
    """Largest difference, relative to the largest golden value."""
    difference = np.abs(np.asarray(got, np.float64) - golden.astype(np.float64))
    return float(difference.max() / np.abs(golden).max())


def golden_cases(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """Golden arrays by case: {"short_s1": {"scene": ..., ...}, ...}."""
    cases: dict[str, dict[str, np.ndarray]] = {}
    with np.load(path) as arrays:
        for key in arrays.files:
            case, name = key.split("/")
            cases.setdefault(case, {})[name] = arrays[key]
    return cases


def case_audio(case: Mapping[str, np.ndarray], sample_rate: int) -> torch.Tensor:
    """The two clips that a golden case was made from."""
    return audio(int(case["audio_seed"]), float(case["seconds"]), sample_rate)


def frames_error(
    embeddings: torch.Tensor, case: Mapping[str, np.ndarray], prefix: str = "timestamp"
) -> float:
    """`relative_error` of timestamp embeddings against a case's first and last frames."""
    head, last = case[f"{prefix}_head"], case[f"{prefix}_last"]
    return max(
        relative_error(embeddings[:, : head.shape[1]], head),
        relative_error(embeddings[:, -last.shape[1] :], last),
    )
