"""The study of the linear probe's speed, on a small task."""

from __future__ import annotations

from pathlib import Path

from benchmark.protocols.linear import LinearOptions
from benchmark.studies.probe_speed import study


def test_the_study_trains_every_rate_and_fold(tmp_path: Path) -> None:
    options = LinearOptions(seeds=(0, 1), learning_rates=(1e-2, 1e-3), max_epochs=3)
    report = study(tmp_path, options, (3, 30, 16, 5))
    assert report["trainings"] == 2 * 2 * 3
    assert len(report["best_epochs"]) == 6
    assert 0 < report["accuracy"] <= 1
    assert report["cpu_seconds"] >= 0
