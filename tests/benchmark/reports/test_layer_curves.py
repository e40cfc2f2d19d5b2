"""Scores against layers: what is in the curves, the table, the CSV and the drawing."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from made_up_records import made_up

from benchmark.cli.main import main
from benchmark.records.record import Record, write_record
from benchmark.reports.comparison import KeptPredictions
from benchmark.reports.formats import markdown
from benchmark.reports.layer_curves import curves_csv, draw_curves, layer_curves

ESC, PITCH = "esc50-v2.0.0-full", "nsynth_pitch-v2.2.3-5h"
LAYERS = {"representation": "layers"}


def record(layers: str, score: float | dict[int, list[float]], folder: str = ESC) -> Record:
    metric = "top1_acc" if folder == ESC else "pitch_acc"
    return made_up(
        "matpac",
        folder,
        {metric: score},
        unit={"layers": layers} if layers else None,
        embedding=LAYERS if layers else None,
    )


RECORDS = [
    record("10", 0.5),
    record("2", 0.7),
    record("2+10", 0.8),
    record("weighted", 0.75),
    record("", 0.6),
    record("2", 0.3, PITCH),
    made_up("crepe", ESC, {"top1_acc": 0.4}),
]


def test_curves_are_of_models_with_layers() -> None:
    (curves,) = layer_curves(RECORDS)
    assert curves.model == "matpac"
    assert list(curves.rows) == ["2", "10", "2+10", "weighted", ""]
    esc, pitch = curves.tasks
    assert curves.curve(esc) == [(2, 0.7, 0.0), (10, 0.5, 0.0)]
    assert curves.curve(pitch) == [(2, 0.3, 0.0)]
    assert curves.mean_curve() == [(2, pytest.approx(0.5))]
    assert not layer_curves([RECORDS[4], RECORDS[6]])


def test_the_table_and_the_csv() -> None:
    curves = layer_curves(RECORDS)
    text = markdown(curves[0].table(KeptPredictions()))
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if "|" in line}
    assert [name for name in lines if name][1:] == ["---", "2", "10", "2+10", "weighted"] + [
        "scene embedding"
    ]
    assert "**0.800**" in lines["2+10"] and "**" not in lines["10"]
    rows = list(csv.DictReader(io.StringIO(curves_csv(curves))))
    assert len(rows) == 6
    assert [row["mean"] for row in rows if row["layers"] == "scene"] == ["0.6"]


def test_intervals_over_seeds() -> None:
    (curves,) = layer_curves([record("1", {0: [0.5], 1: [0.6], 2: [0.7]})])
    ((layer, mean, half),) = curves.curve(next(iter(curves.tasks)))
    assert (layer, mean) == (1, pytest.approx(0.6))
    assert half == pytest.approx(4.302653 * 0.1 / 3**0.5, rel=1e-6)


def test_the_drawing_has_a_panel_a_model_and_a_line_a_task() -> None:
    pytest.importorskip("matplotlib")
    other = made_up("m2d", ESC, {"top1_acc": 0.9}, unit={"layers": "1"}, embedding=LAYERS)
    drawn = draw_curves(layer_curves([*RECORDS, other]))
    assert drawn["png"].startswith(b"\x89PNG")
    text = drawn["svg"].decode()
    for said in ("matpac", "m2d", "esc50, top1_acc", "nsynth_pitch, pitch_acc", "layer", "score"):
        assert said in text
    assert "crepe" not in text
    assert draw_curves(layer_curves([*RECORDS, other])) == drawn


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    for number, each in enumerate(RECORDS):
        write_record(tmp_path / "records" / f"{number}.json", each)
    assert main(["layer-curves", "--out", str(tmp_path), "hear_plugins.matpac"]) == 0
    assert "weighted" in capsys.readouterr().out
    written = {path.name for path in (tmp_path / "tables" / "layer-curves").glob("*/*")}
    assert written == {"layers.md", "layers.csv", "layers.png", "layers.svg"}
    assert main(["layer-curves", "--out", str(tmp_path), "hear_plugins.crepe"]) == 2
    assert "no records of layers of hear_plugins.crepe" in capsys.readouterr().err
