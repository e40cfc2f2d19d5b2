"""VGGish: a convolutional network that learnt to classify the sounds of YouTube-8M's videos.

Paper         Hershey, Chaudhuri, Ellis, Gemmeke, Jansen, Moore, Plakal, Platt, Saurous, Seybold,
              Slaney, Weiss, Wilson, "CNN architectures for large-scale audio classification",
              ICASSP 2017, arXiv:1609.09430
Weights       vggish-10086976.pth and, for the post-processing, vggish_pca_params-970ea276.pth of
              harritaylor/torchvggish (Apache-2.0); or pytorch_vggish.pth and
              vggish_pca_params.npz of tcvrick/audioset-vggish-tensorflow-to-pytorch, the same
              network and numbers
Input         16 kHz; ln(mel + 0.01) of 64 mels of magnitudes, 125 - 7500 Hz, 25 ms window, 10 ms
              hop, in examples of 96 frames
Scene         mean over consecutive examples (960 ms), without what does not fill one at the end:
              128 values, post-processed to whole numbers from 0 to 255; as hear-baseline
Timestamps    the same of examples centred on 0, 50, 100, ... ms, zeros beyond the ends

Options of `load_model`
    postprocess=True       False: the network's 128 values, as the fusion paper evaluates them
    pca_file_path=""       of the post-processing's file
    hop_ms=50              step of timestamps, a multiple of 10
    upstream_quirks=False  True: timestamps as hear-baseline, consecutive examples at 480, 1440, ...
    random_weights         seed, for tests and timing

Differences from the original
    Below 975 ms it has no example and gives NaN: here zeros follow. With upstream_quirks=True the
    timestamps are its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .api.framing import check_audio, map_windows, pad_to, samples_of, timestamps
from .frontends.log_mel import LogMel
from .networks.vggish import FRAMES, MELS, Vggish
from .weights import catalogue as checkpoints
from .weights.loading import file_provenance, load_network, load_strict, load_tensors, resolve
from .weights.stored_arrays import load_arrays

FRONTEND = LogMel(
    16000, 512, 160, MELS, 125, 7500, win_length=400, scale="kaldi", power=1.0, floor=0.01
)
EXAMPLE_MS = 960
EXAMPLE = FRONTEND.window_samples + (FRAMES - 1) * FRONTEND.hop
BATCH_VALUES = 16 * FRAMES * MELS  # 50 MB of work space


class Postprocessor(torch.nn.Module):
    """Principal components of the network's values, in 256 steps."""

    pca_eigen_vectors: Tensor
    pca_means: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("pca_eigen_vectors", torch.zeros(128, 128))
        self.register_buffer("pca_means", torch.zeros(128))

    def components(self, raw: Tensor) -> Tensor:
        """(n, 128) -> (n, 128), before they are quantised."""
        return (raw - self.pca_means) @ self.pca_eigen_vectors.T

    def forward(self, raw: Tensor) -> Tensor:
        """(n, 128) -> (n, 128), whole numbers from 0 to 255."""
        return ((self.components(raw).clamp(-2, 2) + 2) * (255 / 4)).round()


class Network(Vggish):
    """VGGish, with its post-processing where it is wanted."""

    def __init__(self, postprocess: bool) -> None:
        super().__init__()
        self.postprocessor = Postprocessor() if postprocess else None
        self.pca: dict[str, Any] = {}  # provenance


class VggishModel(torch.nn.Module):
    """What `load_model` returns: the network and its settings."""

    sample_rate = 16000
    scene_embedding_size = timestamp_embedding_size = 128

    def __init__(self, network: Network, hop_ms: float, upstream_quirks: bool) -> None:
        super().__init__()
        samples_of(hop_ms, self.sample_rate, "hop_ms", multiple=FRONTEND.hop)
        self.network = network
        self.hop_ms = hop_ms
        self.upstream_quirks = upstream_quirks
        self.provenance: dict[str, Any] = {}

    def spectrogram(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) -> (n_sounds, 64, columns), at least 96 of them."""
        audio = pad_to(audio, EXAMPLE)
        return FRONTEND.of_frames(audio.unfold(-1, FRONTEND.window_samples, FRONTEND.hop))

    def embed(self, examples: Tensor) -> Tensor:
        """Examples (n, 64, 96) -> (n, timestamp_embedding_size)."""
        raw: Tensor = self.network(examples)
        return raw if self.network.postprocessor is None else self.network.postprocessor(raw)

    def examples(self, columns: Tensor) -> Tensor:
        """Columns -> consecutive examples (n_sounds, count, 64, 96), a view."""
        return columns.unfold(-1, FRAMES, FRAMES).transpose(1, 2)

    def scenes(self, columns: Tensor) -> Tensor:
        """Columns -> (n_sounds, scene_embedding_size)."""
        return map_windows(self.embed, self.examples(columns), BATCH_VALUES).mean(1)

    def original_timestamps(self, columns: Tensor) -> tuple[Tensor, float, float]:
        """Embeddings (n_sounds, count, timestamp_embedding_size) of the original, and in ms their
        step and where the first lies."""
        embeddings = map_windows(self.embed, self.examples(columns), BATCH_VALUES)
        return embeddings, EXAMPLE_MS, EXAMPLE_MS / 2


def load_model(
    model_file_path: str = "",
    *,
    postprocess: bool = True,
    pca_file_path: str = "",
    hop_ms: float = 50,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> VggishModel:
    """Load VGGish; the options are on the module's card.

    Raises
    ------
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """

    def from_file(path: Path) -> Network:
        network = Network(False)
        load_file(network, path)
        if postprocess:
            network.postprocessor = Postprocessor()
            pca_path = resolve(pca_file_path, checkpoints.VGGISH[1])
            load_strict(network.postprocessor, _pca_tensors(pca_path), pca_path)
            network.pca = {f"pca_{k}": v for k, v in file_provenance(pca_path).items()}
        return network

    network, provenance = load_network(
        model_file_path,
        checkpoints.VGGISH[0],
        random_weights,
        from_file,
        lambda: Network(postprocess),
    )
    model = VggishModel(network, hop_ms, upstream_quirks)
    model.provenance = provenance | network.pca
    return model.eval()


def load_file(network: Vggish, path: Path) -> None:
    """Load either published file, which name the dense layers "embeddings" or "fc".

    Raises
    ------
    WeightsError
        The file is damaged or another model's.
    """
    tensors = load_tensors(path)
    dense = "fc." if "fc.0.weight" in tensors else "embeddings."
    load_strict(
        network,
        tensors,
        path,
        name_in_file=lambda name: name.replace("embeddings.", dense),
    )


def _pca_tensors(path: Path) -> dict[str, Tensor]:
    tensors = load_arrays(path)
    if "pca_means" in tensors:  # a column in some files
        tensors["pca_means"] = tensors["pca_means"].flatten()
    return tensors


def get_scene_embeddings(audio: Tensor, model: VggishModel) -> Tensor:
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
    with torch.no_grad():
        return model.scenes(model.spectrogram(check_audio(audio, model)))


def get_timestamp_embeddings(audio: Tensor, model: VggishModel) -> tuple[Tensor, Tensor]:
    """Embeddings of examples centred on their timestamps.

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
    with torch.no_grad():
        audio = check_audio(audio, model)
        if model.upstream_quirks:
            embeddings, hop_ms, first_ms = model.original_timestamps(model.spectrogram(audio))
        else:
            hop_ms, first_ms = model.hop_ms, 0.0
            padded = torch.nn.functional.pad(audio, (EXAMPLE // 2, EXAMPLE // 2))
            hop = round(hop_ms * model.sample_rate / 1000) // FRONTEND.hop
            windows = model.spectrogram(padded).unfold(-1, FRAMES, hop).transpose(1, 2)
            embeddings = map_windows(model.embed, windows, BATCH_VALUES)
    n_sounds, count = embeddings.shape[:2]
    return embeddings, timestamps(n_sounds, count, hop_ms, first_ms, audio.device)
