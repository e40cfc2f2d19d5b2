"""Finished trainings of one evaluation, kept in its folder so that none is done twice."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmark.metrics.events import Postprocessing
from benchmark.probes.mlp import Hparams

SETTINGS_FILE = "native.json"


@dataclass(frozen=True)
class Run:
    """One finished training: what the rest of the evaluation needs of it.

    Attributes
    ----------
    hparams
        What was trained.
    score, epoch
        Validation score and epoch (from 0) of the best state.
    postprocessing
        How events are made of its predictions; empty for scene tasks.
    seconds
        Wall time.
    rng_state
        State of the random generator after the training, base64.
    curve
        Epoch and score of every validation; runs that were kept without it have none.
    """

    hparams: Hparams
    score: float
    epoch: int
    postprocessing: Postprocessing
    seconds: float
    rng_state: str
    curve: tuple[tuple[int, float], ...] = ()


class KeptRuns:
    """Runs and their predictions of the test split, in a folder.

    A run counts as finished when its JSON is there, which is written last and in one move.

    Parameters
    ----------
    folder
        Where; it exists.
    settings
        All that can change a number, as JSON. Runs that were made with others are deleted.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        path = folder / SETTINGS_FILE
        text = json.dumps(settings, indent=1)
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return
        for file in (*folder.glob("*.run.json"), *folder.glob("*.predictions.npz")):
            file.unlink()
        write_file(path, text.encode())

    def read(self, name: str) -> Run | None:
        """The run of that name, if it is finished."""
        try:
            text = (self.folder / f"{name}.run.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        values = json.loads(text)
        values["postprocessing"] = tuple(map(tuple, values["postprocessing"]))
        return Run(**values)

    def write(self, name: str, run: Run, predictions: Mapping[str, Any]) -> None:
        """Keep a finished run and the arrays that it predicted."""
        with _replacing(self._predictions(name)) as partial, partial.open("wb") as file:
            np.savez(file, **predictions)
        write_file(self.folder / f"{name}.run.json", json.dumps(asdict(run)).encode())

    def predictions(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """The arrays that a run predicted."""
        with np.load(self._predictions(name), allow_pickle=False) as arrays:
            return dict(arrays)

    def rename_predictions(self, name: str, to: str) -> None:
        """Give them another name, unless that was done before."""
        if self._predictions(name).exists():
            self._predictions(name).replace(self._predictions(to))

    def forget_predictions(self, name: str) -> None:
        """Delete them, unless that was done before."""
        self._predictions(name).unlink(missing_ok=True)

    def _predictions(self, name: str) -> Path:
        return self.folder / f"{name}.predictions.npz"


def rng_state_text(generator: torch.Generator) -> str:
    """State of a generator as text."""
    return base64.b64encode(generator.get_state().numpy().tobytes()).decode()


def set_rng_state(generator: torch.Generator, text: str) -> None:
    """Put a generator into the state that `rng_state_text` gave."""
    state = np.frombuffer(base64.b64decode(text), np.uint8).copy()
    generator.set_state(torch.from_numpy(state))


def write_file(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    with _replacing(path) as partial:
        partial.write_bytes(content)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    partial = path.with_name(path.name + ".partial")
    yield partial
    os.replace(partial, path)
