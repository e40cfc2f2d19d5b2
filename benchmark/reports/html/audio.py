"""Clips as players: mono MP3 inside of the page, as many as fit."""

from __future__ import annotations

import base64
import io

import numpy as np

from benchmark.errors import UserError
from tasks.audio import read_audio
from tasks.folder import TaskError, TaskFolder

RATE, SECONDS = 16000, 10.0


class Players:
    """Makes data URIs of clips until they take `limit` bytes together."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self.left_out = 0

    def clip(self, task: TaskFolder, split: str, file: str) -> str:
        """The first `SECONDS` of a clip; "" where they would not fit any more.

        Raises
        ------
        UserError
            The clip cannot be read.
        """
        import soundfile
        import soxr

        if self.used >= self.limit:
            self.left_out += 1
            return ""
        try:
            rates = task.rates()
            rate = RATE if RATE in rates else task.best_rate()
            samples, rate = read_audio(task.audio_path(split, file, rate))
        except (TaskError, OSError) as error:
            raise UserError(f"{file}: {error}") from None
        mono = samples.reshape(len(samples), -1).mean(axis=1)[: int(SECONDS * rate)]
        mono = soxr.resample(mono.astype(np.float32), rate, RATE) if rate != RATE else mono
        out = io.BytesIO()
        soundfile.write(out, np.clip(mono, -1, 1), RATE, format="MP3")
        uri = "data:audio/mpeg;base64," + base64.b64encode(out.getvalue()).decode()
        if self.used + len(uri) > self.limit:
            self.left_out += 1
            return ""
        self.used += len(uri)
        return uri
