"""Embeddings that HEAR's classifier cannot learn from are noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_task import make_task

from benchmark.embeddings import scale as module
from benchmark.embeddings.extract import embed
from benchmark.embeddings.scale import scale_advice, scale_of
from benchmark.models.hear_module import ModelSpec, load_model


def scale(tmp_path: Path, rows: np.ndarray) -> dict[str, Any]:
    rows.astype(np.float32).tofile(tmp_path / "one.npy")
    return scale_of([tmp_path / "one.npy"], rows.shape[1])


def test_what_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).normal(size=(5000, 4)) * [1, 2, 50, 0] + 3
    found = scale(tmp_path, rows)
    assert found["constant"] == 1
    assert found["deviation"] == pytest.approx(2, rel=0.05)
    assert found["spread"] == pytest.approx(25, rel=0.05)
    assert found["largest"] == pytest.approx(np.abs(rows).max())
    monkeypatch.setattr(module, "MOST_VALUES", 4000)
    assert scale(tmp_path, rows)["spread"] == pytest.approx(25, rel=0.2)


@pytest.mark.parametrize(
    ("scales", "words"),
    [
        ([1, 1, 1, 1], ""),
        ([0.01, 0.02, 3, 0], ""),
        ([1e-3, 1e-3, 1e-3, 1e3], "some dimensions vary 1e+06 times"),
        ([1e6, 1e6, 1e6, 1e6], "values reach"),
        ([1e-9, 1e-9, 1e-9, 1e-9], "values reach"),
        ([0, 0, 0, 0], "all embeddings are the same"),
    ],
)
def test_what_is_advised(tmp_path: Path, scales: list[float], words: str) -> None:
    rows = np.random.default_rng(0).normal(size=(500, 4)) * scales
    advice = scale_advice(scale(tmp_path, rows))
    assert advice.startswith(words) if words else not advice
    assert ("hear-standardized" in advice) is bool(words and any(scales))


def test_it_is_said_at_the_end_of_embedding(tmp_path: Path) -> None:
    pytest.importorskip("opensmile")
    task = make_task(tmp_path, clips=2)
    for options, advised in (({}, True), ({"scaling": "log"}, False)):
        told: list[str] = []
        spec = ModelSpec("hear_plugins.opensmile", options=options)
        made = embed(load_model(spec, remark=told.append), task, tmp_path / "out")
        assert any("hear-standardized" in line for line in told) is advised, told
        assert made.info["scale"]["spread"] > 0
