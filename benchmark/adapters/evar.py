"""EVAR: a HEAR module as an audio representation.

Contract: `evar.ar_base`, nttcslab/eval-audio-repr @88ba772. Import it in
a file of yours, evar/ar_hear.py (``from benchmark.adapters.evar import AR_HEAR``), and that file in
lineareval.py; the YAML says ``audio_repr: ar_hear.AR_HEAR``, ``hear_module: hear_plugins.m2d`` and
the model's ``sample_rate``.
"""

from __future__ import annotations

from typing import Any

from evar.ar_base import BaseAudioRepr
from torch import Tensor

from benchmark.adapters.adapter import load_adapter


class AR_HEAR(BaseAudioRepr):
    """Scene embeddings of a HEAR module.

    Parameters
    ----------
    cfg
        EVAR's configuration: `hear_module`, `sample_rate`; `weight_file` and `hear_options` where
        there are any. `feature_d` is set.

    Raises
    ------
    ValueError
        EVAR would hand over audio at another rate than the model's.
    """

    def __init__(self, cfg: Any) -> None:
        super().__init__(cfg=cfg)
        options = dict(cfg.get("hear_options") or {})
        self.adapter = load_adapter(cfg["hear_module"], cfg.get("weight_file") or "", options)
        if int(cfg["sample_rate"]) != self.adapter.sample_rate:
            raise ValueError(
                f"sample_rate is {cfg['sample_rate']} in the YAML, but {cfg['hear_module']} takes"
                f" {self.adapter.sample_rate}"
            )
        self.cfg["feature_d"] = self.adapter.scene_dim

    def precompute(self, device: Any, data_loader: Any) -> None:
        """Nothing: a HEAR module is complete."""

    def encode_frames(self, batch_audio: Tensor) -> Tensor:
        """Frames (n_sounds, dim, n_frames) of audio (n_sounds, unit_samples)."""
        return self.adapter.frames(batch_audio).transpose(1, 2)

    def forward(self, batch_audio: Tensor) -> Tensor:
        """Scene embeddings (n_sounds, scene_dim) of audio (n_sounds, unit_samples)."""
        return self.adapter.scene(batch_audio)
