"""Evaluations are done once, kept, and written as records whatever the scores."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from embedded_tasks import make_kfold
from filelock import FileLock

from benchmark.errors import UserError
from benchmark.execution.evaluate import FINISHED_FILE, evaluate
from benchmark.protocols.hear.folds import folds
from benchmark.protocols.hear.options import HearOptions
from benchmark.protocols.registry import PROTOCOLS_REGISTRY, protocol
from benchmark.protocols.result import FoldResult
from benchmark.records.comparability import boards
from benchmark.records.record import read_record

TASK = {
    "task_name": "tiny",
    "version": "v1",
    "mode": "small",
    "embedding_type": "event",
    "prediction_type": "multilabel",
    "split_mode": "trainvaltest",
    "splits": ["train", "valid", "test"],
    "evaluation": ["event_onset_200ms_fms"],
}
EMBEDDING = {
    "model": "some.model-12345678",
    "module": "some.model",
    "options": {},
    "weights": {"weights": "none"},
    "embedding_size": 4,
    "hop_ms": 50.0,
    "resampler": "none",
    "task": "tiny",
    "task_hash": "ab" * 32,
    "seconds": {"total": 1.0},
    "audio_seconds": 10.0,
    "versions": {},
    "machine": {},
}


class Engine:
    """An engine that gives one score at once and counts its calls."""

    def __init__(self, score: float = 0.5) -> None:
        self.calls = 0
        self.score = score

    def __call__(self, embeddings: Path, work: Path, options: Any, on_progress: Any) -> Any:
        self.calls += 1
        return (FoldResult("test", 42, {"event_onset_200ms_fms": self.score}),)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine()
    hear = PROTOCOLS_REGISTRY.get("hear")
    monkeypatch.setitem(PROTOCOLS_REGISTRY.built_in, "hear", replace(hear, evaluate=engine))
    return engine


@pytest.fixture
def embeddings(tmp_path: Path) -> Path:
    folder = tmp_path / "out" / "embeddings" / "some.model-12345678" / "tiny-v1-small-abababab"
    folder.mkdir(parents=True)
    (folder / "task_metadata.json").write_text(json.dumps(TASK))
    (folder / "embedding.json").write_text(json.dumps(EMBEDDING))
    return folder


def ignore(part: float, what: str) -> None:
    pass


def run(embeddings: Path, name: str = "hear", **options: Any) -> Path:
    chosen = protocol(name)
    return evaluate(embeddings, embeddings.parents[2], chosen, chosen.options(**options), ignore)


def test_a_record_is_written_once(embeddings: Path, engine: Engine) -> None:
    path = run(embeddings, engine="kit")
    written = path.read_bytes()
    record = read_record(path)
    assert (record.model, record.protocol, record.engine) == (EMBEDDING["model"], "hear", "kit")
    assert record.settings == {"grid": "default", "grid_points": 8, "threads": 2}
    assert record.scores == {"test": {"event_onset_200ms_fms": 0.5}}
    assert run(embeddings, engine="kit") == path
    assert (path.read_bytes(), engine.calls) == (written, 1)


def test_what_changes_scores_is_another_evaluation(embeddings: Path, engine: Engine) -> None:
    paths = {
        run(embeddings),
        run(embeddings, grid="fast"),
        run(embeddings, grid_points=7),
        run(embeddings, threads=1),
        run(embeddings, engine="kit"),
    }
    assert len(paths) == engine.calls == 5
    assert run(embeddings, in_memory=False) in paths


@pytest.mark.parametrize("damage", [Path.unlink, lambda record: record.write_text("{")])
def test_a_lost_record_is_written_again_without_training(
    damage: Any, embeddings: Path, engine: Engine
) -> None:
    record = run(embeddings)
    scores = read_record(record).scores
    damage(record)
    assert read_record(run(embeddings)).scores == scores
    assert engine.calls == 1


def test_undefined_scores_are_null(embeddings: Path, engine: Engine) -> None:
    engine.score = math.nan
    assert read_record(run(embeddings)).scores == {"test": {"event_onset_200ms_fms": None}}


def test_errors_say_what_to_do(embeddings: Path, engine: Engine) -> None:
    work = embeddings.parents[2] / "evaluations"
    run(embeddings)
    (finished,) = work.rglob(FINISHED_FILE)
    (embeddings.parents[2] / "records").rename(embeddings.parents[2] / "elsewhere")
    with (
        FileLock(finished.with_name(".lock")),
        pytest.raises(UserError, match="another process is at this evaluation"),
    ):
        run(embeddings)
    (embeddings / "embedding.json").unlink()
    with pytest.raises(UserError, match="not complete; embed again first"):
        run(embeddings)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"grid": "slow"}, "unknown grid 'slow': choose one of default, fast, faster"),
        ({"grid_points": 0}, "grid_points is 0: expected a whole number of at least 1"),
        ({"threads": 1.5}, "threads is 1.5: expected a whole number of at least 1"),
        ({"engine": "fast"}, "unknown engine 'fast': choose one of native, kit"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        HearOptions(**options)


def test_folds_are_those_of_the_kit() -> None:
    task = {"split_mode": "new_split_kfold", "splits": ["fold01", "fold00", "fold02", "fold03"]}
    assert folds(task)[0] == ("fold00", ("fold02", "fold03"), "fold01", "fold00")
    assert folds(task)[3] == ("fold03", ("fold01", "fold02"), "fold00", "fold03")
    assert folds(TASK) == [("test", ("train",), "valid", "test")]
    with pytest.raises(ValueError, match="unknown split_mode 'random'"):
        folds({"split_mode": "random"})


def test_the_kit_lacks_what_is_ours_alone() -> None:
    hear = protocol("hear")
    with pytest.raises(UserError, match="does not have training the grid in parallel"):
        hear.check(HearOptions(engine="kit", parallel_grid=True))
    with pytest.raises(UserError, match="does not have training on cuda"):
        hear.check(HearOptions(engine="kit", device="cuda"))
    hear.check(HearOptions(parallel_grid=True))
    with pytest.raises(UserError, match="--train-device tpu: not available here"):
        hear.check(HearOptions(device="tpu"))


def test_seeds_decide_what_is_comparable(tmp_path: Path) -> None:
    embeddings = make_kfold(tmp_path / "out" / "embeddings" / EMBEDDING["model"] / "kfold")
    (embeddings / "embedding.json").write_text(json.dumps(EMBEDDING))
    metadata = embeddings / "task_metadata.json"
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "mode": "small"}))
    quick = {"grid": "faster", "grid_points": 1, "threads": 1}
    plain = read_record(run(embeddings, **quick))
    several = read_record(run(embeddings, "hear-multiseed", **quick, seeds=(3, 8)))
    one = read_record(run(embeddings, "hear-multiseed", **quick, seeds=(3,)))
    assert (several.protocol, several.seeds) == ("hear-multiseed", (3, 8))
    assert (several.runs_are, list(several.scores)) == ("repeats", ["seed 3", "seed 8"])
    assert (plain.protocol, plain.seeds) == ("hear", (42,))
    assert len(boards([plain, several, one])) == 3, "they must not meet in a table"
