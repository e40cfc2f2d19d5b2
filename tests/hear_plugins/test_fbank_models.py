"""BEATs and MAE-AST against their authors' numbers, on files of the published layouts."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import layouts
import numpy as np
import pytest
import torch
from parity_fixtures import GOLDEN, audio, save, tensor
from torch import Tensor

from hear_plugins import beats, mae_ast
from hear_plugins.families import fbank_patches
from hear_plugins.families.fbank_patches import FbankModel
from hear_plugins.networks.beats import buckets
from hear_plugins.networks.mae_ast import MaeAst, positions
from hear_plugins.weights.loading import WeightsError

TOLERANCE = 1e-3  # of values up to 6
PACKS = {"beats": beats, "mae_ast_patch": mae_ast, "mae_ast_frame": mae_ast}
STEP_MS = {"beats": 160, "mae_ast_patch": 160, "mae_ast_frame": 20}


def beats_content() -> dict[str, Any]:
    """A fine-tuned file; all layers have the first one's table of relative positions."""
    tensors = layouts.fixture(layouts.beats())
    table = tensors["encoder.layers.0.self_attn.relative_attention_bias.weight"]
    for name in tensors:
        if name.endswith("relative_attention_bias.weight"):
            tensors[name] = table
    tensors |= {"predictor.weight": torch.zeros(527, 768), "predictor.bias": torch.zeros(527)}
    cfg = layouts.BEATS_CFG | {"finetuned_model": True, "predictor_class": 527}
    return {"cfg": cfg, "model": tensors, "label_dict": {0: "/m/09x0r"}}


def mae_ast_content(frames: int, mels: int) -> dict[str, Any]:
    """A trainer's file: with a table of positions, and state beside the tensors."""
    tensors = layouts.fixture(layouts.mae_ast())
    tensors["batch_norm.running_mean"] = torch.tensor([-4.3])
    tensors["batch_norm.running_var"] = torch.tensor([20.5])
    tensors["enc_sine_pos_embed.pe"] = positions(200, 768, torch.device("cpu"))[None]
    state = {"args": argparse.Namespace(arch="mae_ast"), "extra_state": {"loss": np.float64(1)}}
    return {"cfg": layouts.mae_ast_cfg(frames, mels), "model": tensors, **state}


class Originals:
    """The columns that the originals see, each model from a file that is read once."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "published.pt"
        self.loaded: dict[str, FbankModel] = {}

    def __call__(self, pack: str) -> FbankModel:
        if pack not in self.loaded:
            if pack == "beats":
                content = beats_content()
            else:
                content = mae_ast_content(*mae_ast.PATCHES[pack.removeprefix("mae_ast_")])
            file = save(content, self.path)
            self.loaded[pack] = PACKS[pack].load_model(file, upstream_quirks=True)
            self.path.unlink()  # 360 MB
        return self.loaded[pack]


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Originals]:
    made = Originals(tmp_path_factory.mktemp("fbank"))
    yield made
    made.loaded.clear()


@pytest.fixture(params=PACKS)
def pack(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def original(pack: str, originals: Originals) -> FbankModel:
    return originals(pack)


@pytest.fixture
def golden(pack: str) -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN / f"{pack}.npz"))


def difference(got: Tensor, golden: np.ndarray) -> float:
    assert got.shape == golden.shape
    return float(np.abs(got.numpy() - golden).max())


def standardised(pack: str, frontend: np.ndarray) -> np.ndarray:
    """MAE-AST's golden arrays hold the filterbank itself."""
    return frontend if pack == "beats" else (frontend + 4.3) / np.sqrt(20.5 + 1e-5) / 2


def test_embeddings_are_the_originals(
    pack: str, original: FbankModel, golden: dict[str, np.ndarray]
) -> None:
    sounds = audio(1, 1.07, 16000)
    spectrogram = original.spectrogram(sounds)[0, ::8, :50:5].T
    assert difference(spectrogram, standardised(pack, golden["short/frontend"])) < TOLERANCE
    scene = PACKS[pack].get_scene_embeddings(sounds, original)
    assert difference(scene, golden["short/scene"]) < TOLERANCE
    frames, times = PACKS[pack].get_timestamp_embeddings(sounds, original)
    assert difference(frames[:, :20:5, ::4], golden["short/timestamp"]) < TOLERANCE
    first = 17.5 if pack == "mae_ast_frame" else 87.5
    count = 52 if pack == "mae_ast_frame" else 6
    assert times[1].tolist() == [first + STEP_MS[pack] * i for i in range(count)]


def test_long_sounds_are_the_originals(
    pack: str, original: FbankModel, golden: dict[str, np.ndarray]
) -> None:
    frames, _ = PACKS[pack].get_timestamp_embeddings(audio(1, 12.5, 16000), original)
    assert difference(frames[:, :20:5, ::4], golden["long/timestamp"]) < TOLERANCE
    assert difference(frames.mean(1), golden["long/scene"]) < TOLERANCE


def test_beats_tokens_and_classes_are_the_originals(originals: Originals) -> None:
    golden, sounds = np.load(GOLDEN / "beats.npz"), audio(1, 1.07, 16000)
    network = originals("beats").network
    every = FbankModel(network, 160, concat_freq=True, whole_steps=True)
    tokens = beats.get_timestamp_embeddings(sounds, every)[0].unflatten(2, (8, 768)).flatten(1, 2)
    assert difference(tokens[:, :16:5, ::4], golden["short/tokens"]) < TOLERANCE
    weight, bias = (
        torch.from_numpy(tensor(f"predictor.{name}", shape, "float32"))
        for name, shape in (("weight", (527, 768)), ("bias", (527,)))
    )
    classes = torch.sigmoid(tokens.mean(1) @ weight.T + bias)
    assert difference(classes[:, ::4], golden["short/finetuned_probs"]) < TOLERANCE


@pytest.mark.parametrize("pack", ["mae_ast_patch", "mae_ast_frame"])
def test_mae_asts_layers_and_patches_are_the_originals(
    original: FbankModel, golden: dict[str, np.ndarray]
) -> None:
    sounds = audio(1, 1.07, 16000)
    network = original.network
    assert isinstance(network, MaeAst)
    with torch.no_grad():
        layers = list(network.layers(original.spectrogram(sounds)))
    for i in (0, 5):
        mean = layers[i].mean((1, 2))[:, ::4]
        assert difference(mean, golden[f"short/layer{i}"]) < TOLERANCE
    every = FbankModel(network, None, concat_freq=True, whole_steps=True)
    scene = mae_ast.get_scene_embeddings(sounds, every)
    assert difference(scene[:, ::4], golden["short/side_by_side"]) < TOLERANCE


@pytest.mark.parametrize("case", ["short", "mid", "long"])
@pytest.mark.long
def test_all_golden_arrays(case: str, pack: str, original: FbankModel, shared: Path) -> None:
    arrays = np.load(shared / "parity" / pack / "golden.npz")
    sounds = audio(int(arrays[f"{case}/audio_seed"]), float(arrays[f"{case}/seconds"]), 16000)
    spectrogram = original.spectrogram(sounds).transpose(1, 2)
    assert list(spectrogram.shape[1:]) == arrays[f"{case}/frontend_shape"].tolist()
    frontend = standardised(pack, arrays[f"{case}/frontend"])
    assert difference(spectrogram[0, :50], frontend) < TOLERANCE
    frames, times = PACKS[pack].get_timestamp_embeddings(sounds, original)
    head = next(arrays[k] for k in (f"{case}/timestamp", f"{case}/timestamp_head") if k in arrays)
    assert difference(frames[:, : head.shape[1]], head) < TOLERANCE
    assert difference(frames.mean(1), arrays[f"{case}/scene"]) < TOLERANCE
    assert difference(times, arrays[f"{case}/timestamps_ms"]) == 0


@pytest.mark.parametrize(
    "change",
    [{"window": "hanning"}, {"preemphasis": 0.0}, {"f_min": 0.0}, {"f_max": 7600.0}],
    ids=lambda change: next(iter(change)),
)
def test_parity_notices_another_frontend(
    change: dict[str, Any],
    pack: str,
    original: FbankModel,
    golden: dict[str, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frontend = dataclasses.replace(fbank_patches.FRONTEND, **change)
    monkeypatch.setattr(fbank_patches, "FRONTEND", frontend)
    scene = PACKS[pack].get_scene_embeddings(audio(1, 1.07, 16000), original)
    assert difference(scene, golden["short/scene"]) > 10 * TOLERANCE


def test_parity_notices_swapped_layers(
    pack: str, original: FbankModel, golden: dict[str, np.ndarray]
) -> None:
    layers = original.network.get_submodule("encoder.layers")
    assert isinstance(layers, torch.nn.ModuleList)
    for here, there in ((3, 4), (4, 3)):  # and back
        layers[here], layers[there] = layers[there], layers[here]
        scene = PACKS[pack].get_scene_embeddings(audio(1, 1.07, 16000), original)
        assert (difference(scene, golden["short/scene"]) > 10 * TOLERANCE) == (here == 3)


@pytest.mark.parametrize(
    ("pack", "hop_ms"), [("beats", 40), ("mae_ast_patch", 80), ("mae_ast_frame", 10)]
)
def test_finer_hops_hold_the_originals_steps(pack: str, hop_ms: int, original: FbankModel) -> None:
    """1.135 s are whole time steps and no rest: the pass without a shift is the original's."""
    sounds = audio(5, 1.135, 16000)
    steps, at = PACKS[pack].get_timestamp_embeddings(sounds, original)
    fine = FbankModel(original.network, hop_ms, concat_freq=False, whole_steps=False)
    frames, times = PACKS[pack].get_timestamp_embeddings(sounds, fine)
    assert times[0].tolist() == [7.5 + hop_ms * i for i in range(frames.shape[1])]
    assert times[0, -1] <= 1135 < times[0, -1] + hop_ms
    shared = torch.isin(times[0], at[0])
    assert torch.allclose(frames[:, shared], steps[:, : int(shared.sum())], atol=1e-4)


def test_long_sounds_are_encoded_in_equal_parts(
    original: FbankModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fbank_patches, "WHOLE_FRAMES", 100)
    monkeypatch.setattr(fbank_patches, "PART_FRAMES", 48)
    spectrogram = original.spectrogram(audio(6, 1.135, 16000, clips=1))
    assert spectrogram.shape[-1] == 112  # 48 + 48 + 16, or 38 + 38 + 36
    length = 48 if original.network.patch_frames == 16 else 38
    with torch.no_grad():
        parts = [original.encode_chunk(part) for part in spectrogram.split(length, dim=-1)]
        whole = original.encode(spectrogram)
    assert torch.allclose(whole, torch.cat(parts, dim=1), atol=1e-4)


def test_the_kind_is_read_from_the_file(tmp_path: Path) -> None:
    tensors = layouts.empty(layouts.mae_ast())
    for kind, patch in mae_ast.PATCHES.items():
        content = {"cfg": layouts.mae_ast_cfg(*patch), "model": tensors}
        model = mae_ast.load_model(save(content, tmp_path / "a_name_that_says_nothing.pt"))
        assert model.hop_ms == {"patch": 40, "frame": 20}[kind]


def test_beats_configuration_is_the_files(tmp_path: Path) -> None:
    """Two layers, without DeepNorm, and the code's own reach of relative positions."""
    cfg = {key: value for key, value in layouts.BEATS_CFG.items() if key != "max_distance"}
    cfg |= {"encoder_layers": 2, "deep_norm": False}
    tensors = {
        name: value
        for name, value in layouts.empty(layouts.beats()).items()
        if ".layers." not in name or int(name.split(".")[2]) < 2
    }
    model = beats.load_model(save({"cfg": cfg, "model": tensors}, tmp_path / "small.pt"))
    assert model.network.config.max_distance == 1280
    assert [layer.residual for layer in model.network.encoder.layers] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer_norm_first": True}, "layer_norm_first=True; expected False"),
        ({"input_patch_size": 8}, "input_patch_size=8; expected 16"),
        ({"encoder_layers": "12"}, "encoder_layers='12'; expected a whole number"),
        ({"encoder_attention_heads": 7}, "encoder_attention_heads=7; expected a divisor"),
    ],
)
def test_other_configurations_of_beats(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    content = {"cfg": layouts.BEATS_CFG | change, "model": layouts.empty(layouts.beats())}
    with pytest.raises(WeightsError, match=message):
        beats.load_model(save(content, tmp_path / "other.pt"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer_norm_first": True}, "layer_norm_first=True; expected False"),
        ({"ast_kernel_stride_time": 10}, r"are \(16, 16\) every \(10, 16\); expected"),
    ],
)
def test_other_configurations_of_mae_ast(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    cfg = {"model": layouts.mae_ast_cfg(16, 16)["model"] | change}
    content = {"cfg": cfg, "model": layouts.empty(layouts.mae_ast())}
    with pytest.raises(WeightsError, match=message):
        mae_ast.load_model(save(content, tmp_path / "other.pt"))


def test_one_model_is_not_taken_for_the_other(tmp_path: Path) -> None:
    path = tmp_path / "one.pt"
    of_mae_ast = {"cfg": layouts.mae_ast_cfg(16, 16), "model": layouts.empty(layouts.mae_ast())}
    with pytest.raises(WeightsError, match=r"looks like .* mae_ast"):
        beats.load_model(save(of_mae_ast, path))
    of_beats = {"cfg": layouts.BEATS_CFG, "model": layouts.empty(layouts.beats())}
    with pytest.raises(WeightsError, match=r"looks like .* beats"):
        mae_ast.load_model(save(of_beats, path))
    with pytest.raises(WeightsError, match=r'no configuration "cfg".* looks like .* beats'):
        beats.load_model(save(layouts.empty(layouts.beats()), path))


def test_buckets_of_distances() -> None:
    offsets = torch.tensor([0, -1, -79, -80, -800, -5000, 1, 79, 80, 800])
    assert buckets(offsets, 320, 800).tolist() == [0, 1, 79, 80, 159, 159, 161, 239, 240, 319]
    assert (buckets(torch.arange(-2000, 1), 320, 800).diff() <= 0).all()


def test_without_a_file_the_error_says_what_is_known() -> None:
    with pytest.raises(WeightsError, match=r"BEATs_iter3_plus_AS2M.pt .*dead.*1drv.ms.*MIT"):
        beats.load_model()


@pytest.mark.parametrize("options", [{"hop_ms": 50}, {"hop_ms": 80, "upstream_quirks": True}])
def test_options_out_of_range(options: dict[str, Any]) -> None:
    for module in (beats, mae_ast):
        with pytest.raises(ValueError, match="hop_ms"):
            module.load_model(random_weights=0, **options)
