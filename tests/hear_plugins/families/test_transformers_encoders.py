"""Models of transformers against transformers itself, on small random ones, saved and loaded."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from parity_fixtures import audio, save
from torch import Tensor

from hear_plugins import mert, transformers_audio, wavlm, whisper
from hear_plugins.families.transformers_encoders import CONVOLUTIONAL, INSTALL
from hear_plugins.frontends.half_rate import halve_rate
from hear_plugins.weights import hugging_face
from hear_plugins.weights.catalogue import CHECKPOINTS
from hear_plugins.weights.loading import WeightsError, here

transformers = pytest.importorskip("transformers", reason=f"needs {INSTALL}")

RATE = 16000
SAME = 1e-5
SIZES = {
    "conv_dim": [32] * 7,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 2,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "num_hidden_layers": 3,
}
LARGE = {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}


def made(folder: Path, kind: str, **config: Any) -> Any:
    """A small network of transformers, its weights random, saved in `folder`."""
    torch.manual_seed(1)
    sizes = SIZES | ({"num_conv_pos_embeddings": 5} if kind == "data2vec-audio" else {})
    hubert = "hubert" if kind == "mert_model" else kind
    network = transformers.AutoModel.from_config(
        transformers.AutoConfig.for_model(hubert, **sizes | config)
    ).eval()
    with torch.no_grad():  # transformers starts biases and norms at 0 and 1
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    network.save_pretrained(folder)
    if kind == "mert_model":
        edit(folder / "config.json", model_type=kind, auto_map={"AutoModel": "code.Model"})
    return network


def edit(path: Path, **values: Any) -> None:
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(content | values))


def states(network: Any, inputs: Tensor) -> list[Tensor]:
    with torch.no_grad():
        out = network(inputs, output_hidden_states=True)
    return [*out.hidden_states[:-1], out.last_hidden_state]


@pytest.mark.parametrize("kind", CONVOLUTIONAL)
@pytest.mark.parametrize("config", [{}, LARGE], ids=["base", "large"])
def test_numbers_are_those_of_transformers(kind: str, config: Any, tmp_path: Path) -> None:
    network = made(tmp_path, kind, **config)
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=bool(config))
    extractor.save_pretrained(tmp_path)
    model: Any = transformers_audio.load_model(model=str(tmp_path))
    sounds = 0.1 + 0.3 * audio(3, 0.505, RATE)  # whole frames
    inputs = extractor(list(sounds.numpy()), sampling_rate=RATE, return_tensors="pt")
    expected = states(network, inputs["input_values"])
    frames, times = transformers_audio.get_timestamp_embeddings(sounds, model)
    assert times[0, :2].tolist() == [12.5, 32.5] and frames.shape == expected[-1].shape
    torch.testing.assert_close(frames, expected[-1], atol=SAME, rtol=SAME)
    sounds = sounds[:, :-7]  # samples that no frame sees count for base models' norm
    inputs = extractor(list(sounds.numpy()), sampling_rate=RATE, return_tensors="pt")
    expected = states(network, inputs["input_values"])
    scene = transformers_audio.get_scene_embeddings(sounds, model)
    torch.testing.assert_close(scene, expected[-1].mean(1), atol=SAME, rtol=SAME)
    layers = transformers_audio.get_layer_embeddings(sounds, model)
    means = [state.mean(1) for state in expected]
    torch.testing.assert_close(layers, means, atol=SAME, rtol=SAME)
    assert (layers[-1] - layers[-2]).abs().max() > 100 * SAME


@pytest.mark.parametrize("layer", [0, 2, 3, "mean"])
def test_layers_can_be_chosen(layer: Any, tmp_path: Path) -> None:
    expected = states(made(tmp_path, "hubert"), audio(3, 0.505, RATE))
    edit(tmp_path / "preprocessor_config.json", do_normalize=False)
    model: Any = transformers_audio.load_model(str(tmp_path), layer=layer)
    wanted = torch.stack(expected).mean(0) if layer == "mean" else expected[layer]
    scene = transformers_audio.get_scene_embeddings(audio(3, 0.505, RATE), model)
    torch.testing.assert_close(scene, wanted.mean(1), atol=SAME, rtol=SAME)


@pytest.mark.parametrize("layer", [-1, 4, True, "first", 1.0, None])
def test_unknown_layers_are_named(layer: Any, tmp_path: Path) -> None:
    made(tmp_path, "hubert")
    with pytest.raises(ValueError, match="layer=.*expected last, mean or 0 to 3"):
        transformers_audio.load_model(str(tmp_path), layer=layer)


def test_long_sounds_are_encoded_in_parts_of_the_same_weight(tmp_path: Path) -> None:
    made(tmp_path, "wavlm", **LARGE)
    model: Any = wavlm.load_model(str(tmp_path))
    model.whole_s, model.part_s = 2, 1
    sounds = audio(3, 2.305, RATE)
    scene = wavlm.get_scene_embeddings(sounds, model)
    frames, times = wavlm.get_timestamp_embeddings(sounds, model)
    assert frames.shape[1] == times.shape[1] == 115  # 39 + 39 + 37
    with torch.no_grad():
        second = model.frames(model.samples(sounds)[:, 39 * 320 : 77 * 320 + 400])
    torch.testing.assert_close(frames[:, 39:78], second)
    torch.testing.assert_close(scene, frames.mean(1))
    torch.testing.assert_close(wavlm.get_layer_embeddings(sounds, model)[-1], scene)


def test_mert_works_at_24_khz(tmp_path: Path) -> None:
    sounds = audio(3, 0.3, 48000)
    expected = states(made(tmp_path, "mert_model"), halve_rate(sounds))[-1]
    edit(tmp_path / "preprocessor_config.json", do_normalize=False, sampling_rate=24000)
    model: Any = mert.load_model(str(tmp_path))
    assert model.sample_rate == 48000
    scene = mert.get_scene_embeddings(sounds, model)
    torch.testing.assert_close(scene, expected.mean(1), atol=SAME, rtol=SAME)
    _, times = mert.get_timestamp_embeddings(sounds, model)
    torch.testing.assert_close(times[0, :2], torch.tensor([200, 520]) / 24)
    assert 300 - 40 / 3 < times[0, -1] <= 300
    edit(tmp_path / "config.json", feature_extractor_cqt=True)
    with pytest.raises(WeightsError, match="CQT"):
        mert.load_model(str(tmp_path))


# --- Whisper --------------------------------------------------------------------------------------


def made_whisper(folder: Path, mels: int = 80) -> tuple[Any, Any]:
    """A small Whisper with windows of a second, saved, and its feature extractor."""
    torch.manual_seed(1)
    config = transformers.WhisperConfig(
        d_model=32,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=64,
        vocab_size=60000,
        num_mel_bins=mels,
        max_source_positions=50,
    )
    network = transformers.WhisperForConditionalGeneration(config).eval()
    network.save_pretrained(folder)
    extractor = transformers.WhisperFeatureExtractor(feature_size=mels, chunk_length=1)
    extractor.save_pretrained(folder)
    return network.model.encoder, extractor


@pytest.mark.parametrize("mels", [80, 128])
@pytest.mark.parametrize("seconds", [0.001, 0.45, 1.0])
def test_whisper_is_that_of_transformers(mels: int, seconds: float, tmp_path: Path) -> None:
    network, extractor = made_whisper(tmp_path, mels)
    model: Any = whisper.load_model(str(tmp_path))
    sounds = audio(3, seconds, RATE)
    sounds[1] *= 0.01  # the 8 decades are below each sound's own maximum
    inputs = extractor(list(sounds.numpy()), sampling_rate=RATE, return_tensors="pt")
    expected = [x[:, : -(-sounds.shape[1] // 320)] for x in states(network, inputs.input_features)]
    layers = whisper.get_layer_embeddings(sounds, model)
    torch.testing.assert_close(layers, [x.mean(1) for x in expected], atol=1e-4, rtol=SAME)
    scene = whisper.get_scene_embeddings(sounds, model)
    torch.testing.assert_close(scene, layers[-1], atol=SAME, rtol=SAME)
    frames, times = whisper.get_timestamp_embeddings(sounds, model)
    assert times[0].tolist() == [20.0 * i for i in range(sounds.shape[1] // 320 + 1)]
    same = min(frames.shape[1], expected[-1].shape[1])
    torch.testing.assert_close(frames[:, :same], expected[-1][:, :same], atol=1e-4, rtol=SAME)


def test_whispers_windows(tmp_path: Path) -> None:
    made_whisper(tmp_path)
    model: Any = whisper.load_model(str(tmp_path))
    sounds = audio(3, 2.3, RATE)
    frames, _ = whisper.get_timestamp_embeddings(sounds, model)
    assert frames.shape[1] == 116
    second, _ = whisper.get_timestamp_embeddings(sounds[:, RATE : 2 * RATE], model)
    torch.testing.assert_close(frames[:, 50:100], second[:, :50])
    scene = whisper.get_scene_embeddings(sounds, model)
    torch.testing.assert_close(scene, frames[:, :115].mean(1))
    torch.testing.assert_close(whisper.get_layer_embeddings(sounds, model)[-1], scene)
    without: Any = whisper.load_model(str(tmp_path), window="sound")
    shorter, _ = whisper.get_timestamp_embeddings(sounds, without)
    torch.testing.assert_close(shorter[:, :100], frames[:, :100])
    assert (shorter[:, 100:] - frames[:, 100:]).abs().max() > 0.01
    with pytest.raises(ValueError, match="window='1s'; expected one of 30s, sound"):
        whisper.load_model(str(tmp_path), window="1s")


# --- files ----------------------------------------------------------------------------------------


def test_files_of_all_ages_load(tmp_path: Path) -> None:
    network = made(tmp_path, "hubert")
    sounds = audio(1, 0.3, RATE)

    def scene(path: Path) -> Tensor:
        model: Any = transformers_audio.load_model(str(path))
        return transformers_audio.get_scene_embeddings(sounds, model)

    expected = scene(tmp_path)
    older = {
        "hubert."
        + name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for name, value in network.state_dict().items()
    }
    path = Path(save(older | {"lm_head.weight": torch.ones(3)}, tmp_path / "older.bin"))
    assert torch.equal(scene(path), expected)
    for written in tmp_path.glob("*.safetensors"):
        written.unlink()
    network.save_pretrained(tmp_path, max_shard_size="20KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    assert torch.equal(scene(tmp_path), expected)
    edit(tmp_path / "model.safetensors.index.json", weight_map={"a": "../older.bin"})
    with pytest.raises(WeightsError, match="'../older.bin'; expected files beside it"):
        scene(tmp_path)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"model_type": "bert"}, "model_type='bert'; expected wav2vec2 or"),
        ({"num_hidden_layers": 10**7}, "num_hidden_layers=10000000; expected whole numbers"),
        ({"conv_dim": [10**9]}, "conv_dim=.*; expected whole numbers"),
        ({"hidden_size": "many"}, "hidden_size='many'"),
        ({"hidden_act": "none"}, "makes no network"),
        ({"num_hidden_layers": 4}, "is missing"),
        ({"num_hidden_layers": 2}, "is unexpected"),
        ({"intermediate_size": 63}, "has shape"),
    ],
)
def test_configurations_that_do_not_fit(config: Any, named: str, tmp_path: Path) -> None:
    made(tmp_path, "hubert")
    edit(tmp_path / "config.json", **config)
    with pytest.raises(WeightsError, match=named) as raised:
        transformers_audio.load_model(str(tmp_path))
    assert str(tmp_path) in str(raised.value) and "\n" not in str(raised.value)


def test_other_kinds_are_refused_by_named_modules(tmp_path: Path) -> None:
    made(tmp_path, "hubert")
    with pytest.raises(WeightsError, match="model_type='hubert'; expected wavlm"):
        wavlm.load_model(str(tmp_path))
    with pytest.raises(ValueError, match="variant='huge'; expected one of base, base-plus, large"):
        wavlm.load_model(variant="huge")


# --- the Hub --------------------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hub."""
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    return cache


def cached(hub: Path, model: str, folder: Path) -> Path:
    """A folder as the Hub's cache keeps it: files are links to blobs, named by digests."""
    root = hub / f"models--{model.replace('/', '--')}"
    snapshot = root / "snapshots" / ("c" * 40)
    snapshot.mkdir(parents=True)
    (root / "blobs").mkdir()
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("c" * 40)
    for path in folder.glob("*.*"):
        blob = root / "blobs" / hugging_face.digests(path)[0]
        blob.write_bytes(path.read_bytes())
        os.symlink(blob, snapshot / path.name)
    return snapshot


def test_what_is_in_the_hubs_cache_needs_no_network(hub: Path, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    made(folder, "wavlm")
    snapshot = cached(hub, "microsoft/wavlm-base", folder)
    model = wavlm.load_model()
    assert model.provenance["model"] == "microsoft/wavlm-base"
    assert model.provenance["weights"] == "file" and "LICENSE" in model.provenance["licence"]
    assert [here(c) is not None for c in CHECKPOINTS if c.module == "wavlm"] == [True, False, False]
    same: Any = transformers_audio.load_model(model="microsoft/wavlm-base@" + "c" * 40)
    assert np.array_equal(
        *(m.state_dict()["network.encoder.layer_norm.bias"] for m in (model, same))
    )
    blob = (snapshot / "model.safetensors").resolve()
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    with pytest.raises(WeightsError, match="damaged: not sha256.*delete it"):
        wavlm.load_model()


@pytest.mark.parametrize("model", ["somebody/model", "somebody/model@main", "microsoft/wavlm-base"])
def test_without_a_network_the_error_says_what_to_do(model: str, hub: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        transformers_audio.load_model(model=model)
    said = str(caught.value)
    assert model in said and str(hub) in said and "\n" not in said
    assert "HF_ENDPOINT" in said and f"hf download {model.partition('@')[0]}" in said


@pytest.mark.parametrize("model", ["", "model", "a/b/c", "https://huggingface.co/a/b", "a/b@"])
def test_what_is_no_id_is_named(model: str) -> None:
    with pytest.raises(WeightsError, match="expected OWNER/NAME"):
        transformers_audio.load_model(model=model)
