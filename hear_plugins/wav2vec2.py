"""wav2vec 2.0: transformer, contrastive self-supervised pre-training on VoxPopuli 100k h.

A row of the HEAR 2021 leaderboard.

Also          Wang et al., "VoxPopuli", ACL 2021, arXiv:2101.00390
Weights       facebook/wav2vec2-large-100k-voxpopuli at Hugging Face (CC BY-NC 4.0): the folder, or
              pytorch_model.bin or model.safetensors with config.json beside it, from which the
              sizes are read; other wav2vec 2.0 models of that layout load too
Network       of the package transformers: pip install 'hear-plugins[wav2vec2]'
Input         samples, each sound standardised to mean 0 and variance 1 (unless
              preprocessor_config.json says otherwise)
Scene         mean over frames of the last layer
Timestamps    frames of 25 ms every 20 ms, the first centred on 12.5 ms
Layers        mean over frames of each of the 24 layers, the last one after the final LayerNorm;
              not standardised

Options of `load_model`
    upstream_quirks=False  True: as hear-baseline, see below
    random_weights         seed, for tests and timing

Differences from the original
    hear-baseline standardises samples and outputs over the whole batch, so that a sound's embedding
    depends on those in the same batch; here each sound has its own statistics. It leaves out up to
    32 ms at the end of a sound, and fails below 25 ms: here zeros follow; scenes get them below
    25 ms only. Attention costs the square of the length: sounds beyond 2 minutes are encoded in
    equal parts of at most 30 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .api.card import Card
from .api.framing import frame_times, pad_to
from .api.hear_functions import get_layer_embeddings as get_layer_embeddings
from .api.hear_functions import get_scene_embeddings as get_scene_embeddings
from .api.hear_functions import get_timestamp_embeddings as get_timestamp_embeddings
from .families.strided_encoder import StridedEncoder
from .networks.linear import use_fast_linear
from .weights import catalogue as checkpoints
from .weights.hugging_face import json_beside
from .weights.loading import (
    WeightsError,
    load_network,
    load_strict,
    load_tensors,
    quoted,
    resolve,
    shown,
    wrong_model,
)

CARD = Card(
    authors="Baevski, Zhou, Mohamed, Auli",
    title="wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations",
    venue="NeurIPS 2020",
    link="arXiv:2006.11477",
    sample_rate=16000,
    scene_embedding_size=1024,
    timestamp_embedding_size=1024,
    parameters=315_437_696,
    package="transformers",
    released="2021-03-05",
    training_data=("VoxPopuli",),
    public_data=True,
)
INSTALL = "pip install 'hear-plugins[wav2vec2]'"

# Of the published config.json, what transformers would choose otherwise.
_CONFIG = {
    "model_type": "wav2vec2",
    "conv_bias": True,
    "do_stable_layer_norm": True,
    "feat_extract_norm": "layer",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
}
# What decides the network; the rest of a config.json is about training.
_DECISIVE = (
    "conv_bias",
    "conv_dim",
    "conv_kernel",
    "conv_stride",
    "do_stable_layer_norm",
    "feat_extract_activation",
    "feat_extract_norm",
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "layer_norm_eps",
    "num_attention_heads",
    "num_conv_pos_embedding_groups",
    "num_conv_pos_embeddings",
    "num_feat_extract_layers",
    "num_hidden_layers",
)
# Largest value of a size: beyond it no network is built.
_LARGEST = {"num_hidden_layers": 96, "num_feat_extract_layers": 32}
_LARGEST_SIZE = 8192
_SIZES = (
    *("hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers"),
    *("num_conv_pos_embeddings", "num_conv_pos_embedding_groups", "num_feat_extract_layers"),
)
_LISTS = ("conv_dim", "conv_kernel", "conv_stride")
_FILES = ("pytorch_model.bin", "model.safetensors")
_PREFIX = "wav2vec2."
_UNUSED = ("masked_spec_embed", "quantizer.", "project_hid.", "project_q.", "lm_head.")
_OLDER_NAMES = {
    "parametrizations.weight.original0": "weight_g",
    "parametrizations.weight.original1": "weight_v",
}
_PIECE_S = 20  # in the convolutions at once: 500 MB


class Wav2Vec2(StridedEncoder):
    """The network and how sounds go through it.

    Parameters
    ----------
    network : transformers' Wav2Vec2Model
    normalise : whether sounds are standardised
    upstream_quirks : as of `load_model`
    """

    sample_rate = 16000

    def __init__(self, network: nn.Module, normalise: bool, upstream_quirks: bool) -> None:
        config: Any = network.config
        super().__init__(config)
        self.network = network
        self.normalise = normalise
        self.upstream_quirks = upstream_quirks
        # The other kind of norm is over time: what is cut apart would have statistics of its own.
        self.may_cut = config.feat_extract_norm == "layer"

    def standardised(self, x: Tensor) -> Tensor:
        """Mean 0 and variance 1 for each sound; for all at once as upstream has it."""
        return F.layer_norm(x, x.shape if self.upstream_quirks else x.shape[1:])

    def samples(self, audio: Tensor) -> Tensor:
        """What the network takes, long enough for a frame."""
        audio = pad_to(audio, self.field)
        return self.standardised(audio) if self.normalise else audio

    def scenes(self, audio: Tensor) -> Tensor:
        return self.standardised(self.hidden(self.samples(audio))).mean(1)

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        samples = self.samples(audio)
        if not self.upstream_quirks:
            samples = pad_to(samples, self.samples_for_times(audio.shape[1]))
        out = self.standardised(self.hidden(samples))
        ms = 1000 / self.sample_rate
        times = (self.hop * ms, self.field / 2 * ms)
        return out, frame_times(len(out), out.shape[1], *times, out.device)

    def layers(self, audio: Tensor) -> list[Tensor]:
        return list(self.mean_of_parts(self._layer_means, self.samples(audio)).unbind(1))

    def hidden(self, samples: Tensor) -> Tensor:
        """(n_sounds, n_samples) -> (n_sounds, frames, embed_dim), each as long sounds allow."""
        parts, _ = self.in_parts(self._encode, samples)
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]

    def _encode(self, samples: Tensor) -> Tensor:
        """(n, n_samples) -> (n, frames, embed_dim), all frames attending to each other."""
        network: Any = self.network
        samples = samples.to(network.dtype)
        piece = count = self.n_frames(samples)
        if self.may_cut:
            piece = max(1, _PIECE_S * self.sample_rate // self.hop // len(samples))
        features = [
            network.feature_extractor(self.seen(samples, start, min(piece, count - start)))
            for start in range(0, count, piece)
        ]
        projected, _ = network.feature_projection(torch.cat(features, dim=-1).transpose(1, 2))
        out: Tensor = network.encoder(projected).last_hidden_state
        return out

    def _layer_means(self, samples: Tensor) -> Tensor:
        """(n, n_samples) -> mean over the frames of each layer (n, layers, embed_dim)."""
        found: list[Tensor] = []
        inner = list(self.network.get_submodule("encoder.layers").children())[:-1]
        hooks = [
            layer.register_forward_hook(lambda _, inputs, output: found.append(output.mean(1)))
            for layer in inner
        ]
        try:
            last = self._encode(samples)
        finally:
            for hook in hooks:
                hook.remove()
        return torch.stack([*found, last.mean(1)], dim=1)


def load_model(
    model_file_path: str = "",
    *,
    upstream_quirks: bool = False,
    random_weights: int | None = None,
) -> Wav2Vec2:
    """Load wav2vec 2.0; the options are on the module's card.

    Raises
    ------
    ImportError
        The package transformers is not installed.
    ValueError
        An option has a value that it cannot have.
    hear_plugins.weights.loading.WeightsError
        The weights are missing, damaged, or another model's.
    """
    try:
        import transformers
    except ImportError as error:
        raise ImportError(
            f"wav2vec 2.0 needs an optional package ({error}); type: {INSTALL}"
        ) from None
    normalise = True

    def from_file(path: Path) -> nn.Module:
        nonlocal normalise
        if not model_file_path:
            resolve("", checkpoints.WAV2VEC2[1])  # the configuration, beside it
        normalise = _normalises(path)
        return _load_file(path)

    network, provenance = load_network(
        _file(model_file_path),
        checkpoints.WAV2VEC2[0],
        random_weights,
        from_file,
        lambda: _network(_CONFIG),
    )
    use_fast_linear(network)
    provenance["package"] = f"transformers {version(transformers.__name__)}"
    return Wav2Vec2(network, normalise, upstream_quirks).ready(provenance)


def _file(model_file_path: str) -> str:
    """The weights file of a folder; other paths as they are."""
    folder = Path(model_file_path).expanduser()
    if not model_file_path or not folder.is_dir():
        return model_file_path
    found = [folder / name for name in _FILES if (folder / name).is_file()]
    if not found:
        raise WeightsError(f"folder {folder} holds neither {' nor '.join(_FILES)}")
    return str(found[0])


def _network(config: Mapping[str, Any]) -> nn.Module:
    """The network of a configuration, its tensors not yet set."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    decisive = {name: config[name] for name in _DECISIVE if name in config}
    with torch.device("meta"):  # or random numbers would be drawn for seconds
        network = Wav2Vec2Model(Wav2Vec2Config(**decisive, mask_time_prob=0.0))
    network.to_empty(device="cpu")
    return network.eval()


def _load_file(path: Path) -> nn.Module:
    config = json_beside(path, "config.json")
    if config is None:
        raise WeightsError(f"{path} has no config.json beside it; expected the published folder")
    if config.get("model_type") != "wav2vec2" or config.get("add_adapter"):
        fault = f"its config.json has model_type={shown(config.get('model_type'))}"
        raise wrong_model(path, f"{fault}; expected 'wav2vec2', without adapters", ())
    tensors = load_tensors(path)
    for name, value in config.items():
        if expected := _unfit(name, value):
            fault = f"its config.json has {name}={shown(value)}; {expected}"
            raise wrong_model(path, fault, tensors)
    try:
        network = _network(config)
    except Exception as error:  # transformers and torch refuse values by many exception types
        reason = quoted(str(error))
        raise wrong_model(path, f"its config.json makes no network ({reason})", tensors) from None
    prefix = _PREFIX if any(name.startswith(_PREFIX) for name in tensors) else ""
    older = any(name.endswith("conv.weight_g") for name in tensors)

    def name_in_file(name: str) -> str:
        if older:
            for ours, theirs in _OLDER_NAMES.items():
                name = name.replace(ours, theirs)
        return prefix + name

    ignored = (prefix + _UNUSED[0], *_UNUSED[1:])
    load_strict(network, tensors, path, ignored, name_in_file)
    return network


def _unfit(name: str, value: object) -> str | None:
    """What was expected in the place of a setting that decides the network, or None."""
    if name in _SIZES or name in _LISTS:
        values = value if name in _LISTS and isinstance(value, list) else [value]
        most = _LARGEST.get(name, _LARGEST_SIZE)
        if all(type(size) is int and 1 <= size <= most for size in values) and (
            name in _SIZES or (isinstance(value, list) and 1 <= len(values) <= 32)
        ):
            return None
        return f"expected {'whole numbers' if name in _LISTS else 'a whole number'} 1 to {most}"
    if name == "layer_norm_eps" and not (type(value) is float and 0 < value < 1):
        return "expected a number between 0 and 1"
    if name in _DECISIVE and not isinstance(value, bool | str | float):
        return "expected true, false or a name"
    return None


def _normalises(path: Path) -> bool:
    """Whether the weights are for standardised sounds."""
    settings = json_beside(path, "preprocessor_config.json") or {}
    if settings.get("sampling_rate", Wav2Vec2.sample_rate) != Wav2Vec2.sample_rate:
        rate = shown(settings["sampling_rate"])
        fault = f"its preprocessor_config.json has sampling_rate={rate}"
        raise wrong_model(path, f"{fault}; expected {Wav2Vec2.sample_rate}", ())
    return bool(settings.get("do_normalize", True))
