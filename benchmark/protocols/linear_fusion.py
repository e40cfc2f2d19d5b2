"""Protocol ``linear-fusion``: one linear layer on standardised embeddings, as Niizumi et al. train.

Niizumi et al., "Composing general audio representation by fusing multilayer features of a
pre-trained model" (EUSIPCO 2022, arXiv:2205.08138), Tables III and IV and Figures 2 to 4. The
settings are those of its code, nttcslab/eval-audio-repr at 88ba7728 (facts only):

- features standardised by the training set, applied to all;
- cross entropy divided by the number of classes too (several labels: binary cross entropy);
- Adam, L2 1e-8, batches of min(200, n), at most 200 epochs;
- early stopping on validation accuracy (several labels: mAP) with patience 20, where an epoch as
  good as the best counts as progress, and the last best one is kept;
- cross-validated tasks: a tenth of the training clips is drawn for validation, after the features
  were scaled by all of them;
- three seeds.

The learning rate stands in the authors' command lines, by model and task, and is taken from there
(`benchmark.protocols.fusion_rates`); the record of each training says which it was and why. It is
the task's clip length that crops: embed a task of the length wanted. The authors crop a training
clip at random and once; here all are cropped as the task folder is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark.protocols.fusion_rates import ChosenRate, published_rate
from benchmark.protocols.learning_rates import learning_rate
from benchmark.protocols.options import ProtocolOptions, distinct_seeds, option, threads_option
from benchmark.protocols.registry import OnProgress, Protocol
from benchmark.protocols.result import FoldResult

PUBLISHED = "published"


def _rate_or_published(text: str) -> float | str:
    return PUBLISHED if text == PUBLISHED else learning_rate(text)


@dataclass(frozen=True)
class FusionOptions(ProtocolOptions):
    """Options of the protocol ``linear-fusion``."""

    seeds: tuple[int, ...] = option(
        (42, 43, 44),
        "one whole evaluation each",
        metavar="A,B",
        parse=distinct_seeds,
        role="seeds",
    )
    threads: int = threads_option(1)
    learning_rate: float | str = option(
        PUBLISHED,
        "learning rate of Adam; published: the authors' for this model and task, else their 3e-4",
        parse=_rate_or_published,
        metavar="RATE",
    )
    batch_size: int = option(200, "most clips of a batch", flag="")
    max_epochs: int = option(200, "epochs at most", flag="")
    patience: int = option(20, "epochs that are worse than the best before the end", flag="")
    weight_decay: float = option(1e-8, "L2 of Adam", flag="")


def evaluate(
    embeddings: Path, work: Path, options: FusionOptions, on_progress: OnProgress
) -> tuple[FoldResult, ...]:
    """Results for every seed and fold; see `Protocol.evaluate`."""
    from benchmark.protocols.scenes.evaluation import evaluate_scenes
    from benchmark.protocols.scenes.linear_fits import fit_fusion

    rate = _rate(embeddings, options)
    return evaluate_scenes(
        embeddings,
        work,
        "linear-fusion 2",
        options,
        options.seeds,
        lambda job: fit_fusion(job, options, rate),
        on_progress,
        options.threads,
    )


def _rate(embeddings: Path, options: FusionOptions) -> ChosenRate:
    if not isinstance(options.learning_rate, str):
        return ChosenRate(options.learning_rate, "chosen by --learning-rate")
    from benchmark.embeddings.store import read_info

    info = read_info(embeddings) or {}
    return published_rate(
        str(info.get("module", "")),
        info.get("options", {}),
        str(info.get("task_name", "")),
        str(info.get("layers", "")),
    )


PROTOCOLS = (
    Protocol(
        name="linear-fusion",
        version=2,
        summary="one linear layer on standardised scene embeddings, three seeds, as Niizumi et al.",
        options=FusionOptions,
        evaluate=evaluate,
        representation="scene",
        embedding_types=("scene",),
        weighs_layers=True,
        recommended_for="standing beside the table of the fusion paper and those made with EVAR",
    ),
)
