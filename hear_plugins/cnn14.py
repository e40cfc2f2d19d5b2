"""CNN14 of PANNs: a convolutional network that learnt AudioSet's 527 classes.

Paper         Kong, Cao, Iqbal, Wang, Wang, Plumbley, "PANNs: Large-scale pretrained audio neural
              networks for audio pattern recognition", IEEE/ACM TASLP 2020, arXiv:1912.10211
Weights       Cnn14_mAP=0.431.pth (32 kHz, the default) and Cnn14_16k_mAP=0.438.pth (16 kHz) of
              Zenodo record 3987831, CC BY 4.0; the sample rate is read from the file. The Fourier
              and mel tables in them are not used: the frontend has its own.
Input         32 kHz (16 kHz); 64 log-mels in dB, 50 - 14000 Hz (8000 Hz), 32 ms window, 10 ms hop,
              normalised mel by mel by the running statistics of the training
Scene         maximum plus mean over the frames (320 ms) of the whole clip, then the dense layer
              before the classes: 2048 values
Timestamps    the frames before that layer, 2048 values, every 40 ms from 35 ms, each centred on
              the 320 ms that its poolings join (it sees 1.3 s more on either side)

Options of `load_model`
    hop_ms=40           320: the network's own frames, from 155 ms; 160, 80, 20, 10
    random_weights      seed, for tests and timing

Differences from the original
    It has no timestamps. Frames between its own are those of shifted spectrograms, which share the
    layers below the poolings. It fails below 310 ms: here zeros follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .api.framing import check_audio, map_rows, pad_to, timestamps
from .frontends.log_mel import LogMel
from .networks.byol_cnn import mean_plus_maximum
from .networks.cnn14 import CHANNELS, COLUMNS_PER_FRAME, Cnn14
from .weights import catalogue as checkpoints
from .weights.loading import (
    check_tables,
    load_network,
    load_strict,
    load_tensors,
    torchlibrosa_tables,
    wrong_model,
)

FRAME_MS = 10
CENTRE_MS = 155.0  # of the first 32 columns
_MAX_COLUMNS = 3000  # of a batch of sounds

FRONTENDS = {  # by sample rate
    rate: LogMel(
        rate,
        n_fft=n_fft,
        hop=rate // 100,
        n_mels=64,
        f_min=50,
        f_max=f_max,
        scale="slaney",
        norm="slaney",
        floor=1e-10,
        decibels=True,
    )
    for rate, n_fft, f_max in ((32000, 1024, 14000), (16000, 512, 8000))
}


class Network(Cnn14):
    """The network, with the sample rate that it learnt at."""

    sample_rate = 32000


class Cnn14Model(torch.nn.Module):
    """What `load_model` returns: the network, its frontend and its settings."""

    scene_embedding_size = timestamp_embedding_size = CHANNELS[-1]
    layers: tuple[int, ...] = (6,)

    def __init__(self, network: Network, hop_ms: int) -> None:
        super().__init__()
        steps = [FRAME_MS << i for i in range(5, -1, -1)]
        if hop_ms not in steps:
            raise ValueError(f"hop_ms={hop_ms!r}; expected one of {steps}")
        self.network = network
        self.hop_ms = hop_ms
        self.sample_rate = network.sample_rate
        self.frontend = FRONTENDS[network.sample_rate]
        self.provenance: dict[str, Any] = {}

    def spectrogram(self, audio: Tensor) -> Tensor:
        """(n_sounds, n_samples) -> log-mels in dB (n_sounds, 64, columns), at least 32."""
        return self.frontend(pad_to(audio, (COLUMNS_PER_FRAME - 1) * self.frontend.hop))

    def frames(self, columns: Tensor, hop: int = COLUMNS_PER_FRAME) -> Iterator[Tensor]:
        """Normalised log-mels -> frames every `hop` columns in pieces (n_sounds, some, size)."""
        for piece in self.network.frames(columns, self.layers, hop):
            yield piece.unflatten(-1, (CHANNELS[-1], -1)).mean(-1)

    def scene(self, columns: Tensor) -> Tensor:
        """Normalised log-mels -> (n_sounds, scene_embedding_size)."""
        return self.network.embed(mean_plus_maximum(self.frames(columns)))


def load_model(
    model_file_path: str = "", *, hop_ms: int = 40, random_weights: int | None = None
) -> Cnn14Model:
    """Load CNN14; the options are on the module's card.

    Raises
    ------
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """
    network, provenance = load_network(
        model_file_path, checkpoints.CNN14[0], random_weights, load_file, Network
    )
    network.fuse()
    model = Cnn14Model(network, hop_ms)
    model.provenance = provenance
    return model.eval()


def load_file(path: Path) -> Network:
    """The network of a published file of either sample rate.

    Raises
    ------
    WeightsError
        The file is damaged or another model's.
    """
    # Beside the tensors lies the state of the sampler of training clips, in NumPy's arrays.
    tensors = load_tensors(path, ("model",), training_state=True)
    network = Network()
    load_strict(
        network,
        tensors,
        path,
        ignored=("spectrogram_extractor.", "logmel_extractor.", "fc_audioset."),
    )
    name = "logmel_extractor.melW"
    filters = tensors.get(name, torch.empty(0))
    shapes: dict[tuple[int, ...], int] = {
        (spec.n_fft // 2 + 1, spec.n_mels): rate for rate, spec in FRONTENDS.items()
    }
    rate = shapes.get(tuple(filters.shape))
    if rate is None:
        fault = f"tensor {name} has shape {tuple(filters.shape)}, expected one of {list(shapes)}"
        raise wrong_model(path, fault if name in tensors else f"tensor {name} is missing", tensors)
    frontend = FRONTENDS[rate]
    check_tables(path, tensors, torchlibrosa_tables("", frontend.n_fft, frontend.filters))
    network.sample_rate = rate
    return network


def get_scene_embeddings(audio: Tensor, model: Cnn14Model) -> Tensor:
    """One embedding a sound.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at `model.sample_rate`
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
        columns = model.network.normalise(model.spectrogram(check_audio(audio, model)))
        return map_rows(model.scene, columns, max(1, _MAX_COLUMNS // columns.shape[-1]))


def get_timestamp_embeddings(audio: Tensor, model: Cnn14Model) -> tuple[Tensor, Tensor]:
    """Embeddings every `hop_ms`, centred on their timestamps.

    Parameters
    ----------
    audio : Tensor (n_sounds, n_samples), floating point, in [-1, 1] at `model.sample_rate`
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
    end_ms = 1000 * audio.shape[-1] / model.sample_rate if isinstance(audio, Tensor) else 0.0
    hop, first_ms = model.hop_ms // FRAME_MS, CENTRE_MS % model.hop_ms
    count = max(1, int((end_ms - first_ms) // model.hop_ms) + 1)
    with torch.no_grad():
        columns = model.network.normalise(model.spectrogram(check_audio(audio, model)))
        # Zeros, the mean level: before, so that the first is centred within one step from the
        # start, and behind, so that the last phase has its last frame.
        before = int(CENTRE_MS // model.hop_ms) * hop
        needed = -(-count * hop // COLUMNS_PER_FRAME) * COLUMNS_PER_FRAME + COLUMNS_PER_FRAME - hop
        behind = max(0, needed - before - columns.shape[-1])
        columns = torch.nn.functional.pad(columns, (before, behind))
        embeddings = columns.new_empty(len(columns), count, model.timestamp_embedding_size)
        some = max(1, _MAX_COLUMNS // columns.shape[-1])
        for sounds, out in zip(columns.split(some), embeddings.split(some), strict=True):
            start = 0
            for piece in model.frames(sounds, hop):
                piece = piece[:, : count - start]
                out[:, start : start + piece.shape[1]] = piece
                start += piece.shape[1]
    return embeddings, timestamps(len(audio), count, model.hop_ms, first_ms, audio.device)
