"""Audio files opened: in this process where the decoder is trusted, else in one of its own.

Decoders of rare formats loop for ever or take all memory on damaged files (libsndfile's AIFF, for
one). They run in a child process (``python -m tasks.decoding``), whose every step has a time limit
and whose memory is bounded; it is used for one file after another, until one ends it.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import soundfile

from .errors import TaskError
from .speakers import speakers_of

BLOCK_FRAMES = 1 << 18
LEAST_RATE, MOST_RATE = 100, 10_000_000
MOST_FRAMES = 1 << 31  # what a 16-bit WAV file holds
TRUSTED = (b"RIFF", b"RIFX", b"RF64", b"fLaC", b"OggS")  # how files of trusted decoders begin
STEP_SECONDS = 30  # to open a file, or to decode a block
MOST_MEMORY = 4 << 30  # addresses of the child, its libraries included
_END, _ERROR = 0, 0xFFFFFFFF
_FACTS = ("rate", "sampling", "frames", "speakers")
_GO, _STOP = b"g", b"s"
_AV_SAMPLING = {"u8": "int16", "s16": "int16", "s32": "int32", "dbl": "double"}

Block = npt.NDArray[np.floating[Any]]  # (n, channels)


@dataclass(frozen=True)
class Opened:
    """An audio file on its way.

    Attributes
    ----------
    rate
        Hz.
    sampling
        How its samples are stored: ``int16`` (or less), ``int32`` (24 bit too), ``float`` or
        ``double``.
    frames
        Samples of each channel as the file states them; None where it does not.
    speakers
        Of more than two channels, the place of each, by FFmpeg's names: FL, FR, FC, LFE ...; empty
        where nothing says it.
    blocks
        Its samples, full scale 1.0.
    """

    rate: int
    sampling: str
    frames: int | None
    speakers: tuple[str, ...]
    blocks: Iterator[Block]


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """Open an audio file.

    Raises
    ------
    TaskError
        No such file, or it is not readable; from the blocks too.
    """
    if not _is_file(path):
        raise TaskError(f"{path}: no such audio file")
    with ExitStack() as closing:
        way = opened_here if is_trusted(path) else _opened_apart
        audio = closing.enter_context(way(path))
        if not LEAST_RATE <= audio.rate <= MOST_RATE:
            raise TaskError(
                f"{path}: sample rate is {audio.rate} Hz, expected {LEAST_RATE} to {MOST_RATE}"
            )
        yield audio


def is_trusted(path: Path) -> bool:
    """Whether a file begins as those of trusted decoders do: WAV, FLAC and Ogg.

    Raises
    ------
    TaskError
        It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(4) in TRUSTED
    except OSError as error:
        raise TaskError(f"{path}: cannot be read ({error.strerror})") from None


@contextmanager
def opened_here(path: Path) -> Iterator[Opened]:
    """Open an audio file in this process, by libsndfile or else by PyAV; as `opened`."""
    with ExitStack() as closing:
        try:
            file = closing.enter_context(soundfile.SoundFile(path))
        except (soundfile.LibsndfileError, OSError) as error:
            yield closing.enter_context(_opened_with_av(path, error))
            return
        sampling = _sampling(file.subtype)
        exact = sampling == "double" or (sampling == "int32" and file.channels == 1)
        blocks = _blocks(path, file, "float64" if exact else "float32")
        speakers = speakers_of(path, file.format, file.channels)
        yield Opened(int(file.samplerate), sampling, int(file.frames), speakers, blocks)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _sampling(subtype: str) -> str:
    """How a file's samples are stored, by libsndfile's name for them."""
    if subtype in ("PCM_24", "PCM_32", "ALAC_20", "ALAC_24", "ALAC_32"):
        return "int32"
    if subtype == "DOUBLE":
        return "double"
    lossy = subtype in ("FLOAT", "VORBIS", "OPUS") or subtype.startswith("MPEG")
    return "float" if lossy else "int16"


def _blocks(path: Path, file: soundfile.SoundFile, dtype: str) -> Iterator[Block]:
    frames = max(1, BLOCK_FRAMES // file.channels)
    try:
        while len(block := file.read(frames, dtype=dtype, always_2d=True)):
            yield block
    except (soundfile.LibsndfileError, OSError) as error:
        raise TaskError(f"{path}: not readable to its end ({error})") from None


@contextmanager
def _opened_with_av(path: Path, reason: Exception) -> Iterator[Opened]:
    """Decode what libsndfile cannot (AAC, WebM, WMA ...) with PyAV, which carries FFmpeg."""
    try:
        import av
    except ImportError:
        raise TaskError(
            f"{path}: soundfile cannot read it ({str(reason).split(': ')[-1]}); if it is another"
            " format, pip install 'hear-plugins[formats]' or convert it to WAV, FLAC or Ogg"
        ) from None

    def frames() -> Iterator[Block]:
        try:
            to_float = av.AudioResampler(format="flt")  # planes of 8 channels crash PyAV 18
            for frame in chain(container.decode(audio), [None]):
                for out in to_float.resample(frame):
                    samples = np.asarray(out.to_ndarray(), np.float32)
                    yield samples.reshape(out.samples, -1)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise TaskError(f"{path}: not readable audio ({error})") from None

    with ExitStack() as closing:
        try:
            container = closing.enter_context(av.open(str(path)))
            audio = container.streams.audio[0]
            rate, form = audio.rate, audio.format
            speakers = tuple(channel.name for channel in audio.layout.channels)
        except (av.FFmpegError, IndexError, OSError, ValueError, AttributeError) as error:
            raise TaskError(f"{path}: not readable audio ({error})") from None
        if not rate or form is None:
            raise TaskError(f"{path}: not readable audio (it has no sample rate or format)")
        sampling = _AV_SAMPLING.get(form.name.removesuffix("p"), "float")
        yield Opened(int(rate), sampling, None, speakers, frames())


class _Told(TaskError):
    """What the child says of a file, after which it waits for the next one."""


class _Child:
    """A process that decodes: a path goes in; a line of facts, blocks and an end come out."""

    def __init__(self) -> None:
        root = str(Path(__file__).resolve().parents[1])
        paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tasks.decoding", str(STEP_SECONDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(paths),
                **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
            },
        )

    def open(self, path: Path) -> dict[str, Any]:
        """Begin a file: its facts, those of `Opened`; its blocks follow, or the next file."""
        request = os.fsencode(path.absolute())
        self._send(struct.pack("<I", len(request)) + request)
        facts: dict[str, Any] = json.loads(
            self._read(path, struct.unpack("<I", self._read(path, 4))[0])
        )
        if "error" in facts:
            raise _Told(facts["error"])
        return {**facts, "speakers": tuple(facts["speakers"])}

    def blocks(self, path: Path) -> Iterator[Block]:
        while True:
            self._send(_GO)
            frames, channels, width = struct.unpack("<III", self._read(path, 12))
            if frames == _END:
                return
            if frames == _ERROR:
                raise _Told(self._read(path, channels).decode())
            content = self._read(path, frames * channels * width)
            yield np.frombuffer(content, f"<f{width}").reshape(frames, channels)

    def stop(self) -> None:
        """Leave a file between two of its blocks."""
        self._send(_STOP)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _send(self, content: bytes) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # reading tells how it ended
            self._process.stdin.write(content)
            self._process.stdin.flush()

    def _read(self, path: Path, count: int) -> bytes:
        assert self._process.stdout is not None
        content = self._process.stdout.read(count)
        if len(content) == count:
            return content
        code = self._process.wait()
        if code == -getattr(signal, "SIGALRM", 0):
            raise TaskError(
                f"{path}: not readable audio: its decoder did nothing for {STEP_SECONDS} s; convert"
                " it to WAV, or leave it out"
            )
        raise TaskError(f"{path}: not readable audio: its decoder ended with code {code}")


_idle: list[_Child] = []
_idle_of = os.getpid()
_lock = threading.Lock()


def _take() -> _Child:
    """A child that waits, or a new one; those of the process that this one was forked of stay."""
    global _idle_of
    with _lock:
        if _idle_of != os.getpid():
            _idle.clear()
            _idle_of = os.getpid()
        return _idle.pop() if _idle else _Child()


@atexit.register
def end_idle() -> None:
    """End the processes that wait for the next file."""
    if _idle_of == os.getpid():
        while _idle:
            _idle.pop().kill()


@contextmanager
def _opened_apart(path: Path) -> Iterator[Opened]:
    child = _take()
    at_block = at_request = False  # what the child waits for

    def blocks() -> Iterator[Block]:
        nonlocal at_block, at_request
        at_block = False
        for block in child.blocks(path):
            at_block = True
            yield block
            at_block = False
        at_request = True

    try:
        facts = child.open(path)
        at_block = True
        yield Opened(**facts, blocks=blocks())
    except _Told:
        at_block, at_request = False, True
        raise
    finally:
        if at_block:
            child.stop()
        if at_block or at_request:
            with _lock:
                _idle.append(child)
        else:
            child.kill()


def _serve(requests: IO[bytes], answers: IO[bytes], seconds: int) -> None:
    """Decode one file after another until there is no request; `seconds` has every step."""
    while len(head := requests.read(4)) == 4:
        path = Path(os.fsdecode(requests.read(struct.unpack("<I", head)[0])))
        is_open = False
        _alarm(seconds)
        try:
            with opened_here(path) as audio:
                _answer(answers, {key: getattr(audio, key) for key in _FACTS})
                is_open = True
                _serve_blocks(requests, answers, audio.blocks, seconds)
        except TaskError as error:
            if is_open:
                content = str(error).encode()
                answers.write(struct.pack("<III", _ERROR, len(content), 0) + content)
                answers.flush()
            else:
                _answer(answers, {"error": str(error)})
        _alarm(0)


def _serve_blocks(
    requests: IO[bytes], answers: IO[bytes], blocks: Iterator[Block], seconds: int
) -> None:
    """A block for each request, until the end or until the parent wants no more."""
    while True:
        _alarm(0)  # the parent may take its time
        if requests.read(1) != _GO:
            return
        _alarm(seconds)
        block = next((block for block in blocks if len(block)), None)
        if block is None:
            answers.write(struct.pack("<III", _END, 0, 0))
            answers.flush()
            return
        answers.write(struct.pack("<III", *block.shape, block.dtype.itemsize))
        answers.write(np.ascontiguousarray(block).data)
        answers.flush()


def _answer(answers: IO[bytes], facts: dict[str, Any]) -> None:
    content = json.dumps(facts).encode()
    answers.write(struct.pack("<I", len(content)) + content)
    answers.flush()


def _alarm(seconds: int) -> None:
    """End this process in so many seconds, in the middle of a decoder too; 0: do not."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    with suppress(BrokenPipeError):
        _serve(sys.stdin.buffer, sys.stdout.buffer, int(sys.argv[1]))
    with suppress(BrokenPipeError):
        sys.stdout.close()


if __name__ == "__main__":
    _main()
