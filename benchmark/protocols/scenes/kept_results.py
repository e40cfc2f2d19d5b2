"""Finished folds of one evaluation, kept in its folder so that none is trained twice.

``settings.json`` says what they were made with; ``seed-<seed>/<fold>.result.json`` is one result
and ``seed-<seed>/<fold>.predictions.npz`` what was predicted for every clip of its test split.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.protocols.result import FoldResult, results_from_json, results_json

SETTINGS_FILE = "settings.json"


class KeptResults:
    """Results in a folder.

    A fold counts as finished when its JSON is there, which is written last and in one move.

    Parameters
    ----------
    folder
        Of the evaluation; it is made.
    settings
        All that can change a number, as JSON. Results that were made with others are deleted.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / SETTINGS_FILE
        text = json.dumps(settings, indent=1, sort_keys=True)
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return
        for old in folder.glob("seed-*"):
            shutil.rmtree(old)
        _replace(path, text.encode())

    def read(self, seed: int, fold: str) -> FoldResult | None:
        """The result of that seed and fold, if it is finished."""
        path = self._result(seed, fold)
        if not path.is_file():
            return None
        return results_from_json([json.loads(path.read_text(encoding="utf-8"))])[0]

    def write(self, result: FoldResult, predictions: Mapping[str, npt.NDArray[Any]]) -> None:
        """Keep a finished fold and the arrays that it predicted."""
        path = self._result(result.seed, result.fold)
        path.parent.mkdir(exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, **predictions)  # type: ignore[arg-type]
        os.replace(partial, path.with_name(f"{result.fold}.predictions.npz"))
        _replace(path, json.dumps(results_json([result])[0]).encode())

    def _result(self, seed: int, fold: str) -> Path:
        return self.folder / f"seed-{seed}" / f"{fold}.result.json"


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    os.replace(partial, path)
