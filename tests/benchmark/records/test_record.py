"""Result records: made from what an engine leaves, written, read, and refused."""

from __future__ import annotations

import json
import math
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_records import made_up
from scipy import stats

from benchmark.records import environment as machine
from benchmark.records.record import (
    SCHEMA,
    Record,
    RecordError,
    make_record,
    parse_record,
    read_record,
    read_records,
    record_json,
    spread,
    summarise,
    write_record,
)

EMBEDDING: dict[str, Any] = {
    "model": "crepe-0123abcd",
    "module": "hear_plugins.crepe",
    "options": {},
    "weights": {"weights": "package"},
    "embedding_size": 2048,
    "hop_ms": None,
    "resampler": "none",
    "task_hash": "0123",
    "seconds": {"model": 2.0, "total": 3.0},
    "audio_seconds": 60.0,
    "versions": {"torch": "2.13.0"},
    "machine": {"cpu": "of the embedding"},
    "device": "cpu",
}
TASK: dict[str, Any] = {
    "task_name": "esc10",
    "version": "v1",
    "mode": "full",
    "embedding_type": "scene",
    "prediction_type": "multiclass",
    "evaluation": ["top1_acc", "mAP"],
}


def kit_run(accuracy: float, average_precision: float) -> dict[str, float]:
    return {
        "test_loss": 0.7,
        "test_score": accuracy,
        "test_top1_acc": accuracy,
        "test_mAP": average_precision,
        "validation_score": 0.8,
        "epoch": 23,
        "time_in_min": 0.25,
    }


def kit_result() -> dict[str, Any]:
    """What hear-eval-kit leaves for a task of two folds."""
    return {
        "fold00": kit_run(0.5, 0.6),
        "fold01": kit_run(0.7, math.nan),
        "aggregated_scores": {"test_score_mean": 0.6, "test_score_std": 0.1414},
        "hparams": {"lr": 0.001, "initialization": "<function xavier_uniform_ at 0x7f3a1c>"},
        "postprocessing": None,
        "score_mode": "max",
        "embedding_path": "embeddings/crepe/esc10",
    }


def from_kit(result: dict[str, Any], **changes: Any) -> Record:
    arguments: dict[str, Any] = {
        "embedding": EMBEDDING,
        "task": TASK,
        "protocol": "hear",
        "engine": "kit",
        "settings": {"grid": "fast"},
        "seeds": [42],
        "seconds": 12.5,
        "versions": {"torch": "2.12.0"},
        "machine": {"cpu": "of the evaluation"},
        "commit": "abc",
    }
    return make_record(result, **{**arguments, **changes})


def test_record_of_folds_keeps_every_run() -> None:
    record = from_kit(kit_result())
    assert record.scores == {
        "fold00": {"top1_acc": 0.5, "mAP": 0.6},
        "fold01": {"top1_acc": 0.7, "mAP": None},
    }
    assert record.runs_are == "folds"
    assert record.primary_metric == "top1_acc"
    assert record.training["fold01"] == {
        "validation_score": 0.8,
        "epoch": 23.0,
        "time_in_min": 0.25,
        "test_loss": 0.7,
    }
    assert record.seconds == {"model": 2.0, "total": 3.0, "evaluate": 12.5}
    assert record.versions["embedding"]["torch"] == "2.13.0"
    assert record.versions["evaluation"]["torch"] == "2.12.0"
    assert record.machine["embedding"]["cpu"] == "of the embedding"
    assert record.task_folder == "esc10-v1-full"


def test_addresses_of_functions_do_not_make_records_differ() -> None:
    assert from_kit(kit_result()).hparams["initialization"] == "<function xavier_uniform_>"


def test_record_of_a_single_split() -> None:
    record = from_kit({"test": kit_run(0.5, 0.6), "hparams": {}, "postprocessing": [["m", 250]]})
    assert list(record.scores) == ["test"]
    assert record.runs_are == "split"
    assert record.postprocessing == [["m", 250]]
    assert summarise(record)["top1_acc"] == spread([0.5])


@pytest.mark.parametrize(
    ("name", "domain", "demo"),
    [("esc10", "environment", False), ("demo_pitch", "music", True), ("my_task", "", False)],
)
def test_domain_and_demo_follow_from_the_task(name: str, domain: str, demo: bool) -> None:
    record = from_kit(kit_result(), task={**TASK, "task_name": name})
    assert (record.domain, record.demo) == (domain, demo)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embedding": {**EMBEDDING, "hop_ms": "50"}}, "hop_ms: expected a finite number"),
        (
            {"embedding": {k: v for k, v in EMBEDDING.items() if k != "resampler"}},
            "embedding.json: missing key 'resampler'",
        ),
        ({"task": {**TASK, "evaluation": ["d_prime"]}}, "lacks the primary metric 'd_prime'"),
        ({"task": {}}, "task_metadata.json: missing key 'task_name'"),
    ],
)
def test_material_that_is_not_right(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        from_kit(kit_result(), **changes)


def test_result_without_scores() -> None:
    with pytest.raises(RecordError, match="scores: expected at least one run"):
        from_kit({"aggregated_scores": {"test_score": 1.0}})


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12))
def test_spread_is_numpy_and_scipy(values: list[float]) -> None:
    found = spread(values)
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    low, high = stats.t.interval(0.95, len(values) - 1, loc=0.0, scale=max(error, 1e-300))
    assert found.mean == pytest.approx(np.mean(values), abs=1e-12)
    assert found.std == pytest.approx(np.std(values, ddof=1), abs=1e-12)
    assert found.ci95 == pytest.approx((high - low) / 2, abs=1e-12)


def test_spread_leaves_out_what_is_not_defined() -> None:
    assert spread([0.2, None, 0.4]).n == 2
    assert spread([0.2, None, 0.4]).mean == pytest.approx(0.3)
    assert spread([None]).mean is None


NAMES = st.text(min_size=1, max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
SCORES = st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=6)


@given(
    scores=st.dictionaries(NAMES, SCORES, min_size=1, max_size=3),
    options=st.dictionaries(NAMES, JSON, max_size=3),
    seeds=st.lists(st.integers(0, 2**63), max_size=4),
    hop=st.none() | st.floats(0.1, 1000),
    text=st.text(),
)
def test_records_survive_the_disk(
    tmp_path_factory: pytest.TempPathFactory,
    scores: dict[str, list[float | None]],
    options: dict[str, Any],
    seeds: list[int],
    hop: float | None,
    text: str,
) -> None:
    count = min(map(len, scores.values()))
    record = replace(
        made_up(scores={metric: values[:count] for metric, values in scores.items()}),
        options=options,
        seeds=tuple(seeds),
        hop_ms=hop,
        resampler=text,
    )
    path = tmp_path_factory.mktemp("records") / "record.json"
    write_record(path, record)
    assert read_record(path) == record


def test_summary_in_the_file_is_that_of_the_runs(tmp_path: Path) -> None:
    write_record(tmp_path / "r.json", made_up(scores={"top1_acc": [0.5, 0.7]}))
    summary = json.loads((tmp_path / "r.json").read_text())["summary"]
    assert summary["top1_acc"]["mean"] == pytest.approx(0.6)
    assert summary["top1_acc"]["ci95"] == pytest.approx(12.7062 * 0.1, abs=1e-4)


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


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "not a result record: it has no key 'schema'"),
        ({"model": "crepe"}, "not a result record: it has no key 'schema'"),
        (changed(schema=SCHEMA + 1), "a newer hear-plugins wrote it: update"),
        (changed(schema="one"), "schema: 'one' is not the schema 1"),
        (changed(colour="red"), "unknown key 'colour'"),
        (without("task_hash"), "missing key 'task_hash'"),
        (changed(task=3), "task: expected text, got 3"),
        (changed(demo=1), "demo: expected true or false, got 1"),
        (changed(embedding_size=2.5), "embedding_size: expected a whole number, got 2.5"),
        (changed(embedding_size=True), "embedding_size: expected a whole number, got True"),
        (changed(seeds=42), "seeds: expected a list, got 42"),
        (changed(seeds=["a"]), r"seeds\[0\]: expected a whole number, got 'a'"),
        (changed(options=[]), r"options: expected a mapping, got \[\]"),
        (
            changed(scores={"fold00": {"top1_acc": "high"}}),
            "scores.fold00.top1_acc: expected a finite number, got 'high'",
        ),
        (changed(scores={}), "scores: expected at least one run"),
        (changed(scores={"a": {"mAP": 1}}), "scores.a: lacks the primary metric 'top1_acc'"),
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
    record = made_up(scores={"mAP": [0.1, None, 0.3]})
    assert parse_record(record_json(record)) == record


def test_machine_and_versions_are_json() -> None:
    described = machine.describe_machine()
    assert described == json.loads(json.dumps(described))
    assert described["cpu"] and described["cores"] >= 1
    versions = machine.package_versions(["numpy", "no-such-package"])
    assert set(versions) == {"python", "numpy"}


def test_commit_is_only_that_of_a_checkout_of_this_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment in somebody else's repository holds our files, but does not track them."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "theirs.txt").touch()
    subprocess.run([*git, "add", "theirs.txt"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "theirs"], check=True)
    ours = tmp_path / "benchmark" / "environment.py"
    ours.parent.mkdir()
    ours.touch()
    monkeypatch.setattr(machine, "__file__", str(ours))
    assert machine.git_commit() is None
    subprocess.run([*git, "add", "benchmark"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "ours"], check=True)
    commit = machine.git_commit()
    assert commit and len(commit) == 40
    ours.write_text("changed")
    assert machine.git_commit() == f"{commit}+changes"
