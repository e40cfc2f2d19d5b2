"""What a record says of its task, from the task's files beside the embeddings."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmark.protocols.hear.folds import folds
from tasks.entries import DEMO_ENTRIES, ENTRIES
from tasks.folder import METADATA_FILE, VOCABULARY_FILE, known_labels_file
from tasks.published import differences

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


def published_status(embeddings: Path) -> tuple[bool | None, str]:
    """Whether the task is the published one of its name, and what differs, in words.

    None where no entry of `tasks.entries` but the demo tasks has this name.
    """
    task = json.loads((embeddings / METADATA_FILE).read_text(encoding="utf-8"))
    name = task["task_name"]
    if name not in ENTRIES or name in {entry.name for entry in DEMO_ENTRIES}:
        return None, ""
    counts = {split: len(_labels(embeddings, split)) for split in task["splits"]}
    with (embeddings / VOCABULARY_FILE).open(encoding="utf-8", newline="") as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    found = list(differences(task, counts, labels))
    return not found, "; ".join(found)


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
