"""Protocol ``hear-multiseed``: HEAR's with shuffled training rows, from several seeds.

hear-eval-kit means to shuffle its training data and does not (`Rows.batches`), and a single seed
does not tell how much of a difference is noise.
"""

from __future__ import annotations

from pathlib import Path

from benchmark.protocols.hear.options import MultiseedOptions
from benchmark.protocols.hear.protocol import check_task, check_training
from benchmark.protocols.registry import OnProgress, Protocol
from benchmark.protocols.result import FoldResult


def evaluate(
    embeddings: Path, work: Path, options: MultiseedOptions, on_progress: OnProgress
) -> tuple[FoldResult, ...]:
    """Results of one folder of embeddings for every seed and fold; see `Protocol.evaluate`."""
    from benchmark.protocols.hear.native import Variant, evaluate_seeds

    return evaluate_seeds(
        embeddings, work, options, on_progress, options.seeds, Variant(shuffle=True)
    )


PROTOCOLS = (
    Protocol(
        name="hear-multiseed",
        version=1,
        summary="HEAR's with shuffled training rows, from several seeds",
        options=MultiseedOptions,
        evaluate=evaluate,
        check=check_training,
        check_task=check_task,
        recommended_for="comparing models: its intervals show what is noise",
        former_names=("hear-shuffled",),
    ),
)
