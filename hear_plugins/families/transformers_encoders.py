"""Speech encoders of the package transformers, made from their config.json and weights.

Two kinds: convolutions over samples and a transformer (wav2vec 2.0, HuBERT, WavLM ...), and
Whisper's encoder over a log-mel spectrogram. Nothing of a model's folder is executed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..api.batching import map_windows
from ..api.framing import frame_times, pad_to
from ..api.hear_model import HearModel
from ..api.options import check_choice
from ..frontends.half_rate import halve_rate
from ..frontends.log_mel import LogMel
from ..networks.linear import use_fast_linear
from ..weights.catalogue import Checkpoint
from ..weights.errors import WeightsError
from ..weights.hugging_face import hub_weights, json_beside, load_weights, weights_in
from ..weights.loading import (
    existing,
    file_provenance,
    fill_random,
    load_strict,
    quoted,
    random_seed,
    shown,
    wrong_model,
)
from .strided_encoder import StridedEncoder

INSTALL = "pip install 'hear-plugins[wav2vec2]'"

CONVOLUTIONAL = (
    *("wav2vec2", "wav2vec2-conformer", "hubert", "wavlm", "data2vec-audio", "unispeech"),
    *("unispeech-sat", "mert_model"),
)
WHISPER = "whisper"
KINDS = (*CONVOLUTIONAL, WHISPER)
"""Values of "model_type" in a config.json."""

_NORMALISATION_EPS = 1e-7
_MOST_LAYERS = 200  # beyond, no network is built
_LARGEST_SIZE = 16384
_OLDER_NAMES = {
    "parametrizations.weight.original0": "weight_g",
    "parametrizations.weight.original1": "weight_v",
}
_UNUSED = ("masked_spec_embed", "lm_head.", "quantizer.", "project_hid.", "project_q.", "adapter.")

Layer = str | int


class ChosenLayer(HearModel):
    """A network with hidden states: the input of its first block and the output of each block.

    Subclasses give `hidden_states`.

    Attributes
    ----------
    network : of transformers
    layer : which hidden state frames are: "last", "mean" of all, or its number from 0
    """

    network: nn.Module
    layer: Layer

    def choose(self, layer: Layer, depth: int) -> None:
        """Set `layer`; ValueError unless it is "last", "mean" or 0 to `depth`."""
        numbered = type(layer) is int and 0 <= layer <= depth
        if not numbered and layer not in ("last", "mean"):
            raise ValueError(f"layer={layer!r}; expected last, mean or 0 to {depth}")
        self.layer = layer

    def hidden_states(self, x: Tensor, inner: bool) -> list[Tensor]:
        """All of them, each (n, frames, embed_dim), the last after the network's final LayerNorm;
        only the last one unless `inner`."""
        raise NotImplementedError

    def frames(self, x: Tensor) -> Tensor:
        """The chosen hidden state (n, frames, embed_dim)."""
        states = self.hidden_states(x, inner=self.layer != "last")
        if isinstance(self.layer, int):
            return states[self.layer]
        return states[-1] if self.layer == "last" else torch.stack(states).mean(0)


class ConvolutionalEncoder(ChosenLayer, StridedEncoder):
    """Convolutions over samples, and a transformer over their frames.

    Parameters
    ----------
    network : of transformers, whose class takes "input_values"
    layer : as of `ChosenLayer`
    normalise : whether each sound is brought to mean 0 and variance 1
    sample_rate : Hz; for 24000, which HEAR does not have, sounds are taken at 48000 and halved
    """

    whole_s = 30  # the convolutions of a minute take a gigabyte, WavLM's positions another

    def __init__(self, network: nn.Module, layer: Layer, normalise: bool, sample_rate: int) -> None:
        config: Any = network.config
        super().__init__(config)
        self.network = network
        self.choose(layer, config.num_hidden_layers)
        self.normalise = normalise
        self.sample_rate = self.network_rate = sample_rate
        if sample_rate == 24000:
            self.sample_rate = 48000

    def samples(self, audio: Tensor) -> Tensor:
        """What the network takes, long enough for a frame."""
        if self.sample_rate != self.network_rate:
            audio = halve_rate(audio)
        if self.normalise:
            audio = F.layer_norm(audio, audio.shape[1:], eps=_NORMALISATION_EPS)
        return pad_to(audio, self.field)

    def scenes(self, audio: Tensor) -> Tensor:
        return self.mean_of_parts(lambda x: self.frames(x).mean(1), self.samples(audio))

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        count = audio.shape[1] * self.network_rate // self.sample_rate
        samples = pad_to(self.samples(audio), self.samples_for_times(count))
        parts, _ = self.in_parts(self.frames, samples)
        out = torch.cat(parts, dim=1)
        ms = 1000 / self.network_rate
        times = (self.hop * ms, self.field / 2 * ms)
        return out, frame_times(len(out), out.shape[1], *times, out.device)

    def layers(self, audio: Tensor) -> list[Tensor]:
        def means(samples: Tensor) -> Tensor:
            states = self.hidden_states(samples, inner=True)
            return torch.stack([state.mean(1) for state in states], dim=1)

        return list(self.mean_of_parts(means, self.samples(audio)).unbind(1))

    def seen(self, samples: Tensor, start: int, count: int) -> Tensor:
        # Of a whole sound all: the norm of base models has statistics over samples beyond frames.
        return samples if count == self.n_frames(samples) else super().seen(samples, start, count)

    def hidden_states(self, x: Tensor, inner: bool) -> list[Tensor]:
        network: Any = self.network
        out = network(x.to(network.dtype), output_hidden_states=inner)
        # Versions of transformers differ in whether the last one is before the final LayerNorm.
        return [*(out.hidden_states[:-1] if inner else ()), out.last_hidden_state]


class WhisperEncoder(ChosenLayer):
    """Whisper's encoder: two convolutions over a log-mel spectrogram, and a transformer.

    Parameters
    ----------
    network : transformers' encoder
    layer : as of `ChosenLayer`
    window : "30s": silence fills each window, as in training; "sound": the last window of a sound
        ends with it
    """

    sample_rate = 16000
    hop = 320  # samples, of the second convolution's frames

    def __init__(self, network: nn.Module, layer: Layer, window: str) -> None:
        super().__init__()
        check_choice("window", window, ("30s", "sound"))
        self.network = network
        config: Any = network.config
        self.choose(layer, config.encoder_layers)
        self.scene_embedding_size = self.timestamp_embedding_size = int(config.d_model)
        self.window_frames = int(config.max_source_positions)
        self.padded = window == "30s"
        self.frontend = LogMel(
            self.sample_rate,
            400,
            self.hop // 2,
            int(config.num_mel_bins),
            0,
            8000,
            scale="slaney",
            norm="slaney",
            floor=1e-10,
            decibels=True,
        )

    def scenes(self, audio: Tensor) -> Tensor:
        return self._of_frames(audio, -(-audio.shape[1] // self.hop), self.frames).mean(1)

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        count = audio.shape[1] // self.hop + 1
        out = self._of_frames(audio, count, self.frames)
        return out, frame_times(len(out), count, 1000 * self.hop / self.sample_rate, 0, out.device)

    def layers(self, audio: Tensor) -> list[Tensor]:
        def states(mel: Tensor) -> Tensor:
            return torch.stack(self.hidden_states(mel, inner=True), dim=2)

        count = -(-audio.shape[1] // self.hop)
        window = self.window_frames
        means = [
            self._of_frames(audio[:, start * self.hop :], min(window, count - start), states)
            .mean(1)
            .mul(min(window, count - start) / count)
            for start in range(0, count, window)
        ]
        return list(torch.stack(means).sum(0).unbind(1))

    def hidden_states(self, x: Tensor, inner: bool) -> list[Tensor]:
        network: Any = self.network
        x = F.gelu(network.conv1(x.to(network.conv1.weight.dtype)))
        x = F.gelu(network.conv2(x)).transpose(1, 2)
        x = x + network.embed_positions.weight[: x.shape[1]]
        states = [x]
        for block in network.layers:
            x = block(x, None)
            states.append(x)
        return [*states[:-1], network.layer_norm(x)] if inner else [network.layer_norm(x)]

    def _of_frames(self, audio: Tensor, count: int, function: Callable[[Tensor], Tensor]) -> Tensor:
        """`function` of the log-mel spectrograms of windows, the first `count` frames of it."""
        length = self.window_frames * self.hop
        out = []
        for start in range(0, count, self.window_frames):
            frames = min(self.window_frames, count - start)
            samples = audio[:, start * self.hop : start * self.hop + length]
            padded = pad_to(samples, length if self.padded else frames * self.hop)
            # A window at a time: its attention is what needs memory.
            windows = map_windows(
                lambda x: function(self._log_mel(x)), padded.unsqueeze(1), 2 * length
            )
            out.append(windows[:, 0, :frames])
        return torch.cat(out, dim=1)

    def _log_mel(self, samples: Tensor) -> Tensor:
        """(n, n_samples) -> (n, mels, frames of 10 ms): 8 decades below each window's maximum."""
        # Reflection needs more samples than half a window has.
        mel = self.frontend(pad_to(samples, self.frontend.n_fft))[..., : len(samples[0]) // 160]
        mel = mel / 10
        return (torch.maximum(mel, mel.amax((1, 2), keepdim=True) - 8) + 4) / 4


def load_encoder(
    model_file_path: str,
    model: str,
    layer: Layer,
    random_weights: int | None,
    *,
    module: str,
    kinds: tuple[str, ...] = KINDS,
    published: Mapping[str, Mapping[str, Any]] | None = None,
    licence: str = "",
    window: str = "30s",
) -> ConvolutionalEncoder | WhisperEncoder:
    """A model of transformers.

    Parameters
    ----------
    model_file_path : folder, or weights file with config.json beside it; "" for `model`
    model : id of the Hugging Face Hub, or a folder
    layer, window : as of the classes
    random_weights : as of `weights.loading.random_seed`
    module : for messages
    kinds : which of `KINDS` are expected
    published : configurations by id, for random weights
    licence : of the weights, where it is known

    Raises
    ------
    ImportError
        The package transformers is not installed.
    ValueError
        An option has a value that it cannot have.
    WeightsError
        The weights are missing, damaged, or another model's.
    """
    try:
        import transformers
    except ImportError as error:
        raise ImportError(
            f"{module} needs an optional package ({error}); type: {INSTALL}"
        ) from None
    seed = random_seed(random_weights, model_file_path)
    if seed is not None and model in (published or {}):
        known = dict((published or {})[model])
        settings = {"do_normalize": known.pop("do_normalize", True)}
        settings["sampling_rate"] = known.pop("sample_rate", 16000)
        network = _network(known)
        provenance = fill_random(network, seed, module)
    else:
        path = _weights_file(model_file_path or model, licence)
        config = json_beside(path, "config.json")
        if config is None:
            raise WeightsError(f"{path} has no config.json beside it; expected the whole folder")
        settings = json_beside(path, "preprocessor_config.json") or {}
        _check_config(path, config, kinds)
        if seed is None:
            network, provenance = _load(path, config), file_provenance(path)
        else:
            network = _network(config)
            provenance = fill_random(network, seed, module)
    provenance |= {"package": f"transformers {version(transformers.__name__)}"}
    if not model_file_path:
        provenance |= {"model": model} | ({"licence": licence} if licence else {})
    use_fast_linear(network)
    if isinstance(network, _whisper()):
        return WhisperEncoder(network, layer, window).ready(provenance)
    rate = settings.get("sampling_rate", 16000)
    if type(rate) is not int or not 1000 <= rate <= 192000:
        raise WeightsError(f"{model} has sampling_rate={shown(rate)}; expected a rate in Hz")
    normalise = bool(settings.get("do_normalize", True))
    return ConvolutionalEncoder(network, layer, normalise, rate).ready(provenance)


def load_variant(
    checkpoints: tuple[Checkpoint, ...],
    configs: Mapping[str, Mapping[str, Any]],
    model_file_path: str,
    variant: str,
    layer: Layer,
    random_weights: int | None,
    window: str = "30s",
) -> ConvolutionalEncoder | WhisperEncoder:
    """As `load_encoder`, of one of the catalogue's `checkpoints`.

    Parameters
    ----------
    checkpoints : of one module, by their `variant`
    configs : what of each variant's config.json transformers would choose otherwise
    """
    by_variant = {checkpoint.variant: checkpoint for checkpoint in checkpoints}
    check_choice("variant", variant, by_variant)
    chosen = by_variant[variant]
    kinds = tuple({str(config["model_type"]) for config in configs.values()})
    return load_encoder(
        model_file_path,
        chosen.file,
        layer,
        random_weights,
        module=chosen.module,
        kinds=kinds,
        published={chosen.file: configs[variant]},
        licence=chosen.licence,
        window=window,
    )


def _weights_file(model: str, licence: str) -> Path:
    path = Path(model).expanduser()
    if model and path.is_dir():
        return weights_in(path)
    if (model and path.exists()) or path.is_absolute() or model.startswith((".", "~")):
        return existing(path)
    return hub_weights(model, licence)


def _check_config(path: Path, config: Mapping[str, Any], kinds: tuple[str, ...]) -> None:
    """WeightsError where a config.json is of a model that is not one of `kinds`."""
    kind = config.get("model_type")
    if kind not in kinds:
        fault = f"its config.json has model_type={shown(kind)}; expected {' or '.join(kinds)}"
        raise wrong_model(path, fault, ())
    if config.get("feature_extractor_cqt") or config.get("deepnorm"):
        raise wrong_model(path, "its config.json asks for MERT v0's CQT or deepnorm", ())
    for name, value in config.items():
        if not name.endswith(("_size", "_layers", "_heads", "_dim", "d_model", "_groups")):
            continue
        most = _MOST_LAYERS if name.endswith("_layers") else _LARGEST_SIZE
        for size in value if isinstance(value, list) and len(value) <= 64 else [value]:
            if name == "vocab_size" or size is None or isinstance(size, bool):
                continue
            if type(size) is not int or not 0 <= size <= most:
                fault = f"its config.json has {name}={shown(value)}"
                raise wrong_model(path, f"{fault}; expected whole numbers up to {most}", ())


def _whisper() -> type[nn.Module]:
    from transformers.models.whisper import modeling_whisper

    encoder: type[nn.Module] = modeling_whisper.WhisperEncoder
    return encoder


def _network(config: Mapping[str, Any]) -> nn.Module:
    """The encoder of a configuration, its tensors not yet set."""
    from transformers import AutoConfig, AutoModel
    from transformers.initialization import no_init_weights

    ours = ("auto_map", "dtype", "torch_dtype")
    kept = {name: value for name, value in config.items() if name not in ours}
    kind = kept.pop("model_type")
    # Masks are of training. MERT v1 is HuBERT's network.
    kept |= {"mask_time_prob": 0.0, "mask_feature_prob": 0.0, "add_adapter": False}
    made: Any = AutoConfig.for_model("hubert" if kind == "mert_model" else kind, **kept)
    with no_init_weights():
        network = _whisper()(made) if kind == WHISPER else AutoModel.from_config(made)
    if hasattr(network, "masked_spec_embed"):
        del network.masked_spec_embed
    return network.float().eval()


def _load(path: Path, config: Mapping[str, Any]) -> nn.Module:
    tensors = load_weights(path)
    try:
        network: Any = _network(config)
    except Exception as error:  # transformers and torch refuse values by many exception types
        reason = quoted(str(error))
        raise wrong_model(path, f"its config.json makes no network ({reason})", tensors) from None
    prefixes = [f"{network.base_model_prefix}."]
    if isinstance(network, _whisper()):
        prefixes = ["model.encoder.", "encoder."]
    prefix = next((p for p in prefixes if any(name.startswith(p) for name in tensors)), "")
    older = any(name.endswith("conv.weight_g") for name in tensors)

    def name_in_file(name: str) -> str:
        if older:
            for ours, theirs in _OLDER_NAMES.items():
                name = name.replace(ours, theirs)
        return prefix + name

    own = {name: value for name, value in tensors.items() if name.startswith(prefix)}
    load_strict(network, own, path, tuple(prefix + name for name in _UNUSED), name_in_file)
    return network
