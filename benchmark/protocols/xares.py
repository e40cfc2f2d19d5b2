"""Protocols ``xares`` and ``xares-fixed``: X-ARES's two heads, as released and as they were meant.

Facts of the release, PyPI xares 0.1.3 (jimbozhang/xares at 161f0ef), `trainer.py` and `task.py`:

- ``mlp``: LayerNorm and one linear layer, Adam 1e-3 falling to 1e-4 by a cosine over 10 epochs,
  batches of 32, seed 42, the epoch of the best validation score;
- ``knn``: the 10 nearest training clips vote with softmax(similarity / 0.07).

Two faults of it decide numbers; ``xares`` has them and ``xares-fixed`` does not:

- of a cross-validated task the epoch is chosen by the fold that is then tested; fixed, by the fold
  after it, which leaves training;
- the training matrix of kNN is normalised over clips, each number of an embedding by itself, so
  that it is no cosine; fixed, each embedding is normalised.

X-ARES averages frames over time; here it is the scene embedding of the model. Its tasks set other
epochs and batch sizes here and there (5 to 50 and 32 to 128): give them as options in Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmark.protocols.options import ProtocolOptions, option, threads_option
from benchmark.protocols.registry import OnProgress, Protocol
from benchmark.protocols.result import FoldResult

RELEASED, FIXED = "xares", "xares-fixed"
SEED = 42


@dataclass(frozen=True)
class XaresOptions(ProtocolOptions):
    """Options of ``xares`` and ``xares-fixed``."""

    head: str = option("mlp", "what is put on embeddings", choices=("mlp", "knn"))
    threads: int = threads_option(1)
    learning_rate: float = option(1e-3, "of the first epoch", flag="")
    max_epochs: int = option(10, "epochs", flag="")
    batch_size: int = option(32, "clips of a batch", flag="")
    neighbours: int = option(10, "nearest neighbours that vote", flag="")


def evaluate(
    name: str, embeddings: Path, work: Path, options: XaresOptions, on_progress: OnProgress
) -> tuple[FoldResult, ...]:
    """Results for every fold; see `Protocol.evaluate`."""
    from benchmark.protocols.scenes.evaluation import evaluate_scenes
    from benchmark.protocols.scenes.xares_fits import fit_xares

    return evaluate_scenes(
        embeddings,
        work,
        f"{name} 1",
        options,
        (SEED,),
        lambda job: fit_xares(job, options, fixed=name == FIXED),
        on_progress,
        options.threads,
    )


def _protocol(name: str, summary: str, recommended_for: str) -> Protocol:
    return Protocol(
        name=name,
        version=1,
        summary=summary,
        options=XaresOptions,
        evaluate=partial(evaluate, name),
        representation="scene",
        embedding_types=("scene",),
        seed=SEED,
        recommended_for=recommended_for,
    )


PROTOCOLS = (
    _protocol(RELEASED, "X-ARES's heads as released", "standing beside X-ARES's leaderboard"),
    _protocol(FIXED, "X-ARES's heads without the release's two faults", "X-ARES's heads as meant"),
)
