"""Published tables at the command line, in every format."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from made_up_records import byol_s, made_up

from benchmark.cli.main import main
from benchmark.records.record import write_record
from benchmark.reports.formats import LATEX_PACKAGES
from benchmark.reports.paper_layouts import LAYOUTS

ESC50 = "esc50-v2.0.0-full"
FORMATS = {"md", "tex", "csv", "html"}


def tables(out: Path, words: str) -> int:
    return main(["tables", "--out", str(out), "--tasks-dir", str(out / "tasks"), *words.split()])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for record in (byol_s(ESC50, {"top1_acc": [0.8, 0.9]}), made_up()):
        write_record(tmp_path / "records" / record.unit.record, record)
    return tmp_path


def test_all_tables_in_all_formats(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tables(run, "--like all") == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    assert all(layout.title[:40] in printed for layout in LAYOUTS.values())
    names = {path.name for path in (run / "tables" / "like").iterdir()}
    pictures = {"support.png", "support.svg"}
    assert names == {f"{name}.{form}" for name in LAYOUTS for form in FORMATS} | pictures
    page = (run / "tables" / "like" / "support.html").read_text()
    assert "<svg" in page and "<?xml" not in page
    assert not re.search(r'(src|href)="(?!#)', page)


def test_ours_stand_beneath_the_published_row(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tables(run, "--like byol-s-6") == 0
    text = (run / "tables" / "like" / "byol-s-6.md").read_text()
    assert "| BYOL-S: ours |" in text and "| BYOL-S: difference |" in text
    assert "Ours: records of the protocol hear, grid default, grid_points 8; of no other." in text
    with (run / "tables" / "like" / "byol-s-6.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["ours"]]
    assert {(row["model"], row["own_model"], row["task"]) for row in rows} == {
        ("BYOL-S", "byol_s", "esc50"),
        ("CREPE", "crepe", "esc50"),
    }


def test_tasks_on_disk_are_data_that_are_here(run: Path) -> None:
    (run / "tasks" / "gtzan-fault-filtered-full").mkdir(parents=True)
    assert tables(run, "--like matpac-2") == 0
    head = (run / "tables" / "like" / "matpac-2.md").read_text().splitlines()[2]
    assert "GTZAN<br>top1_acc |" in head and "ESC-50<br>top1_acc |" in head
    assert "OpenMIC<br>mAP<sup>c</sup>" in head


def test_without_records_there_are_the_published_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tables(tmp_path, "--like fusion-3") == 0
    assert "published values alone" in capsys.readouterr().err
    assert tables(tmp_path, "--like fusion-3 --records nowhere") == 2
    assert "nowhere" in capsys.readouterr().err


def test_an_unknown_table_is_one_line(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tables(run, "--like matpac-4") == 2
    assert "no published table 'matpac-4'; there are hear-leaderboard, byol-s-5" in (
        capsys.readouterr().err
    )


def test_latex_is_narrow_by_construction(run: Path) -> None:
    """Every table is in a box that shrinks to the line; nothing else is wider than its words."""
    assert tables(run, "--like all") == 0
    for path in (run / "tables" / "like").glob("*.tex"):
        text = path.read_text()
        assert text.count(r"\begin{adjustbox}{max width=\linewidth") == 1
        assert text.index(r"\begin{adjustbox}") < text.index(r"\begin{tabular}")
        for note in re.findall(r"\\raggedright (.*)", text):
            parts = re.split(r"\s|-|\\allowbreak\{\}", note)
            assert max(map(len, parts)) < 40, path
    assert "sidewaystable" in (run / "tables" / "like" / "hear-leaderboard.tex").read_text()


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex here")
def test_latex_compiles_without_overfull_boxes(run: Path, tmp_path: Path) -> None:
    assert tables(run, "--like all") == 0
    assert tables(run, "") == 0
    parts = [path.read_text() for path in sorted((run / "tables").rglob("*.tex"))]
    packages = ",".join(LATEX_PACKAGES)
    document = tmp_path / "document.tex"
    body = "\n\\clearpage\n".join(parts)
    document.write_text(
        f"\\documentclass{{article}}\n\\usepackage{{{packages}}}\n"
        f"\\begin{{document}}\n{body}\n\\end{{document}}\n"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", document.name],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    log = document.with_suffix(".log").read_text(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert "Overfull" not in log
    assert "Float too large" not in log
