"""VGGish and its fusion against their authors' numbers, on files of the published layouts."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import layouts
import numpy as np
import pytest
import torch
from parity_fixtures import GOLDEN, case_audio, filled, golden_cases, relative_error, save

from hear_plugins import vggish, vggish_fusion
from hear_plugins.networks.vggish import LAYER_SIZES
from hear_plugins.weights.loading import WeightsError

TOLERANCE = 1e-5  # relative
CASES = golden_cases(GOLDEN / "vggish.npz")
PCA = filled([("pca_eigen_vectors", (128, 128), "float32"), ("pca_means", (128,), "float32")])


def numpy_pca() -> dict[str, np.ndarray]:
    return {
        "pca_eigen_vectors": PCA["pca_eigen_vectors"].numpy(),
        "pca_means": PCA["pca_means"].numpy().reshape(128, 1),
    }


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[vggish.VggishModel]:
    folder = tmp_path_factory.mktemp("vggish")
    path, pca = folder / "vggish-10086976.pth", folder / "vggish_pca_params-970ea276.pth"
    save(layouts.fixture(layouts.vggish()), path)
    save(numpy_pca(), pca)
    loaded = vggish.load_model(str(path), pca_file_path=str(pca), upstream_quirks=True)
    path.unlink()  # 290 MB
    assert loaded.provenance["pca_file"] == pca.name
    yield loaded


def raw(model: vggish.VggishModel) -> vggish.VggishModel:
    """The same network without post-processing."""
    network = copy.copy(model.network)
    network._modules = {**network._modules, "postprocessor": None}
    return vggish.VggishModel(network, 50, upstream_quirks=True)


def check(case: dict[str, np.ndarray], model: vggish.VggishModel) -> None:
    sounds, postprocessor = case_audio(case, 16000), model.network.postprocessor
    if (frontend := case.get("frontend")) is not None:
        mel = model.spectrogram(sounds)[0, :, : len(frontend)]
        assert np.abs(mel.T.numpy() - frontend).max() < 1e-4
    values, _ = vggish.get_timestamp_embeddings(sounds, raw(model))
    assert relative_error(values, case["raw"]) < TOLERANCE
    assert postprocessor is not None
    assert relative_error(postprocessor.components(values), case["pca"]) < TOLERANCE
    frames, times = vggish.get_timestamp_embeddings(sounds, model)
    off = np.abs(frames.numpy() - case["timestamp"])
    assert off.max() <= 1 and (off > 0).mean() < 0.01  # what lies between two steps
    assert torch.equal(times, torch.from_numpy(case["timestamps_ms"]))
    scene = vggish.get_scene_embeddings(sounds, model)
    assert np.abs(scene.numpy() - case["scene"]).max() <= off.max()


@pytest.mark.parametrize("length", ["short", "mid"])
def test_embeddings_are_the_originals(length: str, model: vggish.VggishModel) -> None:
    check(CASES[f"vggish_{length}"], model)


@pytest.mark.long
def test_all_golden_arrays(model: vggish.VggishModel, shared: Path) -> None:
    for case in golden_cases(shared / "parity" / "vggish" / "golden.npz").values():
        check(case, model)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[vggish.Network]:
    """Of the other port's file, whose names, and so the fixture's numbers, are others."""
    path = tmp_path_factory.mktemp("vggish_fusion") / "pytorch_vggish.pth"
    loaded = vggish_fusion.load_model(save(layouts.fixture(layouts.vggish("fc")), path))
    path.unlink()  # 290 MB
    yield loaded.network


def fused(
    network: vggish.Network, *layers: int, hop_ms: float = 50, quirks: bool = True
) -> vggish_fusion.Fusion:
    return vggish_fusion.Fusion(network, hop_ms, quirks, layers)


def test_layers_are_the_originals(network: vggish.Network) -> None:
    case = CASES["fusion_short"]
    sounds = case_audio(case, 16000)
    every = fused(network, *LAYER_SIZES)
    parts = vggish_fusion.get_scene_embeddings(sounds, every).split(list(LAYER_SIZES.values()), 1)
    for i, part in zip(LAYER_SIZES, parts, strict=True):
        stride = 16 if i == 22 else 64
        assert relative_error(part[:, ::stride], case[f"layer{i}"]) < TOLERANCE
    frames, times = vggish_fusion.get_timestamp_embeddings(sounds, fused(network, 10, 15))
    assert relative_error(frames[..., ::64], case["timestamp"]) < TOLERANCE
    assert torch.equal(times, torch.from_numpy(case["timestamps_ms"]))


@pytest.mark.long
def test_all_golden_arrays_of_the_fusion(network: vggish.Network, shared: Path) -> None:
    for case in golden_cases(shared / "parity" / "vggish_fusion" / "golden.npz").values():
        sounds = case_audio(case, 16000)
        scene = vggish_fusion.get_scene_embeddings(sounds, fused(network, 10, 15))
        assert relative_error(scene, case["scene"]) < TOLERANCE
        for i in LAYER_SIZES:
            scene = vggish_fusion.get_scene_embeddings(sounds, fused(network, i))
            golden = case[f"scene_layer{i}"]
            stride = scene.shape[1] // golden.shape[1]
            assert relative_error(scene[:, ::stride], golden) < TOLERANCE
        frames, times = vggish_fusion.get_timestamp_embeddings(sounds, fused(network, 10, 15))
        assert torch.equal(times, torch.from_numpy(case["timestamps_ms"]))
        head = case["timestamp_head"] if "timestamp_head" in case else case["timestamp"]
        stride = frames.shape[2] // head.shape[2]
        assert relative_error(frames[:, : head.shape[1], ::stride], head) < TOLERANCE


@pytest.mark.parametrize("change", [{"scale": "htk"}, {"power": 2.0}, {"f_min": 100}])
def test_parity_notices_another_frontend(
    change: dict[str, object], model: vggish.VggishModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vggish, "FRONTEND", dataclasses.replace(vggish.FRONTEND, **change))
    case = CASES["vggish_short"]
    values, _ = vggish.get_timestamp_embeddings(case_audio(case, 16000), raw(model))
    assert relative_error(values, case["raw"]) > 10 * TOLERANCE


@torch.no_grad()
def test_parity_notices_a_turned_kernel(model: vggish.VggishModel) -> None:
    case, weight = CASES["vggish_short"], model.network.features["8"].weight
    kept = weight.clone()
    weight.copy_(kept.flip(-1))
    values, _ = vggish.get_timestamp_embeddings(case_audio(case, 16000), raw(model))
    weight.copy_(kept)
    assert relative_error(values, case["raw"]) > 10 * TOLERANCE


def test_timestamps_are_centred_examples(model: vggish.VggishModel) -> None:
    sounds = case_audio(CASES["vggish_short"], 16000)
    single = raw(model)
    single.upstream_quirks = False
    frames, times = vggish.get_timestamp_embeddings(sounds, single)
    assert times[0].tolist() == [50.0 * i for i in range(22)]
    window = sounds[:, 8000 - 7800 : 8000 + 7800]
    assert torch.allclose(frames[:, 10], vggish.get_scene_embeddings(window, single), atol=1e-5)
    model = fused(single.network, 10, 22, hop_ms=500, quirks=False)
    frames, times = vggish_fusion.get_timestamp_embeddings(sounds, model)
    assert times[0].tolist() == [0.0, 500.0, 1000.0]
    window_scene = vggish_fusion.get_scene_embeddings(window, model)
    assert torch.allclose(frames[:, 1], window_scene, atol=1e-5)


@pytest.mark.parametrize("kind", ["npz", "absent", "other"])
def test_the_file_of_the_postprocessing(kind: str, tmp_path: Path) -> None:
    path = save(layouts.empty(layouts.vggish()), tmp_path / "a.pth")
    pca = tmp_path / "pca"
    if kind == "npz":
        with open(pca, "wb") as file:
            np.savez(file, **numpy_pca())
    elif kind == "other":
        save({"pca_means": torch.zeros(128)}, pca)
    if kind in ("absent", "other"):
        with pytest.raises(WeightsError, match=str(pca)):
            vggish.load_model(path, pca_file_path=str(pca))
        return
    postprocessor = vggish.load_model(path, pca_file_path=str(pca)).network.postprocessor
    assert postprocessor is not None
    assert torch.equal(postprocessor.pca_eigen_vectors, PCA["pca_eigen_vectors"])
    assert torch.equal(postprocessor.pca_means, PCA["pca_means"])


@pytest.mark.parametrize("layers", [[], [3], [10, 10], "10"])
def test_unknown_layers_are_named(layers: object) -> None:
    with pytest.raises(ValueError, match=r"^layers=.*\[2, 5, 8, 10, 13, 15, 18, 20, 22\]$"):
        vggish_fusion.load_model(random_weights=0, layers=layers)  # type: ignore[arg-type]
