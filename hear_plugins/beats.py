"""BEATs: transformer, masked prediction of the labels of its own acoustic tokenizers on AudioSet.

Weights       the files of microsoft/unilm (MIT): BEATs_iter3.pt, BEATs_iter3_plus_AS2M.pt (the
              default), and those fine-tuned on AudioSet, BEATs_..._finetuned_on_AS2M_cpt1.pt and
              _cpt2.pt, without their classifier. The authors' OneDrive links are reported dead.
              Size and kind are read from the configuration in the file.
Input         Kaldi filterbank of 128 mels, 20 - 8000 Hz, 25 ms window, 10 ms hop, at the scale of
              16-bit integers, standardised by two constants
Scene         mean over the patch embeddings of the last layer, 8 for each 160 ms, as
              nttcslab/eval-audio-repr evaluates it
Timestamps    mean over the 8 patch embeddings of a time step, centred on the 175 ms that it sees,
              every 40 ms from 7.5 ms: four passes over the spectrogram, shifted and interleaved
Layers        mean over the patch embeddings of each layer

Options of `load_model`
    hop_ms=40              160: one pass, from 87.5 ms; 80, 20, 10: fewer or more passes
    concat_freq=False      True: the 8 patch embeddings of a time step concatenated, 6144 values
    upstream_quirks=False  True: the time steps that the original sees, every 160 ms and without
                           what does not fill one at the end
    random_weights         seed, for tests and timing

Differences from the original
    It has neither scenes nor timestamps of this kind, and fails below 175 ms: here zeros follow.
    Attention costs the square of the length: sounds beyond 30 s are encoded in equal parts of at
    most 10 s, the length of the training clips.
"""

from __future__ import annotations

from pathlib import Path

import torch

from .api.card import Card
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .families.fbank_patches import FbankModel
from .networks.beats import PUBLISHED, Beats, Config
from .weights import catalogue as checkpoints
from .weights.loading import check_fit, load_configured, load_network, load_strict, wrong_model

CARD = Card(
    authors="Chen, Wu, Wang, Liu, Tompkins, Chen, Che, Yu, Wei",
    title="BEATs: Audio Pre-Training with Acoustic Tokenizers",
    venue="ICML 2023",
    link="arXiv:2212.09058",
    sample_rate=16000,
    scene_embedding_size=768,
    timestamp_embedding_size=768,
    parameters=90_311_792,
    released="2022-12-20",
    training_data=("AudioSet",),
    public_data=True,
)


def load_model(
    model_file_path: str = "",
    *,
    hop_ms: int | None = None,
    concat_freq: bool = False,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> FbankModel:
    """Load BEATs; options: see the module. Raises as `weights.loading.load_network`."""
    network, provenance = load_network(
        model_file_path,
        checkpoints.BEATS[0],
        random_weights,
        _load_file,
        lambda: Beats(PUBLISHED),
    )
    return FbankModel(network, hop_ms, concat_freq, upstream_quirks).ready(provenance)


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
