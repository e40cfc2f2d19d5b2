"""A HEAR module for tests: the loudness of windows of the audio, and faults on demand."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

HOP_MS = 50


# What a module may do to its process, at once and at its calls.
AT_LOAD: dict[str, Callable[[], Any]] = {
    "exit at load": lambda: sys.exit(0),
    "full disk": lambda: setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=300)),
    "weights": lambda: logging.getLogger("some.library").warning(
        "Some weights of Net were not initialized\nfrom the checkpoint and are newly initialized"
    ),
}
AT_CALL: dict[str, Callable[[], Any]] = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "exit": lambda: sys.exit(0),
    "abrupt exit": lambda: os._exit(0),
    "hang": lambda: time.sleep(1000),
    "chdir": lambda: os.chdir("/"),
    "dtype for all": lambda: torch.set_default_dtype(torch.float64),
    "grad mode": lambda: torch.set_grad_enabled(False),
    "precision": lambda: torch.set_float32_matmul_precision("medium"),
}


class Tiny(torch.nn.Module):
    def __init__(self, rate: int, size: int, fault: str, after: int, most_clips: int) -> None:
        super().__init__()
        self.sample_rate = rate
        self.scene_embedding_size = size
        self.timestamp_embedding_size = size
        self.fault = fault
        self.after = after  # calls that go well, the probe of the model among them
        self.most_clips = most_clips
        self.batches: list[int] = []
        generator = torch.Generator().manual_seed(size)
        self.weight = torch.nn.Parameter(torch.randn(2, size, generator=generator))


def load_model(
    model_file_path: str = "",
    *,
    rate: int = 16000,
    size: int = 3,
    fault: str = "",
    after: int = 1,
    most_clips: int = 10**9,
) -> Tiny:
    if fault in AT_LOAD:
        AT_LOAD[fault]()
    return Tiny(rate, size, fault, after, most_clips).eval()


def get_scene_embeddings(audio: Tensor, model: Tiny) -> Any:
    _misbehave(audio, model)
    embeddings = torch.stack([audio.mean(1), audio.std(1)], 1) @ model.weight
    audio.zero_()  # the runner must not hand the same samples to the next model
    return _spoil(embeddings, model)


def get_timestamp_embeddings(audio: Tensor, model: Tiny) -> Any:
    _misbehave(audio, model)
    hop = model.sample_rate * HOP_MS // 1000
    frames = audio[:, : audio.shape[1] // hop * hop].reshape(len(audio), -1, hop)
    embeddings = torch.stack([frames.mean(2), frames.std(2)], 2) @ model.weight
    timestamps = (torch.arange(frames.shape[1]) * float(HOP_MS)).repeat(len(audio), 1)
    if _is_due(model) and model.fault == "timestamps":
        timestamps = timestamps.flip(1)
    return _spoil(embeddings, model), timestamps


def _is_due(model: Tiny) -> bool:
    return len(model.batches) > model.after


def _misbehave(audio: Tensor, model: Tiny) -> None:
    warnings.warn("nothing the user can act on", stacklevel=1)
    if len(audio) > model.most_clips:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    model.batches.append(len(audio))
    if not _is_due(model):
        return
    if model.fault in AT_CALL:
        AT_CALL[model.fault]()
    if model.fault == "interrupt":
        raise KeyboardInterrupt
    if model.fault == "memory":
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 B")
    if model.fault == "batches" and len(audio) > 1:
        raise ValueError("one clip at a time")
    if model.fault == "loud" and bool((audio.abs().amax(1) > 0.9).any()):
        raise ValueError("too\nloud")


def _spoil(embeddings: Tensor, model: Tiny) -> Any:
    if not _is_due(model):
        return embeddings
    spoilt = {
        "nan": lambda: embeddings / 0,
        "shape": lambda: embeddings[..., :-1],
        "dtype": lambda: embeddings.double(),
        "kind": lambda: embeddings.tolist(),
    }
    return spoilt.get(model.fault, lambda: embeddings)()
