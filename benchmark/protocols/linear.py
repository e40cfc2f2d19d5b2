"""Protocol ``linear``: one linear layer on scene embeddings, as MATPAC's Table II is measured.

Quelennec et al., "Masked latent prediction and classification for self-supervised audio
representation learning" (arXiv:2502.12031, section IV): one fully connected layer, batches of 128,
Adam, the model of lowest validation loss, five runs, mean and 95 % interval.

What the paper does not say, or its stored text has lost, is chosen here and recorded:

- the learning rate (lost): in each fold each seed takes that of lowest validation loss;
- the number of epochs: at most 50, and no more after 10 without a lower loss, nor where a learning
  rate that lowers the loss steadily would not come to another's best
  (`benchmark.probes.linear.LinearHparams.drop_hopeless`);
- weights of torch.nn.Linear, no weight decay, no scaling of features;
- cross-validated tasks: HEAR's folds, which validate on the fold after the tested one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark.protocols.learning_rates import learning_rates
from benchmark.protocols.options import ProtocolOptions, distinct_seeds, option, threads_option
from benchmark.protocols.registry import OnProgress, Protocol
from benchmark.protocols.result import FoldResult

LEARNING_RATES = (1e-2, 3.2e-3, 1e-3, 3.2e-4, 1e-4, 3.2e-5)


@dataclass(frozen=True)
class LinearOptions(ProtocolOptions):
    """Options of the protocol ``linear``."""

    seeds: tuple[int, ...] = option(
        (0, 1, 2, 3, 4),
        "one whole evaluation each",
        metavar="A,B",
        parse=distinct_seeds,
        role="seeds",
    )
    threads: int = threads_option(1)
    learning_rates: tuple[float, ...] = option(
        LEARNING_RATES,
        "learning rates to choose from by validation, such as 1e-3,1e-4",
        parse=learning_rates,
        metavar="A,B",
    )
    batch_size: int = option(128, "clips of a batch", flag="")
    max_epochs: int = option(50, "epochs at most", flag="")
    patience: int = option(10, "epochs without a lower validation loss before the end", flag="")


def evaluate(
    embeddings: Path, work: Path, options: LinearOptions, on_progress: OnProgress
) -> tuple[FoldResult, ...]:
    """Results for every seed and fold; see `Protocol.evaluate`."""
    from benchmark.protocols.scenes.evaluation import evaluate_scenes
    from benchmark.protocols.scenes.linear_fits import fit_linear

    return evaluate_scenes(
        embeddings,
        work,
        "linear 2",
        options,
        options.seeds,
        lambda job: fit_linear(job, options),
        on_progress,
        options.threads,
    )


PROTOCOLS = (
    Protocol(
        name="linear",
        version=2,
        summary="one linear layer on the scene embedding, five seeds, as MATPAC's Table II",
        options=LinearOptions,
        evaluate=evaluate,
        representation="scene",
        embedding_types=("scene",),
        weighs_layers=True,
        recommended_for="standing beside MATPAC's table; what a linear layer can read",
    ),
)
