"""Layers under the protocols: what they score, and that nothing is done twice or mixed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_task import make_task

from benchmark.embeddings.extract import embed
from benchmark.errors import UserError
from benchmark.execution.evaluate import FINISHED_FILE, evaluate
from benchmark.models.hear_module import ModelSpec, load_model
from benchmark.protocols.registry import protocol, protocols
from benchmark.records.comparability import comparable_groups
from benchmark.records.record import Record, read_record
from tasks.folder import TaskFolder

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

FAST: dict[str, dict[str, Any]] = {
    "hear": {"grid": "faster", "grid_points": 1},
    "hear-multiseed": {"grid": "faster", "grid_points": 1, "seeds": (0, 1)},
    "hear-standardized": {"grid": "faster", "grid_points": 1},
    "linear": {"seeds": (0, 1), "learning_rates": (1e-2, 1e-3)},
    "linear-fusion": {"seeds": (42,), "max_epochs": 30},
    "mteb-fewshot": {"clips_per_label": 2},
}
ON_SCENES = [one.name for one in protocols() if one.representation in ("scene", "task")]
SLOW = ("hear", "hear-multiseed", "hear-standardized", "xares", "xares-fixed")


@pytest.fixture
def task(tmp_path: Path) -> TaskFolder:
    return make_task(tmp_path, clips=12, seconds=(0.2, 0.1))


def scored(
    out: Path, task: TaskFolder, name: str, layers: str = "", **options: Any
) -> tuple[Path, Record]:
    """The record of `layered_hear` under a protocol, and the folder of its evaluation."""
    model = load_model(ModelSpec("layered_hear", options=options))
    made = embed(model, task, out, representation="layers" if layers else "scene")
    chosen = protocol(name)
    path = evaluate(
        made.path, out, chosen, chosen.options(**FAST.get(name, {})), lambda *_: None, layers
    )
    work = out / "evaluations" / path.relative_to(out / "records").with_suffix("")
    return work, read_record(path)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.long] if n in SLOW else []) for n in ON_SCENES]
)
def test_a_layer_scores_as_a_model_that_has_it_for_its_scene_embedding(
    tmp_path: Path, task: TaskFolder, name: str
) -> None:
    work, found = scored(tmp_path / "layers", task, name, "1+3")
    _, expected = scored(tmp_path / "scene", task, name, scene=(1, 3))
    assert found.scores == expected.scores, "to the last digit"
    assert found.embedding_size == expected.embedding_size == 8
    assert found.unit.layers == "1+3" and found.unit.key != expected.unit.key
    assert not (work / "layers").exists()


def test_what_a_killed_evaluation_left_changes_nothing(tmp_path: Path, task: TaskFolder) -> None:
    work, first = scored(tmp_path / "first", task, "linear", "2")
    left = tmp_path / "second" / work.relative_to(tmp_path / "first") / "layers"
    left.mkdir(parents=True)
    (left / "fold00.embeddings.npy").write_bytes(b"half")
    _, second = scored(tmp_path / "second", task, "linear", "2")
    assert second.scores == first.scores
    done = (work / FINISHED_FILE).stat().st_mtime_ns
    assert scored(tmp_path / "first", task, "linear", "2")[1] == first
    assert (work / FINISHED_FILE).stat().st_mtime_ns == done, "it was done again"


@pytest.mark.parametrize("name", ["linear", "linear-fusion"])
def test_weights_of_layers_are_learned_and_recorded(
    tmp_path: Path, task: TaskFolder, name: str
) -> None:
    _, record = scored(tmp_path, task, name, "weighted")
    assert record.unit.layers == "weighted" and record.embedding_size == 4
    for training in record.trainings:
        weights = [training.values[f"weight_of_layer_{number}"] for number in (1, 2, 3)]
        assert sum(weights) == pytest.approx(1) and len(set(weights)) > 1
    _, single = scored(tmp_path, task, name, "1")
    assert "weight_of_layer_1" not in single.trainings[0].values


def test_layers_are_rows_of_the_table_of_the_model(tmp_path: Path, task: TaskFolder) -> None:
    found = [scored(tmp_path, task, "knn", layers)[1] for layers in ("3", "1", "1+3", "")]
    (group,) = comparable_groups(found)
    assert list(group.rows.values()) == [
        "layered_hear",
        "layered_hear, layer 1",
        "layered_hear, layer 3",
        "layered_hear, layers 1+3",
    ]
    assert list(group.tasks.values()) == ["tiny"]
    assert group.replaced == 0 and len(group.records) == 4


def test_other_protocols_refuse(tmp_path: Path, task: TaskFolder) -> None:
    for name in ON_SCENES:
        if name not in ("linear", "linear-fusion"):
            with pytest.raises(UserError, match="learns no weights.*linear, linear-fusion do$"):
                scored(tmp_path, task, name, "weighted")
    for name in ("attentive", "support"):
        with pytest.raises(UserError, match="of which --layers are not made"):
            scored(tmp_path, task, name, "1")


def test_embeddings_of_one_kind_are_not_taken_for_the_other(
    tmp_path: Path, task: TaskFolder
) -> None:
    knn, model = protocol("knn"), load_model(ModelSpec("layered_hear"))
    for made, layers, message in (
        ("scene", "1", "embedded as layers, but this one is as scene"),
        ("layers", "", "embedded as scene, but this one is as layers"),
    ):
        folder = embed(model, task, tmp_path, representation=made).path
        with pytest.raises(UserError, match=message):
            evaluate(folder, tmp_path, knn, knn.options(), lambda *_: None, layers)
