"""Lead the clips of a task through a model, in batches, to the store."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from benchmark.embeddings.clock import Clock
from benchmark.embeddings.reading import Clip, Samples
from benchmark.embeddings.representation import called_for, too_short, window_seconds
from benchmark.errors import UserError, one_line
from benchmark.models.calling import call, check_output
from benchmark.models.hear_module import LoadedModel

BATCH_SAMPLES = 84 * 16000  # as hear-eval-kit: 0.7 of 120 s at 16 kHz, whatever the rate

OnBatch = Callable[[int, float], None]


class Store(Protocol):
    """Where embeddings go: `benchmark.embeddings.store.EmbeddingStore`, or memory."""

    @property
    def stats(self) -> Mapping[str, Any]:
        """What earlier runs spent on the clips that are stored."""

    def append(
        self,
        split: str,
        embeddings: npt.NDArray[np.float32],
        timestamps: Sequence[npt.NDArray[np.float64]] | None,
        stats: Mapping[str, Any],
    ) -> None:
        """See `EmbeddingStore.append`."""

    def finish_split(self, split: str) -> None:
        """See `EmbeddingStore.finish_split`."""


class BatchedEmbedding:
    """A model on its way through a task: batches of clips of one length, in their final order.

    Batches depend on nothing but the clips after the last one stored, and only whole batches are
    stored: so a run that is continued makes the batches, and the bits, that it would have made.

    Parameters
    ----------
    path_of
        File of a split's clip, for messages.
    writer
        One thread, in which batches are stored while the next is embedded.
    representation
        Of a clip, see `benchmark.embeddings.representation`.
    batch_clips
        Most clips in a batch; None for as many as make `BATCH_SAMPLES`.
    on_call
        Called before every call of the model.
    on_batch
        Called after every batch with its number of clips and seconds of audio.
    """

    def __init__(
        self,
        model: LoadedModel,
        path_of: Callable[[str, str], Path],
        store: Store,
        clock: Clock,
        writer: ThreadPoolExecutor,
        representation: str,
        batch_clips: int | None,
        on_call: Callable[[], None],
        on_batch: OnBatch,
    ) -> None:
        self._model = model
        self._path_of = path_of
        self._store = store
        self._clock = clock
        self._writer = writer
        self._on_call = on_call
        self._on_batch = on_batch
        self._batch_clips = batch_clips
        self._kind = called_for(representation)
        self._window_seconds = window_seconds(representation)
        self._writing: Future[None] | None = None
        self._cap = sys.maxsize  # clips that fit into memory, as far as is known
        self._batch: list[Clip] = []
        self._before = dict(store.stats)  # of earlier runs that were interrupted
        self._audio_seconds = 0.0
        self._hop_ms: float | None = self._before.get("hop_ms")

    def take(self, clip: Clip) -> None:
        """Add the next clip of a split; embed the batch when it is full."""
        length = len(clip.samples)
        if self._window_seconds and length < self._window_seconds * self._model.sample_rate:
            seconds = length / self._model.sample_rate
            raise too_short(self._name(clip), seconds, self._window_seconds)
        if self._batch and len(self._batch[0].samples) != length:
            self._flush()
        self._batch.append(clip)
        if len(self._batch) >= self._batch_limit(length):
            self._flush()

    def finish_split(self, split: str) -> None:
        """Embed and store what is left of a split, and give its files their final names."""
        self._flush()
        self._write(self._store.finish_split, split)

    def wait(self) -> None:
        """Wait for the writer, and raise what it raised."""
        if self._writing is not None:
            self._writing.result()

    def stats(self) -> dict[str, Any]:
        """What is known so far, with what earlier runs spent on the clips that are stored."""
        wall, cpu = self._clock.spent()
        before = self._before
        stats: dict[str, Any] = {
            "audio_seconds": self._audio_seconds + before.get("audio_seconds", 0.0),
            "hop_ms": self._hop_ms,
            "seconds": _add(wall, before.get("seconds", {})),
            "cpu_seconds": _add(cpu, before.get("cpu_seconds", {})),
        }
        used = stats["cpu_seconds"]
        stats["overhead"] = max(0.0, 1 - (used["decode"] + used["model"]) / used["total"])
        return stats

    def _batch_limit(self, samples: int) -> int:
        clips = max(1, BATCH_SAMPLES // samples)
        return min(clips, self._batch_clips or clips)

    def _flush(self) -> None:
        left, self._batch = self._batch, []
        if not left:
            return
        split = left[0].split
        rows, times = [], []
        while left:
            batch = left[: self._cap]
            if (output := self._embed_if_it_fits(batch)) is None:
                continue
            embeddings, timestamps = output
            rows.append(embeddings.reshape(-1, embeddings.shape[-1]))
            times += [] if timestamps is None else list(timestamps)
            seconds = sum(len(clip.samples) for clip in batch) / self._model.sample_rate
            self._audio_seconds += seconds
            self._on_batch(len(batch), seconds)
            left = left[len(batch) :]
        if self._hop_ms is None and times and len(times[0]) > 1:
            self._hop_ms = round(float(np.median(np.diff(times[0]))), 3)
        data = np.concatenate(rows)
        self._write(self._store.append, split, data, times or None, self.stats())

    def _embed_if_it_fits(
        self, batch: list[Clip]
    ) -> tuple[Samples, npt.NDArray[np.float64] | None] | None:
        """Embed a batch; None, and smaller batches from now on, where memory does not suffice."""
        try:
            return self._embed(batch)
        except Exception as error:
            if not _is_out_of_memory(error):
                raise self._explanation(batch, error) from error
            if len(batch) == 1:
                seconds = len(batch[0].samples) / self._model.sample_rate
                raise UserError(
                    f"{self._name(batch[0])}: {seconds:.3g} s are more than {self._model.name} can"
                    f" take in this memory ({one_line(error)})"
                ) from error
        self._cap = len(batch) // 2
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()
        return None

    def _embed(self, batch: list[Clip]) -> tuple[Samples, npt.NDArray[np.float64] | None]:
        audio = np.stack([clip.samples for clip in batch])
        if self._window_seconds:
            audio = _windows(audio, self._window_seconds * self._model.sample_rate)
        self._on_call()
        with self._clock.model():
            output = call(self._model, self._kind, audio)
        embeddings, timestamps = check_output(self._model, self._kind, len(audio), output)
        if self._window_seconds:
            embeddings = embeddings.reshape(len(batch), -1, embeddings.shape[-1])
            middles = 1000.0 * self._window_seconds * (np.arange(embeddings.shape[1]) + 0.5)
            timestamps = np.tile(middles, (len(batch), 1))
        return embeddings, timestamps

    def _explanation(self, batch: list[Clip], error: Exception) -> UserError:
        """Which clip it is that the model fails on."""
        for clip in batch:
            try:
                self._embed([clip])
            except Exception as its_error:
                return UserError(
                    f"{self._name(clip)}: {self._model.name} fails on it: {one_line(its_error)}"
                )
        return UserError(
            f"{self._name(batch[0])}: {self._model.name} fails on a batch of {len(batch)} clips"
            f" from here, not on any of them alone: {one_line(error)}; try batches of 1 clip"
        )

    def _name(self, clip: Clip) -> Path:
        return self._path_of(clip.split, clip.filename)

    def _write(self, action: Callable[..., None], *arguments: Any) -> None:
        self.wait()  # one batch is written while the next one is embedded, no more

        def timed() -> None:
            with self._clock.thread("write"):
                action(*arguments)

        self._writing = self._writer.submit(timed)


def _windows(audio: Samples, length: int) -> Samples:
    """(clips, samples) as (clips x windows, length); samples that fill no window are dropped."""
    count = audio.shape[1] // length
    return np.ascontiguousarray(audio[:, : count * length]).reshape(-1, length)


def _is_out_of_memory(error: Exception) -> bool:
    """Whether torch, on CPU or GPU, or Python could not allocate memory."""
    if isinstance(error, MemoryError):
        return True
    signs = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in signs)


def _add(a: Mapping[str, float], b: Mapping[str, float]) -> dict[str, float]:
    return {key: value + b.get(key, 0.0) for key, value in a.items()}
