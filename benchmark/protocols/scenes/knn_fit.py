"""How the protocol ``knn`` finds its neighbours."""

from __future__ import annotations

from benchmark.probes.registry import ProbeData, probe
from benchmark.protocols.knn import TEMPERATURE, KnnOptions
from benchmark.protocols.scenes.evaluation import Fitted, Job


def fit_knn(job: Job, options: KnnOptions) -> Fitted:
    """Votes of the nearest clips of the fold's training splits."""
    scene, fold = job.scene, job.fold
    train, test = scene.examples(*fold.train), scene.examples(fold.test)
    hparams = {
        "k": options.k,
        "temperature": TEMPERATURE if options.vote == "weighted" else None,
    }
    # No epoch is chosen: there is nothing to validate, and the task may lack such a split.
    data = ProbeData(scene.task.size, train.rows, train.rows, lambda probabilities: 0.0)
    job.on_part(0.0, "nearest neighbours")
    return Fitted(
        probe("knn").fit(data, hparams, job.generator).predict(test.rows), hparams=hparams
    )
