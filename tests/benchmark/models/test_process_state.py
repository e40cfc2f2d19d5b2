"""What a module changes for everybody is noticed, and taken back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from benchmark.models.process_state import ProcessState, set_tf32


@pytest.fixture
def state() -> Iterator[ProcessState]:
    found = ProcessState.now()
    yield found
    found.restore()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda: torch.set_default_dtype(torch.float64), "the default dtype"),
        (lambda: torch.set_default_device("meta"), "the default device (cpu to meta)"),
        (lambda: torch.set_grad_enabled(False), "the grad mode (True to False)"),
        (lambda: torch.set_float32_matmul_precision("medium"), "the float32 matmul precision"),
        (lambda: torch.set_autocast_enabled("cpu", True), "autocast on CPUs"),
        (lambda: torch.use_deterministic_algorithms(True), "deterministic algorithms"),
        (lambda: torch.set_num_threads(torch.get_num_threads() + 1), "the number of threads"),
        (lambda: set_tf32(not torch.backends.cuda.matmul.allow_tf32), "TF32 of CUDA matmul"),
        (lambda: setattr(torch.backends.cudnn, "benchmark", True), "cuDNN's benchmark mode"),
    ],
)
def test_changes_are_taken_back_and_named(
    state: ProcessState, change: Callable[[], None], named: str
) -> None:
    assert state.restore() == []
    change()
    changed = state.restore()
    assert any(named in each for each in changed)
    assert ProcessState.now() == state


def test_a_change_of_folder_is_taken_back(state: ProcessState, tmp_path: Path) -> None:
    before = os.getcwd()
    os.chdir(tmp_path)
    assert state.restore() == [f"the current folder ({before} to {tmp_path})"]
    assert os.getcwd() == before
