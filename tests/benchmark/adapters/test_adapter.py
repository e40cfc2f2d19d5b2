"""Any HEAR module as one object, and as what s3prl, MARBLE, ARCH and EVAR expect.

Their base classes are stand-ins written from their contracts: the packages pin old versions.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.adapters.adapter import load_adapter
from benchmark.adapters.resampling import mono_at
from benchmark.errors import UserError

MODULE = "hear_plugins.logmel"
LAYERED = ("hear_plugins.byol_a", {"random_weights": 1, "dimensions": 512})


def test_the_adapter_gives_what_the_module_gives() -> None:
    adapter = load_adapter(MODULE, device="cpu")
    audio = 0.1 * torch.randn(2, 24000, generator=torch.Generator().manual_seed(1))
    kept = audio.clone()
    scenes = adapter.model.module.get_scene_embeddings(audio, adapter.model.model)
    frames, times = adapter.model.module.get_timestamp_embeddings(audio, adapter.model.model)
    assert torch.equal(adapter.scene(audio), scenes)
    assert torch.equal(adapter.frames(audio), frames)
    assert torch.equal(audio, kept)
    assert (adapter.dim, adapter.scene_dim) == (frames.shape[2], scenes.shape[1])
    assert adapter.hop_ms == pytest.approx(float(times[0, 1] - times[0, 0]), abs=1e-3)
    assert adapter.layers is None


def test_the_revision_follows_the_weights_and_options() -> None:
    name, options = LAYERED
    first = load_adapter(name, options=options)
    assert first.revision == load_adapter(name, options=options).revision
    assert first.revision != load_adapter(name, options={**options, "random_weights": 2}).revision


def test_layers_are_sequences_of_one_frame() -> None:
    adapter = load_adapter(LAYERED[0], options=LAYERED[1])
    assert adapter.layers is not None
    found = adapter.layers(torch.zeros(2, 16000))
    assert [tuple(layer.shape) for layer in found] == [
        (2, 1, size) for size in adapter.model.layer_sizes
    ]


@pytest.mark.parametrize("shape", [(16000,), (0, 5), (2, 0)])
def test_audio_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="expected floats"):
        load_adapter(MODULE).scene(torch.zeros(shape))


def test_a_long_batch_is_embedded_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = load_adapter(MODULE)
    audio = 0.1 * torch.randn(5, 16000, generator=torch.Generator().manual_seed(1))
    whole = adapter.scene(audio)
    monkeypatch.setattr("benchmark.adapters.adapter.MOST_SECONDS", 2)
    torch.testing.assert_close(adapter.scene(audio), whole)


def test_audio_is_made_mono_at_the_models_rate() -> None:
    stereo = np.stack([np.ones(32000), -np.ones(32000)])
    assert np.array_equal(mono_at(stereo, 32000, 16000), np.zeros(16000, np.float32))
    assert len(mono_at([], 8000, 16000)) == 1


def test_s3prl_gets_frames_of_unpadded_sounds() -> None:
    s3prl = importlib.import_module("benchmark.adapters.s3prl")
    hub: Any = SimpleNamespace()
    s3prl.register(hub, "hear_logmel", MODULE)
    upstream = hub.hear_logmel(refresh=False)
    upstream.train()  # as S3PRLUpstream does
    short, long = 0.1 * torch.randn(16000), 0.1 * torch.randn(40000)
    (states,) = upstream([short, long])["hidden_states"]
    rate = upstream.get_downsample_rates("hidden_states")
    assert rate == 800
    assert abs(states.shape[1] - len(range(0, 40000, rate))) <= 1
    alone = upstream([short])["hidden_states"][0][0]
    torch.testing.assert_close(states[0, : len(alone)], alone)
    assert not states[0, len(alone) :].any()


class _Marble(torch.nn.Module):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__()


class _Evar(torch.nn.Module):
    def __init__(self, cfg: Any, filename_mode: bool = False) -> None:
        super().__init__()
        self.cfg = dict(cfg)


class _Arch:
    def __init__(self, model: Any, **kwargs: Any) -> None:
        self.model = model


def _adapted(monkeypatch: pytest.MonkeyPatch, package: str, name: str, base: type) -> ModuleType:
    parts = package.split(".")
    for i in range(1, len(parts) + 1):
        monkeypatch.setitem(sys.modules, ".".join(parts[:i]), ModuleType(".".join(parts[:i])))
    setattr(sys.modules[package], base_name(name), base)
    monkeypatch.delitem(sys.modules, f"benchmark.adapters.{name}", raising=False)
    return importlib.import_module(f"benchmark.adapters.{name}")


def base_name(adapter: str) -> str:
    return {"marble": "BaseEncoder", "evar": "BaseAudioRepr", "arch": "Model"}[adapter]


def test_marble_gets_hidden_states(monkeypatch: pytest.MonkeyPatch) -> None:
    marble = _adapted(monkeypatch, "marble.core.base_encoder", "marble", _Marble)
    encoder = marble.HearEncoder(MODULE)
    (states,) = encoder(torch.zeros(2, 32000))
    assert states.shape == (2, 41, encoder.NUM_FEATURES)
    assert (encoder.TOKEN_RATE, encoder.SAMPLING_RATE) == (20, 16000)
    layered = marble.HearEncoder("hear_plugins.matpac", "", {"random_weights": 1}, use_layers=True)
    states = layered(torch.zeros(1, 16000))
    assert len(states) == layered.N_TRANSFORMER_LAYERS == 12
    assert {tuple(state.shape) for state in states} == {(1, 1, layered.NUM_FEATURES)}
    with pytest.raises(ValueError, match="expected one"):
        marble.HearEncoder(MODULE, use_layers=True)


def test_arch_gets_cpu_tensors_of_one_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    model = _adapted(monkeypatch, "arch_eval", "arch", _Arch).HearModel(MODULE)
    audio = np.zeros(16000)
    assert model.get_embeddings(audio).shape == (model.get_classification_embedding_size(),)
    assert model.get_sequence_embeddings(audio).shape[1] == model.get_token_embedding_size()
    assert model.get_sampling_rate() == 16000


def test_evar_gets_scenes_and_frames_first(monkeypatch: pytest.MonkeyPatch) -> None:
    evar = _adapted(monkeypatch, "evar.ar_base", "evar", _Evar)
    representation = evar.AR_HEAR({"hear_module": MODULE, "sample_rate": 16000})
    assert representation(torch.zeros(3, 16000)).shape == (3, representation.cfg["feature_d"])
    assert representation.encode_frames(torch.zeros(3, 16000)).shape[:2] == (3, 384)
    with pytest.raises(ValueError, match="takes 16000"):
        evar.AR_HEAR({"hear_module": MODULE, "sample_rate": 32000})
