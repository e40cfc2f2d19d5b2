"""Result records: made, written, read, and refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_records import made_up, made_up_json

from benchmark.records.json_form import RecordError
from benchmark.records.record import (
    SCHEMA,
    Record,
    Training,
    make_record,
    parse_record,
    read_record,
    read_records,
    record_json,
    write_record,
)
from benchmark.records.statistics import Score

EMBEDDING: dict[str, Any] = {
    "name": "my CREPE",
    "weights": {"weights": "package"},
    "embedding_size": 2048,
    "hop_ms": None,
    "seconds": {"model": 2.0, "total": 3.0},
    "audio_seconds": 60.0,
    "versions": {"torch": "2.13.0"},
    "machine": {"cpu": "of the embedding"},
}
TASK: dict[str, Any] = {
    "task_name": "esc10",
    "version": "v1",
    "mode": "full",
    "prediction_type": "multiclass",
    "evaluation": ["top1_acc", "mAP"],
}
SCORES = (
    Score("fold00", 42, "top1_acc", 0.5),
    Score("fold00", 42, "mAP", math.inf),
    Score("fold01", 42, "top1_acc", 0.7),
    Score("fold01", 42, "mAP", None),
)
TRAININGS = (
    Training("fold00", 42, {"epoch": 23.0}, {"lr": 0.001}, None),
    Training("fold01", 42, {"epoch": 4.0}, {"lr": 0.01}, [["median_filter_ms", 250]]),
)


def made(**changes: Any) -> Record:
    arguments: dict[str, Any] = {
        "unit": made_up().unit,
        "scores": SCORES,
        "trainings": TRAININGS,
        "embedding": EMBEDDING,
        "task": TASK,
        "seconds": 12.5,
        "versions": {"torch": "2.12.0"},
        "machine": {"cpu": "of the evaluation"},
        "commit": "abc",
        "chance": {"top1_acc": 0.1},
        "test_clips": 400,
    }
    return make_record(**{**arguments, **changes})


def test_a_record_keeps_every_fold_seed_and_metric() -> None:
    record = made()
    assert record.scores == SCORES
    assert record.trainings == TRAININGS
    assert record.unit == made_up().unit
    assert (record.primary_metric, record.metrics()) == ("top1_acc", ["top1_acc", "mAP"])
    assert record.seconds == {"model": 2.0, "total": 3.0, "evaluate": 12.5}
    assert record.versions["embedding"]["torch"] == "2.13.0"
    assert record.versions["evaluation"]["torch"] == "2.12.0"
    assert record.machine["embedding"]["cpu"] == "of the embedding"
    assert (record.name, record.chance, record.task.test_clips) == (
        "my CREPE",
        {"top1_acc": 0.1},
        400,
    )


@pytest.mark.parametrize(
    ("name", "domain", "demo"),
    [("esc10", "environment", False), ("demo_pitch", "music", True), ("my_task", "", False)],
)
def test_domain_and_demo_follow_from_the_task(name: str, domain: str, demo: bool) -> None:
    record = made(task={**TASK, "task_name": name})
    assert (record.task.domain, record.task.demo) == (domain, demo)


def test_whether_the_task_is_the_published_one_is_kept() -> None:
    record = made(published=False, published_note="100 clips, not 2,000")
    assert (record.task.published, record.task.published_note) == (False, "100 clips, not 2,000")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embedding": {**EMBEDDING, "hop_ms": "50"}}, "hop_ms: expected a finite number"),
        (
            {"embedding": {k: v for k, v in EMBEDDING.items() if k != "weights"}},
            "embedding.json: missing key 'weights'",
        ),
        ({"task": {**TASK, "evaluation": ["d_prime"]}}, "lacks the primary metric 'd_prime'"),
        ({"task": {}}, "task_metadata.json: missing key 'task_name'"),
        ({"scores": ()}, "scores: expected at least one"),
        ({"scores": (*SCORES, SCORES[0])}, "top1_acc of fold 'fold00', seed 42 is there twice"),
        ({"scores": SCORES[:2]}, "trainings: expected one for each fold and seed.*fold01"),
        ({"trainings": (*TRAININGS, TRAININGS[0])}, "trainings: expected one for each fold"),
        (
            {"scores": [Score("fold00", 1, "top1_acc", 0.5)]},
            r"scores: they are of the seeds \[1\], the unit says \(42,\)",
        ),
    ],
)
def test_material_that_is_not_right(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        made(**changes)


NAMES = st.text(min_size=1, max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
VALUES = st.lists(
    st.none() | st.floats(-1e6, 1e6) | st.sampled_from([math.inf, -math.inf]),
    min_size=1,
    max_size=6,
)


@given(
    scores=st.dictionaries(NAMES, VALUES, min_size=1, max_size=3),
    options=st.dictionaries(NAMES, JSON, max_size=3),
    hop=st.none() | st.floats(0.1, 1000),
    text=st.text(),
)
def test_records_survive_the_disk(
    tmp_path_factory: pytest.TempPathFactory,
    scores: dict[str, list[float | None]],
    options: dict[str, Any],
    hop: float | None,
    text: str,
) -> None:
    count = min(map(len, scores.values()))
    columns = {metric: values[:count] for metric, values in scores.items()}
    data = made_up_json(scores=columns, model={"options": options}, hop_ms=hop, name=text)
    for score in data["scores"]:
        if score["value"] in (math.inf, -math.inf):
            score["value"] = "inf" if score["value"] > 0 else "-inf"
    record = parse_record(data)
    path = tmp_path_factory.mktemp("records") / "record.json"
    write_record(path, record)
    assert read_record(path) == record


def test_the_summary_in_the_file_is_that_of_the_scores(tmp_path: Path) -> None:
    write_record(tmp_path / "r.json", made_up(scores={"top1_acc": [0.5, 0.7], "mAP": [1.0, None]}))
    summary = json.loads((tmp_path / "r.json").read_text())["summary"]
    assert summary["top1_acc"]["mean"] == pytest.approx(0.6)
    assert summary["top1_acc"]["ci95"] == pytest.approx(12.7062 * 0.1, abs=1e-4)
    assert (summary["mAP"]["mean"], summary["mAP"]["undefined"]) == (None, 1)


def test_files_hold_one_score_a_line(tmp_path: Path) -> None:
    write_record(tmp_path / "r.json", made())
    line = '{"fold": "fold00", "seed": 42, "metric": "mAP", "value": "inf"}'
    assert f"  {line}," in (tmp_path / "r.json").read_text().splitlines()


def test_writing_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.json"
    write_record(path, made_up())
    before = path.read_bytes()

    def full_disk(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_record(path, made_up(scores={"top1_acc": 0.9}))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def changed(**changes: Any) -> dict[str, Any]:
    return {**record_json(made_up()), **changes}


def without(key: str) -> dict[str, Any]:
    return {k: v for k, v in record_json(made_up()).items() if k != key}


def with_score(value: Any) -> dict[str, Any]:
    score = {"fold": "test", "seed": 42, "metric": "top1_acc", "value": value}
    return {**without("summary"), "scores": [score]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "not a result record: it has no key 'schema'"),
        ({"model": "crepe"}, "not a result record: it has no key 'schema'"),
        (changed(schema=SCHEMA + 1), "a newer hear-plugins wrote it: update"),
        (changed(schema=1), "benchmark.records.migration FROM TO"),
        (changed(schema="one"), "schema: 'one' is not the schema 2"),
        (changed(colour="red"), "unknown key 'colour'"),
        (without("unit"), "missing key 'unit'"),
        (changed(task={}), "missing key 'task.demo'"),
        (made_up_json(task={"demo": 1}), "task.demo: expected true or false, got 1"),
        (changed(embedding_size=2.5), "embedding_size: expected a whole number, got 2.5"),
        (changed(embedding_size=True), "embedding_size: expected a whole number, got True"),
        (made_up_json(unit={"seeds": 42}), "unit.seeds: expected a list, got 42"),
        (
            made_up_json(model={"options": []}),
            r"unit.embedding.model.options: expected a mapping, got \[\]",
        ),
        (made_up_json(model={"device": "cuda:0"}), "device 'cuda:0' is not a class of devices"),
        (with_score("high"), r"scores\[0\].value: expected a finite number, got 'high'"),
        (with_score(math.nan), r"scores\[0\].value: expected a finite number, got nan"),
        (changed(scores=[]), "scores: expected at least one"),
        (
            changed(summary={"top1_acc": {"mean": 0.99, "std": 0.07, "ci95": 0.6, "n": 2}}),
            "summary.top1_acc.mean: 0.99 does not follow from the scores",
        ),
        (changed(summary=None), "summary.top1_acc.mean: None does not follow"),
    ],
)
def test_what_is_not_a_record_is_refused_by_file_and_key(
    tmp_path: Path, data: Any, message: str
) -> None:
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(data))
    with pytest.raises(RecordError, match=message) as error:
        read_record(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "torn.json").write_text('{"schema": 1, "mod')
    with pytest.raises(RecordError, match="torn.json: not JSON"):
        read_record(tmp_path / "torn.json")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(RecordError, match="deep.json: not JSON"):
        read_record(tmp_path / "deep.json")
    (tmp_path / "nan.json").write_text(json.dumps(changed(audio_seconds=math.nan)))
    with pytest.raises(RecordError, match="audio_seconds: expected a finite number, got nan"):
        read_record(tmp_path / "nan.json")
    with pytest.raises(RecordError, match="gone.json: cannot be read: No such file"):
        read_record(tmp_path / "gone.json")
    with pytest.raises(RecordError, match="nowhere: not a folder"):
        read_records(tmp_path / "nowhere")


def test_read_records_finds_all_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for place, name in (("b/x.json", "opensmile"), ("a/y.json", "crepe"), ("c.json", "byol_a")):
        write_record(tmp_path / place, made_up(name))
    modules = [record.module.rpartition(".")[2] for record in read_records(tmp_path)]
    assert modules == ["crepe", "opensmile", "byol_a"]


def test_random_weights_are_known_by_the_provenance() -> None:
    assert made_up(weights={"weights": "random", "random_weights": 1}).random_weights
    assert not made_up().random_weights


def test_parse_record_takes_its_own_json() -> None:
    record = made_up(scores={"mAP": {0: [0.1, None], 1: [0.3, 0.4]}})
    assert parse_record(record_json(record)) == record
