"""ARCH: a HEAR module as a model. Contract: `arch_eval.Model`, MorenoLaQuatra/ARCH @97d4271."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import torch
from arch_eval import Model
from torch import Tensor

from benchmark.adapters.adapter import load_adapter
from benchmark.adapters.resampling import mono_at


class HearModel(Model):
    """Embeds one sound at `get_sampling_rate()`.

    Parameters
    ----------
    module, weights, options
        Of the HEAR module.
    """

    def __init__(
        self, module: str, weights: str = "", options: Mapping[str, Any] | None = None
    ) -> None:
        self.adapter = load_adapter(module, weights, options)
        super().__init__(self.adapter.model.model)

    def get_embeddings(self, audio: npt.ArrayLike, **kwargs: Any) -> Tensor:
        """Scene embedding (scene_dim,), on the CPU, of floats (n_samples,)."""
        return self.adapter.scene(self._batch(audio))[0]

    def get_sequence_embeddings(self, audio: npt.ArrayLike, **kwargs: Any) -> Tensor:
        """Frames (n_frames, dim), on the CPU, of floats (n_samples,)."""
        return self.adapter.frames(self._batch(audio))[0]

    def get_token_embeddings(self, audio: npt.ArrayLike, **kwargs: Any) -> Tensor:
        """As `get_sequence_embeddings`: the frames have the model's hop, not one asked for."""
        return self.get_sequence_embeddings(audio)

    def get_classification_embedding_size(self) -> int:
        """Length of `get_embeddings`."""
        return self.adapter.scene_dim

    def get_token_embedding_size(self) -> int:
        """Length of a frame."""
        return self.adapter.dim

    def get_sampling_rate(self) -> int:
        """Hz."""
        return self.adapter.sample_rate

    def get_embedding_layer(self) -> int:
        """Length of `get_embeddings`, as ARCH's own models answer."""
        return self.adapter.scene_dim

    def _batch(self, audio: npt.ArrayLike) -> Tensor:
        rate = self.adapter.sample_rate
        return torch.from_numpy(mono_at(audio, rate, rate))[None]
