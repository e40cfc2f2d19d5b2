"""Which layers of a model are evaluated.

Layers are counted from 1: what a module's `get_layer_embeddings` gives, in its order. There is no
layer 0: what goes into the first block is embedded only where the module gives it as a layer.

A selection is ``5``, ``5+12`` (both, one after the other in one row) or ``weighted`` (all; the
probe learns a mean of them).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmark.errors import UserError

ALL, WEIGHTED = "all", "weighted"
_EXPECTED = "expected layers such as 5, 5+12, all or weighted, with commas between"


def parse_layers(text: str) -> tuple[str, ...]:
    """Selections of a list such as ``3,5+12,all``, each with its layers in ascending order.

    Raises
    ------
    ValueError
        One is none; the text says what was expected.
    """
    found = []
    for word in filter(None, (word.strip() for word in text.split(","))):
        if word not in (ALL, WEIGHTED):
            if not re.fullmatch(r"[1-9][0-9]*(\+[1-9][0-9]*)*", word):
                raise ValueError(f"{_EXPECTED}; layers are counted from 1")
            numbers = sorted(map(int, word.split("+")))
            if len(set(numbers)) < len(numbers):
                raise ValueError(f"{word} has a layer twice; {_EXPECTED}")
            word = "+".join(map(str, numbers))
        found.append(word)
    if not found:
        raise ValueError(_EXPECTED)
    return tuple(dict.fromkeys(found))


def selections_of(wanted: str, sizes: Sequence[int]) -> list[str]:
    """What is wanted of a model whose layers have these sizes: ``all`` is each single layer.

    Raises
    ------
    UserError
        It has not all of the layers, or they have several sizes and cannot be weighed.
    """
    count = len(sizes)
    if wanted == ALL:
        return list(map(str, range(1, count + 1)))
    if wanted == WEIGHTED:
        if len(set(sizes)) > 1:
            raise UserError(
                f"layers of sizes {', '.join(map(str, sizes))} cannot be weighed, which takes one"
                " size; choose others than --layers weighted"
            )
    elif (last := int(wanted.rpartition("+")[2])) > count:
        raise UserError(f"there is no layer {last}, only 1 to {count}; choose other --layers")
    return [wanted]


def numbers_of(selection: str, count: int) -> list[int]:
    """Layers of a selection of a model that has `count`, from 1."""
    if selection == WEIGHTED:
        return list(range(1, count + 1))
    return list(map(int, selection.split("+")))


def size_of(selection: str, sizes: Sequence[int]) -> int:
    """Length of the embedding of a selection, of a model whose layers have these sizes.

    Weighed layers are one mean.
    """
    if selection == WEIGHTED:
        return sizes[0]
    return sum(sizes[number - 1] for number in numbers_of(selection, len(sizes)))
