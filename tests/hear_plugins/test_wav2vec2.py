"""wav2vec 2.0 against the numbers of hear-baseline's wrapper, on files of the published layout."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import layouts
import numpy as np
import pytest
import torch
from parity_fixtures import GOLDEN, audio, golden_cases, relative_error, save
from safetensors.torch import save_file
from torch import Tensor

from hear_plugins import wav2vec2
from hear_plugins.weights import catalogue as checkpoints
from hear_plugins.weights.loading import CACHE_VARIABLE, WeightsError

transformers = pytest.importorskip("transformers", reason=f"needs {wav2vec2.INSTALL}")

TOLERANCE = 1e-4  # of the largest value; the batch's statistics instead of the sound's make 1e-3
RATE = 16000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("wav2vec2")
    (folder / "config.json").write_text(json.dumps(layouts.WAV2VEC2_CONFIG))
    save(layouts.fixture(layouts.wav2vec2()), folder / "pytorch_model.bin")
    yield folder
    (folder / "pytorch_model.bin").unlink()  # 1.3 GB


@pytest.fixture(scope="module")
def model(folder: Path) -> wav2vec2.Wav2Vec2:
    return wav2vec2.load_model(str(folder))


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return golden_cases(GOLDEN / "wav2vec2.npz")["short"]


@pytest.fixture(scope="module")
def sounds(golden: dict[str, np.ndarray]) -> Tensor:
    return audio(int(golden["audio_seed"]), float(golden["seconds"]), RATE)


@pytest.fixture
def original(model: wav2vec2.Wav2Vec2) -> Iterator[wav2vec2.Wav2Vec2]:
    """The model as `upstream_quirks=True` makes it, without loading it a second time."""
    model.upstream_quirks = True
    yield model
    model.upstream_quirks = False


def test_scenes_are_the_originals_of_a_sound_alone(
    model: wav2vec2.Wav2Vec2, golden: dict[str, np.ndarray], sounds: Tensor
) -> None:
    scenes = wav2vec2.get_scene_embeddings(sounds, model)
    assert relative_error(scenes, golden["scene_alone"]) < TOLERANCE
    assert relative_error(scenes, golden["scene"]) > 10 * TOLERANCE


def test_stages_are_the_originals(
    model: wav2vec2.Wav2Vec2, golden: dict[str, np.ndarray], sounds: Tensor
) -> None:
    # These were made with transformers' own standardisation, of another epsilon.
    tolerance = 3 * TOLERANCE
    with torch.no_grad():
        samples = model.samples(sounds)
        assert relative_error(samples[0, :500], golden["frontend"]) < tolerance
        features = model.network.get_submodule("feature_extractor")(samples)
        head = features.transpose(1, 2)[:, :5, ::4]
        assert relative_error(head, golden["conv_features_head"]) < tolerance


def test_quirks_are_the_originals(
    original: wav2vec2.Wav2Vec2, golden: dict[str, np.ndarray], sounds: Tensor
) -> None:
    assert relative_error(wav2vec2.get_scene_embeddings(sounds, original), golden["scene"]) < (
        TOLERANCE
    )
    frames, times = wav2vec2.get_timestamp_embeddings(sounds, original)
    assert relative_error(frames[:, :20:4, ::4], golden["timestamp_head"]) < TOLERANCE
    assert np.array_equal(times, golden["timestamps_ms"])


def test_differences_are_noticed(
    model: wav2vec2.Wav2Vec2, golden: dict[str, np.ndarray], sounds: Tensor
) -> None:
    layers: Any = model.network.get_submodule("encoder.layers")
    order = dict(layers._modules)
    try:
        layers._modules["20"], layers._modules["21"] = order["21"], order["20"]
        scenes = wav2vec2.get_scene_embeddings(sounds, model)
    finally:
        layers._modules.update(order)
    assert relative_error(scenes, golden["scene_alone"]) > 10 * TOLERANCE
    model.normalise = False
    try:
        scenes = wav2vec2.get_scene_embeddings(sounds + 0.1, model)
    finally:
        model.normalise = True
    assert relative_error(scenes, golden["scene_alone"]) > 10 * TOLERANCE


@pytest.mark.long
@pytest.mark.parametrize("name", ["short", "mid", "long"])
def test_all_golden_arrays(name: str, model: wav2vec2.Wav2Vec2, shared: Path) -> None:
    case = golden_cases(shared / "parity" / "wav2vec2" / "golden.npz")[name]
    clips = audio(int(case["audio_seed"]), float(case["seconds"]), RATE)
    scenes = wav2vec2.get_scene_embeddings(clips, model)
    assert relative_error(scenes, case["scene_alone"]) < TOLERANCE
    with torch.no_grad():
        hidden = model.hidden(model.samples(clips))
    assert relative_error(hidden[:, :20, ::4], case["last_hidden_state_head"]) < 3 * TOLERANCE
    model.upstream_quirks = True
    try:
        assert relative_error(wav2vec2.get_scene_embeddings(clips, model), case["scene"]) < (
            TOLERANCE
        )
        frames, times = wav2vec2.get_timestamp_embeddings(clips, model)
    finally:
        model.upstream_quirks = False
    assert frames.shape == tuple(case["timestamp_shape"])
    assert relative_error(frames[:, :20, ::4], case["timestamp_head"]) < TOLERANCE
    assert np.array_equal(times, case["timestamps_ms"])


# --- other files, on a network of a thousandth of the size ----------------------------------------

SMALL = layouts.WAV2VEC2_CONFIG | {
    "conv_dim": [32] * 7,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 2,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "num_hidden_layers": 2,
}


def small(tmp_path: Path, **config: Any) -> dict[str, Tensor]:
    """A configuration in `tmp_path`, and the tensors that fit, as transformers names them."""
    (tmp_path / "config.json").write_text(json.dumps(SMALL | config))
    torch.manual_seed(0)
    network = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**SMALL | config))
    return dict(network.state_dict())


def test_folders_files_and_both_ages_of_names(tmp_path: Path) -> None:
    tensors = small(tmp_path)
    sounds = audio(1, 0.5, RATE)
    save(tensors, tmp_path / "pytorch_model.bin")
    scene = wav2vec2.get_scene_embeddings(sounds, wav2vec2.load_model(str(tmp_path)))
    older = {
        "wav2vec2."
        + name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for name, value in tensors.items()
    }
    save(older | {"project_q.bias": torch.zeros(3)}, tmp_path / "older.bin")
    save_file(older, tmp_path / "model.safetensors")
    for file in ("older.bin", "model.safetensors"):
        model = wav2vec2.load_model(str(tmp_path / file))
        assert torch.equal(wav2vec2.get_scene_embeddings(sounds, model), scene)
        assert model.provenance["weights"] == "file" and model.provenance["file"] == file


def test_the_default_is_looked_for_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    folder = (tmp_path / checkpoints.WAV2VEC2[0].file).parent
    folder.mkdir()
    save(small(folder), folder / "pytorch_model.bin")
    provenance = wav2vec2.load_model().provenance
    assert provenance["licence"] == "CC-BY-NC-4.0"
    assert provenance["package"] == f"transformers {transformers.__version__}"


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ("{", "is not JSON"),
        ("[]", "expected a JSON object"),
        ('{"model_type": "hubert"}', "model_type='hubert'"),
        (
            json.dumps(SMALL | {"hidden_size": "many"}),
            "hidden_size='many'; expected a whole number",
        ),
        (json.dumps(SMALL | {"conv_kernel": 5}), "conv_kernel=5; expected whole numbers"),
        (json.dumps(SMALL | {"conv_stride": [2, None]}), "conv_stride=.*; expected whole"),
        (json.dumps(SMALL | {"conv_dim": [10**12] * 7}), "conv_dim=.*; expected whole numbers"),
        (json.dumps(SMALL | {"num_hidden_layers": 10**7}), "num_hidden_layers=10000000; expected"),
        (json.dumps(SMALL | {"layer_norm_eps": "x"}), "layer_norm_eps='x'; expected a number"),
        (json.dumps(SMALL | {"hidden_act": {}}), "hidden_act=.*; expected"),
        (json.dumps(SMALL | {"hidden_act": "none"}), "makes no network"),
        (json.dumps(SMALL | {"conv_bias": "\x1b[2J" * 99}), "makes no network"),
        ("[" * 100_000, "is not JSON"),
        (json.dumps(SMALL | {"num_hidden_layers": 3}), "is missing"),
        (json.dumps(SMALL | {"intermediate_size": 63}), "has shape"),
        (None, "has no config.json beside it"),
    ],
)
def test_configurations_that_do_not_fit(config: str | None, named: str, tmp_path: Path) -> None:
    path = save(small(tmp_path), tmp_path / "weights.bin")
    if config is None:
        (tmp_path / "config.json").unlink()
    else:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(WeightsError, match=named) as raised:
        wav2vec2.load_model(path)
    assert str(tmp_path) in str(raised.value) and "\n" not in str(raised.value)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    small(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(WeightsError, match="truncated or not"):
        wav2vec2.load_model(str(tmp_path))
    path.unlink()
    with pytest.raises(WeightsError, match="holds neither"):
        wav2vec2.load_model(str(tmp_path))


def test_the_preprocessors_settings_count(tmp_path: Path) -> None:
    path = save(small(tmp_path), tmp_path / "weights.bin")
    settings = tmp_path / "preprocessor_config.json"
    settings.write_text('{"do_normalize": false, "sampling_rate": 16000}')
    sounds = audio(1, 0.5, RATE)
    assert torch.equal(wav2vec2.load_model(path).samples(sounds), sounds)
    settings.write_text('{"sampling_rate": 8000}')
    with pytest.raises(WeightsError, match="sampling_rate=8000"):
        wav2vec2.load_model(path)


@pytest.mark.parametrize("norm", ["layer", "group"])
def test_cutting_the_convolutions_changes_nothing(
    norm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = wav2vec2.load_model(
        save(small(tmp_path, feat_extract_norm=norm), tmp_path / "weights.bin")
    )
    sounds = audio(1, 1.3, RATE, clips=3)
    whole, _ = wav2vec2.get_timestamp_embeddings(sounds, model)
    monkeypatch.setattr(wav2vec2, "_PIECE_S", 1)
    cut, _ = wav2vec2.get_timestamp_embeddings(sounds, model)
    assert relative_error(cut, whole.numpy()) < 1e-5


def test_long_sounds_are_encoded_in_equal_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = wav2vec2.load_model(save(small(tmp_path), tmp_path / "weights.bin"))
    monkeypatch.setattr(model, "whole_s", 2)
    monkeypatch.setattr(model, "part_s", 1)
    with torch.no_grad():
        samples = model.samples(audio(1, 2.6, RATE))
        parts = model.hidden(samples)
        assert parts.shape[1] == 129  # as whole; cut into 43 + 43 + 43
        second = model._encode(samples[:, 43 * 320 : 85 * 320 + 400])
    assert relative_error(parts[:, 43:86], second.numpy()) < 1e-5


def test_without_the_package_the_error_says_what_to_type() -> None:
    code = (
        "import sys; sys.modules['transformers'] = None\n"
        "from hear_plugins import wav2vec2\n"
        "try:\n    wav2vec2.load_model(random_weights=0)\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert wav2vec2.INSTALL in done.stdout and done.stderr == ""
