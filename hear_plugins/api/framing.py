"""What every plugin shares: input checks, sample-exact windows, bounded batches, timestamps.

The HEAR API (https://hearbenchmark.com/hear-api.html) leaves lengths, batches and memory to the
plugin. Here audio of any length and any number of sounds is worked through in batches that hold a
bounded number of samples, and every position is computed from its index, so nothing drifts.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

MAX_BATCH_SAMPLES = 1 << 20
"""Samples a batch of windows holds by default: 4 MiB of float32, about 65 s at 16 kHz."""

WHOLE_FRAMES, PART_FRAMES = 3000, 992  # 30 s and 10 s in whole patches, see `encode_in_parts`
_MAX_BATCH_FRAMES = 8000


def check_audio(audio: Tensor, model: torch.nn.Module) -> Tensor:
    """Check the `audio` argument of the HEAR functions and bring it to float32.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point
        Sounds in [-1, 1] at `model.sample_rate`; it may be on any device.
    model : torch.nn.Module
        What `load_model` returned.

    Returns
    -------
    Tensor (n_sounds, n_samples), float32, on the device of `audio`, without gradient.

    Raises
    ------
    ValueError
        Not a tensor, wrong rank, not floating point, no sounds, no samples, NaN or infinity.
    """
    if not isinstance(audio, Tensor):
        raise ValueError(
            f"audio is a {type(audio).__name__}; expected a torch.Tensor (n_sounds, n_samples)"
        )
    shape = tuple(audio.shape)
    if audio.ndim != 2:
        raise ValueError(f"audio has shape {shape}; expected (n_sounds, n_samples)")
    if not audio.is_floating_point():
        raise ValueError(
            f"audio is {audio.dtype}; expected floating-point samples in [-1, 1]"
            " (divide integers by their full scale)"
        )
    if audio.numel() == 0:
        raise ValueError(f"audio has shape {shape}; expected at least one sound and one sample")
    audio = audio.detach().to(torch.float32)
    finite = torch.isfinite(audio)
    if not finite.all():
        sound, sample = torch.nonzero(~finite)[0].tolist()
        value = audio[sound, sample].item()
        raise ValueError(
            f"audio holds {value} (sound {sound}, sample {sample},"
            f" {sample / _rate(model):.3f} s); expected finite samples"
        )
    return audio


def _rate(model: torch.nn.Module) -> float:
    return float(getattr(model, "sample_rate", 1))


def samples_of(milliseconds: float, sample_rate: int, name: str, multiple: int = 1) -> int:
    """A duration option in samples, exactly.

    Parameters
    ----------
    milliseconds : float
        The option's value.
    sample_rate : int
        In Hz.
    name : str
        The option's name, for the error.
    multiple : int
        The result must be a multiple of this many samples.

    Raises
    ------
    ValueError
        The duration is not positive or not a whole multiple.
    """
    steps = milliseconds * sample_rate / (1000 * multiple)
    if not (steps >= 1 and abs(steps - round(steps)) < 1e-6):
        raise ValueError(
            f"{name}={milliseconds} ms; expected a positive multiple of"
            f" {1000 * multiple / sample_rate:g} ms ({multiple} samples at {sample_rate} Hz)"
        )
    return round(steps) * multiple


def timestamps(
    n_sounds: int, count: int, hop_ms: float, first_ms: float, device: torch.device | str
) -> Tensor:
    """Times of `count` regular frames, the same for each sound.

    Returns
    -------
    Tensor (n_sounds, count), float32, milliseconds: `first_ms + index * hop_ms`, computed in
    float64 from the index.
    """
    times = first_ms + hop_ms * torch.arange(count, dtype=torch.float64)
    return times.to(device, torch.float32).expand(n_sounds, count).contiguous()


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
    that its overlapping windows cost no memory until a batch of them is taken (`map_windows`).
    """
    padded = torch.nn.functional.pad(audio, (length // 2, length - length // 2))
    # n_samples + length padded samples give exactly n_samples // hop + 1 windows.
    return padded.unfold(-1, length, hop)


def map_rows(function: Callable[[Tensor], Tensor], rows: Tensor, max_rows: int) -> Tensor:
    """Apply `function`, (n, ...) -> (n, ...) row by row, to at most `max_rows` rows at once."""
    out: Tensor | None = None
    for start in range(0, len(rows), max_rows):
        result = function(rows[start : start + max_rows])
        if out is None:
            out = result.new_empty((len(rows), *result.shape[1:]))
        out[start : start + len(result)] = result
    assert out is not None
    return out


def map_windows(
    function: Callable[[Tensor], Tensor],
    windows: Tensor,
    max_samples: int = MAX_BATCH_SAMPLES,
) -> Tensor:
    """Apply `function` to windows in batches of at most `max_samples` samples (at least a window).

    Parameters
    ----------
    function : callable
        (n, length) -> (n, ...), row by row: rows must not influence each other.
    windows : Tensor (n_sounds, count, length), or (n_sounds, count, ...) of spectrograms
        Often a view with overlaps (`centred_windows`); batches may span sounds.
    max_samples : int

    Returns
    -------
    Tensor (n_sounds, count, ...).
    """
    n_sounds, count = windows.shape[:2]

    def of_indices(index: Tensor) -> Tensor:
        return function(windows[index // count, index % count])

    indices = torch.arange(n_sounds * count, device=windows.device)
    out = map_rows(of_indices, indices, max(1, max_samples // windows[0, 0].numel()))
    return out.unflatten(0, (n_sounds, count))


def map_chunks(
    function: Callable[[Tensor], Tensor], columns: Tensor, length: int, max_columns: int
) -> list[Tensor]:
    """Apply `function` to consecutive chunks of spectrograms, at most `max_columns` at once.

    Parameters
    ----------
    function : callable
        (n, rows, columns) -> (n, ...), row by row.
    columns : Tensor (n_sounds, rows, n_columns)
    length : int
        Columns of a chunk; the rest is a chunk of its own length.
    max_columns : int

    Returns
    -------
    list of Tensor (n_sounds, count, ...): of the whole chunks, where there are any; then of the
    rest, where there is one, with count 1.
    """
    whole = columns.shape[-1] // length * length
    parts = []
    if whole:
        parts.append(columns[..., :whole].unfold(-1, length, length).transpose(1, 2))
    if whole < columns.shape[-1]:
        parts.append(columns[..., whole:].unsqueeze(1))
    return [map_windows(function, part, max_columns * columns.shape[1]) for part in parts]


def encode_in_parts(encode: Callable[[Tensor], Tensor], spectrogram: Tensor, patch: int) -> Tensor:
    """Columns of patches, for encoders whose cost or positions limit the length.

    Up to `WHOLE_FRAMES` are encoded at once, and more in the fewest equal parts of at most
    `PART_FRAMES`.

    Parameters
    ----------
    encode : callable
        (n, rows, frames) -> (n, frames // patch, size), row by row.
    spectrogram : Tensor (n_sounds, rows, n_frames)
        At least `patch` frames; those that do not fill a column at the end are left out.
    patch : int
        Frames of a column.

    Returns
    -------
    Tensor (n_sounds, n_frames // patch, size).
    """
    columns = spectrogram.shape[-1] // patch
    length = columns * patch
    if length > WHOLE_FRAMES:
        length = -(-columns // -(-length // PART_FRAMES)) * patch
    parts = map_chunks(encode, spectrogram[..., : columns * patch], length, _MAX_BATCH_FRAMES)
    return torch.cat([each.flatten(1, 2) for each in parts], dim=1)


def shifted_passes(
    encode: Callable[[Tensor], Tensor],
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
    """Columns of patches at a finer step than their width: passes are shifted and interleaved.

    Parameters
    ----------
    encode : callable
        (n_sounds, rows, frames) -> (n_sounds, at least (frames - overlap) // patch, size).
    spectrogram : Tensor (n_sounds, rows, n_frames)
        Zeros, the mean level of a standardised spectrogram, are put before and behind it.
    end_ms : float
        Where the sounds end.
    hop_ms : float
        From one column to the next; `patch` frames are a multiple of it.
    patch : int
        Frames from a column to the next.
    overlap : int
        Frames by which what a column sees is longer.
    frame_ms : float
        From one frame to the next.
    centre_ms : float
        Of what the column of the first `patch` frames sees; by default that of 25 ms windows.
    count : int, optional
        Columns wanted; by default those centred on the sound, at least one.

    Returns
    -------
    columns : Tensor (n_sounds, count, size)
        The first is centred within one step from the start. Where the end needs no zeros, those
        at `centre_ms` and whole patches from there are those of a single pass.
    timestamps : Tensor (n_sounds, count), float32, ms
    """
    hop, first_ms = round(hop_ms / frame_ms), centre_ms % hop_ms
    lead, passes = int(centre_ms // hop_ms) * hop, patch // hop
    if count is None:
        count = max(1, int((end_ms - first_ms) // hop_ms) + 1)
    out: Tensor | None = None
    for i in range(min(passes, count)):
        before = lead - i * hop
        wanted = len(range(i, count, passes))
        behind = max(0, wanted * patch + overlap - before - spectrogram.shape[-1])
        columns = encode(torch.nn.functional.pad(spectrogram, (before, behind)))[:, :wanted]
        if out is None:
            out = columns.new_empty(len(columns), count, columns.shape[-1])
        out[:, i::passes] = columns
    assert out is not None
    return out, timestamps(len(out), count, hop_ms, first_ms, out.device)
