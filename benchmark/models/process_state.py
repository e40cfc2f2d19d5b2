"""State of the process that decides embeddings but belongs to no model: torch's switches, the cwd.

A module may change it when it is imported, loaded or called. What it computes must not depend on
that, for the state is not in its key, so `ProcessState.restore` takes changes back and names them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

_Switch = tuple[Callable[[], Any], Callable[[Any], object]]


def _attribute(owner: Any, name: str) -> _Switch:
    return partial(getattr, owner, name), partial(setattr, owner, name)


def _set_default_device(device: torch.device) -> None:
    # Setting even the CPU would send every call of torch through a handler.
    torch.set_default_device(None if device == torch.device("cpu") else device)


def _autocast(kind: str) -> _Switch:
    return (
        partial(torch.is_autocast_enabled, kind),
        partial(torch.set_autocast_enabled, kind),
    )


# By what they are called in messages.
_SWITCHES: dict[str, _Switch] = {
    "the default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "the default device": (torch.get_default_device, _set_default_device),
    "the grad mode": (torch.is_grad_enabled, torch.set_grad_enabled),
    "autocast on CPUs": _autocast("cpu"),
    "autocast on CUDA": _autocast("cuda"),
    "deterministic algorithms": (
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
    ),
    "the float32 matmul precision": (
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    ),
    "TF32 of CUDA matmul": _attribute(torch.backends.cuda.matmul, "allow_tf32"),
    "TF32 of cuDNN": _attribute(torch.backends.cudnn, "allow_tf32"),
    "cuDNN's benchmark mode": _attribute(torch.backends.cudnn, "benchmark"),
    "cuDNN's deterministic mode": _attribute(torch.backends.cudnn, "deterministic"),
    "the number of threads": (torch.get_num_threads, torch.set_num_threads),
    "the current folder": (os.getcwd, os.chdir),
}


@dataclass(frozen=True)
class ProcessState:
    """The switches of this process as `now` found them, by name."""

    values: dict[str, Any]

    @classmethod
    def now(cls) -> ProcessState:
        return cls({name: _read(get) for name, (get, _) in _SWITCHES.items()})

    def restore(self) -> list[str]:
        """Set back what has changed; returns a phrase such as "the grad mode (True to False)"."""
        found = ProcessState.now().values
        changed = [name for name, value in self.values.items() if found[name] != value]
        for name in changed:
            _SWITCHES[name][1](self.values[name])
        return [f"{name} ({self.values[name]} to {found[name]})" for name in changed]


def set_tf32(enabled: bool) -> None:
    """Let CUDA's matrix products and cuDNN's convolutions of float32 round to TF32, or not.

    torch lets convolutions do so unless it is told otherwise.
    """
    torch.backends.cuda.matmul.allow_tf32 = enabled
    torch.backends.cudnn.allow_tf32 = enabled


def _read(get: Callable[[], Any]) -> Any:
    try:
        return get()
    except (RuntimeError, OSError) as error:  # set by two interfaces of torch, or a folder gone
        return type(error).__name__
