"""VGGish: four groups of convolutions and three linear layers on examples of 96 x 64 log-mels.

Hershey et al., "CNN architectures for large-scale audio classification", ICASSP 2017,
arXiv:1609.09430; tensor names are those of torchvggish's file.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .linear import Linear

FRAMES, MELS = 96, 64
PARTS = 6
"""Time steps of an example's features: 160 ms each."""
LAYER_SIZES = {i: 128 if i == 22 else 4096 for i in (2, 5, 8, 10, 13, 15, 18, 20, 22)}
"""Values of a time step after each ReLU, by its position (from 1) among the original's modules."""

_CONVOLUTIONS = {0: (1, 64), 3: (64, 128), 6: (128, 256), 8: (256, 256), 11: (256, 512)}
_CONVOLUTIONS[13] = (512, 512)
_LINEAR = {0: (12288, 4096), 2: (4096, 4096), 4: (4096, 128)}
_POOLED = (0, 3, 8, 13)
_FIRST_LINEAR = 18


class Vggish(nn.Module):
    """Examples of log-mels -> embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.ModuleDict(
            {str(i): nn.Conv2d(*sizes, 3, padding=1) for i, sizes in _CONVOLUTIONS.items()}
        )
        self.embeddings = nn.ModuleDict({str(i): Linear(*sizes) for i, sizes in _LINEAR.items()})
        # On a CPU convolutions and poolings are several times faster with the channels last.
        self.features.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, examples: Tensor) -> Tensor:
        """(n, 64, 96) log-mels -> (n, 128), not negative."""
        return self.layers(examples, (22,))[:, 0]

    def layers(self, examples: Tensor, layers: Sequence[int]) -> Tensor:
        """Features of the chosen layers, concatenated.

        Parameters
        ----------
        examples : Tensor (n, 64, 96)
        layers : of `LAYER_SIZES`, ascending

        Returns
        -------
        Tensor (n, 6, size): the maximum over the steps in 160 ms, index = channel * mels + mel;
        linear layers' values are those of the whole example.
        """
        dtype = next(self.features.parameters()).dtype
        x = examples.to(dtype).transpose(1, 2).unsqueeze(1)
        found = []
        for i, conv in self.features.items():
            x = conv(x).relu_()
            if int(i) + 2 in layers:
                steps = F.max_pool2d(x, (x.shape[2] // PARTS, 1))
                found.append(steps.transpose(1, 2).flatten(2))
            if int(i) in _POOLED:
                x = F.max_pool2d(x, 2)
        x = x.permute(0, 2, 3, 1).flatten(1)  # index = (time * 4 + mel) * 512 + channel
        for i, layer in self.embeddings.items():
            if layers[-1] < _FIRST_LINEAR + int(i):
                break
            x = layer(x).relu_()
            if _FIRST_LINEAR + int(i) in layers:
                found.append(x.unsqueeze(1).expand(-1, PARTS, -1))
        return torch.cat(found, dim=-1)
