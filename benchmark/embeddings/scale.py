"""The scale of embeddings, and whether HEAR's classifier can learn from it.

HEAR's probe takes embeddings as they are. Dimensions that vary thousands of times more than the
others fill its first layer, and values far from 1 take its gradients out of the optimiser's reach:
its scores are then near chance whatever the embeddings hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_VALUES = 4_000_000  # looked at
LARGEST_SPREAD = 1e3
LARGEST_VALUE = 1e4
SMALLEST_DEVIATION = 1e-6
REMEDY = "standardised embeddings suit it: --protocol hear-standardized"


def scale_of(files: Sequence[Path], size: int) -> dict[str, Any]:
    """Statistics of embeddings on disk, of `MOST_VALUES` values in rows spread over each file.

    Parameters
    ----------
    files
        float32 (rows, size), raw.

    Returns
    -------
    dict
        ``largest``: of all absolute values; ``deviation``: the median over dimensions of their
        standard deviation over rows, constant dimensions left out; ``spread``: of the largest of
        these deviations to the median; ``constant``: the number of constant dimensions.
    """
    most = max(100, MOST_VALUES // size // len(files))
    rows = np.concatenate([_some_rows(path, size, most) for path in files]).astype(np.float64)
    deviations = rows.std(axis=0)
    varying = deviations[np.ptp(rows, axis=0) > 0]
    median = float(np.median(varying)) if len(varying) else 0.0
    return {
        "largest": float(np.abs(rows).max()),
        "deviation": median,
        "spread": float(varying.max() / median) if len(varying) else 1.0,
        "constant": int(size - len(varying)),
    }


def scale_advice(scale: dict[str, Any]) -> str:
    """A line on why HEAR's classifier will fail on such embeddings; empty where it should not."""
    if not scale["deviation"]:
        return "all embeddings are the same: every classifier is at chance"
    if scale["spread"] > LARGEST_SPREAD:
        return (
            f"some dimensions vary {scale['spread']:.0e} times as much as most, which HEAR's"
            f" classifier does not get over; {REMEDY}"
        )
    if scale["largest"] > LARGEST_VALUE or scale["deviation"] < SMALLEST_DEVIATION:
        return (
            f"values reach {scale['largest']:.1e} and vary by {scale['deviation']:.1e}, which"
            f" HEAR's classifier does not get over; {REMEDY}"
        )
    return ""


def _some_rows(path: Path, size: int, most: int) -> npt.NDArray[np.float32]:
    rows = np.memmap(path, np.float32, "r").reshape(-1, size)
    some: npt.NDArray[np.float32] = rows[:: -(-len(rows) // most)]
    return some
