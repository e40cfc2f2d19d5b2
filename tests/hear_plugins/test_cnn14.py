"""CNN14 and its fusion against their authors' numbers, on a file of the published layout."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import layouts
import numpy as np
import pytest
import torch
from parity_fixtures import GOLDEN, case_audio, golden_cases, relative_error, save
from torch import Tensor

from hear_plugins import cnn14, cnn14_fusion
from hear_plugins.weights.loading import WeightsError

TOLERANCE = 1e-5  # relative
CASES = golden_cases(GOLDEN / "cnn14.npz")
RATES = {"cnn14": 32000, "cnn14_16k": 16000}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cnn14.Network]:
    path = tmp_path_factory.mktemp("cnn14") / "Cnn14_16k_mAP=0.438.pth"
    sampler = {"indexes_per_class": [np.arange(3), np.arange(2)], "queue": np.zeros(4), "batch": 32}
    tensors = layouts.fixture(layouts.cnn14(16000))
    save({"iteration": 1, "model": tensors, "sampler": sampler}, path)
    loaded = cnn14.load_file(path)
    path.unlink()  # 320 MB
    loaded.fuse()
    yield loaded


def at_rate(network: cnn14.Network, pack: str) -> cnn14.Network:
    """The same tensors as those of the other file's fixture."""
    other = copy.copy(network)
    other.sample_rate = RATES.get(pack, 16000)
    return other


@pytest.mark.parametrize("pack", RATES)
@pytest.mark.parametrize("length", ["short", "long"])
def test_embeddings_are_the_originals(pack: str, length: str, network: cnn14.Network) -> None:
    model = cnn14.Cnn14Model(at_rate(network, pack), 320)
    case = CASES[f"{pack}_{length}"]
    sounds = case_audio(case, model.sample_rate)
    if "frontend" in case:
        assert (
            np.abs(model.spectrogram(sounds)[0, :, :10].T.numpy() - case["frontend"]).max() < 1e-3
        )
    scene = cnn14.get_scene_embeddings(sounds, model)
    assert relative_error(scene[:, ::8], case["scene"]) < TOLERANCE
    frames, times = cnn14.get_timestamp_embeddings(sounds, model)
    assert relative_error(frames[:, -3:, ::16], case["timestamp"]) < TOLERANCE
    assert times[0, -3:].tolist() == case["timestamps_ms"].tolist()


@pytest.mark.long
@pytest.mark.parametrize("pack", RATES)
def test_all_golden_arrays(pack: str, network: cnn14.Network, shared: Path) -> None:
    model = cnn14.Cnn14Model(at_rate(network, pack), 320)
    for case in golden_cases(shared / "parity" / pack / "golden.npz").values():
        sounds = case_audio(case, model.sample_rate)
        assert relative_error(cnn14.get_scene_embeddings(sounds, model), case["scene"]) < TOLERANCE
        mel = model.spectrogram(sounds)
        assert mel.shape[:0:-1] == tuple(case["frontend_shape"])
        assert np.abs(mel[0, :, :50].T.numpy() - case["frontend"]).max() < 1e-3
        with torch.no_grad():
            frames = torch.cat(list(model.steps(network.normalise(mel))), dim=1)
        assert relative_error(frames, case["timestamp"]) < TOLERANCE


def fused(network: cnn14.Network, *layers: int) -> cnn14_fusion.Fusion:
    return cnn14_fusion.Fusion(network, 320, layers)


def test_blocks_are_the_originals(network: cnn14.Network) -> None:
    case = CASES["fusion_short"]
    sounds = case_audio(case, 16000)
    model = fused(network, 1, 2, 3, 4, 5, 6)
    parts = cnn14_fusion.get_scene_embeddings(sounds, model).split([2048] * 5 + [4096], dim=1)
    for i, part in enumerate(parts, start=1):
        assert relative_error(part[:, ::32], case[f"layer{i}"]) < TOLERANCE
    frames, _ = cnn14_fusion.get_timestamp_embeddings(sounds, fused(network, 3, 6))
    assert relative_error(frames[..., ::64], case["timestamp"]) < TOLERANCE


@pytest.mark.long
def test_all_golden_arrays_of_the_fusion(network: cnn14.Network, shared: Path) -> None:
    for case in golden_cases(shared / "parity" / "cnn14_fusion" / "golden.npz").values():
        sounds = case_audio(case, 16000)
        both = fused(network, 3, 6)
        scene = cnn14_fusion.get_scene_embeddings(sounds, both)
        assert relative_error(scene, case["scene"]) < TOLERANCE
        with torch.no_grad():
            mel = network.normalise(both.spectrogram(sounds))
            frames = torch.cat(list(both.steps(mel)), dim=1)
        assert frames.shape == tuple(case["timestamp_shape"])
        assert relative_error(frames[:, :20, ::8], case["timestamp_head"]) < TOLERANCE
        for i in range(1, 7):
            scene = cnn14_fusion.get_scene_embeddings(sounds, fused(network, i))
            golden = case[f"scene_layer{i}"]
            stride = scene.shape[1] // golden.shape[1]
            assert relative_error(scene[:, ::stride], golden) < TOLERANCE


@pytest.mark.parametrize(
    "change", [{"scale": "htk"}, {"norm": None}, {"padding": "constant"}, {"f_max": 7900}]
)
def test_parity_notices_another_frontend(change: dict[str, object], network: cnn14.Network) -> None:
    model = cnn14.Cnn14Model(network, 320)
    model.frontend = dataclasses.replace(model.frontend, **change)
    case = CASES["cnn14_16k_short"]
    scene = cnn14.get_scene_embeddings(case_audio(case, 16000), model)
    assert relative_error(scene[:, ::8], case["scene"]) > 10 * TOLERANCE


def test_parity_notices_a_turned_kernel(network: cnn14.Network) -> None:
    case = CASES["cnn14_16k_short"]
    weight = network.get_submodule("conv_block5").conv2.weight.detach()
    model, kept = cnn14.Cnn14Model(network, 320), weight.clone()
    weight.copy_(kept.flip(-1))
    scene = cnn14.get_scene_embeddings(case_audio(case, 16000), model)
    weight.copy_(kept)
    assert relative_error(scene[:, ::8], case["scene"]) > 10 * TOLERANCE


def test_frames_between_are_those_of_shifted_spectrograms(network: cnn14.Network) -> None:
    noise = torch.randn(1, 64, 32 * 12, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        fine = network(noise, (2, 4, 6), 8)
        assert fine.shape == (1, 4 * 11, 2048 + 2048 + 4096)
        for shift in range(4):
            whole = network(noise[..., 8 * shift :], (2, 4, 6))
            # Apart from the ends, where a shifted spectrogram's own edges are seen.
            assert torch.allclose(fine[:, shift::4][:, 4:6], whole[:, 4:6], atol=1e-5)


def test_pieces_are_the_whole(network: cnn14.Network, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = torch.randn(1, 64, 32 * 14 + 9, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for hop in (32, 16):
            whole = torch.cat(list(network.steps(noise, (3, 6), hop)), dim=1)
            with monkeypatch.context() as patch:
                patch.setattr("hear_plugins.networks.cnn14._MAX_STEPS", 5)
                pieces = list(network.steps(noise, (3, 6), hop))
            assert len(pieces) == 3
            assert torch.allclose(torch.cat(pieces, dim=1), whole, atol=1e-5)


@pytest.mark.parametrize("rate", [16000, 32000])
def test_the_sample_rate_is_read_from_the_file(rate: int, tmp_path: Path) -> None:
    tensors = layouts.empty(layouts.cnn14(rate))
    for name in list(tensors):
        if name.startswith("spectrogram_extractor."):
            del tensors[name]  # not needed
    path = save({"model": tensors}, tmp_path / "a.pth")
    assert cnn14.load_file(Path(path)).sample_rate == rate


def refused(tensors: dict[str, Tensor], path: Path) -> str:
    with pytest.raises(WeightsError) as raised:
        cnn14.load_file(Path(save({"model": tensors}, path)))
    return str(raised.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path, name = tmp_path / "a.pth", "conv_block4.bn1.running_var"
    tensors = layouts.empty(layouts.cnn14(16000))
    kept = tensors.pop(name)
    assert f"tensor {name} is missing" in refused(tensors, path)
    assert f"tensor {name} is missing" in refused(tensors | {name + "s": kept}, path)
    tensors[name] = kept
    more = tensors | {"conv_block7.bn1.bias": torch.zeros(3)}
    assert "tensor conv_block7.bn1.bias is unexpected" in refused(more, path)
    wrong = tensors | {name: torch.zeros(3)}
    assert f"tensor {name} has shape (3,)" in refused(wrong, path)
    del tensors["logmel_extractor.melW"]
    assert "tensor logmel_extractor.melW is missing" in refused(tensors, path)


@pytest.mark.parametrize("layers", [[], [0], [7], [3, 3], [True], 3, "36", [3.0]])
def test_unknown_layers_are_named(layers: object) -> None:
    with pytest.raises(ValueError, match=r"^layers=.*\[1, 2, 3, 4, 5, 6\]$"):
        cnn14_fusion.load_model(random_weights=0, layers=layers)  # type: ignore[arg-type]


def test_unknown_steps_are_named(network: cnn14.Network) -> None:
    with pytest.raises(ValueError, match="hop_ms=50"):
        cnn14.Cnn14Model(network, 50)
