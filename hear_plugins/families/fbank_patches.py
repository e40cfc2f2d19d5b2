"""BEATs and MAE-AST: transformers over patches of a Kaldi filterbank.

Neither has scenes or timestamps of its own: this is what both are given here.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..api.batching import mean_of_chunks, steps_of_chunks
from ..api.framing import pad_to
from ..api.options import check_choice
from ..frontends.kaldi_fbank import KaldiFbank
from ..networks.post_norm import FbankTransformer
from .patch_model import PatchModel

FRONTEND = KaldiFbank()
WHOLE_FRAMES, PART_FRAMES = 3000, 992  # 30 s and 10 s in whole patches
_MAX_FRAMES = 8000  # encoded at once
_FINE_MS = 40


class FbankModel(PatchModel):
    """The network and how the patch embeddings of a time step are used.

    Attention costs the square of the length: up to `WHOLE_FRAMES` are encoded at once, and more in
    the fewest equal parts of at most `PART_FRAMES`.

    Parameters
    ----------
    network : the transformer.
    hop_ms : from one timestamp to the next, a divisor of a patch's duration; None: that duration
        where it is at most 50 ms or `whole_steps` are wanted, else 40 ms.
    concat_freq : concatenate the patch embeddings of a time step, or else take their mean.
    whole_steps : leave out the end where it does not fill a patch.

    Raises
    ------
    ValueError
        The hop is none of these.
    """

    sample_rate = FRONTEND.sample_rate

    def __init__(
        self, network: FbankTransformer, hop_ms: int | None, concat_freq: bool, whole_steps: bool
    ) -> None:
        super().__init__()
        self.step_frames = network.patch_frames
        step_ms = self.step_frames * self.frame_ms
        if hop_ms is None:
            hop_ms = step_ms if whole_steps else min(step_ms, _FINE_MS)
        hops = [h for h in range(self.frame_ms, step_ms + 1, self.frame_ms) if step_ms % h == 0]
        check_choice("hop_ms", hop_ms, hops)
        if whole_steps and hop_ms != step_ms:
            raise ValueError(f"hop_ms={hop_ms}; expected {step_ms} with upstream_quirks=True")
        self.network = network
        self.hop_ms = hop_ms
        self.concat_freq = concat_freq
        self.whole_steps = whole_steps
        window_ms = 1000 * FRONTEND.win_length // FRONTEND.sample_rate
        self.centre_ms = ((self.step_frames - 1) * self.frame_ms + window_ms) / 2
        self.layer_size = network.embed_dim * (network.freq_patches if concat_freq else 1)
        self.scene_embedding_size = self.timestamp_embedding_size = self.layer_size

    def spectrogram(self, audio: Tensor) -> Tensor:
        shortest = FRONTEND.n_samples(self.step_frames)
        fbank = FRONTEND(self.network.audio_scale * pad_to(audio, shortest))
        return self.network.standardise(fbank).transpose(1, 2)

    def encode(self, spectrogram: Tensor, most_steps: int | None = None) -> Tensor:
        return steps_of_chunks(self.encode_chunk, *self._chunks(spectrogram, most_steps))

    def encode_chunk(self, spectrogram: Tensor) -> Tensor:
        """As `encode`, at once."""
        return self._joined(self.network(spectrogram))

    def pooled_layers(self, spectrogram: Tensor) -> Tensor:
        def means(chunk: Tensor) -> Tensor:
            layers = [self._joined(x).mean(1) for x in self.network.layers(chunk)]
            return torch.cat(layers, dim=1)

        return mean_of_chunks(means, *self._chunks(spectrogram))

    def _joined(self, tokens: Tensor) -> Tensor:
        """(n, time steps, freq_patches, embed_dim) -> (n, time steps, layer_size)."""
        return tokens.flatten(2) if self.concat_freq else tokens.mean(2)

    def _chunks(
        self, spectrogram: Tensor, most_steps: int | None = None
    ) -> tuple[Tensor, int, int]:
        """The whole time steps of a spectrogram, the frames of a chunk, the most at once."""
        steps = spectrogram.shape[-1] // self.step_frames
        used = spectrogram[..., : steps * self.step_frames]
        steps = most_steps or steps
        length = steps * self.step_frames
        if length > WHOLE_FRAMES:
            length = -(-steps // -(-length // PART_FRAMES)) * self.step_frames
        return used, length, _MAX_FRAMES

    def n_timestamps(self, spectrogram: Tensor) -> int | None:
        return spectrogram.shape[-1] // self.step_frames if self.whole_steps else None
