"""Evaluations are done once, kept, and written as records whatever the scores."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from embedded_tasks import make_kfold
from filelock import FileLock

from benchmark.errors import UserError
from benchmark.execution import evaluate as module
from benchmark.execution.evaluate import FINISHED_FILE, check_engine, evaluate
from benchmark.protocols.hear.options import HearOptions, folds
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
        return {"test": {"test_score": self.score, "test_event_onset_200ms_fms": self.score}}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine()
    monkeypatch.setattr(module, "_score", lambda name, *rest: engine(*rest))
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


def run(embeddings: Path, engine: str = "kit", **options: Any) -> Path:
    return evaluate(embeddings, embeddings.parents[2], engine, HearOptions(**options), ignore)


def test_a_record_is_written_once(embeddings: Path, engine: Engine) -> None:
    path = run(embeddings)
    written = path.read_bytes()
    record = read_record(path)
    assert (record.model, record.protocol, record.engine) == (EMBEDDING["model"], "hear", "kit")
    assert record.settings == {"grid": "default", "grid_points": 8, "threads": 2}
    assert record.scores == {"test": {"event_onset_200ms_fms": 0.5}}
    assert run(embeddings) == path
    assert (path.read_bytes(), engine.calls) == (written, 1)


def test_what_changes_scores_is_another_evaluation(embeddings: Path, engine: Engine) -> None:
    paths = {
        run(embeddings),
        run(embeddings, grid="fast"),
        run(embeddings, grid_points=7),
        run(embeddings, threads=1),
        run(embeddings, engine="native"),
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
    with pytest.raises(UserError, match="unknown engine 'fast': choose one of native, kit"):
        check_engine("fast", HearOptions())
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
        ({"grid_points": 0}, "grid_points must be a whole number of at least 1, not 0"),
        ({"threads": 1.5}, "threads must be a whole number of at least 1, not 1.5"),
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
    for options, lacking in (
        ({"protocol": "hear-shuffled"}, "hear-shuffled"),
        ({"parallel_grid": True}, "in parallel"),
        ({"device": "cuda"}, "on cuda"),
    ):
        with pytest.raises(UserError, match=lacking):
            check_engine("kit", HearOptions(**options))
        check_engine("native", HearOptions(**options))


def test_shuffled_seeds_are_a_protocol_of_their_own(tmp_path: Path) -> None:
    embeddings = make_kfold(tmp_path / "out" / "embeddings" / EMBEDDING["model"] / "kfold")
    (embeddings / "embedding.json").write_text(json.dumps(EMBEDDING))
    metadata = embeddings / "task_metadata.json"
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "mode": "small"}))
    quick = {"grid": "faster", "grid_points": 1, "threads": 1}
    plain = read_record(run(embeddings, "native", **quick))
    seeds = {"protocol": "hear-shuffled", "seeds": (3, 8)}
    shuffled = read_record(run(embeddings, "native", **quick, **seeds))
    assert (shuffled.protocol, shuffled.seeds) == ("hear-shuffled", (3, 8))
    assert (shuffled.runs_are, list(shuffled.scores)) == ("repeats", ["seed 3", "seed 8"])
    assert (plain.protocol, plain.seeds) == ("hear", (42,))
    assert len(boards([plain, shuffled])) == 2, "they must not meet in a table"
