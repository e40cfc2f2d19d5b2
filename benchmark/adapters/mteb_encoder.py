"""MTEB and MAEB: a HEAR module as an encoder. Contract: mteb 2.26, needs `mteb`, no torchaudio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from mteb.models.abs_encoder import AbsEncoder
from torch.utils.data import DataLoader

from benchmark.adapters.adapter import Adapter, load_adapter
from benchmark.adapters.equal_lengths import embed_each
from benchmark.adapters.resampling import mono_at


class HearEncoder(AbsEncoder):
    """Scene embeddings of a HEAR module.

    Parameters
    ----------
    model_name, device
        As MTEB hands them over.
    revision
        That the loaded model must have (`Adapter.revision`); None for any.
    module, weights, options
        Of the HEAR module; `loader_kwargs` of its `ModelMeta`.
    adapter
        In place of these, a model that is loaded already.

    Raises
    ------
    ValueError
        The weights are not those of the revision.
    """

    def __init__(
        self,
        model_name: str,
        revision: str | None,
        *,
        device: str | None = None,
        module: str = "",
        weights: str = "",
        options: Mapping[str, Any] | None = None,
        adapter: Adapter | None = None,
        **_kwargs: Any,
    ) -> None:
        self.adapter = adapter or load_adapter(module, weights, options, device)
        if revision and revision != self.adapter.revision:
            raise ValueError(
                f"{model_name}: these weights are revision {self.adapter.revision}, not {revision}"
            )
        self.model = self.adapter.model.model

    def encode(
        self,
        inputs: DataLoader[Any],
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: Any = None,
        **kwargs: Any,
    ) -> npt.NDArray[np.float32]:
        """Scene embeddings (n_sounds, scene_dim).

        Parameters
        ----------
        inputs
            Batches are dictionaries; "audio" is a list of {"array", "sampling_rate"}.
        """
        inputs.collate_fn = _columns  # arrays of several lengths do not stack
        rate = self.adapter.sample_rate
        found = []
        for batch in inputs:
            sounds = [
                torch.from_numpy(mono_at(sound["array"], int(sound["sampling_rate"]), rate))
                for sound in batch["audio"]
            ]
            found += embed_each(sounds, self.adapter.scene)
        return torch.stack(found).numpy()


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {key: [row[key] for row in rows] for key in rows[0]}
