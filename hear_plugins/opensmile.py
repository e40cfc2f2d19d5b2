"""openSMILE ComParE_2016 functionals: 6373 acoustic features designed by hand.

Papers        Eyben et al., "openSMILE", ACM MM 2010; Schuller et al., ComParE 2013 and 2016; as a
              HEAR model in Elbanna et al., "BYOL-S", arXiv:2206.12038
Weights       none; the PyPI package opensmile 2.6.0 computes the features. It is an extra of this
              package, under audEERING's licence: free for research and non-commercial use only.
Input         16 kHz; the package turns samples to 16 bits
Scene         functionals over the whole sound (an hour takes 30 s and 3 GB): 6373 values up to
              1e11, on which HEAR's classifier learns nothing: evaluate them with the protocol
              `hear-standardized` (as BYOL-S did), or take scaling="log"
Timestamps    functionals over windows of 1 s every 50 ms, centred on 0, 50, 100, ... ms with zeros
              beyond both ends (the framing of BYOL-S)

Options of `load_model`
    hop_ms=50, window_ms=1000    step and length of the windows of timestamps
    scaling="none"               "log": sign(x) log(1 + |x|) of every feature, then at most about 30
    num_workers=None             threads that extract; None: as many as torch uses
    upstream_quirks=False        True: let 1.0 wrap to -1.0, as the package does

Differences from the original
    Samples are clipped to [-1, 32767/32768] before the package sees them. Sounds below 60 ms get
    zeros at the end, where the package gives NaN; a feature that is undefined is 0.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .api.framing import centred_windows, check_audio, samples_of, timestamps

FEATURES = 6373
SCALINGS = ("none", "log")
INSTALL = "pip install opensmile==2.6.0"
_MIN_SAMPLES = 960  # openSMILE has no frame to describe below 60 ms
_LARGEST = 32767 / 32768


class OpenSmile(nn.Module):
    """What `load_model` returns: the extractor and its framing; it has no parameters."""

    sample_rate = 16000
    scene_embedding_size = timestamp_embedding_size = FEATURES

    def __init__(
        self,
        extract: Callable[[np.ndarray, int], np.ndarray],
        hop_ms: float,
        window_ms: float,
        scaling: str,
        num_workers: int | None,
        upstream_quirks: bool,
    ) -> None:
        super().__init__()
        self.extract = extract
        self.hop_ms = hop_ms
        self.hop = samples_of(hop_ms, self.sample_rate, "hop_ms")
        self.window = samples_of(window_ms, self.sample_rate, "window_ms")
        self.scaling = scaling
        self.num_workers = num_workers
        self.upstream_quirks = upstream_quirks
        self.provenance: dict[str, Any] = {}

    def features(self, windows: Tensor) -> Tensor:
        """(n_sounds, count, n_samples) -> (n_sounds, count, 6373), all on the CPU."""
        n_sounds, count, n_samples = windows.shape
        samples = windows.numpy()
        missing = max(0, _MIN_SAMPLES - n_samples)
        out = np.empty((n_sounds, count, FEATURES), np.float32)

        def describe(index: tuple[int, ...]) -> None:
            signal = np.pad(samples[index], (0, missing))
            if not self.upstream_quirks:
                signal = signal.clip(-1.0, _LARGEST)
            out[index] = np.nan_to_num(self.extract(signal, self.sample_rate).reshape(-1))

        # Threads, because openSMILE runs without Python's lock: each call takes 15 ms to start.
        with ThreadPoolExecutor(self.num_workers or torch.get_num_threads()) as pool:
            for _ in pool.map(describe, np.ndindex(n_sounds, count)):
                pass
        if self.scaling == "log":
            out = np.copysign(np.log1p(np.abs(out)), out)
        return torch.from_numpy(out)


def load_model(
    model_file_path: str = "",
    *,
    hop_ms: float = 50.0,
    window_ms: float = 1000.0,
    scaling: str = "none",
    num_workers: int | None = None,
    upstream_quirks: bool = False,
) -> OpenSmile:
    """Set up openSMILE; `model_file_path` is ignored, the options are on the module's card.

    Raises
    ------
    ImportError
        The package opensmile is not installed.
    ValueError
        An option has a value that it cannot have.
    """
    if num_workers is not None and num_workers < 1:
        raise ValueError(f"num_workers={num_workers}; expected at least 1")
    if scaling not in SCALINGS:
        raise ValueError(f"scaling={scaling!r}; expected one of {', '.join(SCALINGS)}")
    _prefer_own_symbols()
    try:
        import opensmile
    except ImportError as error:
        raise ImportError(f"openSMILE is an optional package ({error}); type: {INSTALL}") from None
    smile = opensmile.Smile(
        opensmile.FeatureSet.ComParE_2016, opensmile.FeatureLevel.Functionals, num_workers=1
    )
    model = OpenSmile(smile, hop_ms, window_ms, scaling, num_workers, upstream_quirks)
    model.provenance = {"weights": "none", "package": f"opensmile {version('opensmile')}"}
    return model.eval()


def _prefer_own_symbols() -> None:
    """Load openSMILE's library so that it calls its own functions first.

    TensorFlow, which hear-validator imports, exports an FFT of the same name and other types: where
    it came first, openSMILE crashed the process.
    """
    spec = find_spec("opensmile")
    if spec and spec.origin and hasattr(os, "RTLD_DEEPBIND"):
        for library in Path(spec.origin).parent.glob("core/bin/*/*.so"):
            ctypes.CDLL(str(library), mode=os.RTLD_DEEPBIND)


@torch.no_grad()
def get_scene_embeddings(audio: Tensor, model: OpenSmile) -> Tensor:
    """One embedding a sound.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at 16 kHz
    model : from `load_model`

    Returns
    -------
    Tensor (n_sounds, scene_embedding_size), float32.

    Raises
    ------
    ValueError
        As `hear.check_audio`.
    """
    audio = check_audio(audio, model)
    return model.features(audio.cpu().unsqueeze(1)).squeeze(1).to(audio.device)


@torch.no_grad()
def get_timestamp_embeddings(audio: Tensor, model: OpenSmile) -> tuple[Tensor, Tensor]:
    """Embeddings every `hop_ms`, centred on their timestamps.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at 16 kHz
    model : from `load_model`

    Returns
    -------
    embeddings : Tensor (n_sounds, n_timestamps, timestamp_embedding_size), float32
    timestamps : Tensor (n_sounds, n_timestamps), float32, in ms

    Raises
    ------
    ValueError
        As `hear.check_audio`.
    """
    audio = check_audio(audio, model)
    windows = centred_windows(audio.cpu(), model.window, model.hop)
    embeddings = model.features(windows).to(audio.device)
    n_sounds, count, _ = embeddings.shape
    return embeddings, timestamps(n_sounds, count, model.hop_ms, 0.0, audio.device)
