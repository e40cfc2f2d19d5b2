"""Embed sounds of several lengths without padding: padding would change their embeddings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def embed_each(sounds: Sequence[Tensor], embed: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """The embedding of each sound, sounds of one length in one batch.

    Parameters
    ----------
    sounds
        1-D float tensors.
    embed
        From (n_sounds, n_samples) to a tensor with one entry a sound.
    """
    places = defaultdict(list)
    for place, sound in enumerate(sounds):
        places[len(sound)].append(place)
    found: dict[int, Tensor] = {}
    for same in places.values():
        found |= zip(same, embed(torch.stack([sounds[place] for place in same])), strict=True)
    return [found[place] for place in range(len(sounds))]
