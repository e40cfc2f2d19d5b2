"""BEATs: a transformer that learnt from AudioSet to predict tokens of its own acoustic tokenizers.

Paper         Chen, Wu, Wang, Liu, Tompkins, Chen, Che, Yu, Wei, "BEATs: Audio Pre-Training with
              Acoustic Tokenizers", ICML 2023, arXiv:2212.09058
Weights       the files of microsoft/unilm (MIT): BEATs_iter3.pt, BEATs_iter3_plus_AS2M.pt (the
              default), and those fine-tuned on AudioSet, BEATs_..._finetuned_on_AS2M_cpt1.pt and
              _cpt2.pt, without their classifier. The authors' OneDrive links are reported dead.
              Size and kind are read from the configuration in the file.
Input         16 kHz; Kaldi filterbank of 128 mels, 20 - 8000 Hz, 25 ms window, 10 ms hop, at the
              scale of 16-bit integers, standardised by two constants
Scene         mean over the tokens of the last layer, 8 for each 160 ms: 768 values, as
              nttcslab/eval-audio-repr evaluates it
Timestamps    mean over the 8 tokens of a column of patches, centred on the 175 ms that it sees,
              every 40 ms from 7.5 ms: four passes over the spectrogram, shifted and interleaved

Options of `load_model`
    hop_ms=40              160: one pass, from 87.5 ms; 80, 20, 10: fewer or more passes
    side_by_side=False     True: the 8 tokens of a column beside each other, 6144 values
    upstream_quirks=False  True: the columns that the original sees, every 160 ms and without what
                           does not fill one at the end
    random_weights         seed, for tests and timing

Differences from the original
    It has neither scenes nor timestamps of this kind, and fails below 175 ms: here zeros follow.
    Attention costs the square of the length: sounds beyond 30 s are encoded in equal parts of at
    most 10 s, the length of the training clips.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from .api.framing import check_audio
from .networks.beats import PUBLISHED, Beats, Config
from .networks.fbank_columns import ColumnModel
from .weights import catalogue as checkpoints
from .weights.loading import check_fit, load_configured, load_network, load_strict, wrong_model


def load_model(
    model_file_path: str = "",
    *,
    hop_ms: int | None = None,
    side_by_side: bool = False,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> ColumnModel:
    """Load BEATs; the options are on the module's card.

    Raises
    ------
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """
    network, provenance = load_network(
        model_file_path,
        checkpoints.BEATS[0],
        random_weights,
        _load_file,
        lambda: Beats(PUBLISHED),
    )
    model = ColumnModel(network, hop_ms, side_by_side, upstream_quirks)
    model.provenance = provenance
    return model.eval()


def _load_file(path: Path) -> Beats:
    cfg, tensors = load_configured(path)
    try:
        config = Config.of(cfg)
    except ValueError as error:
        raise wrong_model(path, f"its configuration has {error}", tensors) from None
    with torch.device("meta"):  # sizes that are not the tensors' could fill the memory
        check_fit(Beats(config), tensors, path, ignored=("predictor.",))
    network = Beats(config)
    load_strict(network, tensors, path, ignored=("predictor.",))
    return network


@torch.no_grad()
def get_scene_embeddings(audio: Tensor, model: ColumnModel) -> Tensor:
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
    return model.scenes(check_audio(audio, model))


@torch.no_grad()
def get_timestamp_embeddings(audio: Tensor, model: ColumnModel) -> tuple[Tensor, Tensor]:
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
    return model.timestamps(check_audio(audio, model))
