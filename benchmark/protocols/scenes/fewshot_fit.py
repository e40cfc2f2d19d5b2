"""How the protocol ``mteb-fewshot`` draws its clips and fits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from benchmark.errors import UserError
from benchmark.probes.examples import Examples
from benchmark.probes.logistic_regression import fit_logistic_regression
from benchmark.protocols.mteb_fewshot import FewshotOptions
from benchmark.protocols.scenes.evaluation import Fitted, Job

DRAW_SEED = 42
MAX_ITERATIONS = 100


def fit_fewshot(job: Job, options: FewshotOptions) -> Fitted:
    """The regression on one draw; `Job.seed` is the number of the draw."""
    scene, fold = job.scene, job.fold
    if not scene.multiclass:
        raise UserError(
            f"{scene.task.path}: mteb-fewshot draws clips of each label, but here a clip may have"
            " several; choose another protocol"
        )
    train, test = scene.examples(*fold.train), scene.examples(fold.test)
    labels = train.targets.numpy()
    few = options.clips_per_label
    counts = np.bincount(labels, minlength=scene.n_labels)
    if (lacking := np.flatnonzero((counts > 0) & (counts < few))).size:
        raise UserError(
            f"{scene.task.path}: label {scene.task.labels[lacking[0]]!r} has {counts[lacking[0]]}"
            f" training clips, fewer than --clips-per-label {few}; choose a smaller number"
        )
    chosen = drawn_clips(labels, few, job.seed)
    job.on_part(0.0, "logistic regression")
    fit = fit_logistic_regression(
        Examples(train.rows, torch.from_numpy(chosen)).embeddings().numpy(),
        labels[chosen],
        max_iterations=MAX_ITERATIONS,
    )
    found = fit.probabilities(test.embeddings().numpy(), scene.n_labels)
    return Fitted(torch.from_numpy(found).float(), hparams={"clips": len(chosen)})


def drawn_clips(labels: npt.NDArray[np.int64], per_label: int, draw: int) -> npt.NDArray[np.int64]:
    """Clips of one draw, in the order in which they were drawn.

    Parameters
    ----------
    labels
        (clips,) of all training clips.
    per_label
        How many of each; of rarer ones all.
    draw
        Its number from 0: the list of clips is shuffled so many times more than once.
    """
    chance = np.random.RandomState(DRAW_SEED)
    order = np.arange(len(labels))
    for _ in range(draw + 1):
        chance.shuffle(order)
    places: dict[int, int] = {}
    chosen = []
    for clip in order:
        label = int(labels[clip])
        if places.get(label, 0) < per_label:
            places[label] = places.get(label, 0) + 1
            chosen.append(clip)
    return np.array(chosen)
