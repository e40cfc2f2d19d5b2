"""Concatenated models, and BYOL-S/CvT with openSMILE."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from parity_fixtures import GOLDEN, audio, filled_like, relative_error, save

from hear_plugins import byol_s_cvt_opensmile, hybrid_byol_s_cvt, logmel
from hear_plugins.api.concatenation import concatenate
from hear_plugins.api.hear_functions import (
    get_layer_embeddings,
    get_scene_embeddings,
    get_timestamp_embeddings,
)
from hear_plugins.api.hear_model import HearModel
from hear_plugins.networks.cvt import CvT

CVT_TOLERANCE = 1e-5  # as tests/test_byol_s.py: of the largest value


class MadeUp(HearModel):
    """A model that answers with its size."""

    def __init__(self, size: int, hop_ms: float = 50.0, rate: int = 16000) -> None:
        super().__init__()
        self.sample_rate, self.hop_ms = rate, hop_ms
        self.scene_embedding_size = self.timestamp_embedding_size = size
        self.provenance = {"weights": "none"}

    def scenes(self, audio: torch.Tensor) -> torch.Tensor:
        size = self.scene_embedding_size
        return torch.full((len(audio), size), float(size))

    def timestamps(self, audio: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        end_ms = 1000 * audio.shape[1] / self.sample_rate
        times = torch.arange(0, end_ms, self.hop_ms).expand(len(audio), -1)
        size = self.timestamp_embedding_size
        return torch.full((*times.shape, size), float(size)), times

    def layers(self, audio: torch.Tensor) -> list[torch.Tensor]:
        return [self.scenes(audio)] * 2


def test_values_are_in_the_order_of_the_parts() -> None:
    model = concatenate({"a": MadeUp(2), "b": MadeUp(3), "c": MadeUp(1)})
    assert model.scene_embedding_size == model.timestamp_embedding_size == 6
    assert model.sample_rate == 16000 and not model.training
    sounds = torch.zeros(2, 1600)
    assert get_scene_embeddings(sounds, model).tolist() == [[2, 2, 3, 3, 3, 1]] * 2
    frames, times = get_timestamp_embeddings(sounds, model)
    assert frames.tolist() == [[[2, 2, 3, 3, 3, 1]] * 2] * 2
    assert times.tolist() == [[0, 50]] * 2
    sizes = [layer.shape[1] for layer in get_layer_embeddings(sounds, model)]
    assert sizes == [2, 2, 3, 3, 1, 1]


def test_timestamps_must_coincide() -> None:
    model = concatenate({"slow": MadeUp(1), "fast": MadeUp(1, hop_ms=40.0)})
    expected = r"slow has 20 \(0, 50, 100, ... ms\), fast has 25 \(0, 40, 80, ... ms\)"
    with pytest.raises(ValueError, match=expected):
        get_timestamp_embeddings(torch.zeros(1, 16000), model)


def test_rates_must_be_the_same() -> None:
    with pytest.raises(ValueError, match="a takes 16000 Hz, b takes 48000 Hz; expected"):
        concatenate({"a": MadeUp(1), "b": MadeUp(1, rate=48000)})
    with pytest.raises(ValueError, match="no parts"):
        concatenate({})


def test_provenance_tells_of_every_part() -> None:
    provenance = concatenate(
        {
            logmel.__name__: logmel.load_model(),
            "b": MadeUp(1),
            "c": hybrid_byol_s_cvt.load_model(random_weights=3),
        }
    ).provenance
    assert (provenance["weights"], provenance["random_weights"]) == ("random", 3)
    assert [part["weights"] for part in provenance["parts"]] == ["none", "none", "random"]
    assert provenance["parts"][0]["module"] == "hear_plugins.logmel"


def test_byol_s_and_opensmile_are_the_originals(tmp_path: Path) -> None:
    pytest.importorskip("opensmile", reason="pip install opensmile==2.6.0")
    path = save(filled_like(CvT(None)), tmp_path / "cvt.pth")
    model = byol_s_cvt_opensmile.load_model(path)
    assert model.scene_embedding_size == model.timestamp_embedding_size == 8421
    byol_s, opensmile = (np.load(GOLDEN / f"{name}.npz") for name in ("byol_s_cvt", "opensmile"))
    sounds = audio(1, 1.07, 16000)
    alone = np.asarray(byol_s["short_s1/scene_alone"])
    scene = byol_s_cvt_opensmile.get_scene_embeddings(sounds, model)
    assert relative_error(scene[:, :2048], alone) < CVT_TOLERANCE
    assert relative_error(scene[:, :2048].flip(0), alone) > CVT_TOLERANCE
    np.testing.assert_allclose(scene[:, 2048:], opensmile["short_s1/scene"], rtol=1e-5, atol=1e-6)
    frames, times = byol_s_cvt_opensmile.get_timestamp_embeddings(sounds[:1], model)
    assert frames.shape == (1, 22, 8421)
    assert times.tolist() == [[50.0 * i for i in range(22)]]
    both = opensmile["short_s1/last"]
    np.testing.assert_allclose(frames[:, -1:, 2048:], both, rtol=1e-5, atol=1e-6)
    own = hybrid_byol_s_cvt.get_timestamp_embeddings(sounds[:1], model.models[0])[0]
    assert torch.equal(frames[..., :2048], own)
    assert model.provenance["parts"][1]["package"].startswith("opensmile ")


def test_options_reach_both_parts() -> None:
    pytest.importorskip("opensmile", reason="pip install opensmile==2.6.0")
    model = byol_s_cvt_opensmile.load_model(
        random_weights=1, hop_ms=100, window_ms=500, scaling="log", upstream_quirks=True
    )
    encoder, features = model.models
    for part in (encoder, features):
        assert (part.hop, part.window, part.upstream_quirks) == (1600, 8000, True)
    assert features.scaling == "log"
