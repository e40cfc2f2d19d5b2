"""Splits and orders as hear-preprocess (2021.1.1, ``pipeline.py``) draws them, and stratified ones.

Every draw is over the sorted names of the data, HEAR's with seeds made from text, so the same files
give HEAR's own folds. Files are named by their stem, as there.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping

import numpy as np
import numpy.typing as npt

from .folder import TRAINVALTEST, TaskError

PERCENTAGES: Mapping[str, float] = {"train": 80, "valid": 10, "test": 10}
SEED_TRIES = 1000


def fold_names(count: int) -> tuple[str, ...]:
    """``fold00``, ``fold01``, ..."""
    return tuple(f"fold{i:02d}" for i in range(count))


def draw_folds(
    groups: Mapping[str, str],
    labels: Mapping[str, Collection[Hashable]],
    count: int,
    every_label: bool = True,
) -> dict[str, str]:
    """New folds (``new_split_kfold``).

    Parameters
    ----------
    groups
        The group of every file; a group stays in one fold. A file alone is its own group.
    labels
        The labels of every file.
    count
        Number of folds.
    every_label
        Draw again until every fold has every label (hear-preprocess: all but event tasks).

    Returns
    -------
    The fold of every file.

    Raises
    ------
    TaskError
        Fewer groups than folds, or no draw puts every label in every fold.
    """
    keys = sorted(set(groups.values()))
    if len(keys) < count:
        raise TaskError(f"{len(keys)} groups of files cannot make {count} folds; pass fewer folds")
    names = fold_names(count)
    wanted = {label for file in groups for label in labels[file]}
    for attempt in range(SEED_TRIES):
        seed = "split_k_folds" + (f"_retry_{attempt - 1}" if attempt else "")
        shuffled = keys.copy()
        random.Random(seed).shuffle(shuffled)
        sizes = [len(part) for part in np.array_split(np.arange(len(keys)), count)]
        fold_of_key = dict(zip(shuffled, np.repeat(names, sizes).tolist(), strict=True))
        folds = {file: fold_of_key[key] for file, key in groups.items()}
        if not every_label or not missing_labels(folds, labels, names):
            return folds
    rare = min(wanted, key=lambda label: sum(label in labels[file] for file in groups))
    raise TaskError(
        f"no {count} folds have every label (rarest: {rare!r}); pass fewer folds, leave out rare"
        " labels, or allow missing labels"
    )


def draw_missing(
    given: Mapping[str, str],
    groups: Mapping[str, str],
    percentages: Mapping[str, float] = PERCENTAGES,
) -> dict[str, str]:
    """Take ``valid`` and ``test``, where they are missing, from ``train`` (``trainvaltest``).

    Parameters
    ----------
    given
        The split of every file: ``train``, ``valid`` or ``test``.
    groups
        The group of every file; a group stays in one split.
    percentages
        Size of each split; those to draw keep their proportion to ``train``.
    """
    missing = [split for split in TRAINVALTEST if split not in given.values()]
    if "train" in missing:
        raise TaskError("no file is in the split train")
    total = (percentages["train"] + sum(percentages[split] for split in missing)) / 100
    keys = sorted({groups[file] for file, split in given.items() if split == "train"})
    random.Random("split_train_test_val").shuffle(keys)
    drawn: dict[str, str] = {}
    for split in missing:  # valid before test
        # The exact expression of hear-preprocess, as its rounding decides the number of files.
        percentage = percentages[split] / total if len(missing) == 1 else percentages[split]
        size = int(round(len(keys) * percentage / 100))
        if size == 0:
            raise TaskError(f"{len(keys)} groups of files are too few to draw the split {split}")
        drawn.update(dict.fromkeys(keys[len(drawn) : len(drawn) + size], split))
    return {file: drawn.get(groups[file], split) for file, split in given.items()}


def draw_stratified(
    groups: Mapping[str, str],
    labels: Mapping[str, Collection[Hashable]],
    shares: Mapping[str, float],
    seed: int = 0,
) -> dict[str, str]:
    """Splits that have each label in proportion to their size, as far as groups allow.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas, ECML PKDD 2011) over groups: those
    with the rarest label are given out first, each to the split that lacks most files with it; the
    last ones go to splits that have none, so that each has every label where that is possible.

    Parameters
    ----------
    groups
        The group of every file; a group stays in one split. A file alone is its own group.
    labels
        The labels of every file; any number of them.
    shares
        Size of every split, in any unit.
    seed
        Of the order of groups that are alike.

    Returns
    -------
    The split of every file.

    Raises
    ------
    TaskError
        Fewer groups than splits.
    """
    keys = sorted(set(groups.values()))
    if len(keys) < len(shares):
        raise TaskError(f"{len(keys)} groups of files cannot make {len(shares)} splits")
    random.Random(seed).shuffle(keys)
    sizes = Counter(groups.values())
    counts: dict[str, Counter[Hashable]] = {key: Counter() for key in keys}
    for file, group in groups.items():
        counts[group].update(set(labels[file]))
    total = sum(shares.values())
    left = sum(counts.values(), Counter())  # files of every label that are not given out
    lacking = {
        split: {label: share / total * count for label, count in left.items()}
        for split, share in shares.items()
    }
    room = {split: share / total * len(groups) for split, share in shares.items()}
    without = {label: dict.fromkeys(shares) for label in left}  # splits, in their order
    split_of: dict[str, str] = {}

    def give(group: str, label: Hashable | None, among: Collection[str]) -> None:
        # The first of equal splits, in their order: no more chance than in the order of groups.
        split = max(among, key=lambda s: (lacking[s].get(label, 0.0), room[s]))
        split_of[group] = split
        room[split] -= sizes[group]
        for its, count in counts[group].items():
            lacking[split][its] -= count
            left[its] -= count
            without[its].pop(split, None)

    while remaining := [label for label, count in left.items() if count > 0]:
        rarest = min(remaining, key=lambda label: (left[label], str(label)))
        waiting = [key for key in keys if key not in split_of and counts[key][rarest]]
        waiting.sort(key=lambda key: -counts[key][rarest])
        for number, group in enumerate(waiting):
            needed = len(waiting) - number <= len(without[rarest])
            give(group, rarest, without[rarest] if needed else shares)
    for group in keys:
        if group not in split_of:
            give(group, None, shares)
    return {file: split_of[group] for file, group in groups.items()}


def missing_labels(
    splits: Mapping[str, str], labels: Mapping[str, Collection[Hashable]], names: Iterable[str]
) -> list[tuple[str, Hashable]]:
    """(split, label) of every label that occurs, but not in that split."""
    present: dict[str, set[Hashable]] = {name: set() for name in names}
    for file, split in splits.items():
        present[split].update(labels[file])
    every = set().union(*present.values())
    return [(split, label) for split, there in present.items() for label in every - there]


def subsample(files: Iterable[str], split: str, count: int) -> list[str]:
    """The `count` files of a split that hear-preprocess keeps where data are capped."""
    ordered = sorted(files)
    return [ordered[i] for i in _permutation(len(ordered), f"SubsampleSplit({split})")[:count]]


def row_order(count: int) -> npt.NDArray[np.intp]:
    """Order of the sorted label rows of a corpus, hence of labels and events within a file."""
    return _permutation(count, "postprocess_all_metadata")


def _permutation(count: int, seed_text: str) -> npt.NDArray[np.intp]:
    # What pandas' DataFrame.sample(frac=1, random_state=seed) draws.
    seed = int(hashlib.sha1(seed_text.encode("utf-8")).hexdigest(), 16) % (2**32 - 1)
    return np.random.RandomState(seed).permutation(count)
