"""Protocol ``hear-standardized``: HEAR's on standardised embeddings.

So the BYOL-S paper evaluated openSMILE (arXiv:2206.12038, section 3.4), features of very different
scales, of which HEAR's network learns nothing as they are: split by split, each by its own
statistics. With ``--statistics train`` those of a fold's training splits scale all of its splits,
as one has to do where test clips come one by one.
"""

from __future__ import annotations

from pathlib import Path

from benchmark.protocols.hear import protocol as hear
from benchmark.protocols.hear.options import SEED, StandardizedOptions
from benchmark.protocols.registry import OnProgress, Protocol
from benchmark.protocols.result import FoldResult


def evaluate(
    embeddings: Path, work: Path, options: StandardizedOptions, on_progress: OnProgress
) -> tuple[FoldResult, ...]:
    """Results of one folder of embeddings, one a fold; see `Protocol.evaluate`."""
    from benchmark.embeddings.standardize import standardized
    from benchmark.protocols.hear.kit_scores import fold_results
    from benchmark.protocols.hear.native import Variant, evaluate_native

    if options.statistics == "train":
        by_train = Variant(standardize=True)
        return fold_results(evaluate_native(embeddings, work, options, on_progress, by_train), SEED)
    with standardized(embeddings, work) as folder:
        return hear.evaluate(folder, work, options, on_progress)


PROTOCOLS = (
    Protocol(
        name="hear-standardized",
        version=1,
        summary="HEAR's on standardised embeddings",
        options=StandardizedOptions,
        evaluate=evaluate,
        seed=SEED,
        check=hear.check,
        check_task=hear.check_task,
        recommended_for="embeddings of very different or very large scales, such as openSMILE's",
    ),
)
