"""What encoders with strided convolutions over samples share: frames, and long sounds in parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ..api.batching import map_rows
from ..api.hear_model import HearModel


class StridedEncoder(HearModel):
    """A network of transformers whose convolutions, without padding, make frames of samples.

    Attributes
    ----------
    network_rate : Hz of the samples that the network takes
    hop, field : samples from frame to frame, and that a frame sees
    whole_s, part_s : attention costs the square of the length: sounds beyond `whole_s` seconds
        are encoded in equal parts of at most `part_s`
    """

    network_rate = 16000
    whole_s, part_s = 120, 30

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.scene_embedding_size = self.timestamp_embedding_size = int(config.hidden_size)
        self.hop, self.field = 1, 1
        for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
            self.field += (kernel - 1) * self.hop
            self.hop *= stride

    def n_frames(self, samples: Tensor) -> int:
        """How many frames the convolutions make of (n_sounds, n_samples)."""
        return (samples.shape[1] - self.field) // self.hop + 1

    def samples_for_times(self, n_samples: int) -> int:
        """The samples that as many frames see as have their centre in a sound."""
        return max(0, n_samples - self.field // 2) // self.hop * self.hop + self.field

    def in_parts(
        self, function: Callable[[Tensor], Tensor], samples: Tensor
    ) -> tuple[list[Tensor], list[int]]:
        """`function`, row by row, of equal parts of long sounds; and their numbers of frames."""
        count = self.n_frames(samples)
        second = self.network_rate / self.hop
        length = count
        if count > self.whole_s * second:
            length = -(-count // -(-count // int(self.part_s * second)))
        rows = max(1, int(self.whole_s * second) // length)
        counts = [min(length, count - start) for start in range(0, count, length)]
        parts = [
            map_rows(function, self.seen(samples, i * length, each), rows)
            for i, each in enumerate(counts)
        ]
        return parts, counts

    def seen(self, samples: Tensor, start: int, count: int) -> Tensor:
        """The samples that `count` frames from frame `start` see."""
        first = start * self.hop
        return samples[:, first : first + (count - 1) * self.hop + self.field]

    def mean_of_parts(self, function: Callable[[Tensor], Tensor], samples: Tensor) -> Tensor:
        """`function`, (n, n_samples) -> mean over frames (n, ...), weighted by frames."""
        parts, counts = self.in_parts(function, samples)
        mean = sum(part * count for part, count in zip(parts, counts, strict=True)) / sum(counts)
        assert isinstance(mean, Tensor)
        return mean
