"""The HEAR protocol's options and the facts that every engine shares.

Source: hear-eval-kit 2021.1.3, `heareval.predictions` (Turian et al., "HEAR: Holistic Evaluation of
Audio Representations", 2022): a shallow network is trained on frozen embeddings at a few points
drawn from a grid, the best on the validation data is trained once a fold and tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

SEED = 42
STANDARDIZED = "hear-standardized"
SHUFFLED = "hear-shuffled"
PROTOCOLS = ("hear", STANDARDIZED, SHUFFLED)
SHUFFLED_SEEDS = (0, 1, 2, 3, 4)
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
        split by split, as the BYOL-S paper evaluated openSMILE (arXiv:2206.12038, section 3.4);
        "hear-shuffled" with the training rows shuffled in every epoch, which the kit means to do
        and does not, for several seeds.
    grid
        One of `GRIDS`; the published results use "default".
    grid_points
        How many points of the grid are tried; the published results use 8.
    threads
        CPU threads that train. The count changes the last bits of a sum, so it is fixed
        here and not read off the machine: the same evaluation gives the same numbers anywhere.
    in_memory
        Hold embeddings in memory, or map them from disk.
    seeds
        Of "hear-shuffled": one whole evaluation each. The other protocols have the kit's `SEED`.
    parallel_grid
        Train all points of the grid at once, then all folds: made for GPUs. Each is trained as it
        would be alone, but with draws of its own, so the numbers are another seed's.
    device
        Where heads are trained; only "cpu" gives the kit's numbers to the last digit.
    """

    protocol: str = "hear"
    grid: str = "default"
    grid_points: int = 8
    threads: int = 2
    in_memory: bool = True
    seeds: tuple[int, ...] = SHUFFLED_SEEDS
    parallel_grid: bool = False
    device: str = "cpu"

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
        if not self.seeds or len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"seeds are {self.seeds}: expected different whole numbers from 0")

    def that_change_scores(self) -> dict[str, Any]:
        """Options as JSON, beside protocol and seeds; deviations from the kit only where chosen."""
        settings: dict[str, Any] = {
            "grid": self.grid,
            "grid_points": self.grid_points,
            "threads": self.threads,
        }
        if self.parallel_grid:
            settings["parallel_grid"] = True
        if self.device != "cpu":
            settings["device"] = self.device
        return settings

    def seeds_used(self) -> tuple[int, ...]:
        return self.seeds if self.protocol == SHUFFLED else (SEED,)

    def only_native(self) -> str:
        """The option that hear-eval-kit does not have, in words; empty if it has all."""
        if self.protocol == SHUFFLED:
            return f"the protocol {SHUFFLED}"
        if self.parallel_grid:
            return "training the grid in parallel"
        return f"training on {self.device}" if self.device != "cpu" else ""


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
