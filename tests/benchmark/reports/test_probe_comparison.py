"""How the ranking of models changes with the probe."""

from __future__ import annotations

import math
from typing import Any
from xml.etree import ElementTree

import pytest
from made_up_records import made_up

from benchmark.errors import UserError
from benchmark.records.record import Record
from benchmark.reports.probe_comparison import compare_probes

ESC50, PITCH = "esc50-v2.0.0-full", "nsynth_pitch-v2.2.3-5h"


def probe(name: str, folder: str, **scores: Any) -> list[Record]:
    metric = "top1_acc" if folder == ESC50 else "pitch_acc"
    return [
        made_up(module, folder, {metric: values}, unit={"protocol": name, "options": {}})
        for module, values in scores.items()
    ]


RECORDS = [
    *probe("linear", ESC50, crepe=[0.1, 0.3], logmel=0.3, byol_a=0.4, m2d=0.5),
    *probe("linear", PITCH, crepe=0.9, logmel=0.3, byol_a=0.4, m2d=0.5),
    *probe("knn", ESC50, crepe=0.3, logmel=0.2, byol_a=0.1, m2d=0.05),
    *probe("knn", PITCH, crepe=0.9, logmel=0.3, byol_a=0.4, m2d=0.5),
]


def test_rankings_are_correlated() -> None:
    found = compare_probes(RECORDS)
    assert found.probes == ("protocol knn", "protocol linear")
    assert found.correlations["protocol knn", "protocol linear"] == {
        "esc50": pytest.approx(-1),
        "nsynth_pitch": pytest.approx(1),
    }
    assert found.mean_correlation("protocol linear", "protocol knn") == pytest.approx(0)
    assert found.mean_correlation("protocol knn", "protocol knn") == 1
    assert found.mean_ranks["protocol linear"]["crepe"] == 2.5
    assert found.mean_ranks["protocol knn"]["crepe"] == 1
    table = found.to_markdown()
    assert "| crepe | 1.00 | 2.50 |" in table
    assert "| protocol knn | 1.00 | 0.00 |" in table
    assert found.to_csv().count("\n") == 3
    drawing = ElementTree.fromstring(found.to_svg())
    assert sum(part.tag.endswith("path") for part in drawing.iter()) == 4


def test_less_is_better_where_it_is() -> None:
    def by(name: str, values: dict[str, float]) -> list[Record]:
        return [
            made_up(
                module,
                "dcase2016_task2-hear2021-full",
                {"segment_1s_er": value},
                unit={"protocol": name, "options": {}},
            )
            for module, value in values.items()
        ]

    records = by("hear", {"crepe": 0.2, "m2d": 0.5, "logmel": 3.0})
    records += by("hear-multiseed", {"crepe": 0.2, "m2d": 0.5, "logmel": 0.9})
    found = compare_probes(records)
    assert found.mean_ranks["protocol hear"] == {"crepe": 1, "m2d": 2, "logmel": 3}


def test_what_not_all_have_is_left_out_and_said() -> None:
    more = [*RECORDS, *probe("linear", ESC50, passt=0.9)]
    found = compare_probes(more)
    assert "passt" not in found.models
    assert found.left_out == ("passt has not been measured under all probes on all of these tasks",)
    assert "- passt has not" in found.to_markdown()


def test_a_probe_that_tells_no_models_apart_has_no_correlation() -> None:
    same = probe("knn", ESC50, crepe=0.5, logmel=0.5, byol_a=0.5, m2d=0.5)
    found = compare_probes([*probe("linear", ESC50, crepe=1, logmel=0.5, byol_a=0, m2d=0.2), *same])
    assert math.isnan(found.mean_correlation("protocol knn", "protocol linear"))
    assert "| protocol knn | 1.00 | - |" in found.to_markdown()


def test_too_little_to_compare_is_one_line() -> None:
    with pytest.raises(UserError, match="at least two"):
        compare_probes(RECORDS[:4])
    with pytest.raises(UserError, match="0 of 2 protocols have measured 3 models or more"):
        compare_probes([RECORDS[0], RECORDS[1], RECORDS[8], RECORDS[9]])
    with pytest.raises(UserError, match="at least 3 on one task: choose by --protocols"):
        compare_probes([*RECORDS[:4], *RECORDS[12:]])


def test_a_task_is_one_whatever_its_clips_are_embedded_as() -> None:
    scores = {"crepe": 0.3, "logmel": 0.2, "byol_a": 0.1}
    windows = [
        made_up(
            module,
            ESC50,
            {"top1_acc": score},
            unit={"protocol": "support", "options": {}},
            embedding={"representation": f"windows:{seconds}"},
        )
        for module, score in scores.items()
        for seconds in (1, 3)
    ]
    found = compare_probes([*probe("knn", ESC50, **scores), *windows])
    assert found.probes == (
        "protocol knn",
        "protocol support, windows:1",
        "protocol support, windows:3",
    )
    assert found.mean_correlation("protocol knn", "protocol support, windows:3") == 1


def test_a_probe_of_few_models_is_left_out_and_said() -> None:
    found = compare_probes([*RECORDS, *probe("linear-fusion", ESC50, crepe=0.3, m2d=0.1)])
    assert "protocol linear-fusion" not in found.probes
    assert found.left_out == ("protocol linear-fusion: fewer than 3 models on any task",)
