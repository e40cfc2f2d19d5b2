"""s3prl and SUPERB: a HEAR module as an upstream.

Contract: `s3prl.nn.S3PRLUpstream`, s3prl 0.4.18 @ec8064b.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.adapters.adapter import load_adapter
from benchmark.adapters.equal_lengths import embed_each
from benchmark.adapters.resampling import mono_at

SAMPLE_RATE = 16000


class UpstreamExpert(nn.Module):
    """A frozen upstream; its one hidden state are the model's frames.

    Layers of HEAR modules are pooled over time, and s3prl needs a frame for each downsampled
    sample: they have no place here.

    Parameters
    ----------
    module, options
        Import path and keyword options of the HEAR module.
    ckpt
        Its weights file; s3prl's `-k` or `path_or_url`.
    model_config
        Not used; s3prl hands it over, and further keywords.
    """

    def __init__(
        self,
        ckpt: str | None = None,
        model_config: str | None = None,
        *,
        module: str,
        options: Mapping[str, Any] | None = None,
        **_kwargs: Any,
    ) -> None:
        super().__init__()
        # Behind the adapter the network is no submodule: s3prl's .train() does not reach it.
        self.adapter = load_adapter(module, ckpt or "", options)

    def get_downsample_rates(self, key: str) -> int:
        """Samples at 16 kHz from one frame to the next."""
        return round(self.adapter.hop_ms * SAMPLE_RATE / 1000)

    def forward(self, wavs: Sequence[Tensor]) -> dict[str, list[Tensor]]:
        """Hidden states of unpadded sounds.

        Parameters
        ----------
        wavs
            1-D float tensors at 16 kHz.

        Returns
        -------
        dict
            "hidden_states": a list of one (n_sounds, n_frames, dim), zeros behind shorter sounds.
        """
        rate = self.adapter.sample_rate
        sounds = [torch.from_numpy(mono_at(wav.cpu().numpy(), SAMPLE_RATE, rate)) for wav in wavs]
        frames = embed_each(sounds, self.adapter.frames)
        padded = nn.utils.rnn.pad_sequence(frames, batch_first=True)
        return {"hidden_states": [padded.to(wavs[0].device)]}


def register(
    hub: ModuleType, name: str, module: str, options: Mapping[str, Any] | None = None
) -> None:
    """Make ``S3PRLUpstream(name)`` and ``run_downstream.py -u name`` find a HEAR module.

    Parameters
    ----------
    hub
        `s3prl.hub`.
    """

    def upstream(**kwargs: Any) -> UpstreamExpert:
        return UpstreamExpert(**kwargs, module=module, options=options)

    setattr(hub, name, upstream)
