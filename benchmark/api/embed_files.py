"""Embed audio files, without a task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.api.errors import user_errors
from benchmark.embeddings.batching import BatchedEmbedding
from benchmark.embeddings.clock import Clock
from benchmark.embeddings.reading import Clip, in_threads
from benchmark.embeddings.representation import (
    LAYERS,
    SCENE,
    TASK,
    called_for,
    parse_representation,
)
from benchmark.errors import UserError
from benchmark.models.calling import find_layers
from benchmark.models.conformance import check_before_run
from benchmark.models.devices import chosen
from benchmark.models.hear_module import LoadedModel, ModelSpec, load_model
from benchmark.models.library_messages import messages_of_libraries
from benchmark.models.process_state import ProcessState
from benchmark.progress import progress_bar, write_line
from tasks.audio import audio_rate, read_audio
from tasks.corpora.custom import AUDIO_SUFFIXES
from tasks.resampling import SOXR, check_resampler, resample

READERS, AHEAD = 4, 8  # threads, and files that are read before they are needed

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class FileEmbeddings:
    """Embeddings of audio files; ``embeddings, times = ...`` unpacks the two.

    Attributes
    ----------
    files
        In the order of the embeddings.
    embeddings
        Of "scene" and "layers" float32 (n_files, size); of "timestamps" and windows a list with
        float32 (n_frames, size) for each file.
    times
        What the frames are centred on: for each file float64 (n_frames,) in ms; None for "scene"
        and "layers".
    layer_sizes
        Of "layers", the sizes of the layers that a row holds one after the other.
    """

    files: tuple[Path, ...]
    embeddings: Array | list[Array]
    times: list[Array] | None
    layer_sizes: tuple[int, ...] = ()

    def __iter__(self) -> Iterator[Any]:
        yield self.embeddings
        yield self.times


@user_errors()
def embed_files(
    paths: str | Path | Iterable[str | Path],
    module: str | ModuleType,
    weights: str | Path = "",
    *,
    representation: str = SCENE,
    options: Mapping[str, Any] | None = None,
    device: str | None = None,
    dtype: str = "float32",
    resampler: str = SOXR,
    batch_clips: int | None = None,
) -> FileEmbeddings:
    """Embed audio files with a HEAR module, in this process.

    Files are decoded, mixed to mono, rounded to 16 bit and resampled as those of tasks are, so a
    file of a task has the embedding that it has in the task.

    Parameters
    ----------
    paths
        A file; a folder, of which all audio files are taken, those in its folders too, in the order
        of their paths; or files, whose order is kept.
    module
        A HEAR module or its import path, such as ``"hear_plugins.byol_a"``.
    weights
        Weights file; "" for the module's default.
    representation
        "scene", "timestamps", "layers" or "windows:SECONDS", see
        `benchmark.embeddings.representation`.
    options
        Of the module's `load_model`.
    device
        "cpu" or "cuda"; None for cuda if it is there.
    dtype
        Precision of the network: "float32", "bfloat16" or "float16"; embeddings are float32.
    resampler
        One of `tasks.folder.RESAMPLERS`.
    batch_clips
        Most files in a batch; only consecutive files of one length share one.

    Returns
    -------
    FileEmbeddings

    Raises
    ------
    UserError
        No such file or module, a file that cannot be read (told before the first is embedded, if
        its head is at fault), or the model fails on a file; the message names it.
    """
    files = audio_files(paths)
    _check_representation(representation)
    check_resampler(resampler)
    with ThreadPoolExecutor(READERS) as readers:
        list(readers.map(audio_rate, files))  # not after an hour on the files before
    name = module.__name__ if isinstance(module, ModuleType) else module
    spec = ModelSpec(name, str(weights), dict(options or {}), dtype)
    state = ProcessState.now()
    try:
        with messages_of_libraries(_remark):
            model = load_model(spec, chosen(device, "device"), _remark)
            for advice in check_before_run(model, called_for(representation)):
                _remark(advice)
            sizes = tuple(find_layers(model)) if representation == LAYERS else ()
            memory = _Memory()
            _embed(model, files, memory, representation, resampler, batch_clips)
    finally:
        state.restore()
    if memory.times:
        return FileEmbeddings(files, memory.embeddings, memory.times)
    return FileEmbeddings(files, np.concatenate(memory.embeddings), None, sizes)


def audio_files(paths: str | Path | Iterable[str | Path]) -> tuple[Path, ...]:
    """The files meant by `embed_files`; `UserError` if there are none, or one is not there."""
    if isinstance(paths, (str, Path)):
        folder = Path(paths)
        if not folder.is_dir():
            return audio_files([folder])
        found = [
            path
            for path in sorted(folder.rglob("*"))
            if path.suffix.lower() in AUDIO_SUFFIXES
            and path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        ]
        if not found:
            raise UserError(f"{folder}: no audio files; expected {' '.join(AUDIO_SUFFIXES)}")
        return tuple(found)
    files = tuple(map(Path, paths))
    if not files:
        raise UserError("paths is empty; expected at least one audio file")
    for file in files:
        if not file.is_file():
            raise UserError(f"{file}: no such file")
    return files


class _Memory:
    """What `BatchedEmbedding` stores, kept in memory."""

    def __init__(self) -> None:
        self.stats: Mapping[str, Any] = {}
        self.embeddings: list[Array] = []
        self.times: list[Array] = []

    def append(
        self,
        _split: str,
        embeddings: npt.NDArray[np.float32],
        timestamps: Sequence[npt.NDArray[np.float64]] | None,
        _stats: Mapping[str, Any],
    ) -> None:
        if timestamps is None:
            self.embeddings.append(embeddings)
        else:
            self.embeddings += np.split(embeddings, np.cumsum([len(t) for t in timestamps])[:-1])
            self.times += timestamps

    def finish_split(self, _split: str) -> None:
        pass


def _embed(
    model: LoadedModel,
    files: Sequence[Path],
    memory: _Memory,
    representation: str,
    resampler: str,
    batch_clips: int | None,
) -> None:
    clock = Clock()

    def read(file: Path) -> Clip:
        audio, rate = read_audio(file)
        return Clip("", str(file), resample(audio, rate, model.sample_rate, resampler))

    with (
        progress_bar(model.name, len(files), "file") as advance,
        ThreadPoolExecutor(1) as writer,
        closing(in_threads(read, files, READERS, AHEAD, clock)) as clips,
    ):
        batched = BatchedEmbedding(
            model,
            lambda _split, file: Path(file),
            memory,
            clock,
            writer,
            representation,
            batch_clips,
            lambda: None,
            advance,
        )
        for clip in clips:
            batched.take(clip)
        batched.finish_split("")
        batched.wait()


def _check_representation(representation: str) -> None:
    try:
        if parse_representation(representation) == TASK:
            raise ValueError("expected scene, timestamps, layers or windows:SECONDS")
    except ValueError as error:
        raise UserError(f"representation is {representation!r}: {error}") from None


def _remark(line: str) -> None:
    write_line(f"note: {line}")
