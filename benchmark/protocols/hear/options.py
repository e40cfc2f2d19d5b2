"""Options of the protocols that train as HEAR does.

Source: hear-eval-kit 2021.1.3, `heareval.predictions` (Turian et al., "HEAR: Holistic Evaluation of
Audio Representations", 2022): a shallow network is trained on frozen embeddings at a few points
drawn from a grid, the best on the validation data is trained once a fold and tested.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.protocols.options import ProtocolOptions, distinct_seeds, option, threads_option

SEED = 42
MULTISEED_SEEDS = (0, 1, 2, 3, 4)
ENGINES = ("native", "kit")
STATISTICS = ("split", "train")
GRIDS = ("default", "fast", "faster")
SCORES_FILE = "test.predicted-scores.json"


@dataclass(frozen=True)
class HearTrainingOptions(ProtocolOptions):
    """How HEAR's heads are searched and trained.

    Attributes
    ----------
    grid
        One of `GRIDS`; the published results use "default".
    grid_points
        How many points of the grid are tried; the published results use 8.
    threads
        CPU threads that train. The count changes the last bits of a sum, so it is fixed
        here and not read off the machine: the same evaluation gives the same numbers anywhere.
    in_memory
        Hold embeddings in memory, or read them from disk batch by batch.
    parallel_grid
        Train all points of the grid at once, then all folds: made for GPUs. Each is trained as it
        would be alone, but with draws of its own, so the numbers are another seed's.
    device
        Where heads are trained; only "cpu" gives the kit's numbers to the last digit.
    """

    grid: str = option(
        "default", "hear-eval-kit's grids; published scores use default", choices=GRIDS
    )
    grid_points: int = option(8, "points of the grid to try", metavar="N")
    threads: int = threads_option(2)
    in_memory: bool = option(True, "hold embeddings in memory", flag="", role="local")
    parallel_grid: bool = option(
        False,
        "train the whole grid at once, for GPUs; other numbers, as another seed gives",
        only_if_chosen=True,
    )
    device: str = option(
        "cpu",
        "where heads are trained; only cpu gives hear-eval-kit's numbers to the last digit",
        flag="--train-device",
        metavar="DEVICE",
        role="device",
        only_if_chosen=True,
    )

    def remarks(self) -> tuple[str, ...]:
        if self.grid == "faster" and self.grid_points == 1:
            return (
                "--grid faster with one point trains one small probe and chooses nothing: it shows"
                " that everything runs, its scores do not tell models apart",
            )
        return ()


@dataclass(frozen=True)
class HearOptions(HearTrainingOptions):
    """Options of ``hear``.

    Attributes
    ----------
    engine
        "kit" for hear-eval-kit itself, "native" for the engine that gives its numbers faster.
    """

    engine: str = option(
        "native",
        "what trains and scores: native, or kit, hear-eval-kit itself, for the same numbers more"
        " slowly",
        choices=ENGINES,
        role="engine",
    )

    def not_in_kit(self) -> str:
        """What is chosen that hear-eval-kit does not have, in words; empty if it has all."""
        if self.parallel_grid:
            return "training the grid in parallel"
        return f"training on {self.device}" if self.device != "cpu" else ""


@dataclass(frozen=True)
class StandardizedOptions(HearOptions):
    """Options of ``hear-standardized``.

    Attributes
    ----------
    statistics
        One of `STATISTICS`: each split by its own mean and deviation, as the BYOL-S paper, or all
        splits of a fold by those of its training splits, so that nothing is learnt of the test set.
    """

    statistics: str = option(
        "split",
        "clips that means and deviations are of: each split's own, or the training splits' of a"
        " fold for all",
        choices=STATISTICS,
        only_if_chosen=True,
    )

    def not_in_kit(self) -> str:
        if self.statistics == "train":
            return "embeddings standardised by the training splits of each fold"
        return super().not_in_kit()


@dataclass(frozen=True)
class MultiseedOptions(HearTrainingOptions):
    """Options of ``hear-multiseed``.

    Attributes
    ----------
    seeds
        One whole evaluation each.
    """

    seeds: tuple[int, ...] = option(
        MULTISEED_SEEDS,
        "one whole evaluation each",
        metavar="A,B",
        parse=distinct_seeds,
        role="seeds",
    )
