"""Audio files of tasks: read in any format, resample, write as 16-bit mono WAV."""

from __future__ import annotations

import json
import os
import threading
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from .folder import RESAMPLED_FILE, TaskError, TaskFolder

RESAMPLER = f"soxr {soxr.__version__} HQ"
BLOCK_FRAMES = 1 << 20

Samples = npt.NDArray[np.float32]


def read_audio(path: Path | str) -> tuple[Samples, int]:
    """Read an audio file as mono (mean of the channels).

    Returns
    -------
    samples : float32 (n,), full scale 1.0
    rate : int, Hz

    Raises
    ------
    TaskError
        File missing, unreadable, empty, or with NaN or infinite samples.
    """
    path = Path(path)
    if not path.is_file():
        raise TaskError(f"{path}: no such audio file")
    try:
        with soundfile.SoundFile(path) as file:
            samples, rate = _read_mono(file), int(file.samplerate)
    except soundfile.LibsndfileError as error:
        samples, rate = _read_with_av(path, error)
    if samples.size == 0:
        raise TaskError(f"{path}: the audio is empty; expected at least one sample")
    if not np.isfinite(samples).all():
        at = int(np.argmin(np.isfinite(samples)))
        raise TaskError(f"{path}: sample {at} is {samples[at]}; expected finite samples")
    return samples, rate


def audio_rate(path: Path | str) -> int:
    """Sample rate (Hz) of an audio file, from its header where soundfile knows the format."""
    try:
        return int(soundfile.info(path).samplerate)
    except soundfile.LibsndfileError:
        return read_audio(path)[1]


def fit(audio: Samples, length: int) -> Samples:
    """Cut float32 (n,) to `length` samples, or pad it with zeros at the end."""
    return np.pad(audio[:length], (0, max(0, length - len(audio))))


def resample(audio: Samples, from_rate: int, to_rate: int) -> Samples:
    """Resample float32 (n,) from one rate (Hz) to another with soxr's quality HQ."""
    if from_rate == to_rate:
        return audio
    return np.asarray(soxr.resample(audio, from_rate, to_rate, quality="HQ"), np.float32)


def quantise(audio: Samples) -> Samples:
    """Round float32 samples to 16 bit (clipped) and back: what a WAV file keeps of them."""
    return (_int16(audio) / np.float32(32768)).astype(np.float32)


def write_wav(path: Path | str, audio: Samples, rate: int) -> None:
    """Write float32 (n,) as 16-bit mono WAV; the file appears complete or not at all."""
    path = Path(path)
    partial = _partial(path)
    try:
        soundfile.write(partial, _int16(audio), rate, subtype="PCM_16", format="WAV")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def audio_at_rate(
    task: TaskFolder, split: str, filename: str, rate: int, keep_dir: Path | None = None
) -> Samples:
    """One clip of a task at a rate (Hz); made once from the best rate and kept.

    Parameters
    ----------
    keep_dir
        Where made audio goes (``<task folder name>/<rate>/<split>/`` under it) if the task folder
        cannot be written. Where nothing can be written, the audio is made again each time.

    Returns
    -------
    float32 (n,), of 16-bit values: the same whether just made or read from the file.

    Raises
    ------
    TaskError
        The audio is missing, unreadable, empty or not finite, or the file has another rate.
    """
    roots = [task.path] if keep_dir is None else [task.path, Path(keep_dir) / task.path.name]
    for root in roots:
        path = root / str(rate) / split / filename
        if path.exists():
            return _read_at(path, rate)
    best = task.best_rate()
    if best == rate:
        raise TaskError(f"{task.audio_path(split, filename, rate)}: no such audio file")
    source = _read_at(task.audio_path(split, filename, best), best)
    audio = quantise(resample(source, best, rate))
    for root in roots:
        folder = root / str(rate)
        try:
            (folder / split).mkdir(parents=True, exist_ok=True)
            _mark_resampled(folder, best)
            write_wav(folder / split / filename, audio, rate)
            break
        except (OSError, soundfile.LibsndfileError):
            continue
    return audio


def _mark_resampled(folder: Path, best: int) -> None:
    # Without the mark, 48000 Hz made from 44100 Hz would become the source of other rates.
    mark = folder / RESAMPLED_FILE
    if not mark.exists():
        partial = _partial(mark)
        partial.write_text(json.dumps({"from": best, "resampler": RESAMPLER}), encoding="utf-8")
        partial.replace(mark)


def _partial(path: Path) -> Path:
    """Where a thread writes a file before it moves it into place."""
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")


def _read_at(path: Path, rate: int) -> Samples:
    audio, found = read_audio(path)
    if found != rate:
        raise TaskError(f"{path}: sample rate is {found} Hz, expected {rate} Hz")
    return audio


def _int16(audio: Samples) -> npt.NDArray[np.int16]:
    return np.clip(np.rint(audio * np.float32(32768)), -32768, 32767).astype(np.int16)


def _read_mono(file: soundfile.SoundFile) -> Samples:
    if file.channels == 1:
        samples: Samples = file.read(dtype="float32")
        return samples
    blocks = [b.mean(axis=1) for b in file.blocks(BLOCK_FRAMES, dtype="float32", always_2d=True)]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _read_with_av(path: Path, reason: Exception) -> tuple[Samples, int]:
    """Decode what libsndfile cannot (AAC, WebM, WMA ...) with PyAV, which carries FFmpeg."""
    try:
        import av
    except ImportError:
        raise TaskError(
            f"{path}: soundfile cannot read it ({str(reason).split(': ')[-1]}); if it is another"
            " format, pip install 'hear-plugins[formats]' or convert it to WAV, FLAC or Ogg"
        ) from None
    try:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            to_float = av.AudioResampler(format="fltp")
            frames = [
                out.to_ndarray().mean(axis=0)
                for frame in chain(container.decode(stream), [None])
                for out in to_float.resample(frame)
            ]
    except (av.FFmpegError, IndexError, OSError) as error:
        raise TaskError(f"{path}: not readable audio ({error})") from None
    return (np.concatenate(frames) if frames else np.zeros(0, np.float32)), int(stream.rate)
