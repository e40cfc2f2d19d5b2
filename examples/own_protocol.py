"""A protocol of your own: a clip has the label of the nearest mean of training clips.

In a package of your own, declare ``PROTOCOL`` as an entry point of the group
``hear_plugins.protocols``; then ``hear-benchmark run --protocol nearest-mean`` has it too.
"""

from dataclasses import dataclass

import numpy as np
import torch

import benchmark as hb
from benchmark.protocols.options import ProtocolOptions, option
from benchmark.protocols.registry import Protocol
from benchmark.protocols.scenes.evaluation import Fitted, evaluate_scenes


@dataclass(frozen=True)
class NearestMeanOptions(ProtocolOptions):
    """What the protocol can be asked for."""

    distance: str = option("euclidean", "between embeddings", choices=("euclidean", "cosine"))


def fit(job, options):
    """What is fitted on the training splits of a fold, applied to its test split."""
    train, test = job.scene.examples(*job.fold.train), job.scene.examples(job.fold.test)
    X, y, clips = train.embeddings(), train.targets, test.embeddings()
    if options.distance == "cosine":
        X, clips = torch.nn.functional.normalize(X), torch.nn.functional.normalize(clips)
    means = torch.stack([X[y == label].mean(dim=0) for label in range(job.scene.n_labels)])
    return Fitted(torch.softmax(-torch.cdist(clips, means), dim=1))


def evaluate(embeddings, work, options, on_progress):
    """The loop over folds, with one seed as nothing is drawn."""
    return evaluate_scenes(
        embeddings,
        work,
        "nearest-mean 1",
        options,
        (0,),
        lambda job: fit(job, options),
        on_progress,
    )


PROTOCOL = Protocol(
    name="nearest-mean",
    version=1,
    summary="the label of the nearest mean of training clips",
    options=NearestMeanOptions,
    evaluate=evaluate,
    representation="scene",
    embedding_types=("scene",),
)

if __name__ == "__main__":
    random = np.random.default_rng(0)
    y = np.repeat(["rain", "wind", "waves"], 40)
    X = random.normal(size=(120, 16))
    X[:, :3] += 3 * (y[:, None] == ["rain", "wind", "waves"])
    for distance in ("euclidean", "cosine"):
        print(hb.evaluate(X, y, protocol=PROTOCOL, options={"distance": distance}))
