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

from benchmark.errors import BusyError, UserError
from benchmark.execution import evaluate as module
from benchmark.execution.evaluate import FINISHED_FILE, LOCK_FILE, evaluate
from benchmark.protocols.hear.folds import folds
from benchmark.protocols.hear.options import HearOptions
from benchmark.protocols.registry import PROTOCOLS_REGISTRY, protocol
from benchmark.protocols.result import FoldResult
from benchmark.records.comparability import comparable_groups
from benchmark.records.json_form import to_json
from benchmark.records.record import read_record
from benchmark.records.statistics import Score
from benchmark.records.work_unit import EmbeddingUnit, ModelIdentity

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
UNIT = EmbeddingUnit(
    model=ModelIdentity(
        module="some.model",
        code="c0de",
        version=None,
        options={},
        weights="none",
        sample_rate=16000,
    ),
    task="tiny-v1-small",
    task_hash="ab" * 32,
    representation="timestamps",
    resampler="none",
)
EMBEDDING: dict[str, Any] = {
    "unit": to_json(UNIT),
    "name": "",
    "weights": {"weights": "none"},
    "embedding_size": 4,
    "hop_ms": 50.0,
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
    folder = tmp_path / "out" / "embeddings" / UNIT.folder
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
    unit = record.unit
    assert unit.embedding == UNIT
    assert (unit.protocol, unit.version, unit.engine, unit.threads) == ("hear", 1, "kit", 2)
    assert (unit.options, unit.seeds) == ({"grid": "default", "grid_points": 8}, (42,))
    assert record.scores == (Score("test", 42, "event_onset_200ms_fms", 0.5),)
    assert path == embeddings.parents[2] / "records" / unit.record
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


def test_devices_of_one_class_are_one_evaluation(embeddings: Path, engine: Engine) -> None:
    assert run(embeddings, device="cuda") == run(embeddings, device="cuda:0") != run(embeddings)


def test_what_a_change_of_version_or_code_makes_old_is_evaluated_again(
    embeddings: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(embeddings)
    hear = PROTOCOLS_REGISTRY.get("hear")
    monkeypatch.setitem(PROTOCOLS_REGISTRY.built_in, "hear", replace(hear, version=2))
    second = run(embeddings)
    monkeypatch.setattr(module, "functions_hash", lambda functions: "another")
    third = run(embeddings)
    assert len({first, second, third}) == engine.calls == 3
    assert len(comparable_groups(map(read_record, (first, second)))) == 2
    (group,) = comparable_groups(map(read_record, (second, third)))
    assert group.replaced == 1


def test_a_lost_record_is_written_again_without_training(embeddings: Path, engine: Engine) -> None:
    record = run(embeddings)
    scores = read_record(record).scores
    record.unlink()
    assert read_record(run(embeddings)).scores == scores
    assert engine.calls == 1


@pytest.mark.parametrize(
    ("content", "said"), [("{", "not JSON"), ('{"schema": 99}', "a newer hear-plugins wrote it")]
)
def test_a_record_that_cannot_be_read_is_never_overwritten(
    embeddings: Path, engine: Engine, content: str, said: str
) -> None:
    record = run(embeddings)
    record.write_text(content)
    with pytest.raises(UserError, match=f"{said}.*It is not overwritten: move it away"):
        run(embeddings)
    assert record.read_text() == content


def test_a_new_display_name_reaches_the_record(embeddings: Path, engine: Engine) -> None:
    date = read_record(run(embeddings)).date
    (embeddings / "embedding.json").write_text(json.dumps({**EMBEDDING, "name": "mine"}))
    record = read_record(run(embeddings))
    assert (record.name, record.date, engine.calls) == ("mine", date, 1)


def test_undefined_scores_are_null_and_infinite_ones_kept(embeddings: Path, engine: Engine) -> None:
    engine.score = math.nan
    assert read_record(run(embeddings)).scores[0].value is None
    engine.score = math.inf
    assert read_record(run(embeddings, grid="fast")).scores[0].value == math.inf


def test_an_evaluation_that_another_process_is_at_is_busy(embeddings: Path, engine: Engine) -> None:
    record = run(embeddings)
    record.unlink()
    (finished,) = (embeddings.parents[2] / "evaluations").rglob(FINISHED_FILE)
    with (
        FileLock(finished.with_name(LOCK_FILE)),
        pytest.raises(BusyError, match="another process is at this evaluation"),
    ):
        run(embeddings)
    assert run(embeddings) == record


def test_errors_say_what_to_do(embeddings: Path, engine: Engine) -> None:
    run(embeddings)
    (embeddings / "embedding.json").write_text(json.dumps({**EMBEDDING, "unit": None}))
    with pytest.raises(UserError, match="names no unit of work .* embed again"):
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


def scenes(tmp_path: Path, representation: str = "scene") -> Path:
    """Embeddings of a scene task."""
    unit = replace(UNIT, representation=representation)
    embeddings = make_kfold(tmp_path / "out" / "embeddings" / unit.folder)
    (embeddings / "embedding.json").write_text(json.dumps({**EMBEDDING, "unit": to_json(unit)}))
    metadata = embeddings / "task_metadata.json"
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "mode": "small"}))
    return embeddings


@pytest.mark.parametrize(
    ("name", "made", "wanted"),
    [
        ("hear", "timestamps", "scene"),
        ("attentive", "scene", "timestamps"),
        ("support", "windows:3", "windows:1"),
    ],
)
def test_another_representation_is_one_line(
    tmp_path: Path, name: str, made: str, wanted: str
) -> None:
    with pytest.raises(UserError, match=f"scene tasks embedded as {wanted}, but .* as {made}"):
        run(scenes(tmp_path, made), name)


def test_seeds_decide_what_is_comparable_and_folds_are_kept(tmp_path: Path) -> None:
    embeddings = scenes(tmp_path)
    quick: dict[str, Any] = {"grid": "faster", "grid_points": 1, "threads": 1}
    plain = read_record(run(embeddings, **quick))
    several = read_record(run(embeddings, "hear-multiseed", **quick, seeds=(3, 8)))
    one = read_record(run(embeddings, "hear-multiseed", **quick, seeds=(3,)))
    assert (several.unit.protocol, several.unit.seeds) == ("hear-multiseed", (3, 8))
    names = list(dict.fromkeys(score.fold for score in plain.scores))
    runs = {(score.fold, score.seed) for score in several.scores}
    assert runs == {(fold, seed) for fold in names for seed in (3, 8)} and len(names) > 1
    assert (plain.unit.protocol, plain.unit.seeds) == ("hear", (42,))
    assert len(comparable_groups([plain, several, one])) == 3, "they must not meet in a table"
    for_seed_3 = [score for score in several.scores if score.seed == 3]
    assert for_seed_3 == list(one.scores)
    clips = [len(json.loads((embeddings / f"{fold}.json").read_text())) for fold in names]
    assert plain.task.test_clips == sum(clips)
