"""Splits of examples: those that are given, checked, or drawn ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.errors import UserError
from benchmark.protocols.hear.folds import folds
from tasks.corpora.custom import SPLIT_NAMES
from tasks.folder import TRAINVALTEST
from tasks.splits import PERCENTAGES, draw_stratified, fold_names

LEAST_FOLDS = 3  # one to train on, one to validate, one to test
LEAST_OF_LABEL = 3

Labels = Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Splits:
    """In which split each example is.

    Attributes
    ----------
    mode
        ``split_mode`` of a task.
    of_examples
        Of each, by the task's names: train, valid, test or fold00, fold01 ...
    names
        What the user calls each of the splits.
    """

    mode: str
    of_examples: list[str]
    names: Mapping[str, str]


def splits_of(
    labels: Labels,
    groups: Sequence[str],
    given: Sequence[Any] | None,
    count: int,
    seed: int,
    allow_missing_labels: bool,
) -> Splits:
    """Splits of examples with some labels.

    Parameters
    ----------
    groups
        Of each example; a group stays in one split.
    given
        Of each example, the name of its split: train, test and perhaps valid, which is else drawn
        from train; or any names of three folds or more. None to draw `count` folds, in which
        labels are in proportion.
    seed
        Of what is drawn.
    allow_missing_labels
        Accept labels that are tested, but in no training split.

    Raises
    ------
    UserError
        A split, a group or a label cannot be evaluated so.
    TaskError
        There are fewer groups than splits.
    """
    if given is None:
        found = _drawn(labels, groups, count, seed)
    else:
        _check_groups(groups, given)
        found = _given(labels, groups, [_text(split) for split in given], seed)
    for split in found.names:
        if split not in found.of_examples:
            raise UserError(f"no example is in the split {found.names[split]}; give more examples")
    if not allow_missing_labels:
        _check_trained(labels, found)
    return found


def _drawn(labels: Labels, groups: Sequence[str], count: int, seed: int) -> Splits:
    if count < LEAST_FOLDS:
        raise UserError(f"folds is {count}; expected at least {LEAST_FOLDS}")
    names = fold_names(count)
    of_examples = _draw(labels, groups, dict.fromkeys(names, 1.0), seed)
    return Splits("presplit_kfold", of_examples, {name: name for name in names})


def _given(labels: Labels, groups: Sequence[str], given: list[str], seed: int) -> Splits:
    known = [SPLIT_NAMES.get(split, "") for split in given]
    if all(known):
        for split in ("train", "test"):
            if split not in known:
                raise UserError(f"splits has no {split!r}; expected train and test, perhaps valid")
        if "valid" not in known:
            train = [i for i, split in enumerate(known) if split == "train"]
            shares = {split: PERCENTAGES[split] for split in ("train", "valid")}
            drawn = _draw([labels[i] for i in train], [groups[i] for i in train], shares, seed)
            for i, split in zip(train, drawn, strict=True):
                known[i] = split
        return Splits("trainvaltest", known, {name: name for name in TRAINVALTEST})
    names = sorted(set(given))
    if len(names) < LEAST_FOLDS:
        raise UserError(
            f"splits are {', '.join(names)}; expected train, valid and test, or at least"
            f" {LEAST_FOLDS} folds"
        )
    folds = dict(zip(names, fold_names(len(names)), strict=True))
    return Splits(
        "presplit_kfold",
        [folds[split] for split in given],
        {fold: name for name, fold in folds.items()},
    )


def _draw(
    labels: Labels, groups: Sequence[str], shares: Mapping[str, float], seed: int
) -> list[str]:
    numbered = {str(i): its for i, its in enumerate(labels)}
    drawn = draw_stratified(
        {str(i): group for i, group in enumerate(groups)}, numbered, shares, seed
    )
    return [drawn[str(i)] for i in range(len(labels))]


def _check_groups(groups: Sequence[str], given: Sequence[Any]) -> None:
    split_of: dict[str, Any] = {}
    for group, split in zip(groups, given, strict=True):
        if split_of.setdefault(group, split) != split:
            raise UserError(f"group {group!r} is in the splits {split_of[group]} and {split}")


def _check_trained(labels: Labels, splits: Splits) -> None:
    """A label that is tested but never trained tells nothing of the embeddings."""
    there: dict[str, set[Any]] = {split: set() for split in splits.names}
    for its, split in zip(labels, splits.of_examples, strict=True):
        there[split].update(its)
    counts = Counter(label for its in labels for label in its)
    for fold in folds({"split_mode": splits.mode, "splits": list(splits.names)}):
        untrained = there[fold.test] - set().union(*(there[split] for split in fold.train))
        if untrained:
            label = min(untrained, key=str)
            raise UserError(
                f"label {label!r} (examples: {counts[label]}) is tested in"
                f" {splits.names[fold.test]}, but in none of its training splits; give at least"
                f" {LEAST_OF_LABEL} examples or groups of it, leave it out, or set"
                " allow_missing_labels"
            )


def _text(split: Any) -> str:
    if isinstance(split, float) and split.is_integer():
        split = int(split)
    return str(split)
