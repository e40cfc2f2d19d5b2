"""Embeddings standardised split by split, for models whose values no classifier can take raw.

Elbanna et al., BYOL-S (arXiv:2206.12038, section 3.4), applied "per-fold standardization" inside
hear-eval-kit, whose data set is one split; so the statistics here are a split's own.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

_ROWS = 4096  # worked on at a time


@contextmanager
def standardized(embeddings: Path, work: Path) -> Iterator[Path]:
    """A folder like `embeddings` with standardised values, inside `work`; gone afterwards.

    Every feature has mean 0 and standard deviation 1 over the rows of its split (statistics in
    float64); a feature that is constant there is 0.

    Parameters
    ----------
    embeddings
        Folder of complete embeddings (`benchmark.embeddings.store`); nothing is written there.
    """
    folder = work / "standardized"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        for file in embeddings.iterdir():
            if file.name.endswith(".embeddings.npy"):
                split = file.name.removesuffix(".embeddings.npy")
                shape = json.loads((embeddings / f"{split}.embedding-dimensions.json").read_text())
                _standardize(file, folder / file.name, tuple(shape))
            else:
                (folder / file.name).symlink_to(file.resolve())
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _standardize(source: Path, target: Path, shape: tuple[int, int]) -> None:
    rows = np.memmap(source, np.float32, "r", shape=shape)
    blocks = [slice(start, start + _ROWS) for start in range(0, shape[0], _ROWS)]
    mean = sum(rows[block].sum(0, dtype=np.float64) for block in blocks) / shape[0]
    variance = sum(np.square(rows[block] - mean).sum(0) for block in blocks) / shape[0]
    constant = (np.ptp(rows, axis=0) == 0) | (variance == 0)
    scale = np.where(constant, 0.0, 1 / np.sqrt(np.where(constant, 1.0, variance)))
    out = np.memmap(target, np.float32, "w+", shape=shape)
    for block in blocks:
        out[block] = (rows[block] - mean) * scale
    out.flush()
