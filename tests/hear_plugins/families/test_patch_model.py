"""One split into parts for all passes of dense timestamps: no embedding has other context."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
import torch
from torch import Tensor, nn

from hear_plugins.api.hear_functions import get_timestamp_embeddings
from hear_plugins.ast import Ast
from hear_plugins.families.fbank_patches import FbankModel
from hear_plugins.families.patch_model import PatchModel
from hear_plugins.networks.post_norm import FbankTransformer


class StepsOfFbank(FbankTransformer):
    """Tokens that hold how many time steps are encoded together."""

    patch_frames, freq_patches, embed_dim = 16, 1, 1

    def standardise(self, fbank: Tensor) -> Tensor:
        return fbank

    def layers(self, spectrogram: Tensor) -> Iterator[Tensor]:
        steps = spectrogram.shape[2] // self.patch_frames
        yield torch.full((len(spectrogram), steps, 1, 1), float(steps))


class StepsOfAst(nn.Module):
    """The same in the place of `AstViT`."""

    first_tokens = 2

    def outputs(self, spectrogram: Tensor, layers: Sequence[int], first: int | None) -> Tensor:
        steps = (spectrogram.shape[2] - 16) // 10 + 1
        return torch.full((len(spectrogram), 2 + 12 * steps, 768), float(steps))


def fbank_model() -> PatchModel:
    return FbankModel(StepsOfFbank(), 40, concat_freq=False, whole_steps=False)


def ast_model() -> PatchModel:
    network: nn.Module = StepsOfAst()
    return Ast(network, (12,), 10, None, upstream_quirks=False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "seconds"),
    [(fbank_model, 29.9 + 0.01 * i) for i in range(21)]
    + [(ast_model, 10.1 + 0.01 * i) for i in range(21)],
)
def test_neighbours_are_encoded_with_the_same_context(model: object, seconds: float) -> None:
    assert callable(model)
    frames, times = get_timestamp_embeddings(torch.rand(1, round(16000 * seconds)), model())
    contexts = frames[0, :, 0]
    assert times.shape[1] == len(contexts)
    # The last part of a pass may be a step longer than that of another; parts may differ by more,
    # and there are at most four.
    assert int((contexts.diff().abs() > 1).sum()) <= 3
