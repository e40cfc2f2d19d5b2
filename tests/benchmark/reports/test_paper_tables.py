"""Published tables with our scores, from made-up records."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from statistics import fmean
from typing import Any

import pytest
from made_up_records import HEAR, byol_s, made_up, random_matpac

from benchmark.protocols.registry import protocol
from benchmark.records.published import load_published
from benchmark.records.published_models import SAME_MODELS
from benchmark.records.published_sources import LEADERBOARD, SOURCES
from benchmark.records.record import Record
from benchmark.reports.formats import Table
from benchmark.reports.paper_layouts import AVERAGE, LAYOUTS
from benchmark.reports.paper_rendering import PaperTable
from benchmark.reports.paper_scores import averaged_columns
from benchmark.reports.paper_tables import Here, paper_table, paper_tables
from hear_plugins.weights.catalogue import CHECKPOINTS

ESC50, FSD50K = "esc50-v2.0.0-full", "fsd50k-v1.0-full"
DCASE = "dcase2016_task2-hear2021-full"
COMMANDS_5H = "speech_commands-v0.0.2-5h"


def cells(table: Table) -> dict[str, dict[str, str]]:
    """Texts by row label and column name; of equal labels, the last."""
    return {
        row.label: {
            f"{column.name} {column.unit}".strip(): cell.text
            for column, cell in zip(table.columns, row.cells, strict=True)
        }
        for row in table.rows
    }


def papers(*records: Record) -> dict[str, Table]:
    return {paper.layout.name: paper.table() for paper in paper_tables(records)}


def test_published_scores_are_in_the_unit_of_the_metric() -> None:
    values = {(p.table, p.model, p.task, p.metric): p for p in load_published()}
    assert values["Table 5", "CREPE", "crema_d", "top1_acc"].value == pytest.approx(0.362)
    assert values["Table 8", "CREPE", "dcase2016_task2", "segment_1s_er"].value == 0.42
    assert values["Table 6", "CREPE", "fsd50k", "mAP"].value == pytest.approx(0.159)
    assert values["leaderboard", "CREPE", "esc50", "top1_acc"].value == 0.3005


def test_published_scores_are_all_between_0_and_1_but_error_rates() -> None:
    for entry in load_published():
        assert entry.value is None or 0 <= entry.value <= 1, entry


def test_published_scores_of_sources_agree_roughly() -> None:
    """A percentage read as a fraction, or a task taken for another, would be far off."""
    values = {(p.source, p.model, p.task, p.metric): p.value for p in load_published()}
    both = [
        (value, values.get((LEADERBOARD, model, task, metric)))
        for (source, model, task, metric), value in values.items()
        if source == "BYOL-S" and model in ("CREPE", "wav2vec2")
    ]
    pairs = [(a, b) for a, b in both if a is not None and b is not None]
    assert len(pairs) > 30
    assert all(abs(a - b) < 0.09 for a, b in pairs)


def test_declarations_name_what_the_files_have() -> None:
    entries = load_published()
    assert {entry.source for entry in entries} == set(SOURCES)
    tables = {(entry.source, entry.table) for entry in entries}
    assert {(layout.source, layout.table) for layout in LAYOUTS.values()} == tables
    for same in SAME_MODELS:
        models = {entry.model for entry in entries if entry.source == same.source}
        assert set(same.names) <= models
    for source in SOURCES.values():
        mine = [entry for entry in entries if entry.source == source.name]
        assert source.folders.keys() | source.other_data.keys() <= {entry.task for entry in mine}
        assert not source.folders.keys() & source.other_data.keys()
        assert source.representation_by_section.keys() <= {entry.section for entry in mine}
        assert source.options_by_metric.keys() <= {entry.metric for entry in mine}
    for layout in LAYOUTS.values():
        tasks = {e.task for e in entries if (e.source, e.table) == (layout.source, layout.table)}
        assert layout.heads.keys() <= tasks | {AVERAGE}


def test_weights_of_published_models_are_in_the_catalogue() -> None:
    published = {(each.module, each.file.rpartition("/")[2]) for each in CHECKPOINTS}
    named = {(same.module.rpartition(".")[2], same.file) for same in SAME_MODELS if same.file}
    assert named <= published


@pytest.mark.parametrize("source", SOURCES.values(), ids=lambda source: source.name)
def test_sources_take_the_protocol_with_its_own_settings(source: Any) -> None:
    wanted = protocol(source.protocol)
    options = wanted.options()
    assert (source.protocol, source.version) == (wanted.name, wanted.version)
    assert {k: v for k, v in options.settings().items() if k in source.options} == source.options
    assert source.options == options.settings() or source.protocol == "hear"
    assert source.seeds in (None, wanted.seeds(options))


def test_differences_in_per_cent_and_in_fractions() -> None:
    tables = papers(
        byol_s(COMMANDS_5H, {"top1_acc": 0.931}),
        byol_s(DCASE, {"event_onset_200ms_fms": 0.6412, "segment_1s_er": 0.3668}),
    )
    speech = cells(tables["byol-s-5"])
    column = "Speech Commands (5h) top1_acc"
    assert speech["BYOL-S: ours"][column] == "93.1"
    assert speech["BYOL-S"][column] == "92.6"
    assert speech["BYOL-S: difference"][column] == "+0.5"
    assert speech["BYOL-S: difference"]["CREMA-D top1_acc"] == ""
    assert speech["BYOL-S: ours"]["Average"] == ""
    events = cells(tables["byol-s-8"])
    assert events["BYOL-S: difference"]["DCASE event_onset_200ms_fms"] == "-0.009"
    assert events["BYOL-S: difference"]["DCASE segment_1s_er ↓"] == "+0.011"
    table = cells(tables["hear-leaderboard"])
    name = "Logitech AI SERAB BYOL-S"
    assert table[name]["Speech commands 5h top1_acc"] == "0.914"
    assert table[f"{name}: difference"]["Speech commands 5h top1_acc"] == "+0.017"
    assert table[f"{name}: difference"]["DCASE 2016 event_onset_200ms_fms"] == "-0.001"


def test_published_rows_stand_in_the_paper_s_sections_as_printed() -> None:
    scores = {"event_onset_200ms_fms": 0.6, "segment_1s_er": 0.4}
    rows = papers(made_up("logmel", DCASE, scores))["byol-s-8"].rows
    sections = ["HEAR baselines", "Models", "This benchmark"]
    assert list(dict.fromkeys(row.section for row in rows)) == sections
    texts = [cell.text for cell in rows[0].cells]
    assert (rows[0].label, texts) == ("CREPE", ["0.552", "0.420", "0.3910", "0.15", "0.472"])
    bold = [cell.best for row in rows if row.label == "BYOL-S/CvT" for cell in row.cells]
    assert bold == [True] * 5


def test_averages_of_a_paper_s_table_need_all_that_it_averages() -> None:
    environment = [
        byol_s(ESC50, {"top1_acc": [0.8, 0.9]}),
        byol_s(FSD50K, {"mAP": 0.5}),
        byol_s("gunshot_triangulation-v1.0-full", {"top1_acc": 1.0}),
    ]
    table = cells(papers(*environment)["byol-s-6"])
    # Table 6 averages without Beehive.
    assert table["BYOL-S: ours"]["Average"] == "78.3"
    assert table["BYOL-S: ours"]["Beehive states top1_acc"] == ""
    assert table["BYOL-S: difference"]["Average"] == "+2.2"
    table = cells(papers(*environment[:2])["byol-s-6"])
    assert table["BYOL-S: ours"]["Average"] == ""


def test_averages_of_published_rows_follow_from_their_values() -> None:
    """Guards the columns that a layout averages; the papers themselves misprint some rows."""
    wrong = set()
    for layout in LAYOUTS.values():
        rows: dict[tuple[str, str], dict[tuple[str, str], float | None]] = {}
        for e in load_published():
            if (e.source, e.table) == (layout.source, layout.table):
                rows.setdefault((e.section, e.model), {})[e.key] = e.value
        for (_, model), row in rows.items():
            for key in (key for key in row if key[0] == AVERAGE):
                parts = [row[part] for part in averaged_columns(layout, row, key)]
                if None not in (*parts, row[key]):
                    difference = fmean(part or 0.0 for part in parts) - (row[key] or 0.0)
                    if abs(difference) > 0.0011:
                        wrong.add((layout.name, model))
    assert wrong == {
        ("byol-s-5", "BYOL-S window 0.5 s"),
        ("byol-s-5", "BYOL-S window 0.95 s"),
        ("byol-s-5", "BYOL-S window 1.425 s"),
        ("byol-s-6", "Hybrid BYOL-S/CvT"),
        ("byol-s-7", "BYOL-A"),
    }


def test_beehive_is_the_mean_of_its_two_folds() -> None:
    halves = [
        byol_s(f"beehive_states_fold{i}-v2-full", {"aucroc": 0.5 + i / 10, "top1_acc": 0.5})
        for i in range(2)
    ]
    table = cells(papers(*halves)["hear-leaderboard"])
    assert table["Logitech AI SERAB BYOL-S: ours"]["Beehive aucroc"] == "0.550"
    assert papers(halves[0]) == {}


@pytest.mark.parametrize(
    "record",
    [
        byol_s(ESC50, {"top1_acc": 0.8}, unit={"options": {**HEAR, "grid": "fast"}}),
        byol_s(ESC50, {"top1_acc": 0.8}, unit={"options": {**HEAR, "grid_points": 4}}),
        byol_s(ESC50, {"top1_acc": 0.8}, unit={"options": {**HEAR, "parallel_grid": True}}),
        byol_s(ESC50, {"top1_acc": 0.8}, unit={"protocol": "hear-multiseed"}),
        byol_s(ESC50, {"top1_acc": 0.8}, unit={"version": 2}),
        byol_s(ESC50, {"top1_acc": 0.8}, unit={"device": "cuda"}),
        byol_s(ESC50, {"top1_acc": 0.8}, model={"device": "cuda"}),
        byol_s(ESC50, {"top1_acc": 0.8}, model={"dtype": "bfloat16"}),
        byol_s(ESC50, {"top1_acc": 0.8}, embedding={"resampler": "torchaudio from 48000 Hz"}),
        byol_s(ESC50, {"top1_acc": 0.8}, embedding={"limit": 20}),
        byol_s(ESC50, {"top1_acc": 0.8}, task={"demo": True}),
        byol_s(ESC50, {"top1_acc": 0.8}, task={"published": False}),
        byol_s(ESC50, {"top1_acc": 0.8}, task={"published": None}),
        byol_s("esc50-v2.0.0-small", {"top1_acc": 0.8}),
        byol_s(ESC50, {"pitch_acc": 0.8}),
        random_matpac(ESC50, {"top1_acc": 0.8}),
    ],
)
def test_what_is_not_comparable_is_in_no_published_table(record: Record) -> None:
    assert papers(record) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {"options": {"hop_ms": 25}}},
        {"weights": {"weights": "file", "file": "mine.pth", "url": "https://x.y"}},
        {"weights": {"weights": "file", "file": "default2048.pth"}},
        {"model": {"module": "theirs.byol_s"}},
    ],
)
def test_another_model_has_no_published_value(changes: dict[str, Any]) -> None:
    table = papers(byol_s(ESC50, {"top1_acc": 0.8}, **changes))["byol-s-6"]
    assert [row.label for row in table.rows if row.section == "This benchmark"] == ["byol_s"]
    assert "BYOL-S: ours" not in cells(table)


def test_options_that_follow_the_original_keep_the_published_value() -> None:
    record = byol_s(ESC50, {"top1_acc": 0.8}, model={"options": {"upstream_quirks": True}})
    assert "BYOL-S: ours" in cells(papers(record)["byol-s-6"])


def test_random_weights_are_left_out_of_published_tables() -> None:
    scores = {"top1_acc": 0.8}
    table = papers(byol_s(ESC50, scores), random_matpac(ESC50, scores))["byol-s-6"]
    assert not any("matpac" in row.label for row in table.rows)
    assert any("is left out: its weights are random" in note for note in table.notes)


# --- the papers' other protocols ------------------------------------------------------------------


def fitting(
    source: str,
    module: str,
    folder: str,
    scores: Mapping[str, list[float]],
    file: str = "",
    *,
    windows: int | None = None,
    layers: str = "",
    model: Mapping[str, Any] | None = None,
    **options: Any,
) -> Record:
    """A record of a source's own protocol; each seed is 0.001 above the one before."""
    of = SOURCES[source]
    ((metric, values),) = scores.items()
    by_seed = {
        seed: [value + 0.001 * number for value in values]
        for number, seed in enumerate(of.seeds or ())
    }
    return made_up(
        module,
        folder,
        {metric: by_seed},
        model=model,
        unit={
            "protocol": of.protocol,
            "version": of.version,
            "options": {**of.options, **options},
            **({"layers": layers} if layers else {}),
        },
        embedding={"representation": f"windows:{windows}"} if windows else None,
        weights={"weights": "file", "file": file, "url": "https://x.y"},
    )


MATPAC_FILE, VGGISH_FILE = "matpac_10_2048.pt", "vggish-10086976.pth"


def test_a_difference_has_the_interval_of_both() -> None:
    record = fitting("MATPAC", "matpac", ESC50, {"top1_acc": [0.90]}, MATPAC_FILE)
    found = paper_table(LAYOUTS["matpac-2"], [record])
    (line,) = (line for line in found.lines if line.model == "MATPAC (first row)")
    ((name, scores),) = line.own.items()
    own, entry = scores["esc50", "top1_acc"], line.published["esc50", "top1_acc"]
    value, half = found.difference(entry, own) or (0.0, None)
    assert value == pytest.approx(0.902 - 0.935)
    assert own.summary.n == 5
    assert half == pytest.approx(((own.summary.ci95 or 0) ** 2 + 0.001**2) ** 0.5)
    table = cells(found.table())
    assert table["MATPAC (first row): ours"]["ESC-50 top1_acc"] == "90.2 ± 0.2"
    assert table["MATPAC (first row): difference"]["ESC-50 top1_acc"] == "-3.3 ± 0.2"
    assert any("Which of the paper's two rows" in note for note in found.notes)


def test_means_of_another_table_s_columns() -> None:
    tasks = SOURCES["MATPAC"].folders
    records = [
        fitting("MATPAC", "matpac", folder, {metric: [0.5]}, MATPAC_FILE)
        for (task, metric) in LAYOUTS["matpac-3"].averages["All"]
        for folder in tasks[task]
    ]
    table = cells(paper_table(LAYOUTS["matpac-3"], records).table())
    assert table["MATPAC alpha=0.5: ours"]["All"].startswith("50.2 ± ")
    assert table["MATPAC alpha=0.5: difference"]["Music"].startswith("-21.3 ± ")
    (half,) = {float(table["MATPAC alpha=0.5: ours"][name].split(" ± ")[1]) for name in ("All",)}
    one = paper_table(LAYOUTS["matpac-2"], records[:1])
    (own,) = (line.own for line in one.lines if line.model == "MATPAC (first row)")
    (scores,) = own.values()
    # Seven independent columns with equal intervals: sqrt(7) times one of them, over 7.
    single = scores["openmic", "mAP"].summary.ci95 or 0.0
    assert half == pytest.approx(100 * single / 7**0.5, abs=0.05)
    table = cells(paper_table(LAYOUTS["matpac-3"], records[:4]).table())
    assert table["MATPAC alpha=0.5: ours"]["Music"].startswith("50.2 ± ")
    assert table["MATPAC alpha=0.5: ours"]["All"] == ""


def test_a_cell_takes_its_windows_and_its_aggregation() -> None:
    records = [
        fitting("Temporal support", "logmel", ESC50, {"top1_acc": [score]}, windows=n, **options)
        for score, n, options in (
            (0.1, 1, {}),
            (0.2, 3, {}),
            (0.3, 3, {"aggregator": "attention"}),
            (0.4, 3, {"aggregator": "autopool"}),
            (0.5, 5, {"max_epochs": 1}),
        )
    ]
    table = paper_table(LAYOUTS["support"], records).table()
    texts = {row.section: row.cells for row in table.rows if row.label == "logmel"}
    assert list(texts) == ["This benchmark, window 1 s", "This benchmark, window 3 s"]
    assert [cell.text[:4] for cell in texts["This benchmark, window 1 s"]][-2:] == ["10.2", ""]
    assert [cell.text[:4] for cell in texts["This benchmark, window 3 s"]][-2:] == ["20.2", "30.2"]
    left = [note for note in table.notes if "left out" in note]
    assert len(left) == 2
    assert "aggregator autopool" in left[0]
    assert "max_epochs 1" in left[1]


def test_a_learning_rate_that_was_chosen_otherwise_is_left_out() -> None:
    def of_vggish(**options: Any) -> dict[str, Any]:
        record = fitting(
            "Fusion",
            "vggish_fusion",
            ESC50,
            {"top1_acc": [0.7]},
            VGGISH_FILE,
            model={"options": {"layers": [22]}},
            **options,
        )
        return {row.label: row for row in paper_table(LAYOUTS["fusion-3"], [record]).table().rows}

    assert "VGGish: ours" in of_vggish()
    rows = of_vggish(learning_rate=3e-4)
    assert "VGGish: ours" not in rows
    assert rows["VGGish"].cells[0].mark == "x"


def test_fused_layers_are_the_paper_s_fusion() -> None:
    """Layers 4 and 6 of VGGish's nine are the paper's 10 and 15; other layers are left out."""
    records = [
        fitting(
            "Fusion",
            "vggish",
            ESC50,
            {"top1_acc": [score]},
            VGGISH_FILE,
            layers=layers,
        )
        for layers, score in (("4+6", 0.7), ("4", 0.2), ("weighted", 0.3))
    ]
    found = paper_table(LAYOUTS["fusion-4"], records)
    table = cells(found.table())
    assert table["VGGish-Fusion#10#15: ours"]["ESC-50 top1_acc"] == "70.1 ± 0.2"
    assert not any(line.own for line in found.lines if line.model != "VGGish-Fusion#10#15")
    assert sum("which are no model of Fusion" in note for note in found.notes) == 2


# --- why there is nothing -------------------------------------------------------------------------


def marks(paper: PaperTable) -> tuple[dict[str, str], dict[str, str], dict[str, list[str]]]:
    """By row, by column, and of the cells of each row."""
    table = paper.table()
    return (
        {row.label: row.mark for row in table.rows},
        {column.name: column.mark for column in table.columns},
        {row.label: [cell.mark for cell in row.cells] for row in table.rows},
    )


def test_what_is_missing_says_why() -> None:
    here = Here(lambda same: same.module.endswith("m2d"), [ESC50, "gtzan-fault-filtered-full"])
    of_rows, of_columns, of_cells = marks(paper_table(LAYOUTS["matpac-2"], [], here=here))
    assert of_rows["MATPAC w/o classification"] == "n"
    assert of_rows["MATPAC (first row)"] == "w"
    assert of_rows["M2D"] == ""
    assert (of_columns["OpenMIC"], of_columns["ESC-50"], of_columns["Avg."]) == ("c", "", "")
    # OpenMIC, NSynth, GTZAN, MTT, FSD50K, ESC-50, US8K, the average
    assert of_cells["M2D"] == ["", "p", "pr", "", "", "pr", "p", "a"]
    of_rows, of_columns, _ = marks(paper_table(LAYOUTS["fusion-4"], [], here=here))
    assert (of_rows["COLA"], of_columns["CRM-D"]) == ("n", "s")


def test_a_row_with_scores_of_ours_has_its_marks_where_they_belong() -> None:
    """No value of M2D on ESC-50 is printed, ours is there; on OpenMIC it is not."""
    file = "m2d_vit_base-80x608p16x16-221006-mr7_enconly-checkpoint-300.pth"
    record = fitting("MATPAC", "m2d", ESC50, {"top1_acc": [0.9]}, file)
    _, _, of_cells = marks(paper_table(LAYOUTS["matpac-2"], [record]))
    assert of_cells["M2D"] == ["", "p", "p", "", "", "p", "p", ""]
    assert of_cells["M2D: ours"] == ["r", "r", "r", "r", "r", "", "r", "a"]


def test_without_knowing_the_machine_nothing_is_said_of_it() -> None:
    of_rows, of_columns, _ = marks(paper_table(LAYOUTS["matpac-2"], []))
    assert set(of_columns.values()) == {""}
    assert set(of_rows.values()) == {"", "n"}
    _, of_columns, of_cells = marks(paper_table(LAYOUTS["fusion-3"], []))
    assert {name for name, mark in of_columns.items() if mark} == {"VF", "CRM-D", "Surge"}
    assert "".join(of_cells["CNN14"]) == "rrrrrra", "six columns and the average"


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_mark_is_explained(name: str) -> None:
    here = Here(lambda same: False, [])
    paper = paper_table(LAYOUTS[name], [], here=here)
    of_rows, of_columns, of_cells = marks(paper)
    used = "".join([*of_rows.values(), *of_columns.values(), *map("".join, of_cells.values())])
    explained = {note[0] for note in paper.notes if note[1:2] == ":"}
    assert explained == set(used)


def test_csv_has_every_published_value_and_ours() -> None:
    record = fitting("MATPAC", "matpac", ESC50, {"top1_acc": [0.90]}, MATPAC_FILE)
    here = Here(lambda same: False, [])
    paper = paper_table(LAYOUTS["matpac-2"], [record], here=here)
    rows = list(csv.DictReader(io.StringIO(paper.csv())))
    entries = [e for e in load_published() if (e.source, e.table) == ("MATPAC", "Table II")]
    assert [row["published"] for row in rows] == [entry.text for entry in entries]
    by_cell = {(row["model"], row["task"]): row for row in rows}
    ours = by_cell["MATPAC (first row)", "esc50"]
    assert (ours["own_model"], ours["published_spread"], ours["over"]) == ("matpac", "0.1", "seeds")
    assert float(ours["ours"]) == pytest.approx(90.2)
    assert float(ours["difference"]) == pytest.approx(-3.3)
    assert ours["why_none_of_ours"] == ""
    assert by_cell["M2D", "us8k"]["why_none_of_ours"] == (
        "its published weights are not on this machine; its data are not on this machine; no value"
        " is printed, or none is legible"
    )


def test_what_is_level_with_the_best_of_ours_is_bold() -> None:
    """Intervals over five seeds: crepe is far below, passt is not."""
    records = [
        fitting("MATPAC", module, ESC50, {"top1_acc": [score]})
        for module, score in (("logmel", 0.9), ("passt", 0.8999), ("crepe", 0.5))
    ]
    table = paper_table(LAYOUTS["matpac-2"], records).table()
    own = [row for row in table.rows if row.section == "This benchmark"]
    bold = {row.label for row in own if any(cell.best for cell in row.cells)}
    assert bold == {"logmel", "passt"}
    assert any(note.startswith("Bold of ours (*)") and "intervals" in note for note in table.notes)
