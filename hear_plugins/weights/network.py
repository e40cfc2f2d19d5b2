"""A network with its weights, as a plugin's `load_model` makes it.

A plugin's `load_model` reads

    def from_file(path):
        tensors = load_tensors(path)
        network = Network(...)  # sized from the tensors
        load_strict(network, tensors, path)
        return network

    network, provenance = load_network(
        model_file_path, CHECKPOINT, random_weights, from_file, build=Network
    )
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch

from .cache import resolve
from .catalogue import Checkpoint
from .provenance import file_provenance
from .random_weights import fill_random, random_seed

Network = TypeVar("Network", bound=torch.nn.Module)


def load_network(
    model_file_path: str,
    default: Checkpoint,
    random_weights: int | None,
    from_file: Callable[[Path], Network],
    build: Callable[[], Network],
) -> tuple[Network, dict[str, Any]]:
    """A network with the weights that the user chose, and its provenance.

    Parameters
    ----------
    model_file_path, default : as of `resolve`.
    random_weights : as of `random_seed`.
    from_file : makes the network of a weights file.
    build : makes the network of `default`, to be filled with random weights.

    Raises
    ------
    ValueError, WeightsError
        As `random_seed`, `resolve` and `from_file`.
    """
    seed = random_seed(random_weights, model_file_path)
    if seed is None:
        path = resolve(model_file_path, default)
        return from_file(path), file_provenance(path)
    network = build()
    return network, fill_random(network, seed, default.module)
