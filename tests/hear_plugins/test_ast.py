"""AST and AST-Fusion against their authors' numbers, on files of the published layouts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import layouts
import numpy as np
import pytest
import torch
from parity_fixtures import GOLDEN, audio, save
from safetensors.torch import save_file
from torch import Tensor

from hear_plugins import ast, ast_fusion
from hear_plugins.networks.ast_vit import AstViT
from hear_plugins.weights.loading import WeightsError

TOLERANCE = 1e-3  # of values up to 4
RATE = 16000


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AstViT]:
    path = tmp_path_factory.mktemp("ast") / "audioset_10_10_0.4593.pth"
    loaded = ast.load_model(save(layouts.fixture(layouts.ast()), path))
    path.unlink()  # 350 MB
    yield loaded.network


@pytest.fixture
def model(network: AstViT) -> ast.Ast:
    return ast.Ast(network, (12,), None, None, upstream_quirks=True)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN / "ast.npz"))


def difference(got: Tensor, golden: np.ndarray) -> float:
    assert got.shape == golden.shape
    return float(np.abs(got.numpy() - golden).max())


def test_embeddings_are_the_originals(model: ast.Ast, golden: dict[str, np.ndarray]) -> None:
    sounds = audio(1, 1.07, RATE)
    frontend = model.spectrogram(sounds)[0, :, :10].T
    assert difference(frontend, golden["short/frontend"]) < TOLERANCE
    scene = ast.get_scene_embeddings(sounds, model)
    assert difference(scene, golden["short/scene"]) < TOLERANCE
    frames, times = ast.get_timestamp_embeddings(sounds, model)
    assert difference(frames[..., ::4], golden["short/timestamp"]) < TOLERANCE
    assert times[1].tolist() == [87.5 + 100 * i for i in range(9)]


def test_scenes_of_the_demonstration_are_the_originals(
    network: AstViT, golden: dict[str, np.ndarray]
) -> None:
    model = ast.Ast(network, (12,), None, 1024, upstream_quirks=False)
    scene = ast.get_scene_embeddings(audio(1, 1.07, RATE), model)
    assert difference(scene[:, ::4], golden["short/padded"]) < TOLERANCE
    model.target_length = 64  # cut
    spectrogram = model.spectrogram(audio(1, 1.07, RATE))
    assert torch.equal(model.of_target_length(spectrogram), spectrogram[..., :64])


def test_every_block_is_the_originals(network: AstViT, golden: dict[str, np.ndarray]) -> None:
    model = ast.Ast(network, range(1, 13), None, None, upstream_quirks=True)
    scene = ast.get_scene_embeddings(audio(1, 1.07, RATE), model)
    assert difference(scene[:, ::8], golden["short/layers"]) < TOLERANCE
    two = ast.Ast(network, (5, 12), None, None, upstream_quirks=True)
    expected = scene.unflatten(1, (12, 768))[:, [4, 11]].flatten(1)
    got = ast.get_scene_embeddings(audio(1, 1.07, RATE), two)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-4)


@pytest.mark.long
@pytest.mark.parametrize("case", ["short", "mid", "long"])
def test_all_golden_arrays(case: str, model: ast.Ast, shared: Path) -> None:
    arrays = np.load(shared / "parity" / "ast" / "golden.npz")
    sounds = audio(int(arrays[f"{case}/audio_seed"]), float(arrays[f"{case}/seconds"]), RATE)
    spectrogram = model.spectrogram(sounds).transpose(1, 2)
    assert difference(spectrogram[0, :50], arrays[f"{case}/frontend"]) < TOLERANCE
    frames, times = ast.get_timestamp_embeddings(sounds, model)
    assert difference(frames, arrays[f"{case}/timestamp"]) < TOLERANCE
    assert difference(times, arrays[f"{case}/timestamps_ms"]) == 0
    fused = np.load(shared / "parity" / "ast_fusion" / "golden.npz")
    both = ast.Ast(model.network, (5, 12), None, None, upstream_quirks=True)
    scene = ast.get_scene_embeddings(sounds, both)
    assert difference(scene, fused[f"{case}/scene_var"]) < TOLERANCE
    assert difference(scene[:, 768:], arrays[f"{case}/scene_var"]) < TOLERANCE
    every = ast.Ast(model.network, range(1, 13), None, None, upstream_quirks=True)
    blocks = ast.get_scene_embeddings(sounds, every).unflatten(1, (12, 768))
    assert difference(blocks, fused[f"{case}/layers_var"]) < TOLERANCE
    both.target_length = 1024
    scene = ast.get_scene_embeddings(sounds, both)
    assert difference(scene, fused[f"{case}/scene"]) < TOLERANCE
    assert difference(scene[:, 768:], arrays[f"{case}/scene"]) < TOLERANCE
    if case == "mid":
        with torch.no_grad():
            steps = model.encode(both.of_target_length(model.spectrogram(sounds)))
        assert steps.shape == tuple(arrays["mid/native/timestamp_shape"])
        head = arrays["mid/native/timestamp_head"]
        stride = int(arrays["mid/native/timestamp_head_dim_stride"])
        assert difference(steps[:, :20, ::stride], head) < TOLERANCE


@pytest.mark.parametrize(
    "change",
    [{"window": "povey"}, {"preemphasis": 0.0}, {"f_min": 0.0}, {"f_max": 7600.0}],
    ids=lambda change: next(iter(change)),
)
def test_parity_notices_another_frontend(
    change: dict[str, object],
    model: ast.Ast,
    golden: dict[str, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frontend = dataclasses.replace(ast.FRONTEND, **change)  # type: ignore[arg-type]
    monkeypatch.setattr(ast, "FRONTEND", frontend)
    scene = ast.get_scene_embeddings(audio(1, 1.07, RATE), model)
    assert difference(scene, golden["short/scene"]) > 2 * TOLERANCE


def test_parity_notices_swapped_blocks(model: ast.Ast, golden: dict[str, np.ndarray]) -> None:
    blocks = model.network.blocks
    for here, there in ((3, 4), (4, 3)):  # and back
        blocks[here], blocks[there] = blocks[there], blocks[here]
        scene = ast.get_scene_embeddings(audio(1, 1.07, RATE), model)
        assert (difference(scene, golden["short/scene"]) > 10 * TOLERANCE) == (here == 3)


def test_finer_hops_hold_the_networks_steps(model: ast.Ast) -> None:
    sounds = audio(5, 1.135, RATE)
    steps, at = ast.get_timestamp_embeddings(sounds, model)
    fine = ast.Ast(model.network, (12,), None, None, upstream_quirks=False)
    frames, times = ast.get_timestamp_embeddings(sounds, fine)
    assert times[0].tolist() == [37.5 + 50 * i for i in range(22)]
    shared = torch.isin(times[0], at[0])
    assert int(shared.sum()) == steps.shape[1] == 10
    # A step more, with zeros, follows.
    assert (frames[:, shared] - steps).norm() < 0.2 * steps.norm()


def test_long_sounds_are_encoded_in_equal_parts(network: AstViT) -> None:
    model = ast.Ast(network, (1,), 100, None, upstream_quirks=False)
    spectrogram = torch.randn(1, 128, 103 * 10 + 12, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        parts = spectrogram[..., :526], spectrogram[..., 520:]  # 52 and 51 steps
        steps = model.encode(spectrogram)
        assert steps.shape == (1, 103, 768)
        expected = torch.cat([model.encode(part) for part in parts], dim=1)
        torch.testing.assert_close(steps, expected, rtol=0, atol=1e-4)
        first, second, scene = (model.first_tokens(x, (1,)) for x in (*parts, spectrogram))
        torch.testing.assert_close((52 * first + 51 * second) / 103, scene, rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def of_transformers(network: AstViT) -> dict[str, Tensor]:
    tensors = {"classifier.dense.weight": torch.zeros(527, 768)}
    for name, x in network.state_dict().items():
        there = ast.name_in_transformers(name)
        if ".qkv." in there:
            for what, part in zip(("query", "key", "value"), x.chunk(3), strict=True):
                tensors[there.replace("qkv", what)] = part.clone()
        else:
            tensors[there] = x
    return tensors


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.safetensors"])
def test_files_of_transformers(
    file: str, network: AstViT, of_transformers: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / file
    if file == "pytorch_model.bin":
        save(of_transformers, path)
    else:
        save_file(of_transformers, path)
    model = ast.load_model(str(path))
    path.unlink()  # 350 MB
    for name, x in model.network.state_dict().items():
        assert torch.equal(x, network.state_dict()[name])


@pytest.mark.parametrize(
    "name",
    [
        "audio_spectrogram_transformer.layernorm.bias",
        "audio_spectrogram_transformer.encoder.layer.7.attention.attention.key.weight",
        "audio_spectrogram_transformer.encoder.layer.11.attention.output.dense.bias",
    ],
)
def test_other_files_of_transformers_are_refused(
    name: str, of_transformers: dict[str, Tensor], tmp_path: Path
) -> None:
    shapes = {name: tuple(x.shape) for name, x in of_transformers.items()}
    tensors = layouts.empty(shapes)
    kept = tensors.pop(name)
    assert f"tensor {name} is missing" in refusal(tensors, tmp_path)
    assert f"tensor {name} is missing" in refusal(tensors | {f"{name}s": kept}, tmp_path)
    message = refusal(tensors | {name: kept[..., 1:]}, tmp_path)
    assert f"tensor {name} has shape {tuple(kept[..., 1:].shape)}" in message
    tensors |= {name: kept, f"{name}.more": torch.zeros(1)}
    assert f"tensor {name}.more is unexpected" in refusal(tensors, tmp_path)


def refusal(tensors: dict[str, Tensor], folder: Path) -> str:
    with pytest.raises(WeightsError) as raised:
        ast.load_model(save(tensors, folder / "pytorch_model.bin"))
    return str(raised.value)


def test_options_out_of_range(network: AstViT) -> None:
    with pytest.raises(ValueError, match="hop_ms=40"):
        ast.Ast(network, (12,), 40, None, upstream_quirks=False)
    for target_length in (15, 1024.0, True):
        with pytest.raises(ValueError, match="target_length="):
            ast.Ast(network, (12,), None, target_length, upstream_quirks=False)  # type: ignore[arg-type]
    for layers in ((), (0,), (13,), (5, 5), "ab"):
        with pytest.raises(ValueError, match="layers="):
            ast_fusion.load_model(random_weights=0, layers=layers)  # type: ignore[arg-type]
