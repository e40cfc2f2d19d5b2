"""Sample-exact windows and timestamps.

The HEAR API leaves lengths to the plugin. Here every position is computed from its index, so
nothing drifts, and audio of any length from one sample is padded or cut by these functions.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def frame_times(
    n_sounds: int, count: int, hop_ms: float, first_ms: float, device: torch.device | str
) -> Tensor:
    """Times of `count` regular frames, the same for each sound.

    Returns
    -------
    Tensor (n_sounds, count), float32, milliseconds: `first_ms + index * hop_ms`, computed in
    float64 from the index.
    """
    times = first_ms + hop_ms * torch.arange(count, dtype=torch.float64)
    return times.to(torch.float32).to(device).expand(n_sounds, count).contiguous()


def frames_within(end_ms: float, hop_ms: float, first_ms: float) -> int:
    """How many regular frames have their time at most at `end_ms`; at least one."""
    return max(1, int((end_ms - first_ms) // hop_ms) + 1)


def pad_to(audio: Tensor, length: int) -> Tensor:
    """`audio` (n_sounds, n_samples) with zeros at the end up to `length`; longer: as it is."""
    missing = length - audio.shape[-1]
    return torch.nn.functional.pad(audio, (0, missing)) if missing > 0 else audio


def centred_windows(audio: Tensor, length: int, hop: int) -> Tensor:
    """Windows centred on samples 0, hop, 2 hop, ... with zeros beyond both ends.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples)
    length, hop : int, in samples

    Returns
    -------
    Tensor (n_sounds, n_samples // hop + 1, length): a view of one padded copy of the audio, so
    that its overlapping windows cost no memory until a batch of them is taken
    (`batching.map_windows`).
    """
    padded = torch.nn.functional.pad(audio, (length // 2, length - length // 2))
    # n_samples + length padded samples give exactly n_samples // hop + 1 windows.
    return padded.unfold(-1, length, hop)


def dense_timestamps(
    encode: Callable[[Tensor, int], Tensor],
    spectrogram: Tensor,
    end_ms: float,
    hop_ms: float,
    *,
    patch: int = 16,
    overlap: int = 0,
    frame_ms: float = 10.0,
    centre_ms: float = 87.5,
    count: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Embeddings at a finer step than that of patches: shifted passes, interleaved.

    Parameters
    ----------
    encode : callable
        (n_sounds, bins, frames), the most time steps of any pass -> (n_sounds, at least
        (frames - overlap) // patch, size). Where it encodes long spectrograms in parts, it chooses
        them by that number: parts of one pass alone would give every embedding another context
        than its neighbours.
    spectrogram : Tensor (n_sounds, bins, n_frames)
        Zeros, the mean level of a standardised spectrogram, are put before and behind it.
    end_ms : float
        Where the sounds end.
    hop_ms : float
        From one embedding to the next; `patch` frames are a multiple of it.
    patch : int
        Frames from one step of patches to the next.
    overlap : int
        Frames by which what a step sees is longer.
    frame_ms : float
        From one frame to the next.
    centre_ms : float
        Of what the step of the first `patch` frames sees; by default that of 25 ms windows.
    count : int, optional
        Embeddings wanted; by default those centred on the sound, at least one.

    Returns
    -------
    embeddings : Tensor (n_sounds, count, size)
        The first is centred within one hop from the start. Where the end needs no zeros, those
        at `centre_ms` and whole patches from there are those of a single pass.
    timestamps : Tensor (n_sounds, count), float32, ms
    """
    hop, first_ms = round(hop_ms / frame_ms), centre_ms % hop_ms
    lead, passes = int(centre_ms // hop_ms) * hop, patch // hop
    if count is None:
        count = frames_within(end_ms, hop_ms, first_ms)
    out: Tensor | None = None
    most = -(-count // passes)
    for i in range(min(passes, count)):
        before = lead - i * hop
        wanted = len(range(i, count, passes))
        behind = max(0, wanted * patch + overlap - before - spectrogram.shape[-1])
        padded = torch.nn.functional.pad(spectrogram, (before, behind))
        steps = encode(padded, most)[:, :wanted]
        if out is None:
            out = steps.new_empty(len(steps), count, steps.shape[-1])
        out[:, i::passes] = steps
    assert out is not None
    return out, frame_times(len(out), count, hop_ms, first_ms, out.device)
