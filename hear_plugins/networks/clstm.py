"""CLSTM, an encoder of BYOL-S: two convolutions, then a bidirectional LSTM over time.

Elbanna et al., "BYOL-S", HEAR (PMLR 166) 2022, arXiv:2206.12038; tensor names are those of the
authors' module. 64 mels x T frames turn into ((T - 6) // 2) // 2 time steps of 14 x 256 values, and
the LSTM's output at the last of them is the embedding: its forward direction has seen all steps,
its backward direction the last one. Long sounds pass in pieces, and nothing changes but rounding.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from .linear import Linear, linear

_STRIDE = 4
_AFTER = 9  # frames that a time step sees behind its own four
_MAX_STEPS = 400


class CLSTM(nn.Module):
    """Log-mel spectrogram -> 1024 non-negative values."""

    embedding_size = 1024
    min_frames = 10
    layer_sizes: tuple[int, ...] = (29 * 256, 14 * 256, 1024, 1024)

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            *(nn.Conv2d(1, 256, 9, padding=1), nn.BatchNorm2d(256), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(256, 256, (4, 3), padding=1), nn.BatchNorm2d(256), nn.ReLU()),
            nn.MaxPool2d(2),
        )
        self.bilstm = nn.LSTM(3584, 512, batch_first=True, bidirectional=True)
        self.fc_final = nn.Sequential(Linear(1024, 1024), nn.ReLU())
        # On a CPU convolutions are several times faster with the channels last.
        self.conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def steps(self, spectrogram: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """(n, 64, T) -> in pieces, of the two blocks: (n, 2 some, 7424) and (n, some, 3584)."""
        total = (spectrogram.shape[-1] - 6) // _STRIDE
        for start in range(0, total, _MAX_STEPS):
            end = min(start + _MAX_STEPS, total)
            before = min(start, 1)
            last = spectrogram.shape[-1] if end == total else end * _STRIDE + _AFTER
            first = self.conv[:4](spectrogram[:, None, :, (start - before) * _STRIDE : last])
            second = self.conv[4:](first)
            first, second = (x.permute(0, 3, 2, 1).flatten(2) for x in (first, second))
            some = end - start
            yield first[:, 2 * before :][:, : 2 * some], second[:, before : before + some]

    def clip(self, spectrogram: Tensor) -> Tensor:
        """(n, 64, T) standardised log-mels, T >= 10 -> (n, 1024)."""
        return self.layer_embeddings(spectrogram)[:, -self.embedding_size :]

    def layer_embeddings(self, spectrogram: Tensor) -> Tensor:
        """Means over time of the two blocks, the LSTM's last output, the embedding.

        (n, 64, T) -> (n, sum of `layer_sizes`).
        """
        recurrent = self.bilstm.get_parameter("weight_hh_l0")
        spectrogram = spectrogram.to(recurrent.dtype)
        hidden = cell = spectrogram.new_zeros(len(spectrogram), self.bilstm.hidden_size)
        sums, count = [torch.zeros(()), torch.zeros(())], 0
        for blocks in self.steps(spectrogram):
            sums = [
                so_far.to(x.device) + x.sum(1, dtype=torch.float32)
                for so_far, x in zip(sums, blocks, strict=True)
            ]
            steps = blocks[1]
            count += steps.shape[1]
            for gates in self._gates(steps).unbind(1):
                hidden, cell = _step(gates + linear(hidden, recurrent), cell)
        # The backward direction starts at the last step, from zeros.
        back, _ = _step(self._gates(steps[:, -1], "_reverse"), torch.zeros_like(cell))
        last = torch.cat((hidden, back), dim=-1)
        return torch.cat((sums[0] / (2 * count), sums[1] / count, last, self.fc_final(last)), -1)

    def _gates(self, steps: Tensor, direction: str = "") -> Tensor:
        """The part of the LSTM's gates that does not depend on its state."""
        names = (f"{name}_l0{direction}" for name in ("weight_ih", "bias_ih", "bias_hh"))
        weight, bias, more = map(self.bilstm.get_parameter, names)
        return linear(steps, weight, bias + more)


def _step(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Output and cell state, (n, 512) each, from gates (n, 2048) in the order of torch's LSTM."""
    enter, forget, candidate, leave = gates.chunk(4, -1)
    cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
    return leave.sigmoid() * cell.tanh(), cell
