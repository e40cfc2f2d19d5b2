"""The base class of all models."""

from __future__ import annotations

from typing import Any, TypeVar

from torch import Tensor, nn

Model = TypeVar("Model", bound="HearModel")


class HearModel(nn.Module):
    """A pre-trained model that embeds audio; what `load_model` of every plugin returns.

    The methods take what `hear_functions` has checked: float32 (n_sounds, n_samples) in [-1, 1] at
    `sample_rate`, at least one sample, finite, on the model's device. Gradients flow through them
    to the parameters, for fine-tuning; the HEAR functions run them without.

    Attributes
    ----------
    sample_rate : Hz
    scene_embedding_size, timestamp_embedding_size : length of the embeddings
    provenance : where the weights come from; "weights" is "file", "package", "random" or "none"
    """

    sample_rate: int
    scene_embedding_size: int
    timestamp_embedding_size: int

    def __init__(self) -> None:
        super().__init__()
        self.provenance: dict[str, Any] = {}

    def scenes(self, audio: Tensor) -> Tensor:
        """One embedding for each sound: (n_sounds, scene_embedding_size)."""
        raise NotImplementedError

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings over time.

        Returns
        -------
        embeddings : Tensor (n_sounds, n_timestamps, timestamp_embedding_size)
        timestamps : Tensor (n_sounds, n_timestamps), float32, ms: the centres of what they describe
        """
        raise NotImplementedError

    def layers(self, audio: Tensor) -> list[Tensor]:
        """The output of every block, pooled over time.

        Returns
        -------
        list of Tensor (n_sounds, size of that block): in the order of the network. The pooling is
        that of the model's paper or, where it has none for inner blocks, the mean over time.

        Raises
        ------
        NotImplementedError
            The model has no blocks.
        """
        raise NotImplementedError(f"{type(self).__name__} is not a network: it has no layers")

    def forward(self, audio: Tensor) -> Tensor:
        """As `scenes`."""
        return self.scenes(audio)

    def ready(self: Model, provenance: dict[str, Any]) -> Model:
        """The model itself, in evaluation mode and with this provenance."""
        self.provenance = provenance
        return self.eval()
