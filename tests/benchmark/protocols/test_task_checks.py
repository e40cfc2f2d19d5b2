"""What a task asks of its evaluation is checked before any work, alike by verify and run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from task_fixtures import make_task

from benchmark.cli.main import main
from benchmark.errors import UserError
from benchmark.protocols.registry import protocol, protocols
from tasks.entries import DEMO_ENTRIES, ENTRIES

SCENE = {
    "task_name": "tiny",
    "embedding_type": "scene",
    "prediction_type": "multiclass",
    "split_mode": "trainvaltest",
    "splits": ["train", "valid", "test"],
    "evaluation": ["top1_acc"],
}
EVENT = SCENE | {
    "embedding_type": "event",
    "prediction_type": "multilabel",
    "evaluation": ["event_onset_200ms_fms"],
}
GRID, EVENTS = "task_specific_param_grid", "event_postprocessing_grid"


def grid(**values: Any) -> dict[str, Any]:
    return SCENE | {"evaluation_params": {GRID: values}}


def events(**values: Any) -> dict[str, Any]:
    return EVENT | {"evaluation_params": {EVENTS: values}}


WRONG = [
    (SCENE | {"evaluation": ["top2_acc"]}, "tiny: unknown metric 'top2_acc', did you mean"),
    (SCENE | {"evaluation": ["segment_1s_er"]}, "a metric of event tasks, but this is a scene"),
    (grid(lr=0.1), r"task_specific_param_grid.lr must be a list of values, not 0.1"),
    (grid(lr=[]), "lr must be a list of values"),
    (grid(lr=["0.1"]), "lr must hold numbers from"),
    (grid(lr=[float("nan")]), "lr must hold numbers from"),
    (grid(max_epochs=[True]), "max_epochs must hold whole numbers from 1"),
    (grid(hidden_dim=[10**9]), "hidden_dim must hold whole numbers from 1 to 65536"),
    (grid(dropout=[1.5]), "dropout must hold numbers from 0 to 0.99"),
    (grid(norm_after_activation=[0]), "must hold true or false"),
    (grid(optim=["sgd"]), "knows no other optim than its own"),
    (grid(batchsize=[2]), "has 'batchsize', did you mean 'batch_size'"),
    (grid(patience=list(range(1, 2000))), "makes a grid of .* points, expected at most"),
    (SCENE | {"evaluation_params": {GRID: [3]}}, "must be an object of lists"),
    (events(median=[250]), "has 'median', expected one of threshold, median_filter_ms, min_dur"),
    (events(median_filter_ms=[1e12]), "median_filter_ms must be a list of numbers from 0 to"),
    (events(threshold=[2]), "threshold must be a list of numbers from 0 to 1"),
    (events(min_duration=5), "min_duration must be a list of numbers"),
    (
        events(min_duration=[5, 6]) | {"use_scoring_for_early_stopping": False},
        "must have one point in event_postprocessing_grid, not 2",
    ),
]


@pytest.mark.parametrize(("metadata", "said"), WRONG, ids=[said[:30] for _, said in WRONG])
def test_what_has_no_meaning_is_named(metadata: dict[str, Any], said: str) -> None:
    for name in ("hear", "hear-standardized", "hear-multiseed"):
        with pytest.raises(UserError, match=said) as caught:
            protocol(name).require_task(metadata)
        assert "\n" not in str(caught.value)


def test_tasks_that_are_built_in_are_right() -> None:
    for entry in (*ENTRIES.values(), *DEMO_ENTRIES):
        metadata = SCENE | {"task_name": entry.name} | dict(entry.config)
        protocol("hear").require_task(metadata)


def test_a_protocol_refuses_tasks_of_another_kind() -> None:
    for one in protocols():
        for metadata in (SCENE, EVENT):
            if metadata["embedding_type"] in one.embedding_types:
                one.require_task(metadata)
            else:
                with pytest.raises(UserError, match=f"protocol {one.name} evaluates scene tasks"):
                    one.require_task(metadata)


def test_verify_and_run_refuse_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_task(tmp_path / "tasks")
    path = folder / "task_metadata.json"
    changes = {"evaluation_params": {GRID: {"hidden_dim": [10**9]}}}
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    there = ["--tasks-dir", str(tmp_path / "tasks")]
    assert main(["tasks", "verify", *there]) == 1
    said = capsys.readouterr().out
    assert "hidden_dim must hold whole numbers from 1 to 65536" in said
    run = ["run", "hear_plugins.logmel", *there, "--out", str(tmp_path / "out")]
    assert main(run) == 1
    said = capsys.readouterr().err
    assert "hidden_dim must hold whole numbers from 1 to 65536" in said
    assert not list((tmp_path / "out").rglob("embeddings")), "nothing was embedded in vain"
