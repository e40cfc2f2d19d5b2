"""What transformers over patches of a spectrogram share: from patches to scenes and timestamps."""

from __future__ import annotations

from torch import Tensor

from ..api.framing import dense_timestamps
from ..api.hear_model import HearModel


class PatchModel(HearModel):
    """A transformer over patches.

    Scenes are the mean over the time steps of the patches; timestamps are these steps, of as many
    passes over the shifted spectrogram as their hop asks for. Subclasses give `spectrogram`,
    `encode`, and `pooled_layers` with `layer_size`.

    Attributes
    ----------
    hop_ms : from one timestamp to the next
    step_frames : spectrogram frames from one time step of patches to the next
    overlap : frames by which patches are longer
    frame_ms : from one spectrogram frame to the next
    centre_ms : of what the first time step sees
    layer_size : of a block's pooled output
    """

    hop_ms: int
    step_frames: int
    overlap = 0
    frame_ms = 10
    centre_ms = 87.5
    layer_size = 768

    def spectrogram(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) -> standardised (n_sounds, bins, frames), at least one step."""
        raise NotImplementedError

    def encode(self, spectrogram: Tensor, most_steps: int | None = None) -> Tensor:
        """(n_sounds, bins, frames) -> (n_sounds, time steps, timestamp_embedding_size).

        Long spectrograms are encoded in parts, chosen by `most_steps` where that is given: the most
        time steps of any pass over the shifted spectrogram.
        """
        raise NotImplementedError

    def pooled_layers(self, spectrogram: Tensor) -> Tensor:
        """(n_sounds, bins, frames) -> all blocks' outputs (n_sounds, blocks * layer_size)."""
        raise NotImplementedError

    def n_timestamps(self, spectrogram: Tensor) -> int | None:
        """How many timestamps a spectrogram has; None: those that lie within the sound."""
        return None

    def scenes(self, audio: Tensor) -> Tensor:
        return self.encode(self.spectrogram(audio)).mean(1)

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        spectrogram = self.spectrogram(audio)
        return dense_timestamps(
            self.encode,
            spectrogram,
            1000 * audio.shape[-1] / self.sample_rate,
            self.hop_ms,
            patch=self.step_frames,
            overlap=self.overlap,
            frame_ms=self.frame_ms,
            centre_ms=self.centre_ms,
            count=self.n_timestamps(spectrogram),
        )

    def layers(self, audio: Tensor) -> list[Tensor]:
        pooled = self.pooled_layers(self.spectrogram(audio))
        return list(pooled.split(self.layer_size, dim=1))
