"""HTS-AT against its authors' numbers, on files of the published layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import layouts
import numpy as np
import pytest
import torch
from parity_fixtures import GOLDEN, audio, golden_cases, relative_error, save
from torch import Tensor

from hear_plugins import hts_at

TOLERANCE = 1e-5  # of the largest value
RATE = 32000


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    statistics = np.load(GOLDEN / "hts_at.npz")
    found = layouts.fixture(layouts.hts_at())
    for name in ("running_mean", "running_var"):
        found[f"sed_model.bn0.{name}"] = torch.from_numpy(statistics[f"bn0/{name}"])
    return found


@pytest.fixture(scope="module")
def model(
    tensors: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[hts_at.HtsAt]:
    path = tmp_path_factory.mktemp("hts_at") / "saved.ckpt"
    extra = {
        "sed_model.head.bias": torch.zeros(527),
        "sed_model.logmel_extractor.melW": hts_at.FRONTEND.filters,
        "sed_model.layers.0.blocks.1.attn_mask": torch.zeros(64, 64, 64),
    }
    content = {"epoch": 1, "state_dict": tensors | extra, "callbacks": {}}
    yield hts_at.load_model(save(content, path))
    path.unlink()  # 120 MB


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def test_embeddings_are_the_originals(model: hts_at.HtsAt) -> None:
    case = golden_cases(GOLDEN / "hts_at.npz")["short"]
    sounds = audio(int(case["audio_seed"]), float(case["seconds"]), RATE)
    decibels = hts_at.FRONTEND(sounds)[0].T
    assert np.abs(decibels[:50].numpy() - case["frontend"]).max() < 0.01
    tokens = model.chunk(sounds)
    assert relative_error(tokens[..., ::16], case["chunk0_sequence32"]) < TOLERANCE
    scene = hts_at.get_scene_embeddings(sounds, model)
    assert relative_error(scene, case["scene"]) < TOLERANCE
    assert relative_error(scene.flip(0), case["scene"]) > 10 * TOLERANCE


@pytest.mark.long
@pytest.mark.parametrize("name", ["short", "mid", "long"])
def test_all_golden_arrays(name: str, model: hts_at.HtsAt, shared: Path) -> None:
    case = golden_cases(shared / "parity" / "hts_at" / "golden.npz")[name]
    sounds = audio(int(case["audio_seed"]), float(case["seconds"]), RATE)
    tokens = model.chunk(sounds[:, : 10 * RATE])
    assert relative_error(tokens, case["chunk0_sequence32"]) < TOLERANCE
    assert relative_error(tokens.mean(1), case["chunk0_latent"]) < TOLERANCE
    assert relative_error(hts_at.get_scene_embeddings(sounds, model), case["scene"]) < TOLERANCE


@pytest.mark.parametrize("part", ["attn.qkv.weight", "attn.relative_position_bias_table"])
def test_a_swapped_layer_is_noticed(part: str, model: hts_at.HtsAt) -> None:
    case = golden_cases(GOLDEN / "hts_at.npz")["short"]
    sounds = audio(int(case["audio_seed"]), float(case["seconds"]), RATE)
    blocks = model.network.layers[2].blocks
    one, other = blocks[1].get_parameter(part), blocks[2].get_parameter(part)
    one.data, other.data = other.data, one.data
    try:
        scene = hts_at.get_scene_embeddings(sounds, model)
    finally:
        one.data, other.data = other.data, one.data
    assert relative_error(scene, case["scene"]) > 5 * TOLERANCE


def test_a_wrong_frontend_is_noticed(model: hts_at.HtsAt, monkeypatch: pytest.MonkeyPatch) -> None:
    case = golden_cases(GOLDEN / "hts_at.npz")["short"]
    sounds = audio(int(case["audio_seed"]), float(case["seconds"]), RATE)
    wrong = hts_at.LogMel(32000, 1024, 320, 64, 50, 14000, floor=1e-10, decibels=True)
    monkeypatch.setattr(hts_at, "FRONTEND", wrong)
    scene = hts_at.get_scene_embeddings(sounds, model)
    assert relative_error(scene, case["scene"]) > 5 * TOLERANCE


@pytest.mark.parametrize("hop", [32, 8, 4, 1])
@pytest.mark.parametrize("count", [1, 2, 9, 30, 256])
def test_every_step_is_encoded_at_its_place(hop: int, count: int) -> None:
    length = 32 + (min(count, 1024 // hop) - 1) * hop
    windows = torch.rand(2, 3, length)
    images = []

    def encode(tape: Tensor) -> Tensor:
        images.append(len(tape))
        return tape.unflatten(2, (32, 32)).mean(3).transpose(1, 2)

    got = hts_at.shifted_steps(encode, windows, hop)
    assert torch.allclose(got, windows.unfold(2, 32, hop).mean(3).transpose(1, 2), atol=1e-6)
    assert sum(images) <= 2 * 32 // hop
    if hop == 4 and length <= 96:
        assert images == [2]  # all shifts of a window in one image


def test_timestamps_of_sounds_longer_than_an_image(model: hts_at.HtsAt) -> None:
    coarse = hts_at.HtsAt(model.network, 320, False)
    frames, times = hts_at.get_timestamp_embeddings(audio(4, 11.0, RATE, 1), coarse)
    assert times[0].tolist() == [155 + 320 * i for i in range(34)]
    assert frames.shape == (1, 34, 768) and frames.isfinite().all()


def test_short_rests_do_not_count(model: hts_at.HtsAt) -> None:
    sound = audio(5, 10.5, RATE, 1)
    scene = hts_at.get_scene_embeddings(sound, model)
    whole, rest = (model.chunk(x).mean(1) for x in (sound[:, :320000], sound[:, 320000:]))
    assert torch.allclose(scene, whole, atol=1e-5)
    quirky = hts_at.HtsAt(model.network, 40, True)
    scene = hts_at.get_scene_embeddings(sound, quirky)
    assert torch.allclose(scene, (whole + rest) / 2, atol=1e-5)


def test_options_out_of_range() -> None:
    with pytest.raises(ValueError, match="hop_ms=50"):
        hts_at.load_model(random_weights=0, hop_ms=50)
