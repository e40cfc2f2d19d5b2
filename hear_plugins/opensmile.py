"""openSMILE ComParE_2016 functionals: 6373 handcrafted acoustic features.

Also          Schuller et al., ComParE 2013 and 2016; as a HEAR model in Elbanna et al., "BYOL-S",
              arXiv:2206.12038
Weights       none; the PyPI package opensmile 2.6.0 computes the features. It is an extra of this
              package, under audEERING's licence: free for research and non-commercial use only.
Input         the package turns samples to 16 bits
Scene         functionals over the whole sound (an hour takes 30 s and 3 GB), values up to 1e11, on
              which HEAR's classifier fails to train: evaluate them with the protocol
              `hear-standardized` (as BYOL-S did), or take scaling="log"
Timestamps    functionals over windows of 1 s every 50 ms, centred on 0, 50, 100, ... ms with zeros
              beyond both ends (the framing of BYOL-S)
Layers        none

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

import numpy as np
import torch
from torch import Tensor

from .api.card import Card
from .api.framing import centred_windows, frame_times
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .api.hear_model import HearModel
from .api.options import check_choice, samples_of

CARD = Card(
    authors="Eyben, Woellmer, Schuller",
    title="openSMILE: the Munich versatile and fast open-source audio feature extractor",
    venue="ACM MM 2010",
    link="doi:10.1145/1873951.1874246",
    sample_rate=16000,
    scene_embedding_size=6373,
    timestamp_embedding_size=6373,
    parameters=0,
    package="opensmile",
)
FEATURES = 6373
SCALINGS = ("none", "log")
INSTALL = "pip install opensmile==2.6.0"
_MIN_SAMPLES = 960  # openSMILE has no frame to describe below 60 ms
_LARGEST = 32767 / 32768


class OpenSmile(HearModel):
    """The extractor and its framing; it has no parameters and no gradient."""

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

    def scenes(self, audio: Tensor) -> Tensor:
        return self.features(audio.unsqueeze(1)).squeeze(1)

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        out = self.features(centred_windows(audio, self.window, self.hop))
        return out, frame_times(len(out), out.shape[1], self.hop_ms, 0.0, out.device)

    def features(self, windows: Tensor) -> Tensor:
        """(n_sounds, count, n_samples) -> (n_sounds, count, 6373), computed on the CPU.

        Raises
        ------
        ValueError
            Gradients are asked for.
        """
        if windows.requires_grad:
            raise ValueError("openSMILE's features have no gradient; expected audio.detach()")
        device, windows = windows.device, windows.cpu()
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
        return torch.from_numpy(out).to(device)


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
    check_choice("scaling", scaling, SCALINGS)
    _prefer_own_symbols()
    try:
        import opensmile
    except ImportError as error:
        raise ImportError(f"openSMILE is an optional package ({error}); type: {INSTALL}") from None
    smile = opensmile.Smile(
        opensmile.FeatureSet.ComParE_2016, opensmile.FeatureLevel.Functionals, num_workers=1
    )
    model = OpenSmile(smile, hop_ms, window_ms, scaling, num_workers, upstream_quirks)
    return model.ready({"weights": "none", "package": f"opensmile {version('opensmile')}"})


def _prefer_own_symbols() -> None:
    """Load openSMILE's library so that it calls its own functions first.

    TensorFlow, which hear-validator imports, exports an FFT of the same name and other types: where
    it came first, openSMILE crashed the process.
    """
    spec = find_spec("opensmile")
    if spec and spec.origin and hasattr(os, "RTLD_DEEPBIND"):
        for library in Path(spec.origin).parent.glob("core/bin/*/*.so"):
            ctypes.CDLL(str(library), mode=os.RTLD_DEEPBIND)
