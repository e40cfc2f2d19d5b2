"""Protocol ``support``: local predictions of windows, aggregated to the clip's.

Quelennec et al., "On the choice of the optimal temporal support for audio classification with
pre-trained embeddings" (ICASSP 2024, arXiv:2312.14005): a frozen model embeds windows of 1, 3, 5 or
10 s, a linear probe predicts at each, and an aggregation makes the clip's prediction of them. This
evaluates one length of windows, as `benchmark.embeddings.representation` cuts them.

The stored text does not spell out its two aggregations: one is the mean, the other is most likely
attention, taken here as a softmax over windows for each label; ``autopool`` is the other candidate.
Nor are its training settings and the hop of its windows: the settings are those of the protocol
``linear``, and windows do not overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark.protocols.attentive import SequenceOptions
from benchmark.protocols.options import option
from benchmark.protocols.registry import OnProgress, Protocol
from benchmark.protocols.result import FoldResult


@dataclass(frozen=True)
class SupportOptions(SequenceOptions):
    """Options of ``support``."""

    aggregator: str = option(
        "mean",
        "how predictions of windows become the clip's",
        choices=("mean", "attention", "autopool"),
    )
    window_seconds: int = option(
        1,
        "length of the windows that a clip is embedded by; 1, 3, 5 and 10 in the paper",
        metavar="N",
        role="windows",
    )


def evaluate(
    embeddings: Path, work: Path, options: SupportOptions, on_progress: OnProgress
) -> tuple[FoldResult, ...]:
    """Results for every seed and fold; see `Protocol.evaluate`."""
    from benchmark.protocols.scenes.evaluation import evaluate_scenes
    from benchmark.protocols.scenes.sequence_fits import SequenceTask, fit_support

    return evaluate_scenes(
        embeddings,
        work,
        "support 2",
        options,
        options.seeds,
        lambda job: fit_support(job, options),
        on_progress,
        options.threads,
        SequenceTask,
    )


PROTOCOLS = (
    Protocol(
        name="support",
        version=2,
        summary="linear predictions of windows, aggregated to the clip's",
        options=SupportOptions,
        evaluate=evaluate,
        representation="windows",
        embedding_types=("scene",),
        recommended_for="how long a window of audio a model needs to hear",
    ),
)
