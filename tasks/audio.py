"""Audio files of tasks: read in any format, at several rates at once, written as 16-bit mono WAV.

Sound goes through in blocks: a recording of hours takes the memory of a block, unless all of it is
asked for.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .decoding import BLOCK_FRAMES, MOST_FRAMES, Block, is_trusted, opened
from .folder import RESAMPLED_FILE, TaskError, TaskFolder
from .reading import is_regular
from .resampling import (
    NOTHING,
    SOXR,
    Samples,
    check_resampler,
    description,
    quantise,
    stream,
    to_float32,
    to_int16,
)
from .speakers import WEIGHTS

WAV_HEADER_BYTES = 44
MOST_WAV_BYTES = 2**32 - WAV_HEADER_BYTES

Write = Callable[[Samples], None]


@contextmanager
def audio_blocks(path: Path | str) -> Iterator[tuple[int, Iterator[Samples]]]:
    """Open an audio file: its rate (Hz) and its samples, float32 blocks of 16-bit values.

    Channels are mixed and samples rounded as `mono_int16` has it.

    Raises
    ------
    TaskError
        File missing or unreadable; from the blocks: empty, or with NaN or infinite samples.
    """
    path = Path(path)
    with opened(path) as audio:
        checked = _checked(path, audio.blocks)
        yield (
            audio.rate,
            (to_float32(mono_int16(block, audio.sampling, audio.speakers)) for block in checked),
        )


def read_audio(path: Path | str) -> tuple[Samples, int]:
    """Read an audio file as mono, rounded to 16 bit (`mono_int16`).

    Returns
    -------
    samples : float32 (n,) of 16-bit values, full scale 1.0
    rate : int, Hz

    Raises
    ------
    TaskError
        File missing, unreadable, empty, or with NaN or infinite samples.
    """
    with audio_blocks(path) as (rate, blocks):
        return _joined(list(blocks)), rate


def mono_int16(
    block: npt.NDArray[np.floating[Any]], sampling: str, speakers: Sequence[str] = ()
) -> npt.NDArray[np.int16]:
    """Mix channels and round to 16 bit as hear-preprocess: ``ffmpeg -acodec pcm_s16le -ac 1``.

    Measured with ffmpeg 5.1: the same for every sample of 16 bit, and of one or two channels; for
    others within 1 LSB.

    Parameters
    ----------
    block
        Samples (n, channels), full scale 1.0.
    sampling
        Of the file: ``int16`` (or less), ``int32`` (24 bit too), ``float`` or ``double``. Of 16-bit
        files the mixed channels are rounded half up; mono files of more bits lose their lower
        bits, which rounds down; all else is rounded to the nearest.
    speakers
        Of more than two channels, the place of each (`tasks.speakers`); without, all count alike.
    """
    if sampling == "int32" and block.shape[1] == 1:
        return to_int16(np.floor(block[:, 0] * 32768) / 32768)
    if block.shape[1] == 1:
        mixed = block[:, 0]
    elif block.shape[1] == 2 or not speakers:
        mixed = block.mean(axis=1)
    else:
        mixed = _weighted(block, speakers, in_fixed_point=sampling == "int16")
    if sampling == "int16":
        return to_int16(np.floor(mixed * 32768 + 0.5) / 32768)
    return to_int16(mixed)


def _weighted(
    block: npt.NDArray[np.floating[Any]], speakers: Sequence[str], in_fixed_point: bool
) -> npt.NDArray[np.floating[Any]]:
    """Mix channels (n, channels) by where their loudspeakers stand; weights sum to one."""
    weights = np.array([WEIGHTS.get(speaker, 0.0) for speaker in speakers])
    weights /= weights.sum() or 1.0
    if in_fixed_point:
        weights = np.rint(weights * 32768) / 32768
    mixed: npt.NDArray[np.floating[Any]] = (block * weights).sum(axis=1)
    return mixed


def audio_rate(path: Path | str) -> int:
    """Sample rate (Hz) of an audio file."""
    with opened(Path(path)) as audio:
        return audio.rate


def audio_seconds(path: Path | str) -> float:
    """Length of an audio file; all of it is decoded where it does not state how long it is."""
    with opened(Path(path)) as audio:
        frames = audio.frames
        if frames is None:
            frames = sum(map(len, audio.blocks))
        return frames / audio.rate


def fit(blocks: Iterable[Samples], length: int) -> Iterator[Samples]:
    """Cut samples to `length` in all, or go on with zeros until there."""
    for block in blocks:
        yield block[:length]
        length -= min(length, len(block))
        if not length:
            return
    while length:
        zeros = np.zeros(min(length, BLOCK_FRAMES), np.float32)
        yield zeros
        length -= len(zeros)


def write_wav(path: Path | str, audio: Samples, rate: int, *, sync: bool = True) -> None:
    """Write float32 (n,) as 16-bit mono WAV; the file appears complete or not at all."""
    with wav_writer(path, rate, sync=sync) as write:
        for start in range(0, len(audio), BLOCK_FRAMES):
            write(audio[start : start + BLOCK_FRAMES])


@contextmanager
def wav_writer(path: Path | str, rate: int, *, sync: bool = True) -> Iterator[Write]:
    """A function that takes the next samples of a file, which is there when the block ends.

    libsndfile writes the same bytes, but waits for the disk at every file.

    Parameters
    ----------
    path, rate
        Of the file, Hz.
    sync
        Wait for the disk before the file gets its name; False where the caller does so for many.
    """
    path = Path(path)
    partial = _partial(path)
    try:
        with partial.open("wb") as file:

            def write(audio: Samples) -> None:
                file.write(to_int16(audio).data)

            file.write(_wav_header(0, rate))
            yield write
            count = file.tell() - WAV_HEADER_BYTES
            if count > MOST_WAV_BYTES:
                raise TaskError(f"{path}: {count / 2 / rate:.0f} s are more than a WAV file takes")
            file.seek(0)
            file.write(_wav_header(count, rate))
            if sync:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _is_whole(path: Path) -> bool:
    """Whether a file that `wav_writer` wrote has all of its bytes."""
    with path.open("rb") as file:
        header = file.read(WAV_HEADER_BYTES)
    if len(header) < WAV_HEADER_BYTES:
        return False
    count: int = struct.unpack("<I", header[-4:])[0]
    return path.stat().st_size == WAV_HEADER_BYTES + count


def _wav_header(data_bytes: int, rate: int) -> bytes:
    """Of 16-bit mono PCM."""
    riff = struct.pack("<4sI4s", b"RIFF", WAV_HEADER_BYTES - 8 + data_bytes, b"WAVE")
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    return riff + form + struct.pack("<4sI", b"data", data_bytes)


def write_at_rates(
    source: Path | tuple[Samples, int], paths: Mapping[int, Path], seconds: float | None = None
) -> int:
    """Write a recording at several rates (Hz), from one reading of it.

    The recording is mixed and rounded to 16 bit, cut or padded with zeros at its own rate, and
    resampled from there to each rate by ``soxr-int16``, as hear-preprocess does. No more of it is
    read than is kept.

    Parameters
    ----------
    source
        Audio file, or float32 samples (n,) and their rate in Hz.
    paths
        WAV file to write for each rate.
    seconds
        Length; None keeps the recording's own.

    Returns
    -------
    The recording's own rate (Hz).

    Raises
    ------
    TaskError
        As `read_audio`.
    """
    with ExitStack() as closing:
        if isinstance(source, tuple):
            own_rate, blocks = source[1], iter([quantise(source[0])])
        else:
            own_rate, blocks = closing.enter_context(audio_blocks(source))
        if seconds is not None:
            blocks = fit(blocks, round(seconds * own_rate))
        writers = {
            rate: closing.enter_context(wav_writer(path, rate, sync=False))
            for rate, path in paths.items()
        }
        _resample_each(blocks, own_rate, writers, SOXR)
    return own_rate


@dataclass(frozen=True)
class TaskAudio:
    """The audio of a task at any rate; what is made is made once, and kept.

    Attributes
    ----------
    task
        The task.
    keep_dir
        Where made audio goes (``<task folder name>/<rate>/<split>/`` under it) if the task folder
        cannot be written. Where nothing can be written, the audio is made again each time. Folders
        are called ``<rate>-<resampler>``: what has the plain name ``<rate>`` came with the task.
    resampler
        What makes a rate that is not there: ``soxr-int16``, or ``torchaudio``, which makes every
        rate but the task's best.
    """

    task: TaskFolder
    keep_dir: Path | None = None
    resampler: str = SOXR

    def __post_init__(self) -> None:
        check_resampler(self.resampler)

    def at_rates(self, split: str, filename: str, rates: Collection[int]) -> dict[int, Samples]:
        """One clip at some rates (Hz), from one reading where any of them must be made.

        Returns
        -------
        float32 (n,) for each rate, of 16-bit values: the same whether just made or read again.

        Raises
        ------
        TaskError
            Audio is missing, unreadable, empty or not finite, or a file has another rate.
        """
        paths = self._there(split, filename, rates)
        audio = {}
        if missing := [rate for rate in rates if rate not in paths]:
            best = self.task.best_rate()
            wanted = [*missing, best] if paths.pop(best, None) else missing
            audio = self._make(split, filename, wanted)
        return audio | {rate: _read_at(path, rate) for rate, path in paths.items()}

    def is_there(self, split: str, filename: str, rates: Collection[int]) -> bool:
        """Whether a clip is there at all of these rates (Hz)."""
        return len(self._there(split, filename, rates)) == len(rates)

    def resampled_by(self, rate: int) -> str:
        """What made, or will make, the audio at a rate (Hz); "none" for audio as it came."""
        if self._came(rate) is None:
            return _said(self._mark())
        return self.task.prepared_by(rate) or "none"

    def _came(self, rate: int) -> Path | None:
        """Folder of a rate that came with the task and is to be used; None where it is made."""
        is_own = rate in self.task.rates()
        wanted = self.resampler == SOXR or rate == self.task.best_rate()
        return self.task.path / str(rate) if is_own and wanted else None

    def _mark(self) -> dict[str, Any]:
        """What `RESAMPLED_FILE` says in folders of made audio."""
        return {"from": self.task.best_rate(), "resampler": description(self.resampler)}

    def _kept(self, rate: int) -> Iterator[Path]:
        """Folders, of all splits, where made audio of a rate may be or go."""
        name = f"{rate}-{self.resampler}"
        yield self.task.path / name
        if self.keep_dir is not None:
            yield Path(self.keep_dir) / self.task.path.name / name

    def _there(self, split: str, filename: str, rates: Collection[int]) -> dict[int, Path]:
        there = {}
        for rate in rates:
            if (came := self._came(rate)) is not None:
                if (path := came / split / filename).exists():
                    there[rate] = path
                continue
            for folder in self._kept(rate):
                path = folder / split / filename
                # Not waited for on the disk when it was made: a power failure may cut it off.
                if path.exists() and _read_mark(folder) == self._mark() and _is_whole(path):
                    there[rate] = path
                    break
        return there

    def _make(self, split: str, filename: str, rates: Collection[int]) -> dict[int, Samples]:
        """Audio at some rates from one reading of the best; all but the best is kept."""
        best = self.task.best_rate()
        path = self.task.audio_path(split, filename, best)
        pieces: dict[int, list[Samples]] = {rate: [] for rate in rates}
        check_wav(path)
        with audio_blocks(path) as (found, blocks):
            _check_rate(path, found, best)
            takers = {
                rate: its.append if rate == best else _quantising(its)
                for rate, its in pieces.items()
            }
            _resample_each(blocks, best, takers, self.resampler)
        audio = {best: _joined(pieces.pop(best))} if best in pieces else {}
        while pieces:
            rate, its = pieces.popitem()
            audio[rate] = _joined(its)
            del its
            self._keep(split, filename, rate, audio[rate])
        return audio

    def _keep(self, split: str, filename: str, rate: int, audio: Samples) -> None:
        for folder in self._kept(rate):
            try:
                if not folder.exists():
                    self._make_folder(folder)
                if _read_mark(folder) != self._mark():
                    continue  # of another source, or another version of the resampler
                (folder / split).mkdir(exist_ok=True)
                write_wav(folder / split / filename, audio, rate, sync=False)
                return
            except OSError:
                continue

    def _make_folder(self, folder: Path) -> None:
        """Make a folder of made audio, its mark in it when it appears, or leave another thread's.

        The mark keeps apart what another version of the resampler made.
        """
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = _partial(folder)
        partial.mkdir()
        try:
            with (partial / RESAMPLED_FILE).open("w", encoding="utf-8") as mark:
                mark.write(json.dumps(self._mark()))
                mark.flush()
                os.fsync(mark.fileno())
            partial.rename(folder)
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)
            if not folder.exists():
                raise


def _read_mark(folder: Path) -> Any:
    """What the mark of a folder says; None where there is none to read."""
    try:
        return json.loads((folder / RESAMPLED_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _said(mark: Mapping[str, Any]) -> str:
    return f"{mark['resampler']} from {mark['from']} Hz"


def _quantising(pieces: list[Samples]) -> Write:
    return lambda audio: pieces.append(quantise(audio))


def _resample_each(
    blocks: Iterable[Samples], from_rate: int, takers: Mapping[int, Write], resampler: str
) -> None:
    """Give every block, at each rate, to what takes that rate."""
    streams = {rate: stream(from_rate, rate, resampler) for rate in takers}
    for block in blocks:
        for rate, take in takers.items():
            take(streams[rate].push(block))
    for rate, take in takers.items():
        take(streams[rate].push(NOTHING, last=True))


def _partial(path: Path) -> Path:
    """Where a thread writes a file before it moves it into place."""
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")


def _read_at(path: Path, rate: int) -> Samples:
    check_wav(path)
    audio, found = read_audio(path)
    _check_rate(path, found, rate)
    return audio


def check_wav(path: Path) -> None:
    """Raise TaskError for a file of a task that is not there or does not begin as a WAV file."""
    if not is_regular(path):
        raise TaskError(f"{path}: no such audio file")
    if not is_trusted(path):
        raise TaskError(f"{path}: is no WAV file, as all of a task's audio is")


def _check_rate(path: Path, found: int, expected: int) -> None:
    if found != expected:
        raise TaskError(f"{path}: sample rate is {found} Hz, expected {expected} Hz")


def _joined(pieces: list[Samples]) -> Samples:
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces or [NOTHING])


def _checked(path: Path, blocks: Iterator[Block]) -> Iterator[Block]:
    """The blocks; an error where they are not sound."""
    count = 0
    for block in blocks:
        # A sum is NaN or infinite if a sample is, and costs a tenth of looking at each.
        with np.errstate(invalid="ignore", over="ignore"):
            total = block.sum()
        if not np.isfinite(total) and not (finite := np.isfinite(block)).all():
            at, channel = np.unravel_index(int(np.argmin(finite)), block.shape)
            raise TaskError(
                f"{path}: sample {count + at} is {block[at, channel]}; expected finite samples"
            )
        count += len(block)
        if count > MOST_FRAMES:
            raise TaskError(f"{path}: has more than {MOST_FRAMES} samples; cut it")
        yield block
    if not count:
        raise TaskError(f"{path}: the audio is empty; expected at least one sample")
