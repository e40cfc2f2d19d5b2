"""Figures: what is drawn, and what is said without matplotlib."""

from __future__ import annotations

import builtins
import io
from typing import Any
from xml.etree import ElementTree

import matplotlib.image
import pytest
from made_up_records import made_up

from benchmark.errors import UserError
from benchmark.records.published_sources import SOURCES
from benchmark.records.significance import compare_ranks
from benchmark.reports.figures import critical_difference, curves
from benchmark.reports.paper_layouts import LAYOUTS
from benchmark.reports.paper_tables import paper_table

RANKS = compare_ranks([[3, 2, 1.9], [3, 2, 1], [3, 1, 2], [3, 2, 1]], ["a & b", "crepe", "<c>"])


def texts(svg: bytes) -> list[str]:
    return [
        "".join(part.itertext())
        for part in ElementTree.fromstring(svg).iter()
        if part.tag.endswith("}text")
    ]


def pixels(png: bytes) -> Any:
    return matplotlib.image.imread(io.BytesIO(png), format="png")


def test_a_diagram_names_every_model_with_its_rank() -> None:
    drawn = critical_difference(RANKS, "Ranks of three")
    found = texts(drawn["svg"])
    assert {"a & b  (1.00)", "crepe  (2.25)", "<c>  (2.75)", "Ranks of three"} <= set(found)
    assert f"CD = {RANKS.critical_difference:.2f}" in found
    assert pixels(drawn["png"]).std() > 0.01


def test_equal_input_makes_equal_files() -> None:
    assert critical_difference(RANKS, "x") == critical_difference(RANKS, "x")


def test_more_than_the_axis_is_said() -> None:
    few = compare_ranks([[1, 2, 3], [3, 2, 1]], ["a", "b", "c"])
    assert "CD = 2.34 (beyond the axis)" in texts(critical_difference(few, "x")["svg"])


def test_curves_have_published_values_and_ours() -> None:
    source = SOURCES["Temporal support"]
    records = [
        made_up(
            "logmel",
            "esc50-v2.0.0-full",
            {"top1_acc": {seed: [0.5 + 0.01 * seed] for seed in source.seeds or ()}},
            unit={
                "protocol": source.protocol,
                "version": source.version,
                "options": dict(source.options),
            },
            embedding={"representation": f"windows:{seconds}"},
        )
        for seconds in (1, 3)
    ]
    without = curves(paper_table(LAYOUTS["support"], []))
    drawn = curves(paper_table(LAYOUTS["support"], records))
    found = texts(drawn["svg"])
    assert {"OpenMIC", "TAU Urban", "ESC-50", "window (s)"} <= set(found)
    assert found.count("BYOL-A v2, mAP, attention") == 1
    assert "logmel, ours, top1_acc, mean" in found
    assert not any("ours" in text for text in texts(without["svg"]))
    assert pixels(drawn["png"]).shape[1] > 1000


def test_a_table_without_a_figure_says_so() -> None:
    with pytest.raises(UserError, match="matpac-2 has no figure"):
        curves(paper_table(LAYOUTS["matpac-2"], []))


def test_without_matplotlib_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"pip install 'hear-plugins\[figures\]'"):
        critical_difference(RANKS, "x")
