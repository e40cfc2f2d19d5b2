"""The HEAR protocol's options and the facts that every engine shares.

Source: hear-eval-kit 2021.1.3, `heareval.predictions` (Turian et al., "HEAR: Holistic Evaluation of
Audio Representations", 2022): a shallow network is trained on frozen embeddings at a few points
drawn from a grid, the best on the validation data is trained once a fold and tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

SEED = 42
STANDARDIZED = "hear-standardized"
PROTOCOLS = ("hear", STANDARDIZED)
ENGINES = ("native", "kit")
GRIDS = ("default", "fast", "faster")
SCORES_FILE = "test.predicted-scores.json"


@dataclass(frozen=True)
class HearOptions:
    """Options of one evaluation; each of them but `in_memory` may change the scores.

    Attributes
    ----------
    protocol
        "hear" as hear-eval-kit has it; "hear-standardized" the same on embeddings standardised
        split by split, as the BYOL-S paper evaluated openSMILE (arXiv:2206.12038, section 3.4).
    grid
        One of `GRIDS`; the published results use "default".
    grid_points
        How many points of the grid are tried; the published results use 8.
    threads
        CPU threads that train. The count changes the last bits of a sum, so it is fixed
        here and not read off the machine: the same evaluation gives the same numbers anywhere.
    in_memory
        Hold embeddings in memory, or map them from disk.
    """

    protocol: str = "hear"
    grid: str = "default"
    grid_points: int = 8
    threads: int = 2
    in_memory: bool = True

    def __post_init__(self) -> None:
        for name, value, known in (
            ("protocol", self.protocol, PROTOCOLS),
            ("grid", self.grid, GRIDS),
        ):
            if value not in known:
                raise ValueError(f"unknown {name} {value!r}: choose one of {', '.join(known)}")
        for name in ("grid_points", "threads"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}")

    def that_change_scores(self) -> dict[str, Any]:
        """Options as JSON, beside the protocol, without those that only change use of memory."""
        apart = ("protocol", "in_memory")
        return {name: value for name, value in asdict(self).items() if name not in apart}


class Fold(NamedTuple):
    """Splits of one training run; `name` is the run's key in the scores."""

    name: str
    train: tuple[str, ...]
    valid: str
    test: str


def folds(metadata: Mapping[str, Any]) -> list[Fold]:
    """Training runs of a task, the first being the one that the grid is searched on.

    Parameters
    ----------
    metadata
        A task's `task_metadata.json`.

    Raises
    ------
    ValueError
        If `split_mode` is not one of HEAR's three.
    """
    mode = metadata["split_mode"]
    if mode == "trainvaltest":
        return [Fold("test", ("train",), "valid", "test")]
    if mode not in ("new_split_kfold", "presplit_kfold"):
        raise ValueError(
            f"unknown split_mode {mode!r}: expected trainvaltest, new_split_kfold or presplit_kfold"
        )
    names: Sequence[str] = sorted(metadata["splits"])
    return [
        Fold(test, tuple(name for name in names if name not in (test, valid)), valid, test)
        for test, valid in zip(names, [*names[1:], names[0]], strict=True)
    ]
