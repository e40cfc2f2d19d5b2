"""MARBLE: a HEAR module as an encoder, named in its YAML by class path.

Contract: `marble.core.base_encoder`, a43992899/MARBLE @938c03a. Needs MARBLE on the import path.

    encoder:
      class_path: benchmark.adapters.marble.HearEncoder
      init_args: {module: hear_plugins.m2d}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marble.core.base_encoder import BaseEncoder
from torch import Tensor

from benchmark.adapters.adapter import load_adapter


class HearEncoder(BaseEncoder):
    """A frozen encoder: its audio comes at `sample_rate`, as the YAML's audio transforms say.

    Parameters
    ----------
    module, weights, options
        Of the HEAR module.
    use_layers
        Give every layer, pooled over time (n_frames is 1: for tasks of whole sounds), in place of
        one hidden state with the model's frames.
    """

    NAME = "HEAR"

    def __init__(
        self,
        module: str,
        weights: str = "",
        options: Mapping[str, Any] | None = None,
        use_layers: bool = False,
    ) -> None:
        super().__init__()
        self.adapter = load_adapter(module, weights, options)
        self.NAME = self.adapter.name
        self.SAMPLING_RATE = self.sample_rate = self.adapter.sample_rate
        self.TOKEN_RATE = 1000 / self.adapter.hop_ms
        self.NUM_FEATURES = self.adapter.dim
        self.N_TRANSFORMER_LAYERS = 1
        self._layers = None
        if use_layers:
            sizes = set(self.adapter.model.layer_sizes)
            if len(sizes) != 1 or self.adapter.layers is None:
                raise ValueError(f"{module} has layers of sizes {sizes or 'none'}; expected one")
            self._layers = self.adapter.layers
            (self.NUM_FEATURES,) = sizes
            self.N_TRANSFORMER_LAYERS = len(self.adapter.model.layer_sizes)

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        """Hidden states (n_sounds, n_frames, n_features) of audio (n_sounds, n_samples)."""
        return tuple(self._layers(x)) if self._layers else (self.adapter.frames(x),)
