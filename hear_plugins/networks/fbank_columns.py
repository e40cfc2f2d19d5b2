"""From transformers over patches of a Kaldi filterbank to columns of patches in time.

BEATs and MAE-AST read the same filterbank, and neither has scenes or timestamps of its own: this is
what both are given here.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..api.framing import encode_in_parts, pad_to, shifted_passes
from ..frontends.log_mel import KaldiFbank

FRONTEND = KaldiFbank()
FRAME_MS = 1000 * FRONTEND.hop // FRONTEND.sample_rate
WINDOW_MS = 1000 * FRONTEND.length // FRONTEND.sample_rate
_FINE_MS = 40


class FbankTransformer(nn.Module):
    """(n, mels, frames) standardised -> tokens (n, columns, rows, width), in `forward`.

    Attributes
    ----------
    frames : of a column of patches
    rows : patches of a column
    width : values of a token
    scale : of the audio, for the filterbank
    """

    frames: int
    rows: int
    width: int
    scale = 1.0

    def standardise(self, fbank: Tensor) -> Tensor:
        """The filterbank (n_sounds, frames, mels) with values about 0."""
        raise NotImplementedError


class ColumnModel(nn.Module):
    """What `load_model` returns: the network and how its columns are used.

    Parameters
    ----------
    network : a `FbankTransformer`.
    hop_ms : from one timestamp to the next, a divisor of a column's duration; None: that duration
        where it is at most 50 ms or `whole_columns` are wanted, else 40 ms.
    side_by_side : join the tokens of a column, or else take their mean.
    whole_columns : leave out the end where it does not fill a column.

    Raises
    ------
    ValueError
        The hop is none of these.
    """

    sample_rate = FRONTEND.sample_rate

    def __init__(
        self,
        network: FbankTransformer,
        hop_ms: int | None,
        side_by_side: bool,
        whole_columns: bool,
    ) -> None:
        super().__init__()
        column_ms = network.frames * FRAME_MS
        hops = [h for h in range(FRAME_MS, column_ms + 1, FRAME_MS) if column_ms % h == 0]
        if hop_ms is None:
            hop_ms = column_ms if whole_columns else min(column_ms, _FINE_MS)
        if hop_ms not in hops:
            raise ValueError(f"hop_ms={hop_ms!r}; expected one of {hops}")
        if whole_columns and hop_ms != column_ms:
            raise ValueError(f"hop_ms={hop_ms}; expected {column_ms} with upstream_quirks=True")
        self.network = network
        self.hop_ms = hop_ms
        self.side_by_side = side_by_side
        self.whole_columns = whole_columns
        size = network.width * (network.rows if side_by_side else 1)
        self.scene_embedding_size = self.timestamp_embedding_size = size
        self.provenance: dict[str, Any] = {}

    def spectrogram(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) -> standardised (n_sounds, mels, frames of at least a column)."""
        shortest = FRONTEND.samples(self.network.frames)
        fbank = FRONTEND(self.network.scale * pad_to(audio, shortest))
        return self.network.standardise(fbank).transpose(1, 2)

    def columns(self, spectrogram: Tensor) -> Tensor:
        """(n_sounds, mels, n_frames) -> (n_sounds, whole columns, embedding size)."""
        return encode_in_parts(self.encode, spectrogram, self.network.frames)

    def encode(self, spectrogram: Tensor) -> Tensor:
        """The same in one pass."""
        tokens = self.network(spectrogram)
        return tokens.flatten(2) if self.side_by_side else tokens.mean(2)

    def scenes(self, audio: Tensor) -> Tensor:
        """Mean over the columns: (n_sounds, n_samples) -> (n_sounds, embedding size)."""
        return self.columns(self.spectrogram(audio)).mean(1)

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """(n_sounds, n_samples) -> columns (n_sounds, count, embedding size), times in ms."""
        spectrogram = self.spectrogram(audio)
        return shifted_passes(
            self.columns,
            spectrogram,
            1000 * audio.shape[-1] / self.sample_rate,
            self.hop_ms,
            patch=self.network.frames,
            centre_ms=((self.network.frames - 1) * FRAME_MS + WINDOW_MS) / 2,
            count=spectrogram.shape[-1] // self.network.frames if self.whole_columns else None,
        )
