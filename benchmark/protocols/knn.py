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
    import torch

    from benchmark.embeddings.dataset import TaskRows, read_embedded_task
    from benchmark.probes.registry import ProbeData, probe
    from benchmark.probes.training import cpu_threads
    from benchmark.protocols.hear.folds import folds
    from benchmark.protocols.task_metrics import metrics_of

    task = read_embedded_task(embeddings)
    PROTOCOLS[0].require_embedding_type(task.kind, task.metadata["task_name"])
    metrics = metrics_of(task)
    hparams = {
        "k": options.k,
        "temperature": TEMPERATURE if options.vote == "weighted" else None,
    }
    results = []
    all_folds = folds(task.metadata)
    with cpu_threads(options.threads):
        rows = TaskRows(task, True, torch.device("cpu"))
        for number, fold in enumerate(all_folds):
            on_progress(number / len(all_folds), f"fold {number + 1} of {len(all_folds)}")
            train, test = rows.of(*fold.train), rows.of(fold.test)
            data = ProbeData(task.size, train, rows.of(fold.valid), lambda probabilities: 0.0)
            prediction = probe("knn").fit(data, hparams, torch.Generator()).predict(test)
            compared = [prediction, test.multi_hot]
            compared += [] if test.label_mask is None else [test.label_mask]
            arrays = [one.numpy() for one in compared]
            scores = {
                name: float(value)
                for metric in metrics
                for name, value in metric.values(*arrays).items()
            }
            results.append(FoldResult(fold.name, 0, scores, hparams=hparams))
    on_progress(1.0, "done")
    return tuple(results)


PROTOCOLS = (
    Protocol(
        name="knn",
        version=1,
        summary="k nearest neighbours by cosine similarity, without training; scene tasks only",
        options=KnnOptions,
        evaluate=evaluate,
        representation="scene",
        embedding_types=("scene",),
        recommended_for="a first look in seconds, and embeddings as they are, without any training",
    ),
)
