"""Protocol ``hear-standardized``: HEAR's on embeddings standardised split by split.

So did the BYOL-S paper evaluate openSMILE (arXiv:2206.12038, section 3.4): features of very
different scales, of which HEAR's network learns nothing as they are.
"""

from __future__ import annotations

from pathlib import Path

from benchmark.protocols.hear import protocol as hear
from benchmark.protocols.hear.options import SEED, HearOptions
from benchmark.protocols.registry import OnProgress, Protocol
from benchmark.protocols.result import FoldResult


def evaluate(
    embeddings: Path, work: Path, options: HearOptions, on_progress: OnProgress
) -> tuple[FoldResult, ...]:
    """Results of one folder of embeddings, one a fold; see `Protocol.evaluate`."""
    from benchmark.embeddings.standardize import standardized

    with standardized(embeddings, work) as folder:
        return hear.evaluate(folder, work, options, on_progress)


PROTOCOLS = (
    Protocol(
        name="hear-standardized",
        version=1,
        summary="HEAR's on embeddings standardised split by split",
        options=HearOptions,
        evaluate=evaluate,
        seed=SEED,
        check=hear.check,
        check_task=hear.check_task,
        recommended_for="embeddings of very different or very large scales, such as openSMILE's",
    ),
)
