"""What a protocol gives for one trained probe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class FoldResult:
    """Scores of one fold from one seed.

    Attributes
    ----------
    fold
        Name of the split that was tested.
    seed
        Seed of the training; protocols without chance say 0.
    scores
        By metric, never per cent; NaN where a score is not defined. The first is the task's
        primary metric.
    training
        How the training went: validation_score, epoch, time_in_min, test_loss, ...
    hparams
        What was trained.
    postprocessing
        How events are made of predictions: pairs of name and value; None in scene tasks.
    """

    fold: str
    seed: int
    scores: Mapping[str, float]
    training: Mapping[str, float] = field(default_factory=dict)
    hparams: Mapping[str, Any] = field(default_factory=dict)
    postprocessing: Any = None


def results_json(results: Sequence[FoldResult]) -> list[dict[str, Any]]:
    """JSON form of results; NaN and infinities as Python's json writes them."""
    return [asdict(result) for result in results]


def results_from_json(content: Sequence[Mapping[str, Any]]) -> tuple[FoldResult, ...]:
    """Results from their JSON form."""
    return tuple(FoldResult(**one) for one in content)
