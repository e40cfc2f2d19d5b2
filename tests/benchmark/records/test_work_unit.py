"""Units of work: one value gives the folder keys and what may share a table."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import UserError
from benchmark.records.json_form import RecordError, from_json, to_json
from benchmark.records.work_unit import (
    EmbeddingUnit,
    EvaluationUnit,
    ModelIdentity,
    Part,
    device_class,
    parse_embedding_unit,
    part_of,
)

MODEL = ModelIdentity(
    module="hear_plugins.crepe",
    code="c0de",
    version="hear-plugins 0.1.0",
    options={"hop_ms": 50},
    weights="ab" * 32,
    sample_rate=16000,
)
EMBEDDING = EmbeddingUnit(
    model=MODEL,
    task="esc50-v2.0.0-full",
    task_hash="cd" * 32,
    representation="scene",
    resampler="soxr HQ from 44100 Hz",
)
EVALUATION = EvaluationUnit(
    embedding=EMBEDDING,
    protocol="hear",
    version=1,
    code="f00d",
    options={"grid": "default", "grid_points": 8},
    seeds=(42,),
    engine="native",
    threads=2,
)


def changed(**changes: Any) -> EvaluationUnit:
    """The unit with fields changed by their names, wherever they stand."""
    model = {k: changes.pop(f"model_{k}") for k in list(vars(MODEL)) if f"model_{k}" in changes}
    embedding = {k: changes.pop(k) for k in list(vars(EMBEDDING)) if k in changes}
    return replace(
        EVALUATION,
        embedding=replace(EMBEDDING, model=replace(MODEL, **model), **embedding),
        **changes,
    )


CHANGES: list[tuple[dict[str, Any], Part]] = [
    ({"model_module": "mine"}, Part.ROW),
    ({"model_code": "0ther"}, Part.NOTE),
    ({"model_version": None}, Part.NOTE),
    ({"model_options": {}}, Part.ROW),
    ({"model_weights": "ef" * 32}, Part.ROW),
    ({"model_sample_rate": 32000}, Part.NOTE),
    ({"model_dtype": "bfloat16"}, Part.ROW),
    ({"model_device": "cuda"}, Part.ROW),
    ({"model_tf32": True}, Part.ROW),
    ({"model_compiled": True}, Part.ROW),
    ({"task": "esc50-v2.0.0-small"}, Part.COLUMN),
    ({"task_hash": "00" * 32}, Part.COLUMN),
    ({"representation": "timestamps"}, Part.COLUMN),
    ({"resampler": "torchaudio from 44100 Hz"}, Part.ROW),
    ({"batch_clips": 1}, Part.NOTE),
    ({"limit": 10}, Part.COLUMN),
    ({"protocol": "hear-multiseed"}, Part.TABLE),
    ({"version": 2}, Part.TABLE),
    ({"code": "new"}, Part.NOTE),
    ({"options": {"grid": "default", "grid_points": 8, "parallel_grid": True}}, Part.TABLE),
    ({"seeds": (0, 1, 2, 3, 4)}, Part.TABLE),
    ({"engine": "kit"}, Part.NOTE),
    ({"threads": 1}, Part.NOTE),
    ({"device": "cuda"}, Part.TABLE),
    ({"layers": "5+12"}, Part.ROW),
]


def test_every_field_is_tried() -> None:
    count = sum(len(fields(each)) for each in (MODEL, EMBEDDING, EVALUATION)) - 2
    assert len(CHANGES) == count


@pytest.mark.parametrize(("change", "part"), CHANGES, ids=lambda each: str(each))
def test_every_field_changes_the_keys_and_one_part(change: dict[str, Any], part: Part) -> None:
    other = changed(**change)
    assert other.key != EVALUATION.key
    assert other.folder != EVALUATION.folder
    assert other.record != EVALUATION.record
    differing = [p for p in Part if part_of(other, p) != part_of(EVALUATION, p)]
    assert differing == [part]
    inside_embedding = any(key in vars(EMBEDDING) or key.startswith("model_") for key in change)
    assert (other.embedding.folder != EMBEDDING.folder) == inside_embedding
    assert (other.model.folder != MODEL.folder) == any(k.startswith("model_") for k in change)


def test_folders_are_named_for_readers() -> None:
    assert Path(f"hear_plugins.crepe-{MODEL.key}") in EMBEDDING.folder.parents
    assert EMBEDDING.folder.name == f"esc50-v2.0.0-full-{EMBEDDING.key}"
    assert EVALUATION.folder == EMBEDDING.folder / f"hear-native-{EVALUATION.key}"
    assert EVALUATION.record == EMBEDDING.folder / f"hear-native-{EVALUATION.key}.json"


def test_keys_never_change_by_themselves() -> None:
    """Raised by hand when a field is added, unless as `LATER`: then all is made again."""
    assert (MODEL.key, EMBEDDING.key, EVALUATION.key) == (
        "28de3e60",
        "9624a64f",
        "38b0995a",
    )


def test_keys_do_not_depend_on_the_order_of_options() -> None:
    turned = dict(reversed(EVALUATION.options.items()))
    assert replace(EVALUATION, options=turned).key == EVALUATION.key


def test_units_survive_the_disk() -> None:
    of_layers = (changed(model_options={"layers": (1, 2)}), changed(layers="5+12"))
    for unit in (EMBEDDING, EVALUATION, *of_layers):
        again = from_json(type(unit), json.loads(json.dumps(to_json(unit))))
        assert again == unit
        assert again.key == unit.key
    assert parse_embedding_unit(to_json(EMBEDDING)) == EMBEDDING


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": [1.5]}, r"seeds\[0\]: expected a whole number, got 1.5"),
        ({"options": None}, "options: expected a mapping, got None"),
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"protocol": "../../etc"}, "protocol '../../etc' cannot name a folder"),
        ({"device": "cuda:0"}, "device 'cuda:0' is not a class of devices"),
        ({"embedding": {}}, "missing key 'embedding.batch_clips'"),
    ],
)
def test_wrong_units_are_refused_by_key(change: dict[str, Any], message: str) -> None:
    with pytest.raises((UserError, RecordError), match=message):
        from_json(EvaluationUnit, {**to_json(EVALUATION), **change})


def test_a_wrong_embedding_unit_is_an_error_of_its_record() -> None:
    with pytest.raises(RecordError, match="task '' cannot name a folder"):
        parse_embedding_unit({**to_json(EMBEDDING), "task": ""})


def test_options_that_are_not_json_are_named() -> None:
    for wrong in ({"a": {1, 2}}, {"a": float("nan")}):
        with pytest.raises(UserError, match="hear_plugins.crepe: options .* are not JSON values"):
            replace(MODEL, options=wrong)


def test_device_class() -> None:
    assert [device_class(d) for d in ("cpu", "cuda", "cuda:0")] == ["cpu", "cuda", "cuda"]
