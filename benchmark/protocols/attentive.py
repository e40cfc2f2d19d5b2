"""Protocol ``attentive``: attention pooling over timestamps, then one linear layer.

Means over time understate models that tell most of a clip in few frames (arXiv:2509.24901); here
one learned query weighs the frames. No paper's settings are meant: batches, epochs, seeds and the
choice of the learning rate are those of the protocol ``linear``, so that the two differ in the
pooling alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark.protocols.linear import LinearOptions
from benchmark.protocols.registry import OnProgress, Protocol
from benchmark.protocols.result import FoldResult


@dataclass(frozen=True)
class SequenceOptions(LinearOptions):
    """Options of protocols that train on sequences of embeddings; those of ``linear``."""


def evaluate(
    embeddings: Path, work: Path, options: SequenceOptions, on_progress: OnProgress
) -> tuple[FoldResult, ...]:
    """Results for every seed and fold; see `Protocol.evaluate`."""
    from benchmark.protocols.scenes.evaluation import evaluate_scenes
    from benchmark.protocols.scenes.sequence_fits import SequenceTask, fit_attentive

    return evaluate_scenes(
        embeddings,
        work,
        "attentive 2",
        options,
        options.seeds,
        lambda job: fit_attentive(job, options),
        on_progress,
        options.threads,
        SequenceTask,
    )


PROTOCOLS = (
    Protocol(
        name="attentive",
        version=2,
        summary="attention pooling over timestamps and one linear layer",
        options=SequenceOptions,
        evaluate=evaluate,
        representation="timestamps",
        embedding_types=("scene",),
        recommended_for="what a mean over time hides; beside linear, from which it differs in that",
    ),
)
