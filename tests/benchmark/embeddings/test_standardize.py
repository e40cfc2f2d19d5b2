"""Standardised embeddings: what the classifier is given, and that the source stays as it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmark.embeddings.standardize import standardized


def test_each_split_by_its_own_statistics(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    source = tmp_path / "embeddings"
    source.mkdir()
    splits = {
        "train": draw.normal(1e9, 3e8, (5000, 4)).astype(np.float32),
        "test": draw.normal(-2, 1e-4, (30, 4)).astype(np.float32),
    }
    for split, rows in splits.items():
        rows[:, 3] = 7.3e10  # constant
        rows.tofile(source / f"{split}.embeddings.npy")
        (source / f"{split}.embedding-dimensions.json").write_text(json.dumps(rows.shape))
    (source / "task_metadata.json").write_text("{}")
    before = {path: path.read_bytes() for path in source.iterdir()}
    with standardized(source, tmp_path / "work") as folder:
        assert {path.name for path in folder.iterdir()} == {path.name for path in before}
        for split, rows in splits.items():
            found = np.fromfile(folder / f"{split}.embeddings.npy", np.float32).reshape(-1, 4)
            np.testing.assert_allclose(found[:, :3].mean(0), 0, atol=1e-5)
            np.testing.assert_allclose(found[:, :3].std(0), 1, atol=1e-4)
            assert not found[:, 3].any()
            expected = (rows[:, 0].astype(float) - rows[:, 0].astype(float).mean()) / rows[
                :, 0
            ].astype(float).std()
            np.testing.assert_allclose(found[:, 0], expected, atol=1e-5)
    assert list((tmp_path / "work").iterdir()) == []
    assert before == {path: path.read_bytes() for path in source.iterdir()}
