"""Protocol ``mteb-fewshot``: logistic regression on 8 clips of each label, 10 times drawn.

As MAEB, the audio part of MTEB, classifies (embeddings-benchmark/mteb at a905523, 2.20.0; facts
only): scikit-learn's LogisticRegression with 100 iterations; one list of training clips is
shuffled again for each draw by one RandomState(42), and the first 8 of each label are taken.
The draws stand in place of seeds. Here:

- clips are listed in the order of the embeddings on disk, so a draw takes other clips than MTEB's;
- the regression is ours and in float64, equal to scikit-learn's but for rounding;
- cross-validated tasks keep their folds, each with its own draws: MAEB ignores official folds;
- a label with fewer than 8 clips is an error: MTEB silently takes what there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark.protocols.options import ProtocolOptions, distinct_seeds, option, threads_option
from benchmark.protocols.registry import OnProgress, Protocol
from benchmark.protocols.result import FoldResult


@dataclass(frozen=True)
class FewshotOptions(ProtocolOptions):
    """Options of ``mteb-fewshot``."""

    clips_per_label: int = option(8, "training clips of each label in a draw", metavar="N")
    draws: tuple[int, ...] = option(
        tuple(range(10)),
        "numbers of the draws of training clips",
        metavar="A,B",
        parse=distinct_seeds,
        role="seeds",
    )
    threads: int = threads_option(1)


def evaluate(
    embeddings: Path, work: Path, options: FewshotOptions, on_progress: OnProgress
) -> tuple[FoldResult, ...]:
    """Results for every draw and fold; see `Protocol.evaluate`."""
    from benchmark.protocols.scenes.evaluation import evaluate_scenes
    from benchmark.protocols.scenes.fewshot_fit import fit_fewshot

    return evaluate_scenes(
        embeddings,
        work,
        "mteb-fewshot 1",
        options,
        options.draws,
        lambda job: fit_fewshot(job, options),
        on_progress,
        options.threads,
    )


PROTOCOLS = (
    Protocol(
        name="mteb-fewshot",
        version=1,
        summary="logistic regression on 8 clips of each label, 10 draws, as MTEB's audio tasks",
        options=FewshotOptions,
        evaluate=evaluate,
        representation="scene",
        embedding_types=("scene",),
        recommended_for="standing beside MTEB's audio leaderboard; little training data",
    ),
)
