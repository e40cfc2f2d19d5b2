"""Records of the first schema: migrated with every number, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark.records.json_form import RecordError
from benchmark.records.migration import main, migrated
from benchmark.records.record import read_records
from benchmark.records.statistics import Score

OLD: dict[str, Any] = {
    "schema": 1,
    "model": "hear_plugins.crepe-3911c386",
    "module": "hear_plugins.crepe",
    "options": {"hop_ms": 25, "--dtype": "bfloat16"},
    "weights": {"weights": "package", "state_sha256": "4a39"},
    "embedding_size": 2048,
    "hop_ms": None,
    "resampler": "soxr HQ from 44100 Hz",
    "task": "esc10",
    "task_version": "v1",
    "task_mode": "full",
    "task_hash": "ef8b",
    "domain": "environment",
    "demo": False,
    "embedding_type": "scene",
    "prediction_type": "multiclass",
    "protocol": "hear",
    "engine": "native",
    "settings": {"grid": "fast", "grid_points": 2, "threads": 1},
    "seeds": [42],
    "runs_are": "folds",
    "primary_metric": "top1_acc",
    "scores": {"fold00": {"top1_acc": 0.5, "mAP": None}, "fold01": {"top1_acc": 0.7, "mAP": 0.1}},
    "training": {"fold00": {"epoch": 3.0}, "fold01": {"epoch": 4.0}},
    "hparams": {"lr": 0.001},
    "postprocessing": None,
    "seconds": {"total": 1.0, "evaluate": 2.0},
    "audio_seconds": 10.0,
    "versions": {"embedding": {"hear-plugins": "0.1.0"}, "evaluation": {}},
    "machine": {"embedding": {"gpus": []}, "evaluation": {}},
    "commit": None,
    "date": "2026-11-20T18:38:07+00:00",
}


def test_every_number_and_setting_goes_over() -> None:
    record = migrated(OLD)
    assert record.scores == (
        Score("fold00", 42, "top1_acc", 0.5),
        Score("fold00", 42, "mAP", None),
        Score("fold01", 42, "top1_acc", 0.7),
        Score("fold01", 42, "mAP", 0.1),
    )
    assert [training.values for training in record.trainings] == [{"epoch": 3.0}, {"epoch": 4.0}]
    assert all(training.hparams == {"lr": 0.001} for training in record.trainings)
    unit, model = record.unit, record.unit.model
    assert (unit.protocol, unit.version, unit.engine, unit.threads) == ("hear", 1, "native", 1)
    assert (unit.options, unit.seeds) == ({"grid": "fast", "grid_points": 2}, (42,))
    assert (unit.embedding.task, unit.embedding.task_hash) == ("esc10-v1-full", "ef8b")
    assert unit.embedding.resampler == "soxr HQ from 44100 Hz"
    assert (model.options, model.dtype, model.weights) == ({"hop_ms": 25}, "bfloat16", "4a39")
    assert (model.code, model.sample_rate, model.device) == (None, None, "cpu")
    assert record.date == OLD["date"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "not a result record of schema 1"),
        ({"protocol": "hear-shuffled"}, "its folds were not kept; evaluate again"),
        ({"scores": {"test": {"top1_acc": 1.0, "d_prime": None}}}, "may have been infinite"),
        ({"weights": {"weights": "file"}}, "digest of its weights was not recorded"),
        (
            {"machine": {"embedding": {"gpus": ["H100"]}, "evaluation": {}}},
            "the embedding's device was not recorded",
        ),
        ({"task_hash": 3}, "unit.embedding.task_hash: expected text, got 3"),
        ({"scores": None}, "not a result record of schema 1"),
    ],
)
def test_what_lacks_something_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        migrated({**OLD, **change})
    with pytest.raises(RecordError, match="missing key 'settings'"):
        migrated({key: value for key, value in OLD.items() if key != "settings"})


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    (old / "a.json").write_text(json.dumps(OLD))
    (old / "b.json").write_text("{")
    assert main([str(old), str(new)]) == 1
    assert "b.json" in capsys.readouterr().out
    (record,) = read_records(new)
    assert (new / record.unit.record).is_file()
    written = (new / record.unit.record).read_bytes()
    (old / "a.json").write_text(json.dumps({**OLD, "date": "2026-11-21"}))
    assert main([str(old), str(new)]) == 1
    assert "exists already" in capsys.readouterr().out
    assert (new / record.unit.record).read_bytes() == written
    assert json.loads((old / "a.json").read_text())["schema"] == 1
    assert main([str(tmp_path / "nowhere"), str(new)]) == 2
