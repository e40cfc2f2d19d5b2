"""openSMILE ComParE_2016 functionals: 6373 hand-made acoustic features.

Papers      Eyben et al., "openSMILE", ACM MM 2010; Schuller et al., ComParE 2013 and 2016; as a
            HEAR model in Elbanna et al., "BYOL-S", arXiv 2206.12038.
Weights     None. The features are computed by the PyPI package opensmile 2.6.0, an extra of this
            one: audEERING research licence, free for research and non-commercial use only.
Frontend    openSMILE's own, on 16-bit samples at 16 kHz.
Embedding   Scene = functionals over the whole sound (an hour takes 30 s and 3 GB). Timestamps =
            functionals over windows of 1 s every 50 ms, centred on 0, 50, 100, ... ms with zeros
            beyond both ends (BYOL-S framing). Values reach 2e10: a linear probe needs them
            standardised.
Options     `hop_ms`, `window_ms`, `num_workers`, `upstream_quirks`.
Differences Samples are clipped to 32767/32768, where the package wraps 1.0 to -1.0
            (`upstream_quirks=True` keeps that). Sounds below 60 ms get zeros at the end, where the
            package gives NaN; a feature that is undefined is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .hear import centred_windows, check_audio, samples_of, timestamps

SAMPLE_RATE = 16000
FEATURES = 6373
INSTALL = "pip install opensmile==2.6.0"
_MIN_SAMPLES = 960  # openSMILE has no frame to describe below 60 ms


class Model(nn.Module):
    """The extractor and its framing; it has no parameters."""

    def __init__(
        self,
        extract: Callable[[np.ndarray, int], np.ndarray],
        hop_ms: float,
        window_ms: float,
        num_workers: int | None,
        upstream_quirks: bool,
    ) -> None:
        super().__init__()
        self.sample_rate = SAMPLE_RATE
        self.scene_embedding_size = self.timestamp_embedding_size = FEATURES
        self.provenance: dict[str, Any] = {}
        self.extract = extract
        self.hop_ms = hop_ms
        self.hop = samples_of(hop_ms, SAMPLE_RATE, "hop_ms")
        self.window = samples_of(window_ms, SAMPLE_RATE, "window_ms")
        self.num_workers = num_workers
        self.upstream_quirks = upstream_quirks

    def forward(self, windows: Tensor) -> Tensor:
        """(n_sounds, count, n_samples) on the CPU to (n_sounds, count, 6373), float32."""
        n_sounds, count, length = windows.shape
        samples = windows.numpy()
        missing = max(0, _MIN_SAMPLES - length)
        out = np.empty((n_sounds, count, FEATURES), np.float32)

        def describe(index: tuple[int, ...]) -> None:
            signal = np.pad(samples[index], (0, missing))
            out[index] = np.nan_to_num(self.extract(signal, SAMPLE_RATE).reshape(-1))

        # Threads, because openSMILE runs without Python's lock: each call takes 15 ms to start.
        with ThreadPoolExecutor(self.num_workers or torch.get_num_threads()) as pool:
            for _ in pool.map(describe, np.ndindex(n_sounds, count)):
                pass
        return torch.from_numpy(out)


def load_model(
    model_file_path: str = "",
    *,
    hop_ms: float = 50.0,
    window_ms: float = 1000.0,
    num_workers: int | None = None,
    upstream_quirks: bool = False,
) -> Model:
    """Set up openSMILE.

    Parameters
    ----------
    model_file_path : ignored, there are no weights.
    hop_ms, window_ms : step and length of the windows of timestamp embeddings, in ms.
    num_workers : threads that extract; None: as many as torch uses.
    upstream_quirks : let samples at 1.0 wrap to -1.0, as the package does.

    Raises
    ------
    ImportError
        The package opensmile is not installed.
    ValueError
        An option's value is out of range.
    """
    if num_workers is not None and num_workers < 1:
        raise ValueError(f"num_workers={num_workers}; expected at least 1")
    try:
        import opensmile
    except ImportError as error:
        raise ImportError(f"openSMILE is an optional package ({error}); type: {INSTALL}") from None
    smile = opensmile.Smile(
        opensmile.FeatureSet.ComParE_2016, opensmile.FeatureLevel.Functionals, num_workers=1
    )
    model = Model(smile, hop_ms, window_ms, num_workers, upstream_quirks)
    model.provenance = {"weights": "none", "package": f"opensmile {version('opensmile')}"}
    return model.eval()


@torch.inference_mode()
def get_timestamp_embeddings(audio: Tensor, model: Model) -> tuple[Tensor, Tensor]:
    """Functionals over windows centred on 0, `hop_ms`, 2 `hop_ms`, ...

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point in [-1, 1], at 16 kHz.

    Returns
    -------
    embeddings : Tensor (n_sounds, n_timestamps, 6373), float32
    timestamps : Tensor (n_sounds, n_timestamps), float32, ms

    Raises
    ------
    ValueError
        The audio is not such a tensor, or not finite.
    """
    embeddings = model(centred_windows(_prepared(audio, model), model.window, model.hop))
    embeddings = embeddings.to(audio.device)
    n_sounds, count, _ = embeddings.shape
    return embeddings, timestamps(n_sounds, count, model.hop_ms, 0.0, audio.device)


@torch.inference_mode()
def get_scene_embeddings(audio: Tensor, model: Model) -> Tensor:
    """Functionals over the whole sound: (n_sounds, n_samples) to (n_sounds, 6373), float32; see
    `get_timestamp_embeddings` for audio and errors."""
    return model(_prepared(audio, model)[:, None]).squeeze(1).to(audio.device)


def _prepared(audio: Tensor, model: Model) -> Tensor:
    audio = check_audio(audio, model).cpu()
    return audio if model.upstream_quirks else audio.clamp(-1.0, 32767 / 32768)
