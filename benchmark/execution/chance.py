"""What a model that hears nothing scores on a task, from the labels of its test splits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmark.protocols.hear.folds import folds
from tasks.folder import METADATA_FILE, known_labels_file

Labels = Sequence[Sequence[Any]]  # of every clip


def chance_scores(embeddings: Path) -> tuple[dict[str, float], int | None]:
    """Chance by metric, and how many clips are tested, with the folds together.

    Known for some metrics of scene tasks whose labels are all known: a constant prediction of the
    most frequent label (accuracies), or random scores (mAP: the mean share of a label's clips;
    aucroc: 0.5). Over folds it is their mean, as scores are.

    Parameters
    ----------
    embeddings
        Folder of complete embeddings, which holds the task's own files.
    """
    task = json.loads((embeddings / METADATA_FILE).read_text(encoding="utf-8"))
    if task["embedding_type"] != "scene":
        return {}, None
    tested = [fold.test for fold in folds(task)]
    if any((embeddings / known_labels_file(split)).exists() for split in tested):
        return {}, None
    labels = [_labels(embeddings, split) for split in tested]
    if not all(labels):
        return {}, None
    by_fold = [_of_fold(each, task["evaluation"]) for each in labels]
    return (
        {metric: fmean(each[metric] for each in by_fold) for metric in by_fold[0]},
        sum(map(len, labels)),
    )


def _labels(embeddings: Path, split: str) -> Labels:
    content: Mapping[str, Labels] = json.loads(
        (embeddings / f"{split}.json").read_text(encoding="utf-8")
    )
    return list(content.values())


def _of_fold(labels: Labels, metrics: Sequence[str]) -> dict[str, float]:
    clips = len(labels)
    counts = Counter(label for of_clip in labels for label in set(map(str, of_clip)))
    majority = max(counts.values(), default=0) / clips
    known = {
        "top1_acc": majority,
        "pitch_acc": majority,
        "balanced_accuracy": 1 / max(len(counts), 1),
        "mAP": fmean(count / clips for count in counts.values()) if counts else 0.0,
        "aucroc": 0.5,
    }
    return {metric: known[metric] for metric in metrics if metric in known}
