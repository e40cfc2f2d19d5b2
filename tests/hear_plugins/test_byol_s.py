"""BYOL-S, all encoders, against their authors' code: as it should be, and as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import layouts
import numpy as np
import pytest
import torch
from layouts import byol_a_tensors as cnn_tensors
from parity_fixtures import (
    GOLDEN,
    audio,
    case_audio,
    filled,
    filled_like,
    frames_error,
    golden_cases,
    relative_error,
    save,
)

from hear_plugins import (
    byol_s,
    byol_s_clstm,
    byol_s_resnetish34,
    hybrid_byol_s,
    hybrid_byol_s_cvt,
)
from hear_plugins.frontends.log_mel import LogMel
from hear_plugins.networks import clstm, resnetish
from hear_plugins.networks.byol_cnn import AudioNTT2020
from hear_plugins.weights.loading import WeightsError

TOLERANCE = 1e-5  # of the largest value
# With its input multiplied by up to 502 windows the LSTM amplifies rounding: the golden arrays too
# are up to 2.7e-5 from the same network in float64.
LSTM_QUIRKS_TOLERANCE = 5e-5
PACKS = {
    "byol_s_default": byol_s,
    "byol_s_cvt": hybrid_byol_s_cvt,
    "byol_s_resnetish34": byol_s_resnetish34,
    "byol_s_clstm": byol_s_clstm,
}


def cvt_tensors() -> dict[str, torch.Tensor]:
    """The 84 tensors of the published file, listed independently of the network."""
    shapes: dict[str, tuple[int, ...]] = {}
    before = 1
    for stage, (kernel, width, heads) in enumerate(((7, 64, 1), (3, 256, 3), (3, 512, 6))):
        inner, name = 64 * heads, f"layers.{stage}"
        shapes |= {f"{name}.0.weight": (width, before, kernel, kernel), f"{name}.0.bias": (width,)}
        for norm in ("1", "2.layers.0.0.norm", "2.layers.0.1.norm"):
            shapes |= {f"{name}.{norm}.{leaf}": (1, width, 1, 1) for leaf in "gb"}
        attend, feed = f"{name}.2.layers.0.0.fn", f"{name}.2.layers.0.1.fn.net"
        for to, size in (("to_q", inner), ("to_kv", 2 * inner)):
            shapes[f"{attend}.{to}.net.0.weight"] = (width, 1, 3, 3)
            for leaf in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"{attend}.{to}.net.1.{leaf}"] = (width,)
            shapes[f"{attend}.{to}.net.1.num_batches_tracked"] = ()
            shapes[f"{attend}.{to}.net.2.weight"] = (size, width, 1, 1)
        shapes[f"{attend}.to_out.0.weight"] = (width, inner, 1, 1)
        shapes[f"{attend}.to_out.0.bias"] = (width,)
        shapes |= {f"{feed}.0.weight": (4 * width, width, 1, 1), f"{feed}.0.bias": (4 * width,)}
        shapes |= {f"{feed}.3.weight": (width, 4 * width, 1, 1), f"{feed}.3.bias": (width,)}
        before = width
    return filled(
        (name, shape, "int64" if "tracked" in name else "float32") for name, shape in shapes.items()
    )


def tensors_of(pack: str) -> dict[str, torch.Tensor]:
    if pack == "byol_s_cvt":
        return cvt_tensors()
    if pack == "byol_s_default":
        return cnn_tensors(2048)
    return layouts.fixture(getattr(layouts, pack)())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("byol_s")
    return {pack: save(tensors_of(pack), folder / f"{pack}.pth") for pack in PACKS}


def assert_golden(module: ModuleType, file: str, cases: dict[str, dict[str, np.ndarray]]) -> None:
    model, as_it_was = module.load_model(file), module.load_model(file, upstream_quirks=True)
    for name, case in cases.items():
        clips = case_audio(case, 16000)
        scene = module.get_scene_embeddings(clips, model)
        assert relative_error(scene, case["scene_alone"]) < TOLERANCE, name
        scene = module.get_scene_embeddings(clips, as_it_was)
        assert relative_error(scene, case["scene"]) < TOLERANCE, name
        embeddings, times = module.get_timestamp_embeddings(clips, model)
        assert frames_error(embeddings, case, "timestamp_alone") < TOLERANCE, name
        assert list(embeddings.shape) == case["timestamp_shape"].tolist(), name
        np.testing.assert_array_equal(times, case["timestamps_ms"])
        embeddings, _ = module.get_timestamp_embeddings(clips, as_it_was)
        allowed = LSTM_QUIRKS_TOLERANCE if module is byol_s_clstm else TOLERANCE
        assert frames_error(embeddings, case) < allowed, name


@pytest.mark.parametrize("pack", PACKS)
def test_golden(files: dict[str, str], pack: str) -> None:
    assert_golden(PACKS[pack], files[pack], golden_cases(GOLDEN / f"{pack}.npz"))


@pytest.mark.long
@pytest.mark.parametrize("pack", PACKS)
def test_all_golden(shared: Path, files: dict[str, str], pack: str) -> None:
    assert_golden(PACKS[pack], files[pack], golden_cases(shared / "parity" / pack / "golden.npz"))


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize(
    "wrong",
    [
        LogMel(16000, 1024, 160, 64, 60, 7800),  # BYOL-A's window
        LogMel(16000, 1024, 160, 64, 60, 7800, win_length=400, scale="slaney", norm="slaney"),
        LogMel(16000, 1024, 160, 64, 50, 8000, win_length=400),
    ],
)
def test_another_frontend_exceeds_the_tolerance(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch, pack: str, wrong: LogMel
) -> None:
    case = golden_cases(GOLDEN / f"{pack}.npz")["short_s1"]
    module = PACKS[pack]
    monkeypatch.setattr(byol_s, "FRONTEND", wrong)
    scene = module.get_scene_embeddings(case_audio(case, 16000), module.load_model(files[pack]))
    assert relative_error(scene, case["scene_alone"]) > 100 * TOLERANCE


Q, KV = "layers.2.2.layers.0.0.fn.to_q.net", "layers.2.2.layers.0.0.fn.to_kv.net"


@pytest.mark.parametrize(
    ("pack", "one", "other"),
    [
        ("byol_s_default", "features.4.weight", "features.8.weight"),
        ("byol_s_default", "features.1.running_var", "features.5.running_var"),
        ("byol_s_cvt", f"{Q}.0.weight", f"{KV}.0.weight"),
        ("byol_s_cvt", f"{Q}.1.running_mean", f"{KV}.1.running_mean"),
        ("byol_s_cvt", "layers.1.1.g", "layers.1.2.layers.0.0.norm.g"),
        ("byol_s_resnetish34", "layer2.1.conv1.weight", "layer2.2.conv1.weight"),
        ("byol_s_resnetish34", "layer1.0.bn1.running_var", "layer1.0.bn2.running_var"),
        ("byol_s_clstm", "bilstm.weight_ih_l0", "bilstm.weight_ih_l0_reverse"),
        ("byol_s_clstm", "bilstm.weight_hh_l0", "bilstm.weight_hh_l0_reverse"),
    ],
)
def test_swapped_layers_exceed_the_tolerance(
    tmp_path: Path, pack: str, one: str, other: str
) -> None:
    case = golden_cases(GOLDEN / f"{pack}.npz")["short_s1"]
    tensors = tensors_of(pack)
    tensors[one], tensors[other] = tensors[other], tensors[one]
    model = PACKS[pack].load_model(save(tensors, tmp_path / "swapped.pth"))
    scene = byol_s.get_scene_embeddings(case_audio(case, 16000), model)
    assert relative_error(scene, case["scene_alone"]) > 10 * TOLERANCE


def renamed(tensors: dict[str, torch.Tensor], name: str) -> None:
    tensors[name + "s"] = tensors.pop(name)


def reshaped(tensors: dict[str, torch.Tensor], name: str) -> None:
    tensors[name] = torch.zeros(7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict.pop, "{} is missing"),
        (renamed, "{} is missing"),
        (reshaped, r"{} has shape \(7,\)"),
        (lambda tensors, name: tensors.update({"teacher." + name: tensors[name]}), "teacher.{} is"),
    ],
)
@pytest.mark.parametrize("name", list(cvt_tensors())[::7])
def test_loading_is_strict(
    tmp_path: Path, name: str, change: Callable[[dict[str, torch.Tensor], str], Any], message: str
) -> None:
    tensors = cvt_tensors()
    change(tensors, name)
    with pytest.raises(WeightsError, match=message.format(name)):
        hybrid_byol_s_cvt.load_model(save(tensors, tmp_path / "a.pth"))


def test_each_encoder_names_the_others_file(files: dict[str, str]) -> None:
    with pytest.raises(WeightsError, match="looks like a checkpoint of hybrid_byol_s_cvt"):
        byol_s.load_model(files["byol_s_cvt"])
    with pytest.raises(WeightsError, match="looks like a checkpoint of byol_a or byol_s"):
        hybrid_byol_s_cvt.load_model(files["byol_s_default"])


def test_the_hybrid_has_the_network_of_the_plain_model(files: dict[str, str]) -> None:
    clips, file = audio(4, 1.0, 16000), files["byol_s_default"]
    plain, hybrid = byol_s.load_model(file), hybrid_byol_s.load_model(file)
    scene = hybrid_byol_s.get_scene_embeddings(clips, hybrid)
    assert torch.equal(scene, byol_s.get_scene_embeddings(clips, plain))


def steps(network: Any, mel: torch.Tensor) -> list[torch.Tensor]:
    """In pieces; of CLSTM those of its last block."""
    return [piece[-1] if isinstance(piece, tuple) else piece for piece in network.steps(mel)]


@pytest.mark.parametrize("total", [1296, 1303])
@pytest.mark.parametrize(
    ("network", "module", "most"),
    [(resnetish.ResNetish34(), resnetish, 40), (clstm.CLSTM(), clstm, 50)],
    ids=["resnetish34", "clstm"],
)
def test_pieces_equal_the_whole(
    network: Any, module: ModuleType, most: int, total: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network.load_state_dict(filled_like(network))
    mel = torch.randn(1, 64, total, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        (whole,), clip = steps(network.eval(), mel), network.clip(mel)
        monkeypatch.setattr(module, "_MAX_STEPS", most)
        pieces = steps(network, mel)
        assert len(pieces) > 5
        assert relative_error(torch.cat(pieces, 1), whole.numpy()) < TOLERANCE
        assert relative_error(network.clip(mel), clip.numpy()) < TOLERANCE


def test_smaller_encoders_load(tmp_path: Path) -> None:
    model = byol_s.load_model(save(cnn_tensors(512), tmp_path / "default512.pth"))
    assert model.scene_embedding_size == model.timestamp_embedding_size == 512


def test_quirks_make_embeddings_depend_on_the_batch(files: dict[str, str]) -> None:
    clips = audio(4, 1.0, 16000)
    clips[1] *= 1e-3
    for quirks, least, most in ((False, 0.0, TOLERANCE), (True, 0.1, 10.0)):
        model = byol_s.load_model(files["byol_s_default"], upstream_quirks=quirks)
        alone = byol_s.get_scene_embeddings(clips[:1], model)
        beside = byol_s.get_scene_embeddings(clips, model)[:1]
        assert least <= relative_error(beside, alone.numpy()) <= most
        alone, _ = byol_s.get_timestamp_embeddings(clips[:1], model)
        twice, _ = byol_s.get_timestamp_embeddings(clips[:1].repeat(2, 1), model)
        growth = twice[0].norm() / alone[0].norm()
        assert abs(growth - (2 if quirks else 1)) < (0.1 if quirks else TOLERANCE)


@pytest.mark.parametrize("quirks", [False, True])
@pytest.mark.parametrize("pack", PACKS)
def test_silence_is_finite(files: dict[str, str], pack: str, quirks: bool) -> None:
    model = PACKS[pack].load_model(files[pack], upstream_quirks=quirks)
    for n_samples in (1, 1119, 16000):
        silence = torch.zeros(1, n_samples)
        assert byol_s.get_scene_embeddings(silence, model).isfinite().all()
        assert byol_s.get_timestamp_embeddings(silence, model)[0].isfinite().all()


def test_window_and_hop(files: dict[str, str]) -> None:
    clips = audio(6, 1.5, 16000)
    model = byol_s.load_model(files["byol_s_default"], window_ms=500, hop_ms=20)
    embeddings, times = byol_s.get_timestamp_embeddings(clips, model)
    assert times[0].tolist() == [20.0 * n for n in range(76)]
    moved = torch.nn.functional.pad(clips, (320, 0))
    # The same windows but one of silence more: statistics, and so values, move a little.
    later, _ = byol_s.get_timestamp_embeddings(moved, model)
    assert relative_error(later[:, 1:], embeddings.numpy()) < 0.05
    for option in ({"hop_ms": 45}, {"hop_ms": 0}, {"window_ms": 60}, {"window_ms": 50.01}):
        with pytest.raises(ValueError, match=next(iter(option))):
            byol_s.load_model(files["byol_s_default"], **option)
    with pytest.raises(ValueError, match="window_ms=100"):
        byol_s.load_model(files["byol_s_default"], window_ms=100, hop_ms=200)


def test_long_clips_are_cut_for_attention(files: dict[str, str]) -> None:
    clips = audio(7, 2.5, 16000)
    file = files["byol_s_cvt"]
    scene = byol_s.get_scene_embeddings
    whole = scene(clips, hybrid_byol_s_cvt.load_model(file)).numpy()
    cut = hybrid_byol_s_cvt.load_model(file, segment_s=1)
    assert 1e-3 < relative_error(scene(clips, cut), whole) < 0.5
    for options in ({"segment_s": None}, {"segment_s": 2.5}):
        assert (
            relative_error(scene(clips, hybrid_byol_s_cvt.load_model(file, **options)), whole) == 0
        )
    short = clips[:, :16000]
    assert torch.equal(scene(short, cut), scene(short, hybrid_byol_s_cvt.load_model(file)))
    was = [hybrid_byol_s_cvt.load_model(file, upstream_quirks=True, segment_s=s) for s in (1, None)]
    assert torch.equal(scene(clips, was[0]), scene(clips, was[1]))
    with pytest.raises(ValueError, match="segment_s=0.1"):
        hybrid_byol_s_cvt.load_model(file, segment_s=0.1)


def test_weights_when_there_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (byol_s, "default2048"),
        (hybrid_byol_s_cvt, "cvt_s1"),
        (byol_s_resnetish34, "resnetish34"),
        (byol_s_clstm, "never published"),
        (hybrid_byol_s, "never published"),
    ):
        with pytest.raises(WeightsError, match=name):
            module.load_model()
    monkeypatch.setenv("HEAR_PLUGINS_RANDOM_WEIGHTS", "3")
    model = byol_s.load_model()
    assert isinstance(model.network, AudioNTT2020)
    assert model.provenance == {"weights": "random", "random_weights": 3}
