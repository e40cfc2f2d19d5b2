"""The protocols ``linear`` and ``linear-fusion`` on small tasks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from embedded_tasks import GIVEN, make_easy, make_kfold, make_multilabel, make_pitch, scene

from benchmark.embeddings.store import write_info
from benchmark.errors import UserError
from benchmark.probes.linear import probabilities
from benchmark.protocols.fusion_rates import published_rate
from benchmark.protocols.linear import LinearOptions
from benchmark.protocols.linear_fusion import FusionOptions
from benchmark.protocols.registry import protocol
from benchmark.protocols.result import FoldResult
from benchmark.protocols.scenes.evaluation import SceneTask
from benchmark.studies.synthetic import make_scene_embeddings

LINEAR = LinearOptions(seeds=(3, 4), learning_rates=(1e-1, 1e-2), max_epochs=12, patience=3)
FUSION = FusionOptions(seeds=(42, 43), learning_rate=2e-2, max_epochs=40, patience=40)
CASES = [("linear", LINEAR), ("linear-fusion", FUSION)]


def run(name: str, embeddings: Path, work: Path, options: Any) -> tuple[FoldResult, ...]:
    return protocol(name).evaluate(embeddings, work, options, lambda part, what: None)


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("make", [make_kfold, make_multilabel])
def test_every_seed_and_fold_has_a_result(
    tmp_path: Path, name: str, options: Any, make: Any
) -> None:
    embeddings = make(tmp_path / "embeddings")
    said: list[tuple[float, str]] = []
    results = protocol(name).evaluate(
        embeddings, tmp_path / "work", options, lambda part, what: said.append((part, what))
    )
    folds = [fold.name for fold in SceneTask(embeddings).folds]
    assert [(one.seed, one.fold) for one in results] == [
        (seed, fold) for seed in options.seeds for fold in folds
    ]
    metadata = json.loads((embeddings / "task_metadata.json").read_text())
    for one in results:
        assert list(one.scores)[: len(metadata["evaluation"])] == metadata["evaluation"]
        assert next(iter(one.scores.values())) > 0.6  # chance is a third
        kept = np.load(tmp_path / "work" / f"seed-{one.seed}" / f"{one.fold}.predictions.npz")
        assert kept["prediction"].shape == kept["target"].shape == kept["logit"].shape
        assert len(kept["clip"]) == len(kept["target"])
    parts = [part for part, _ in said]
    assert parts == sorted(parts)
    assert parts[-1] == 1


@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_same_again_is_the_same_and_trains_nothing(
    tmp_path: Path, name: str, options: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeddings = make_kfold(tmp_path / "embeddings")
    first = run(name, embeddings, tmp_path / "a", options)
    again = run(name, embeddings, tmp_path / "b", options)
    assert [one.scores for one in first] == [one.scores for one in again]
    monkeypatch.setattr("benchmark.protocols.scenes.linear_fits.train_linear", None)
    assert run(name, embeddings, tmp_path / "a", options) == first


def test_an_interrupted_evaluation_goes_on(tmp_path: Path) -> None:
    embeddings = make_kfold(tmp_path / "embeddings")
    whole = run("linear", embeddings, tmp_path / "a", LINEAR)

    def stop(part: float, what: str) -> None:
        if part > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        protocol("linear").evaluate(embeddings, tmp_path / "b", LINEAR, stop)
    assert list((tmp_path / "b").glob("seed-*/*.result.json"))
    resumed = run("linear", embeddings, tmp_path / "b", LINEAR)
    assert [one.scores for one in resumed] == [one.scores for one in whole]


def test_other_options_use_nothing_that_is_kept(tmp_path: Path) -> None:
    embeddings = make_kfold(tmp_path / "embeddings")
    run("linear", embeddings, tmp_path / "a", LINEAR)
    other = LinearOptions(seeds=(3, 4), learning_rates=(1e-6,), max_epochs=2)
    results = run("linear", embeddings, tmp_path / "a", other)
    assert {one.hparams["learning_rate"] for one in results} == {1e-6}


def test_each_fold_chooses_its_rate_by_its_own_validation_loss(tmp_path: Path) -> None:
    results = run("linear", make_kfold(tmp_path / "embeddings"), tmp_path / "work", LINEAR)
    for one in results:
        tried = {k: v for k, v in one.training.items() if k.startswith("validation_loss_at_")}
        assert len(tried) == 2
        assert one.training["validation_loss"] == min(tried.values())
        rate = one.hparams["learning_rate"]
        assert one.training["validation_loss"] == tried[f"validation_loss_at_{rate:g}"]
    assert results[0].scores != results[3].scores or results[1].scores != results[4].scores


def test_fusion_validates_on_a_tenth_with_every_label(tmp_path: Path) -> None:
    from benchmark.protocols.scenes.linear_fits import draw_validation

    scene_task = SceneTask(make_kfold(tmp_path / "embeddings", rows=100))
    everything = scene_task.examples("fold00", "fold01")
    train, valid = draw_validation(everything, scene_task, torch.Generator().manual_seed(0))
    assert (train.count, valid.count) == (181, 21)
    assert not {*train.chosen.tolist()} & {*valid.chosen.tolist()}
    assert valid.multi_hot.any(dim=0).all()


@pytest.mark.parametrize(
    ("module", "options", "task", "rate", "reason"),
    [
        ("hear_plugins.cnn14_fusion", {}, "surge", 3e-5, "published for CNN14-Fusion on surge"),
        ("hear_plugins.cnn14_fusion", {}, "esc50", 3e-4, "published default"),
        ("hear_plugins.vggish", {"postprocess": False}, "esc50", 3e-3, "for VGGish on esc50"),
        ("hear_plugins.vggish_fusion", {"layers": [22]}, "esc50", 3e-3, "for VGGish on esc50"),
        ("hear_plugins.vggish", {}, "esc50", 3e-4, "published default"),  # after its quantisation
        ("somebody.elses", {}, "surge", 3e-4, "published default"),
    ],
)
def test_the_published_rate_is_taken_and_recorded(
    tmp_path: Path, module: str, options: dict[str, Any], task: str, rate: float, reason: str
) -> None:
    embeddings = make_easy(tmp_path / "e")
    write_info(embeddings, {"module": module, "options": options, "task_name": task})
    published = FusionOptions(seeds=(42,), max_epochs=2)
    (one,) = run("linear-fusion", embeddings, tmp_path / "a", published)
    assert one.hparams["learning_rate"] == rate
    assert reason in one.hparams["learning_rate_is"]
    own = FusionOptions(seeds=(42,), max_epochs=2, learning_rate=0.5)
    (one,) = run("linear-fusion", embeddings, tmp_path / "b", own)
    assert one.hparams == {"learning_rate": 0.5, "learning_rate_is": "chosen by --learning-rate"}


@pytest.mark.parametrize(
    ("layers", "rate", "reason"),
    [
        ("3", 1e-4, "published for AST layers on surge"),
        ("5+12", 1e-4, "published for AST-Fusion on surge"),
        ("weighted", 3e-4, "published default"),
    ],
)
def test_layers_have_rates_of_their_own(layers: str, rate: float, reason: str) -> None:
    assert published_rate("hear_plugins.ast", {}, "surge", layers) == (rate, reason)


def test_probabilities_are_softmax_or_sigmoids() -> None:
    logits = torch.tensor([[1.0, 3.0]])
    assert float(probabilities(logits, True).sum()) == pytest.approx(1)
    torch.testing.assert_close(probabilities(logits, False), logits.sigmoid())


def test_a_task_without_validation_split_is_one_line(tmp_path: Path) -> None:
    metadata = scene("novalid", GIVEN, "multiclass", ["top1_acc"])
    embeddings = make_scene_embeddings(
        tmp_path / "embeddings", metadata, {"train": 60, "test": 30}, ["x", "y"], 8
    )
    with pytest.raises(UserError, match="no split 'valid'"):
        run("linear", embeddings, tmp_path / "a", LINEAR)
    assert len(run("linear-fusion", embeddings, tmp_path / "b", FUSION)) == 2


def test_too_few_clips_for_a_validation_set_are_one_line(tmp_path: Path) -> None:
    metadata = scene("few", GIVEN, "multiclass", ["top1_acc"])
    one = make_scene_embeddings(
        tmp_path / "one", metadata, {"train": 31, "test": 30}, list(range(30)), 8
    )
    with pytest.raises(UserError, match="has one training clip"):
        run("linear-fusion", one, tmp_path / "a", FUSION)
    few = make_scene_embeddings(tmp_path / "few", metadata, {"train": 20, "test": 9}, "abcd", 8)
    with pytest.raises(UserError, match="draws of 2 validation clips held all of 4 labels"):
        run("linear-fusion", few, tmp_path / "b", FUSION)


def test_an_event_task_is_one_line(tmp_path: Path) -> None:
    from embedded_tasks import make_dcase

    with pytest.raises(UserError, match="event task"):
        run("linear", make_dcase(tmp_path / "embeddings"), tmp_path / "work", LINEAR)


def test_large_tasks_are_evaluated_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings = make_pitch(tmp_path / "embeddings", rows=90)
    held = run("linear-fusion", embeddings, tmp_path / "a", FUSION)
    monkeypatch.setattr("benchmark.embeddings.dataset.HELD_BYTES", 0)
    from_disk = run("linear-fusion", embeddings, tmp_path / "b", FUSION)
    assert [one.scores for one in held] == [one.scores for one in from_disk]
