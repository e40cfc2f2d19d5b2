"""Random weights, for tests and timing only."""

from __future__ import annotations

import math
import os
import zlib
from typing import Any

import torch

from .messages import say

RANDOM_VARIABLE = "HEAR_PLUGINS_RANDOM_WEIGHTS"


def random_seed(
    random_weights: int | None, model_file_path: str | os.PathLike[str] = ""
) -> int | None:
    """The seed of random weights, or None for real ones.

    The option `random_weights` comes first; the environment variable HEAR_PLUGINS_RANDOM_WEIGHTS
    counts only where no file is given.

    Raises
    ------
    ValueError
        Not a whole number >= 0, or both a seed and a file are given.
    """
    if random_weights is not None:
        if str(model_file_path):
            raise ValueError(
                f"random_weights={random_weights} and the file {model_file_path} are both given;"
                " expected one of them"
            )
        value: object = random_weights
    elif not str(model_file_path) and os.environ.get(RANDOM_VARIABLE):
        value = os.environ[RANDOM_VARIABLE]
    else:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError(f"random_weights={value!r}; expected a whole number >= 0 as seed")
    return value


def fill_random(network: torch.nn.Module, seed: int, module_name: str) -> dict[str, Any]:
    """Fill `network` with numbers drawn from `seed` and each tensor's name; say so on stderr.

    Scales follow the tensor's role so that activations stay finite through deep stacks. For tests
    and timing only.

    Returns
    -------
    dict : the model's `provenance`.
    """
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if not tensor.is_floating_point():
                tensor.zero_()
                continue
            draw = torch.Generator().manual_seed(zlib.crc32(f"{seed} {name}".encode()))
            noise = torch.randn(tensor.shape, generator=draw)
            leaf = name.rsplit(".", 1)[-1]
            if leaf == "running_var":
                noise = 1 + 0.1 * noise.abs()
            elif leaf in ("weight", "gamma", "g") and noise.squeeze().ndim <= 1:
                noise = 1 + 0.1 * noise
            elif noise.ndim <= 1:
                noise = 0.02 * noise
            else:
                noise = noise / math.sqrt(math.prod(tensor.shape[1:]))
            tensor.copy_(noise)
    say(f"{module_name} has random weights (seed {seed}); its embeddings mean nothing")
    return {"weights": "random", "random_weights": seed}
