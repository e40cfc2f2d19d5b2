"""What holds for every protocol of scene tasks: what is recorded, what is kept, what is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embedded_sequences import as_sequences
from embedded_tasks import GIVEN, KFOLD, make_kfold, scene

from benchmark.embeddings.dataset import read_embedded_task
from benchmark.errors import UserError
from benchmark.protocols.hear.folds import folds
from benchmark.protocols.options import declared_options
from benchmark.protocols.registry import Protocol, protocol, protocols
from benchmark.reports.comparison import read_predictions
from benchmark.studies.synthetic import make_scene_embeddings

SCENE_PROTOCOLS = [one.name for one in protocols() if "scene" in one.embedding_types]
FAST: dict[str, Any] = {
    "grid": "faster",
    "grid_points": 1,
    "seeds": (0, 1),
    "draws": (0, 1),
    "max_epochs": 2,
    "clips_per_label": 3,
    "learning_rates": (1e-2,),
}


def fast_options(chosen: Protocol, **more: Any) -> Any:
    fields = declared_options(chosen.options)
    return chosen.options(**{k: v for k, v in {**FAST, **more}.items() if k in fields})


def embedded_for(chosen: Protocol, embeddings: Path) -> Path:
    """Scene embeddings as the protocol takes them."""
    sequences = chosen.representation in ("timestamps", "windows")
    return as_sequences(embeddings) if sequences else embeddings


@pytest.mark.parametrize("name", SCENE_PROTOCOLS)
def test_settings_are_recorded_and_predictions_of_every_clip_kept(
    tmp_path: Path, name: str
) -> None:
    chosen = protocol(name)
    options = fast_options(chosen)
    embeddings = embedded_for(chosen, make_kfold(tmp_path / "e", rows=20))
    results = chosen.evaluate(embeddings, tmp_path / "w", options, lambda part, what: None)
    assert {one.seed for one in results} == set(chosen.seeds(options))
    recorded = json.loads(json.dumps(options.that_change_scores()))
    # The length of windows is recorded with the embeddings; an engine changes no score.
    unrecorded = {
        field
        for field, (spec, _) in declared_options(chosen.options).items()
        if spec.role in ("windows", "local", "engine") or spec.only_if_chosen
    }
    assert {*recorded} | unrecorded >= {field.name for field in dataclasses.fields(options)}

    task = read_embedded_task(embeddings)
    kept = read_predictions(tmp_path / "w")
    assert len(kept) == len({one.seed for one in results})
    # A protocol of one seed may keep its predictions without a folder for it, read as seed 0.
    for result in results:
        arrays = kept[result.seed if result.seed in kept else 0][result.fold]
        assert arrays["clip"].tolist() == task.row_names(result.fold)["clip"].tolist()
        assert arrays["prediction"].shape == arrays["target"].shape
        right = arrays["prediction"].argmax(axis=1) == arrays["target"].argmax(axis=1)
        assert np.mean(right) == pytest.approx(result.scores["top1_acc"], abs=1e-6)


def without_validation(path: Path) -> Path:
    metadata = scene("novalid", GIVEN, "multiclass", ["top1_acc"])
    return make_scene_embeddings(path, metadata, {"train": 60, "test": 30}, ["x", "y"], 8)


def with_a_lone_clip(path: Path, mode: str) -> Path:
    """One label is of one clip alone, which is in the first split."""
    names = ["train", "valid", "test"] if mode == GIVEN else [f"fold0{n}" for n in range(3)]
    metadata = scene("lone", mode, "multiclass", ["top1_acc", "mAP"])
    labels = ["x", "y", "lone"]
    make_scene_embeddings(path, metadata, dict.fromkeys(names, 30), labels, 8)
    relabel(path, names, {"lone": "x"})
    relabel(path, names[:1], {}, first="lone")
    return path


def relabel(path: Path, splits: list[str], renamed: dict[str, str], first: str = "") -> None:
    for split in splits:
        clips = json.loads((path / f"{split}.json").read_text())
        rows = read_embedded_task(path).row_names(split)["clip"].tolist()
        clips = {clip: [renamed.get(label, label) for label in own] for clip, own in clips.items()}
        if first:
            clips[rows[0]] = [first]
        (path / f"{split}.json").write_text(json.dumps(clips))
        labels = [clips[clip] for clip in rows]
        (path / f"{split}.target-labels.pkl").write_bytes(pickle.dumps(labels))


def tiny(path: Path) -> Path:
    """Fewer training clips than k, and than a batch."""
    metadata = scene("tiny", GIVEN, "multiclass", ["top1_acc"])
    return make_scene_embeddings(path, metadata, {"train": 4, "valid": 2, "test": 4}, ["x", "y"], 8)


BAD: dict[str, Callable[[Path], Path]] = {
    "no validation split": without_validation,
    "a label of one clip": lambda path: with_a_lone_clip(path, GIVEN),
    "a label of one clip, folds": lambda path: with_a_lone_clip(path, KFOLD),
    "fewer clips than k": tiny,
}
# What must be refused; all else may be evaluated, but then wholly.
REFUSED = {
    **{("no validation split", name): "no split 'valid'" for name in SCENE_PROTOCOLS},
    ("fewer clips than k", "knn"): "k is 10, but there are 4 training rows",
}
TAKES_NO_VALIDATION = ("knn", "mteb-fewshot", "linear-fusion")  # none, or a draw of its own


@pytest.mark.parametrize("name", SCENE_PROTOCOLS)
@pytest.mark.parametrize("fault", BAD)
def test_a_task_at_fault_is_evaluated_or_refused_in_one_line(
    tmp_path: Path, fault: str, name: str
) -> None:
    embeddings = embedded_for(protocol(name), BAD[fault](tmp_path / "e"))
    before = digests(embeddings)
    expected = (
        "" if name in TAKES_NO_VALIDATION and "valid" in fault else REFUSED.get((fault, name))
    )
    try:
        results = protocol(name).evaluate(
            embeddings, tmp_path / "w", fast_options(protocol(name)), lambda part, what: None
        )
    except UserError as error:
        assert "\n" not in str(error)
        assert expected is None or (expected and expected in str(error))
    else:
        assert not expected
        n_folds = len(folds(read_embedded_task(embeddings).metadata))
        assert len(results) == n_folds * len({one.seed for one in results})
        assert all(np.isfinite(one.scores["top1_acc"]) for one in results)
    assert digests(embeddings) == before


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
