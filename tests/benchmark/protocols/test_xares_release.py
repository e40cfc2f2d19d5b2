"""The protocol ``xares`` against the released package, where a Python that has it is named.

python -m venv xares-env && xares-env/bin/pip install xares==0.1.3
XARES_PYTHON=xares-env/bin/python pytest -m long tests/benchmark/protocols/test_xares_release.py
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
import xares_release
from embedded_tasks import make_pitch

from benchmark.protocols.registry import protocol
from benchmark.protocols.scenes.evaluation import SceneTask
from benchmark.protocols.xares import SEED, XaresOptions

PYTHON = os.environ.get("XARES_PYTHON", "")
EPOCHS = XaresOptions().max_epochs


@pytest.mark.long
@pytest.mark.skipif(not PYTHON, reason="XARES_PYTHON names no Python that has xares 0.1.3")
def test_both_heads_predict_what_the_release_predicts(tmp_path: Path) -> None:
    embeddings = make_pitch(tmp_path / "e", rows=210)
    scene = SceneTask(embeddings)
    arrays = {}
    for split in ("train", "valid", "test"):
        examples = scene.examples(split)
        arrays[f"{split}_x"] = examples.embeddings().numpy()
        arrays[f"{split}_y"] = examples.targets.numpy()
    # The same weights to begin with, and the same order of clips.
    generator = torch.Generator().manual_seed(1000 * SEED)
    size, labels = scene.task.size, scene.n_labels
    for name, shape in (("weight", (labels, size)), ("bias", (labels,))):
        drawn = torch.empty(shape).uniform_(-(size**-0.5), size**-0.5, generator=generator)
        arrays[name] = drawn.numpy()
    count = len(arrays["train_y"])
    orders = [torch.randperm(count, generator=generator).numpy() for _ in range(EPOCHS)]
    np.savez(tmp_path / "in.npz", orders=np.stack(orders), **arrays)
    script = [PYTHON, xares_release.__file__, tmp_path / "in.npz", tmp_path / "out.npz"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(script, check=True, env=environment, timeout=300)
    released = np.load(tmp_path / "out.npz")
    for head in ("mlp", "knn"):
        work = tmp_path / head
        protocol("xares").evaluate(embeddings, work, XaresOptions(head=head), lambda p, what: None)
        ours = np.load(work / f"seed-{SEED}" / "test.predictions.npz")["prediction"]
        np.testing.assert_allclose(ours, released[head], rtol=1e-4, atol=1e-5)
        assert np.ptp(ours) > 0.05  # neither head is undecided
