"""Labels that are known in part, as OpenMIC's: what is not known changes no number."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from embedded_tasks import GIVEN, scene
from hypothesis import given, settings
from hypothesis import strategies as st
from task_fixtures import SCENE_CONFIG, SCENE_ITEMS, make_task
from torch.nn import functional as F

from benchmark.embeddings.dataset import Rows, read_embedded_task
from benchmark.embeddings.extract import embed
from benchmark.errors import UserError
from benchmark.metrics.registry import metric
from benchmark.models.hear_module import ModelSpec, load_model
from benchmark.probes.batched_training import BatchedHeads
from benchmark.probes.mlp import init_head, loss_function
from benchmark.protocols.hear.grid import grid_points
from benchmark.protocols.hear.kit import evaluate_with_kit
from benchmark.protocols.hear.native import evaluate_native
from benchmark.protocols.hear.options import HearOptions
from benchmark.studies.synthetic import make_scene_embeddings
from tasks.audio import write_wav
from tasks.corpus import metadata_of
from tasks.folder import TaskError, folder_name, known_labels_file, read_task, write_task

LABELS = ["bark", "rain", "engine", "wind"]
SIZES = {"train": 90, "valid": 40, "test": 40}
FASTER = HearOptions(grid="faster", grid_points=2, threads=1)


def _quiet(part: float, what: str) -> None:
    pass


def _make(path: Path, scores: tuple[str, ...] = ("mAP", "aucroc", "d_prime")) -> Path:
    """Embeddings of a task of which two labels of each clip are known."""
    make_scene_embeddings(path, scene("part", GIVEN, "multilabel", scores), SIZES, LABELS, 20)
    draw = np.random.default_rng(1)
    for split in SIZES:
        clips = json.loads((path / f"{split}.json").read_text())
        known = {clip: list(draw.choice(LABELS, 2, replace=False)) for clip in clips}
        (path / known_labels_file(split)).write_text(json.dumps(known))
    return path


def _numbers(scores: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in scores["test"].items() if key != "time_in_min"}


@given(seed=st.integers(0, 1000), share=st.floats(0.2, 1.0))
@settings(max_examples=20, deadline=None)
def test_scores_are_scikit_learns_on_the_known_clips(seed: int, share: float) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    draw = np.random.default_rng(seed)
    target = (draw.random((40, 3)) < 0.5).astype(np.float32)
    target[:2] = [[0], [1]]
    known = draw.random((40, 3)) < share
    known[:2] = True
    prediction = draw.random((40, 3)).astype(np.float32).round(1)
    for name, function in (
        ("mAP", metrics.average_precision_score),
        ("aucroc", metrics.roc_auc_score),
    ):
        expected = [
            function(target[rows, label], prediction[rows, label])
            for label, rows in enumerate(known.T)
        ]
        found = metric(name).value(prediction, target, known)
        assert found == pytest.approx(np.mean(expected), abs=1e-12)
    whole = np.ones_like(known)
    for name in ("mAP", "aucroc", "d_prime"):
        masked = metric(name).value(prediction, target, whole)
        assert masked == metric(name).value(prediction, target)


def test_a_label_that_is_never_known_is_left_out() -> None:
    target = np.array([[1, 1], [0, 0]], np.float32)
    known = np.array([[True, False], [True, False]])
    prediction = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    assert metric("mAP").value(prediction, target, known) == 1.0
    assert metric("mAP").value(prediction, target) == 0.75


def test_the_loss_is_that_of_the_known_labels() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, generator=draw)
    target = (torch.rand(6, 3, generator=draw) < 0.5).float()
    known = torch.rand(6, 3, generator=draw) < 0.6
    targets = target.masked_fill(~known, torch.nan)
    expected = F.binary_cross_entropy_with_logits(logits[known], target[known])
    assert torch.allclose(loss_function(False, masked=True)(logits, targets), expected)
    nothing = torch.full((6, 3), torch.nan)
    assert loss_function(False, masked=True)(logits, nothing) == 0


@pytest.mark.parametrize("parallel", [False, True], ids=["one", "grid"])
def test_what_is_not_known_changes_no_number(tmp_path: Path, parallel: bool) -> None:
    one, other = _make(tmp_path / "one"), _make(tmp_path / "other")
    for split in SIZES:
        # In the other folder every label that is not known is there.
        path = other / f"{split}.target-labels.pkl"
        known = read_embedded_task(other).label_mask(split)
        rows = pickle.loads(path.read_bytes())
        more = [
            [*labels, *(LABELS[i] for i in np.flatnonzero(~its) if LABELS[i] not in labels)]
            for labels, its in zip(rows, known, strict=True)
        ]
        path.write_bytes(pickle.dumps(more))
    found = [
        evaluate_native(
            folder,
            tmp_path / f"work-{folder.name}",
            replace(FASTER, parallel_grid=parallel),
            _quiet,
        )
        for folder in (one, other)
    ]
    assert _numbers(found[0]) == _numbers(found[1])
    with np.load(tmp_path / "work-one" / "test.predictions.npz") as arrays:
        known, target = arrays["label_mask"], arrays["target"]
        assert known.shape == target.shape and known.sum() == 2 * len(known)
        expected = metric("mAP").value(arrays["prediction"], target.astype("f4"), known)
    assert found[0]["test"]["test_mAP"] == pytest.approx(expected)


def test_where_all_is_known_nothing_changes_but_rounding(tmp_path: Path) -> None:
    path = _make(tmp_path / "embeddings")
    for split in SIZES:
        clips = json.loads((path / f"{split}.json").read_text())
        (path / known_labels_file(split)).write_text(json.dumps(dict.fromkeys(clips, LABELS)))
    masked = evaluate_native(path, tmp_path / "masked", FASTER, _quiet)
    for split in SIZES:
        (path / known_labels_file(split)).unlink()
    plain = evaluate_native(path, tmp_path / "plain", FASTER, _quiet)
    assert _numbers(masked) == pytest.approx(_numbers(plain), abs=1e-3)


def test_a_stack_steps_as_each_head_alone() -> None:
    draw = torch.Generator().manual_seed(0)
    count, size = 30, 5
    x = torch.randn(count, size, generator=draw)
    target = (torch.rand(count, 3, generator=draw) < 0.5).float()
    targets = target.masked_fill(torch.rand(count, 3, generator=draw) < 0.5, torch.nan)
    hparams = {**grid_points("faster", 1, {"task_name": "x"})[0], "dropout": 0.0, "hidden_dim": 8}
    rows = Rows([slice(0, count)], target, targets, lambda parts: x[parts[0]], masked=True)
    heads = [
        init_head(
            size, 3, False, hparams, torch.Generator().manual_seed(s), torch.device("cpu"), True
        )
        for s in (1, 2)
    ]
    gradients = []
    for head in heads:
        head.train()
        head.loss(head(x), targets).backward()
        gradients.append([value.grad.clone() for value in head.parameters()])
        head.zero_grad()
    stack = BatchedHeads([0, 1], heads, [rows, rows], [hparams, hparams])
    found: dict[str, torch.Tensor] = {}
    stack._update = lambda active: found.update(  # type: ignore[method-assign]
        {name: stack.values[name].grad.clone() for name in stack.trained}
    )
    stack.step(x, targets, torch.ones(2, count, dtype=torch.bool))
    names = [name for name, _ in heads[0].named_parameters()]
    for place, its in enumerate(gradients):
        for name, gradient in zip(names, its, strict=True):
            assert torch.allclose(found[name][place], gradient, atol=1e-6), name


def test_from_the_task_folder_to_the_scores(tmp_path: Path) -> None:
    config = {**SCENE_CONFIG, "prediction_type": "multilabel", "evaluation": ["mAP"]}
    metadata = metadata_of(config, "full")
    path = tmp_path / folder_name(metadata)
    draw = np.random.default_rng(0)
    items: dict[str, dict[str, list[str]]] = {}
    known: dict[str, dict[str, list[str]]] = {}
    for split in metadata["splits"]:
        (path / "16000" / split).mkdir(parents=True)
        items[split], known[split] = {}, {}
        for number in range(8):
            name = f"{split}{number}.wav"
            items[split][name] = ["cat"] if number % 2 else []
            known[split][name] = ["cat", "dog"] if number < 4 else ["cat"]
            if number in (1, 2):
                items[split][name] = [*items[split][name], "dog"]
            noise = draw.uniform(-0.5, 0.5, 1600).astype(np.float32)
            write_wav(path / "16000" / split / name, noise, 16000)
    write_task(path, metadata, items, known)
    task = read_task(path)
    made = embed(load_model(ModelSpec("tiny_hear")), task, tmp_path / "out")
    embedded = read_embedded_task(made.path)
    assert embedded.has_label_mask
    names = embedded.row_names("test")["clip"].tolist()
    expected = [[True, f"test{n}.wav" in names and n < 4] for n in range(8)]
    order = [int(name.removeprefix("test").removesuffix(".wav")) for name in names]
    assert embedded.label_mask("test").tolist() == [expected[n] for n in order]
    scores = evaluate_native(made.path, tmp_path / "work", FASTER, _quiet)
    assert 0 <= scores["test"]["test_mAP"] <= 1


def test_what_cannot_be_done_with_partial_labels(tmp_path: Path) -> None:
    path = _make(tmp_path / "embeddings")
    with pytest.raises(UserError, match="known in part.*choose --engine native"):
        evaluate_with_kit(path, tmp_path / "kit", FASTER, _quiet)
    path = _make(tmp_path / "accuracy", ("mAP", "top1_acc"))
    with pytest.raises(UserError, match="known in part, of which there is no top1_acc"):
        evaluate_native(path, tmp_path / "work", FASTER, _quiet)
    (path / known_labels_file("test")).write_text("{}")
    with pytest.raises(UserError, match="test_known_labels.json: no 'test"):
        read_embedded_task(path).label_mask("test")


def test_only_multilabel_scenes_have_partial_labels(tmp_path: Path) -> None:
    path = make_task(tmp_path)
    known = {name: ["cat", "dog"] for name in SCENE_ITEMS["train"]}
    (path / known_labels_file("train")).write_text(json.dumps(known))
    with pytest.raises(TaskError, match="only multilabel scene tasks can have labels"):
        read_task(path)
