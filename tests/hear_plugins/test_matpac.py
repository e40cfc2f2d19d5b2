"""MATPAC against its authors' numbers, on files of the published layout."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import layouts
import numpy as np
import pytest
import torch
from parity_fixtures import GOLDEN, audio, filled, save, tensor
from torch import Tensor

from hear_plugins import matpac
from hear_plugins.weights.loading import WeightsError

TOLERANCE = 1e-3  # of values with standard deviation 1: near-empty mel bins amplify rounding
COLUMNS = {"matpac": 38, "matpac_plusplus": 62}


def shapes(columns: int) -> layouts.Layout:
    """Names and shapes of the 150 tensors that every published file holds."""
    return layouts.vit_columns(columns, "student_encoder.")


def empty_tensors() -> dict[str, Tensor]:
    """The right names and shapes, in a file of a few kilobytes."""
    return layouts.empty(shapes(38))


@pytest.fixture(scope="module")
def models(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], matpac.Matpac]]:
    """Both geometries, loaded from files that hold more than the encoder, and used as originals."""
    tensors = filled((name, shape, "float32") for name, shape in shapes(38).items())
    path = tmp_path_factory.mktemp("matpac") / "as.pt"  # a name that misleads the original
    loaded: dict[str, matpac.Matpac] = {}

    def model(pack: str) -> matpac.Matpac:
        if pack not in loaded:
            rows = shapes(COLUMNS[pack])["pos_embed"]
            tensors["pos_embed"] = torch.from_numpy(tensor("pos_embed", rows, "float32"))
            more = {"head.weight": torch.zeros(2, 3), "log_mel.window": torch.zeros(400)}
            file = save(tensors | more, path)
            loaded[pack] = matpac.load_model(file, hop_ms=160, upstream_quirks=True)
            path.unlink()  # 340 MB
        return loaded[pack]

    yield model
    loaded.clear()


def assert_close(got: Tensor, golden: np.ndarray) -> None:
    assert difference(got, golden) < TOLERANCE


def difference(got: Tensor, golden: np.ndarray) -> float:
    assert got.shape == golden.shape
    return float(np.abs(got.numpy() - golden).max())


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN / "matpac.npz"))


def test_embeddings_are_the_originals(
    models: Callable[[str], matpac.Matpac], golden: dict[str, np.ndarray]
) -> None:
    model = models("matpac")
    sounds = audio(1, 1.07, 16000)
    assert_close(model.spectrogram(sounds)[0, :, :10], golden["short_s1/frontend"])
    assert_close(matpac.get_scene_embeddings(sounds, model), golden["short_s1/scene"])
    frames, times = matpac.get_timestamp_embeddings(sounds, model)
    assert_close(frames[..., ::8], golden["short_s1/frames"])
    assert times[0].tolist() == [87.5 + 160 * i for i in range(7)]


@pytest.mark.parametrize(
    ("case", "sounds"),
    [
        ("tiny_s2", audio(2, 0.05, 16000)),
        ("over608_s2", audio(2, 97680 / 16000, 16000)),  # a second chunk of one frame
        ("silence_1s", torch.zeros(1, 16000)),
    ],
)
def test_lengths_and_silence(
    case: str,
    sounds: Tensor,
    models: Callable[[str], matpac.Matpac],
    golden: dict[str, np.ndarray],
) -> None:
    scene = matpac.get_scene_embeddings(sounds, models("matpac"))
    assert_close(scene[:, ::8], golden[f"{case}/scene"])


def test_every_block_is_the_originals(
    models: Callable[[str], matpac.Matpac], golden: dict[str, np.ndarray]
) -> None:
    model = models("matpac")
    spectrogram = torch.nn.functional.pad(model.spectrogram(audio(1, 1.07, 16000)[:1]), (0, 7))
    with torch.no_grad():
        layers = [x[0, 1:] for x in model.network.layers(spectrogram)]
    means = torch.stack([x.unflatten(0, (5, 7)).mean(1).flatten() for x in layers])
    assert difference(means[:, ::16], golden["short_s1/layers"]) < TOLERANCE * means.std()


def test_the_longer_geometry_is_read_from_the_file(models: Callable[[str], matpac.Matpac]) -> None:
    golden = np.load(GOLDEN / "matpac_plusplus.npz")
    model = models("matpac_plusplus")
    assert model.network.grid == (5, 62)
    short, long = audio(1, 1.07, 16000), audio(2, 12.5, 16000)
    assert_close(matpac.get_scene_embeddings(short, model)[:, ::8], golden["short_s1/scene"])
    assert_close(matpac.get_scene_embeddings(long, model)[:, ::8], golden["long_s2/scene"])
    small = matpac.Matpac(model.network, 160, 768, True)
    assert_close(matpac.get_scene_embeddings(short, small), golden["short_s1/scene768"])
    frames, _ = matpac.get_timestamp_embeddings(short, small)
    assert_close(frames.mean(1), golden["short_s1/scene768"])


@pytest.mark.parametrize("pack", list(COLUMNS))
@pytest.mark.long
def test_all_golden_arrays(pack: str, models: Callable[[str], matpac.Matpac], shared: Path) -> None:
    model = models(pack)
    arrays = np.load(shared / "parity" / pack / "golden.npz")
    for case in sorted({name.split("/")[0] for name in arrays} - {"silence_1s"}):
        seed, seconds = int(arrays[f"{case}/audio_seed"]), float(arrays[f"{case}/seconds"])
        frames, _ = matpac.get_timestamp_embeddings(audio(seed, seconds, 16000), model)
        assert frames.shape == tuple(arrays[f"{case}/timestamp_shape"])
        assert_close(frames.mean(1), arrays[f"{case}/scene"])
        if (head := arrays.get(f"{case}/timestamp_head")) is not None:
            assert_close(frames[:, : head.shape[1]], head)
        if (tail := arrays.get(f"{case}/timestamp_tail")) is not None:
            assert_close(frames[:, -tail.shape[1] :], tail)


@pytest.mark.parametrize(
    "change",
    [{"scale": "htk"}, {"norm": None}, {"padding": "reflect"}, {"f_max": 7800.0}],
    ids=lambda change: next(iter(change)),
)
def test_parity_notices_another_frontend(
    change: dict[str, object],
    models: Callable[[str], matpac.Matpac],
    golden: dict[str, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(matpac, "FRONTEND", dataclasses.replace(matpac.FRONTEND, **change))
    scene = matpac.get_scene_embeddings(audio(1, 1.07, 16000), models("matpac"))
    assert difference(scene, golden["short_s1/scene"]) > 10 * TOLERANCE


def test_parity_notices_swapped_blocks(
    models: Callable[[str], matpac.Matpac], golden: dict[str, np.ndarray]
) -> None:
    model = models("matpac")
    blocks = model.network.blocks
    for here, there in ((3, 4), (4, 3)):  # and back
        blocks[here], blocks[there] = blocks[there], blocks[here]
        scene = matpac.get_scene_embeddings(audio(1, 1.07, 16000), model)
        assert (difference(scene, golden["short_s1/scene"]) > 10 * TOLERANCE) == (here == 3)


def test_finer_steps_hold_the_originals_frames(models: Callable[[str], matpac.Matpac]) -> None:
    original = models("matpac")
    sounds = audio(5, 1.3, 16000)
    steps, _ = matpac.get_timestamp_embeddings(sounds, original)
    for hop_ms in (80, 40, 20):
        fine = matpac.Matpac(original.network, hop_ms, 3840, False)
        frames, times = matpac.get_timestamp_embeddings(sounds, fine)
        assert times[0].tolist() == [7.5 + hop_ms * i for i in range(frames.shape[1])]
        assert times[0, -1] <= 1300 < times[0, -1] + hop_ms
        at = [(87.5 + 160 * i - 7.5) / hop_ms for i in range(8)]
        assert torch.allclose(frames[:, [int(i) for i in at]], steps[:, :8], atol=1e-4)


def test_a_click_is_where_the_timestamps_say(models: Callable[[str], matpac.Matpac]) -> None:
    model = matpac.Matpac(models("matpac").network, 40, 3840, False)
    sound = 0.001 * torch.randn(1, 32000, generator=torch.Generator().manual_seed(0))
    clicked = sound.clone()
    clicked[0, 16000:16400] += 0.5
    quiet, times = matpac.get_timestamp_embeddings(sound, model)
    loud, _ = matpac.get_timestamp_embeddings(clicked, model)
    change = (loud - quiet)[0].square().sum(1)
    assert abs(times[0, change.argmax()] - 1012.5) < 100


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: t.pop("student_encoder.blocks.7.mlp.fc1.bias"), "blocks.7.mlp.fc1.bias is miss"),
        (lambda t: t.update(cls_token=torch.zeros(1, 768)), r"cls_token has shape \(1, 768\)"),
        (lambda t: t.update(pos_embed=torch.zeros(1, 193, 768)), "pos_embed has shape"),
        (
            lambda t: t.update({"encoder.norm.bias": t.pop("student_encoder.norm.bias")}),
            "student_encoder.norm.bias is missing",
        ),
    ],
    ids=["removed", "reshaped", "another grid", "renamed"],
)
def test_damaged_files(
    damage: Callable[[dict[str, Tensor]], object], message: str, tmp_path: Path
) -> None:
    tensors = empty_tensors()
    damage(tensors)
    with pytest.raises(WeightsError, match=message):
        matpac.load_model(save(tensors, tmp_path / "damaged.pt"))


def test_m2d_is_not_taken_for_matpac(tmp_path: Path) -> None:
    m2d = {name.removeprefix("student_encoder."): t for name, t in empty_tensors().items()}
    with pytest.raises(WeightsError, match=r"student_encoder\.\S+ is missing"):
        matpac.load_model(save(m2d, tmp_path / "m2d.pt"))


@pytest.mark.parametrize("options", [{"hop_ms": 50}, {"embedding_size": 512}])
def test_options_out_of_range(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        matpac.load_model(random_weights=0, **options)
