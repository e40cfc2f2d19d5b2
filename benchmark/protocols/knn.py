"""Protocol ``knn``: test clips are labelled by their nearest training clips; nothing is trained.

Neighbours are those of the largest cosine similarity, from the training splits of each fold; the
validation split is left out. A label's score is its share of the neighbours' votes, so multiclass
tasks have the usual vote (of equal shares the first label wins) and multilabel tasks a ranking.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark.protocols.options import ProtocolOptions, option, threads_option
from benchmark.protocols.registry import OnProgress, Protocol
from benchmark.protocols.result import FoldResult

TEMPERATURE = 0.07  # of Wu et al., arXiv:1805.01978, section 3.4
VOTES = ("majority", "weighted")
SEED = 0  # nothing is drawn


@dataclass(frozen=True)
class KnnOptions(ProtocolOptions):
    """Options of ``knn``.

    Attributes
    ----------
    k
        Neighbours that vote.
    vote
        "majority": all votes weigh the same; "weighted": exp(cosine similarity / 0.07).
    threads
        CPU threads.
    """

    k: int = option(10, "nearest neighbours that vote", metavar="N")
    vote: str = option("majority", "weight of votes: all the same, or by similarity", choices=VOTES)
    threads: int = threads_option(2)


def evaluate(
    embeddings: Path, work: Path, options: KnnOptions, on_progress: OnProgress
) -> tuple[FoldResult, ...]:
    """Results of one folder of embeddings, one a fold; see `Protocol.evaluate`."""
    from benchmark.protocols.scenes.evaluation import evaluate_scenes
    from benchmark.protocols.scenes.knn_fit import fit_knn

    return evaluate_scenes(
        embeddings,
        work,
        "knn 1",
        options,
        (SEED,),
        lambda job: fit_knn(job, options),
        on_progress,
        options.threads,
    )


PROTOCOLS = (
    Protocol(
        name="knn",
        version=1,
        summary="k nearest neighbours by cosine similarity, without training; scene tasks only",
        options=KnnOptions,
        evaluate=evaluate,
        representation="scene",
        embedding_types=("scene",),
        seed=SEED,
        recommended_for="a first look in seconds, and embeddings as they are, without any training",
    ),
)
