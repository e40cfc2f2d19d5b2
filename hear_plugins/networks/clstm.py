"""CLSTM, an encoder of BYOL-S: two convolutions, then a bidirectional LSTM over time.

Elbanna et al., "BYOL-S", HEAR (PMLR 166) 2022, arXiv:2206.12038; tensor names are those of the
authors' module. 64 mels x T columns turn into ((T - 6) // 2) // 2 frames of 14 x 256 values, and
the LSTM's output at the last of them is the embedding: its forward direction has seen all frames,
its backward direction the last one. Long sounds pass in pieces, and nothing changes but rounding.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .linear import linear

_COLUMNS_PER_FRAME = 4
_AFTER = 9  # columns that a frame sees behind its own four
_MAX_FRAMES = 400


class CLSTM(nn.Module):
    """Log-mel spectrogram -> 1024 non-negative values; for inference only."""

    embedding_size = 1024
    min_columns = 10

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            *(nn.Conv2d(1, 256, 9, padding=1), nn.BatchNorm2d(256), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(256, 256, (4, 3), padding=1), nn.BatchNorm2d(256), nn.ReLU()),
            nn.MaxPool2d(2),
        )
        self.bilstm = nn.LSTM(3584, 512, batch_first=True, bidirectional=True)
        self.fc_final = nn.Sequential(nn.Linear(1024, 1024), nn.ReLU())
        # On a CPU convolutions are several times faster with the channels last.
        self.conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def frames(self, columns: Tensor) -> Iterator[Tensor]:
        """What the convolutions make of (n, 64, T), in pieces (n, some, 3584)."""
        total = (columns.shape[-1] - 6) // _COLUMNS_PER_FRAME
        for start in range(0, total, _MAX_FRAMES):
            end = min(start + _MAX_FRAMES, total)
            before = min(start, 1)
            last = columns.shape[-1] if end == total else end * _COLUMNS_PER_FRAME + _AFTER
            piece = columns[:, None, :, (start - before) * _COLUMNS_PER_FRAME : last]
            x = self.conv(piece).permute(0, 3, 2, 1).flatten(2)  # index = mel * 256 + channel
            yield x[:, before : before + end - start]

    def clip(self, columns: Tensor) -> Tensor:
        """(n, 64, T) standardised log-mels, T >= 10 -> (n, 1024)."""
        recurrent = self.bilstm.get_parameter("weight_hh_l0")
        hidden = cell = columns.new_zeros(len(columns), self.bilstm.hidden_size)
        for frames in self.frames(columns):
            for gates in self._gates(frames).unbind(1):
                hidden, cell = _step(gates + linear(hidden, recurrent), cell)
        # The backward direction starts at the last frame, from zeros.
        back, _ = _step(self._gates(frames[:, -1], "_reverse"), torch.zeros_like(cell))
        dense = self.fc_final[0]
        assert isinstance(dense, nn.Linear)
        return F.relu(linear(torch.cat((hidden, back), -1), dense.weight, dense.bias))

    def _gates(self, frames: Tensor, direction: str = "") -> Tensor:
        """The part of the LSTM's gates that does not depend on its state."""
        names = (f"{name}_l0{direction}" for name in ("weight_ih", "bias_ih", "bias_hh"))
        weight, bias, more = map(self.bilstm.get_parameter, names)
        return linear(frames, weight, bias + more)


def _step(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Output and cell state, (n, 512) each, from gates (n, 2048) in the order of torch's LSTM."""
    enter, forget, candidate, leave = gates.chunk(4, -1)
    cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
    return leave.sigmoid() * cell.tanh(), cell
