"""Protocol ``hear``: HEAR's evaluation as hear-eval-kit runs it, to stand beside published scores.

Two engines give the same numbers on one machine: hear-eval-kit itself, and one in plain torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.protocols.hear.folds import folds
from benchmark.protocols.hear.grid import check_grid
from benchmark.protocols.hear.options import SEED, HearOptions, HearTrainingOptions
from benchmark.protocols.registry import OnProgress, Protocol
from benchmark.protocols.result import FoldResult


def evaluate(
    embeddings: Path, work: Path, options: HearOptions, on_progress: OnProgress
) -> tuple[FoldResult, ...]:
    """Results of one folder of embeddings, one a fold; see `Protocol.evaluate`."""
    from benchmark.protocols.hear.kit_scores import fold_results

    if options.engine == "kit":
        from benchmark.protocols.hear.kit import evaluate_with_kit

        return fold_results(evaluate_with_kit(embeddings, work, options, on_progress), SEED)
    from benchmark.protocols.hear.native import evaluate_native

    return fold_results(evaluate_native(embeddings, work, options, on_progress), SEED)


def check_training(options: HearTrainingOptions) -> None:
    """Raise `UserError` if the device that heads train on is not here."""
    if options.device != "cpu":
        from benchmark.probes.training import require_device

        require_device(options.device)


def check(options: HearOptions) -> None:
    """Raise `UserError` if the engine is not installed or lacks what is chosen."""
    if options.engine == "kit":
        from benchmark.protocols.hear.kit import require_kit

        if lacking := options.not_in_kit():
            raise UserError(f"hear-eval-kit does not have {lacking}; choose --engine native")
        require_kit()
    check_training(options)


def check_task(metadata: Mapping[str, Any]) -> None:
    """Raise `UserError` if a split is missing or ``evaluation_params`` are not hear-eval-kit's."""
    from benchmark.metrics.events import postprocessings

    needed = {split for fold in folds(metadata) for split in (*fold.train, fold.valid, fold.test)}
    if missing := sorted(needed - {*metadata["splits"]}):
        raise UserError(
            f"there is no split {missing[0]!r}, only {', '.join(metadata['splits'])}; HEAR's"
            " protocols need it"
        )
    check_grid(metadata)
    if metadata["embedding_type"] == "event":
        choices = postprocessings(metadata)
        if not metadata.get("use_scoring_for_early_stopping", True) and len(choices) != 1:
            raise UserError(
                "a task that stops by its loss must have one point in event_postprocessing_grid,"
                f" not {len(choices)}"
            )


PROTOCOLS = (
    Protocol(
        name="hear",
        version=1,
        summary="HEAR's, as hear-eval-kit has it",
        options=HearOptions,
        evaluate=evaluate,
        seed=SEED,
        check=check,
        check_task=check_task,
        recommended_for="standing beside published HEAR scores; its one seed cannot tell close"
        " models apart",
    ),
)
