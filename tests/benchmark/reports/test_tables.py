"""Tables, plots and leaderboard rows from made-up records."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from made_up_records import HEAR, byol_s, made_up, random_matpac

from benchmark.errors import UserError
from benchmark.records.comparability import DEMO_NOTE, RANDOM_NOTE, comparable_groups
from benchmark.records.published_sources import HEAR_TASKS
from benchmark.records.record import Record, read_records
from benchmark.records.statistics import ScoreSummary
from benchmark.reports.formats import (
    Cell,
    Column,
    Row,
    Table,
    csv_text,
    html,
    html_page,
    latex,
    markdown,
)
from benchmark.reports.leaderboards.hear import leaderboard_row
from benchmark.reports.paper_tables import paper_tables
from benchmark.reports.plots import score_plot
from benchmark.reports.tables import (
    detail_tables,
    make_tables,
    scores_csv,
    summary_table,
    terminal_tables,
)

GOLDEN = Path(__file__).parents[2] / "golden_tables"
ESC50, FSD50K = "esc50-v2.0.0-full", "fsd50k-v1.0-full"
DCASE, MAESTRO = "dcase2016_task2-hear2021-full", "maestro-v3.0.0-5h"
DEMO = {"demo": True}
COMMANDS_5H, COMMANDS = "speech_commands-v0.0.2-5h", "speech_commands-v0.0.2-full"


def cells(table: Table) -> dict[str, dict[str, str]]:
    """Texts by row label and column name."""
    return {
        row.label: {
            f"{column.name} {column.unit}".strip(): cell.text
            for column, cell in zip(table.columns, row.cells, strict=True)
        }
        for row in table.rows
    }


def terminal_table(records: Iterable[Record], width: int = 80) -> str:
    return terminal_tables(comparable_groups(records), width)


def best(table: Table) -> set[tuple[str, str]]:
    return {
        (row.label, column.name)
        for row in table.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
        if cell.best
    }


def summary(*records: Record) -> Table:
    (group,) = comparable_groups(records)
    return summary_table(group)


def papers(*records: Record) -> dict[str, Table]:
    return {paper.layout.name: paper.table() for paper in paper_tables(records)}


# --- golden files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tables.md", "tables.tex", "scores.csv"])
def test_files_are_as_committed(tmp_path: Path, name: str) -> None:
    make_tables(
        read_records(GOLDEN / "records"), tmp_path, layouts=("summary", "details", "models")
    )
    assert (tmp_path / name).read_text() == (GOLDEN / name).read_text()


def test_terminal_text_is_as_committed() -> None:
    text = terminal_table(read_records(GOLDEN / "records"))
    assert text == (GOLDEN / "terminal.txt").read_text()


# --- what is compared with what -------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"unit": {"protocol": "hear-multiseed"}},
        {"unit": {"version": 2}},
        {"unit": {"options": {**HEAR, "grid": "fast"}}},
        {"unit": {"options": {**HEAR, "parallel_grid": True}}},
        {"unit": {"device": "cuda"}},
        {"scores": {"top1_acc": {0: [0.5, 0.6], 1: [0.5, 0.6]}}},
        {"task": {"demo": True}},
    ],
)
def test_what_was_made_differently_is_never_in_one_table(changes: dict[str, Any]) -> None:
    records = [made_up(), made_up("byol_a", **changes)]
    tables = [summary_table(group) for group in comparable_groups(records)]
    assert sorted([row.label for row in table.rows] for table in tables) == [["byol_a"], ["crepe"]]
    assert len({table.title for table in tables}) == 2


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"unit": {"engine": "kit"}}, "Made by the engines kit and native"),
        ({"unit": {"threads": 1}}, "Trained with 1 and 2 threads"),
        ({"unit": {"code": "0ther"}}, "esc50-v2.0.0-full: evaluated by several versions"),
        ({"machine": {"evaluation": {"cpu": "EPYC"}}}, "several processors (EPYC and Xeon)"),
    ],
)
def test_what_may_share_a_table_is_said_beneath(changes: dict[str, Any], note: str) -> None:
    here = made_up(machine={"evaluation": {"cpu": "Xeon"}})
    elsewhere = made_up(folder=FSD50K, scores={"mAP": 0.1}, unit={"code": "of other metrics"})
    table = summary(here, made_up("byol_a", **changes))
    assert sorted(row.label for row in table.rows) == ["byol_a", "crepe"]
    assert any(note in each for each in table.notes)
    assert not any("several" in each for each in summary(here, elsewhere).notes)


def test_columns_are_by_content_of_the_task() -> None:
    table = summary(made_up(), made_up("byol_a", embedding={"task_hash": "fedcba98"}))
    assert cells(table) == {
        "crepe": {"esc50 01234567 top1_acc": "0.550", "esc50 fedcba98 top1_acc": ""},
        "byol_a": {"esc50 01234567 top1_acc": "", "esc50 fedcba98 top1_acc": "0.550"},
    }


def test_columns_of_one_task_name_tell_their_modes() -> None:
    table = summary(made_up(folder=COMMANDS), made_up(folder=COMMANDS_5H))
    assert [column.name for column in table.columns] == [
        "speech_commands 5h",
        "speech_commands full",
        "mean",
    ]


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({}, ["byol_a"]),
        ({"model": {"options": {"hop_ms": 25}}}, ["byol_a", "byol_a hop_ms=25"]),
        ({"model": {"module": "theirs.byol_a"}}, ["byol_a hear_plugins", "byol_a theirs"]),
        ({"model": {"dtype": "bfloat16"}}, ["byol_a", "byol_a (bfloat16)"]),
        ({"model": {"tf32": True}}, ["byol_a", "byol_a (TF32)"]),
        ({"model": {"compiled": True}}, ["byol_a", "byol_a compiled"]),
        ({"model": {"device": "cuda"}}, ["byol_a cpu", "byol_a cuda"]),
        ({"model": {"weights": "fedcba9876"}}, ["byol_a 01234567", "byol_a fedcba98"]),
        (
            {"model": {"weights": "fedc"}, "weights": {"weights": "file", "file": "a.pth"}},
            ["byol_a", "byol_a a.pth"],
        ),
        ({"name": "mine", "model": {"weights": "fedc"}}, ["byol_a", "mine"]),
    ],
)
def test_rows_are_named_by_what_differs(changes: dict[str, Any], labels: list[str]) -> None:
    first = made_up("byol_a", model={"weights": "0123456789"})
    changes = {**changes, "model": {"weights": "0123456789", **changes.get("model", {})}}
    table = summary(first, made_up("byol_a", **changes))
    assert sorted(cells(table)) == labels
    assert not any("sha256 )" in row.label for row in table.rows)


def test_the_same_weights_are_one_row_whatever_their_file_is_called() -> None:
    weights = [{"weights": "file", "file": name} for name in ("a.pth", "copy of a.pth")]
    table = summary(
        made_up("byol_a", weights=weights[0]),
        made_up("byol_a", FSD50K, {"mAP": 0.3}, weights=weights[1], model={"code": "newer"}),
    )
    assert list(cells(table)) == ["byol_a"]
    assert any("several versions of the code of hear_plugins.byol_a" in n for n in table.notes)


def test_a_row_never_mixes_resamplers() -> None:
    digits = made_up(folder=COMMANDS, embedding={"resampler": "torchaudio from 16000 Hz"})
    there = made_up(folder=FSD50K, scores={"mAP": 0.3}, embedding={"resampler": "none"})
    found = cells(summary(made_up(), digits, there))
    assert sorted(found) == ["crepe soxr HQ", "crepe torchaudio"]
    assert found["crepe soxr HQ"]["speech_commands top1_acc"] == ""
    assert found["crepe torchaudio"]["esc50 top1_acc"] == ""
    # What nothing resampled is the same for both.
    assert {row["fsd50k mAP"] for row in found.values()} == {"0.300"}
    of_one = cells(summary(made_up(), there))
    assert list(of_one) == ["crepe"]


def test_the_newest_record_of_a_job_counts() -> None:
    older = made_up(scores={"top1_acc": 0.1}, date="2026-11-19T00:00:00+00:00")
    for records in ([older, made_up()], [made_up(), older]):
        table = summary(*records)
        assert cells(table)["crepe"]["esc50 top1_acc"] == "0.550"
        assert any("1 older record" in note for note in table.notes)


def test_a_model_that_lacks_a_task_drops_it_from_no_other_s_mean() -> None:
    table = summary(
        made_up(scores={"top1_acc": 0.5}),
        made_up(folder=FSD50K, scores={"mAP": 0.3}),
        made_up(folder=COMMANDS, scores={"top1_acc": 0.1}),
        made_up("byol_a", scores={"top1_acc": 0.7}),
        made_up("byol_a", folder=FSD50K, scores={"mAP": 0.4}),
        made_up("logmel", scores={"top1_acc": 0.7}),
    )
    assert [(label, row["mean of 3"]) for label, row in cells(table).items()] == [
        ("crepe", "0.300"),
        ("byol_a", "0.550 (2/3)"),
        ("logmel", ""),
    ]
    assert not {label for label, column in best(table) if column == "mean"}
    assert any("(k/n)" in note for note in table.notes)


def test_an_undefined_score_counts_as_the_worst_and_says_so() -> None:
    """A model that predicts no event came first: its task was dropped from every mean."""
    onset = "event_onset_200ms_fms"
    table = summary(
        made_up(folder=ESC50, scores={"top1_acc": 0.75}),
        made_up(folder=DCASE, scores={onset: None}),
        made_up("byol_a", folder=ESC50, scores={"top1_acc": 0.70}),
        made_up("byol_a", folder=DCASE, scores={onset: 0.6}),
    )
    assert [row.label for row in table.rows] == ["byol_a", "crepe"]
    assert cells(table)["crepe"][f"dcase2016_task2 {onset}"] == "0.000†"
    assert cells(table)["crepe"]["mean of 2"] == "0.375"
    assert ("byol_a", "mean") in best(table)
    assert any("not defined on 1 of 1 splits; counted as 0, the worst" in n for n in table.notes)


def test_an_infinite_score_is_the_best_of_a_detail_table() -> None:
    perfect = made_up(scores={"top1_acc": [1.0, 1.0], "d_prime": [2.0, "inf"]})
    other = made_up("byol_a", scores={"top1_acc": [0.5, 0.5], "d_prime": [3.0, 4.0]})
    (group,) = comparable_groups([perfect, other])
    (table,) = detail_tables(group)
    assert cells(table)["crepe"]["d_prime"] == "inf"
    assert ("crepe", "d_prime") in best(table)
    assert ("byol_a", "d_prime") not in best(table)
    html(table)


def test_beehive_in_two_folders_is_one_task_of_the_mean() -> None:
    halves = [
        made_up(folder=f"beehive_states_fold{i}-v2-full", scores={"aucroc": 0.4 + i * 0.2})
        for i in range(2)
    ]
    table = summary(*halves, made_up(scores={"top1_acc": 0.9}))
    assert cells(table)["crepe"]["mean of 2"] == "0.700"
    assert any("count as one task" in note for note in table.notes)


def test_scores_at_chance_are_marked() -> None:
    task = {"test_clips": 400}
    records = [
        made_up(name, scores={"top1_acc": value}, chance={"top1_acc": 0.1}, task=task)
        for name, value in (("crepe", 0.125), ("byol_a", 0.2))
    ]
    table = summary(*records)
    assert cells(table)["crepe"]["esc50 top1_acc"] == "0.125‡"
    assert cells(table)["byol_a"]["esc50 top1_acc"] == "0.200"
    assert any("hears nothing" in note for note in table.notes)
    assert not any("hears nothing" in note for note in summary(records[1]).notes)


def test_single_runs_say_how_far_they_move() -> None:
    assert any("0.02" in note and "hear-multiseed" in note for note in summary(made_up()).notes)
    multiseed = made_up(unit={"protocol": "hear-multiseed"})
    assert not any("hear-multiseed" in note for note in summary(multiseed).notes)


def test_a_task_that_is_not_the_published_one_says_so_everywhere(tmp_path: Path) -> None:
    fake = {"published": False, "published_note": "100 clips instead of 2000"}
    records = [byol_s(ESC50, {"top1_acc": 0.9}, task=fake)]
    make_tables(records, tmp_path)
    for name in ("tables.md", "tables.html", "tables.tex"):
        text = (tmp_path / name).read_text()
        assert "esc50 (not the published)" in text
        assert "100 clips instead of 2000" in text
        assert "BYOL-S: ours" not in text
    assert papers(*records) == {}
    assert "(not the published)" in terminal_table(records)


def test_a_task_cut_to_some_clips_is_another_column_and_says_so() -> None:
    table = summary(made_up(), made_up(embedding={"limit": 20}))
    names = {column.name for column in table.columns}
    assert {"esc50", "esc50 (20 clips)"} <= names


def test_scores_outside_0_to_1_are_in_no_mean() -> None:
    table = summary(
        made_up(scores={"top1_acc": 0.5}),
        made_up(folder=FSD50K, scores={"mAP": 0.3}),
        made_up(folder=COMMANDS, scores={"d_prime": 2.5}),
    )
    assert cells(table)["crepe"]["mean of 2"] == "0.400"


def test_best_follows_the_direction_of_the_metric_and_what_is_printed() -> None:
    records = [
        made_up(scores={"segment_1s_er": 0.3}),
        made_up("byol_a", scores={"segment_1s_er": 0.2}),
    ]
    assert best(summary(*records)) == {("byol_a", "esc50")}
    assert summary(*records).columns[0].unit == "segment_1s_er ↓"
    alike = [
        made_up(scores={"top1_acc": 0.70004}),
        made_up("byol_a", scores={"top1_acc": 0.70001}),
        made_up("logmel", scores={"top1_acc": 0.2}),
    ]
    assert best(summary(*alike)) == {("crepe", "esc50"), ("byol_a", "esc50")}
    assert best(summary(made_up())) == set()


@pytest.mark.parametrize("metric", ["segment_1s_er", "segment_1s_er_error_rate"])
def test_lower_is_better_for_the_parts_of_a_metric_too(metric: str) -> None:
    records = [
        made_up(scores={"event_onset_200ms_fms": 0.5, metric: 0.928}),
        made_up("byol_a", scores={"event_onset_200ms_fms": 0.5, metric: 0.3}),
    ]
    (group,) = comparable_groups(records)
    (table,) = detail_tables(group)
    assert best(table) == {("byol_a", f"{metric} ↓")}


def test_a_metric_that_nobody_declares_is_compared_in_no_way() -> None:
    records = [made_up(scores={"theirs": 0.5}), made_up("byol_a", scores={"theirs": None})]
    table = summary(*records)
    assert cells(table)["byol_a"]["esc50 theirs"] == "not defined"
    assert best(summary(records[0], made_up("byol_a", scores={"theirs": 0.7}))) == set()


def test_random_weights_and_demo_tasks_are_labelled_everywhere(tmp_path: Path) -> None:
    records = [
        random_matpac("demo_pitch-v1-small", {"pitch_acc": [0.2, 0.3]}, task=DEMO),
        made_up(folder="demo_pitch-v1-small", scores={"pitch_acc": [0.8, 0.9]}, task=DEMO),
    ]
    make_tables(records, tmp_path)
    texts = [(tmp_path / name).read_text() for name in ("tables.md", "tables.html", "tables.tex")]
    for text in (*texts, terminal_table(records, width=1000)):  # not wrapped
        assert "matpac (random weights)" in text
        assert not re.search(r"(?<!\.)matpac (?!\(random)", text.replace("\\_", "_"))
        assert RANDOM_NOTE in text
        assert DEMO_NOTE in text
    assert "random (seed 7)" in (tmp_path / "scores.csv").read_text()


# --- the leaderboard ------------------------------------------------------------------------------


ME = ("a", "u", "2026-11-20")


def leaderboard_lines() -> list[str]:
    path = Path(__file__).parents[3] / "results" / "published" / "hear2021_leaderboard.csv"
    return path.read_text().split("\n")


@pytest.mark.parametrize("line", leaderboard_lines()[1:], ids=lambda line: line.split(",")[0])
def test_leaderboard_row_is_that_of_the_site_byte_for_byte(line: str) -> None:
    name, url, date, *values = line.split(",")
    records = [
        made_up(folder=folder, scores={task.metric: float(value)})
        for task, value in zip(HEAR_TASKS.values(), values, strict=True)
        if value
        for folder in task.folders
    ]
    row = leaderboard_row(records, name, url, "2021-12-01")
    assert row == line.replace(date, "2021-12-01")


def test_leaderboard_row_takes_only_what_belongs_there() -> None:
    right = made_up()
    row = leaderboard_row([right, made_up(task=DEMO)], "Me", "https://x.y", "2026-11-20")
    assert row.split(",")[:3] == ["Me", "https://x.y", "2026-11-20"]
    assert row.split(",")[7] == "0.55"
    assert len(row.split(",")) == 22
    assert "\n" not in row


@pytest.mark.parametrize(
    ("records", "arguments", "message"),
    [
        ([made_up()], ("a, b", "u", "2026-11-20"), "without commas"),
        ([made_up()], ("a\n", "u", "2026-11-20"), "without commas"),
        ([made_up()], ("a", "", "2026-11-20"), "without commas"),
        ([made_up()], ("a", "u", "20.11.2026"), "written like 2026-11-20"),
        ([made_up(task=DEMO)], ME, "no record of a HEAR task"),
        ([made_up(unit={"protocol": "hear-multiseed"})], ME, "no record of a HEAR task"),
        ([random_matpac(ESC50, {"top1_acc": 1})], ME, "its weights are random"),
        ([made_up(unit={"options": {}})], ME, "expected grid default, grid_points 8"),
        (
            [made_up(unit={"options": {**HEAR, "parallel_grid": True}})],
            ME,
            "its options are grid default, grid_points 8, parallel_grid True",
        ),
        ([made_up(unit={"device": "cuda"})], ME, "trained on cuda"),
        ([made_up(model={"device": "cuda"})], ME, "embedded on cuda"),
        ([made_up(model={"dtype": "bfloat16"})], ME, "embedded in bfloat16"),
        ([made_up(model={"tf32": True})], ME, "TF32"),
        ([made_up(embedding={"resampler": "torchaudio from 44100 Hz"})], ME, "by torchaudio"),
        ([made_up(embedding={"limit": 10})], ME, "only some clips"),
        (
            [made_up(task={"published": False, "published_note": "100 clips, not 2000"})],
            ME,
            "esc50-v2.0.0-full does not belong there: the task is not the published one: 100",
        ),
        ([made_up(task={"published": None})], ME, "nobody checked"),
        ([made_up(), made_up("logmel")], ME, "of one model, not of crepe, logmel"),
        ([made_up(), made_up(embedding={"task_hash": "ab"})], ME, "two contents of esc50"),
    ],
)
def test_leaderboard_row_refuses(
    records: list[Record], arguments: tuple[str, str, str], message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        leaderboard_row(records, *arguments)
    assert "\n" not in str(error.value)


# --- formats --------------------------------------------------------------------------------------

EVIL = "a&b <c> 50% $x_1$ {#} ~^ \\ | *d*"


def evil_table() -> Table:
    return Table(
        "evil",
        f"title {EVIL}",
        "Model",
        (Column(EVIL, "er ↓", "group & co"), Column("b", "u")),
        (
            Row(EVIL, (Cell(EVIL, best=True, shade=0.5), Cell()), "section <s>"),
            Row("plain", (Cell("0.5 ± 0.1"), Cell("0.6")), "section <s>"),
        ),
        (f"note {EVIL}",),
    )


def test_markdown_escapes_and_marks() -> None:
    text = markdown(evil_table())
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {4}
    assert r"**a&b \<c\> 50% $x_1$ {#} ~^ \\ \| \*d\***" in text
    assert "| plain | 0.5 ± 0.1 | 0.6 |" in text


def test_latex_escapes_and_is_balanced() -> None:
    packages, _, text = latex(evil_table()).partition("\n")
    assert packages == r"% \usepackage{booktabs,adjustbox,rotating}"
    bare = re.sub(r"\\[\\&%$#_{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert not set("%#~^|<>_") & set(bare)
    rows = [
        line for line in text.splitlines() if line.endswith(r"\\") and "multicolumn" not in line
    ]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {2}
    assert r"a\&b \textless{}c\textgreater{} 50\% \$x\_1\$" in text
    assert r"0.5 $\pm$ 0.1" in text
    assert r"er $\downarrow$" in text


def test_html_escapes_and_every_row_is_full() -> None:
    text = html(evil_table())
    root = ET.fromstring(text.replace("class=group", 'class="group"'))
    assert root.find("h2") is not None
    assert root.findtext("h2") == f"title {EVIL}"
    body = [row for row in root.iter("tr") if row.get("class") != "section"][2:]
    assert [len(row) for row in body] == [3, 3]
    assert body[0].findtext("th") == EVIL
    assert body[0].find("td/b") is not None
    assert "--shade:0.50" in text


def test_csv_quotes_what_it_must() -> None:
    table = Table("t", "t", "Model", (Column("a,b", "u", "g"),), (Row('x "y"', (Cell("1"),)),))
    assert list(csv.reader(io.StringIO(csv_text(table)))) == [["Model", "g a,b u"], ['x "y"', "1"]]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str | None] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_page_stands_alone(tmp_path: Path) -> None:
    make_tables(read_records(GOLDEN / "records"), tmp_path)
    page = _Page()
    page.feed((tmp_path / "tables.html").read_text())
    assert page.open == []
    assert page.links == []
    assert "&lt;b&gt;" in html_page("<b>", [])


def test_terminal_fits_its_width_by_turning_and_cutting() -> None:
    wide = [
        made_up(module, folder=f"task{i}-v1-full", scores={"top1_acc": (i + len(module)) / 40})
        for i in range(20)
        for module in ("crepe", "byol_a", "logmel", "opensmile")
    ]
    text = terminal_table(wide)
    assert max(map(len, text.splitlines())) <= 80
    assert re.search(r"^task7 top1_acc +0\.\d{3}", text, flags=re.M)
    narrow = terminal_table(wide, width=40)
    assert max(map(len, narrow.splitlines())) <= 40
    for number in re.findall(r"0\.\d{3}", text):
        assert number in narrow


def test_terminal_cuts_names_that_are_too_long() -> None:
    options = {f"option_{i}": i for i in range(20)}
    records = [made_up(), made_up(model={"options": options}, name="x" * 90)]
    text = terminal_table(records)
    assert max(map(len, text.splitlines())) <= 80
    assert "xxx…" in text


def test_terminal_says_how_the_numbers_were_made() -> None:
    text = terminal_table([made_up(), made_up(task=DEMO, unit={"protocol": "linear"})])
    assert "Protocol hear, grid default, grid_points 8" in text
    assert "Demo tasks: protocol linear" in text
    assert "say nothing about real tasks" in " ".join(text.split())


def test_plot_is_svg_with_a_dot_for_every_score() -> None:
    summaries = [
        ScoreSummary(0.5, 0.1, 0.2, 5, "folds", 0),
        None,
        ScoreSummary(None, None, None, 0, "folds", 1),
        ScoreSummary(1.0, None, None, 1, "split", 0),
    ]
    svg = ET.fromstring(score_plot(["a", "b & c", "d", "<e>"], {"task <1>": summaries}))
    titles = [title.text for title in svg.iter("title")]
    assert titles == ["a: 0.500 ± 0.200", "<e>: 1.000"]
    assert {"b & c", "task <1>"} <= {text.text for text in svg.iter("text")}


def test_plot_shows_no_scores_that_lie_outside_0_to_1(tmp_path: Path) -> None:
    make_tables([made_up(scores={"d_prime": 2.5}), made_up(folder=FSD50K)], tmp_path)
    page = (tmp_path / "tables.html").read_text()
    plot = page[page.index("<svg") : page.index("</svg>")]
    assert "fsd50k top1_acc" in plot
    assert "d_prime" not in plot


# --- the files ------------------------------------------------------------------------------------


def test_files_say_all(tmp_path: Path) -> None:
    records = [byol_s(ESC50, {"top1_acc": [0.8, 0.9]}), made_up(task=DEMO)]
    files = make_tables(records, tmp_path)
    assert all(path.is_file() for path in files)
    names = {str(path.relative_to(tmp_path)) for path in files}
    assert {"tables.md", "tables.tex", "tables.html", "scores.csv"} <= names
    group = "csv/hear-grid-default-grid_points-8"
    demo = "csv/demo-hear-grid-default-grid_points-8"
    assert {f"{group}/summary.csv", "csv/papers/byol-s-6.csv", f"{demo}/summary.csv"} <= names


def test_scores_csv_has_every_score() -> None:
    rows = list(
        csv.DictReader(io.StringIO(scores_csv([made_up(scores={"a": [1, 3], "b": [0, 1]})])))
    )
    assert [(row["metric"], row["primary"], row["mean"]) for row in rows] == [
        ("a", "True", "2.0"),
        ("b", "False", "0.5"),
    ]
    assert float(rows[0]["std"]) == pytest.approx(2**0.5)


def test_layouts_can_be_chosen(tmp_path: Path) -> None:
    make_tables([made_up()], tmp_path, layouts=["summary"])
    assert len(list((tmp_path / "csv").rglob("*.csv"))) == 1
    with pytest.raises(UserError, match="no layout 'sumary'; there are summary, papers"):
        make_tables([made_up()], tmp_path, layouts=["sumary"])


def test_tables_of_an_earlier_call_do_not_stay(tmp_path: Path) -> None:
    make_tables([made_up(), made_up(task=DEMO), made_up(folder=FSD50K)], tmp_path)
    before = set((tmp_path / "csv").rglob("*.csv"))
    (tmp_path / "csv" / "mine.txt").write_text("not a table of ours")
    files = make_tables([made_up()], tmp_path)
    after = set((tmp_path / "csv").rglob("*.csv"))
    assert after < before
    assert after == {path for path in files if path.suffix == ".csv"} - {tmp_path / "scores.csv"}
    assert (tmp_path / "csv" / "mine.txt").exists()
    folders = {path.name for path in (tmp_path / "csv").iterdir() if path.is_dir()}
    assert folders == {"hear-grid-default-grid_points-8", "papers"}


def test_no_records_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run an evaluation first"):
        make_tables([], tmp_path)
    assert list(tmp_path.iterdir()) == []
