"""Models compared at the command line, from made-up records, predictions and embeddings."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from embedded_tasks import make_dcase, make_kfold
from made_up_records import made_up

from benchmark.cli import compare_commands
from benchmark.cli.main import main
from benchmark.embeddings.store import INFO_FILE
from benchmark.records.record import Record, write_record
from benchmark.reports.comparison import RESAMPLES
from tasks.folder import GROUPS_FILE

ESC50, PITCH, DCASE = (
    "esc50-v2.0.0-full",
    "nsynth_pitch-v2.2.3-5h",
    "dcase2016_task2-hear2021-full",
)
MULTISEED = {"protocol": "hear-multiseed", "options": {}}
CLIPS = 40


def record_of(module: str, folder: str, score: Any, **changes: Any) -> Record:
    metrics = {ESC50: "top1_acc", PITCH: "pitch_acc", DCASE: "segment_1s_er"}
    return made_up(module, folder, {metrics[folder]: score}, **changes)


def keep(out: Path, record: Record, skill: float | None, clip: str = "") -> Record:
    """Write a record, and predictions of every seed that are right as often as `skill`."""
    write_record(out / "records" / record.unit.record, record)
    work = out / "evaluations" / record.unit.folder
    seeds = record.unit.seeds
    for seed in seeds if skill is not None else ():
        place = work / f"seed-{seed}" if len(seeds) > 1 else work
        place.mkdir(parents=True, exist_ok=True)
        chance = np.random.default_rng([seed, *record.module.encode()])
        target = np.eye(4, dtype=np.uint8)[np.arange(CLIPS) % 4]
        right = chance.random(CLIPS) < skill
        np.savez(
            place / "test.predictions.npz",
            prediction=np.where(right[:, None], target, np.roll(target, 1, axis=1)) + 0.1,
            target=target,
            clip=np.array([f"{clip}{row}.wav" for row in range(CLIPS)]),
        )
    return record


def compare(out: Path, words: str) -> int:
    return main(["compare", *words.split(), "--out", str(out), "--resamples", "100"])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """CREPE is clearly better on ESC-50 and alike on pitch; sound events keep no clips."""
    for module, skills in {"crepe": (0.95, 0.6), "logmel": (0.2, 0.6)}.items():
        for folder, skill in zip((ESC50, PITCH), skills, strict=True):
            keep(tmp_path, record_of(module, folder, skill), skill)
        keep(tmp_path, record_of(module, DCASE, 0.5), None)
    return tmp_path


def test_clips_of_one_group_are_drawn_together(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    embeddings = run / "embeddings" / record_of("logmel", ESC50, 0.2).unit.embedding.folder
    embeddings.mkdir(parents=True)
    groups = {f"{row}.wav": f"speaker {row // 10}" for row in range(CLIPS)}
    (embeddings / GROUPS_FILE).write_text(json.dumps(groups))
    rows = {}
    for option in ("", " --each-clip"):
        assert compare(run, f"crepe logmel{option}") == 0
        (path,) = (run / "tables" / "compare").rglob("crepe-logmel.csv")
        rows[option] = {row["task"]: row for row in csv.DictReader(path.open())}
        said = capsys.readouterr().out.replace("\n", " ")
        assert ("groups: esc50 4 of 40 clips" in said) == (not option)
    assert (rows[""]["esc50"]["groups"], rows[" --each-clip"]["esc50"]["groups"]) == ("4", "")
    assert rows[""]["esc50"]["low"] != rows[" --each-clip"]["esc50"]["low"]
    assert rows[""]["nsynth_pitch"] == rows[" --each-clip"]["nsynth_pitch"]


def test_two_models(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(run, "hear_plugins.crepe logmel") == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    assert "crepe is better on esc50." in printed
    assert "Not told apart on nsynth_pitch." in printed
    assert "Not compared: dcase2016_task2: events are not compared clip by clip" in printed
    (text,) = (run / "tables" / "compare").rglob("crepe-logmel.md")
    assert "| esc50 top1_acc |" in text.read_text()
    rows = {row["task"]: row for row in csv.DictReader(text.with_suffix(".csv").open())}
    esc50 = rows["esc50"]
    assert float(esc50["difference"]) == pytest.approx(
        float(esc50["score"]) - float(esc50["other_score"])
    )
    assert 0 < float(esc50["low"]) < float(esc50["difference"]) < float(esc50["high"])
    assert float(esc50["p_permutation"]) == float(esc50["p"]) == pytest.approx(1 / 101)
    assert float(esc50["p_holm"]) == pytest.approx(2 / 101), "two tasks were compared"
    assert float(rows["nsynth_pitch"]["low"]) < 0 < float(rows["nsynth_pitch"]["high"])


def test_the_order_of_the_models_is_the_sign(run: Path) -> None:
    assert compare(run, "logmel crepe --tasks esc50") == 0
    (path,) = (run / "tables" / "compare").rglob("logmel-crepe.csv")
    (row,) = csv.DictReader(path.open())
    assert float(row["high"]) < 0
    assert float(row["p_holm"]) == float(row["p"]), "one task was compared"


def test_models_by_key_and_by_display_name(run: Path) -> None:
    named = keep(run, record_of("byol_a", ESC50, 0.5, name="Mine"), 0.5)
    assert compare(run, f"{named.unit.model.folder} crepe") == 0
    assert compare(run, "Mine crepe") == 0
    assert len(list((run / "tables" / "compare").rglob("Mine-crepe.md"))) == 1


def test_seeds_are_crossed_with_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for module, skill in {"crepe": 0.8, "logmel": 0.6}.items():
        seeds = {seed: [skill] for seed in (1, 2, 3)}
        keep(tmp_path, record_of(module, ESC50, seeds, unit=MULTISEED), skill)
        keep(tmp_path, record_of(module, ESC50, skill), skill)
    assert compare(tmp_path, "crepe logmel --protocol hear-multiseed") == 0
    assert "bootstrap over clips and seeds" in capsys.readouterr().out
    (path,) = (tmp_path / "tables" / "compare").rglob("*.csv")
    (row,) = csv.DictReader(path.open())
    assert row["seeds"] == row["other_seeds"] == "3"
    assert row["p"] != row["p_permutation"]


def test_records_of_two_protocols_are_not_mixed(run: Path) -> None:
    keep(run, record_of("passt", ESC50, 0.5, unit=MULTISEED), 0.5)
    assert compare(run, "passt crepe") == 2


@pytest.mark.parametrize("fault", ["no predictions", "other clips", "damaged"])
def test_a_task_that_cannot_be_compared_says_why(
    run: Path, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    esc50 = record_of("passt", ESC50, 0.5)
    skill = None if fault == "no predictions" else 0.5
    keep(run, esc50, skill, clip="x" if fault == "other clips" else "")
    keep(run, record_of("passt", PITCH, 0.5), 0.5)
    if fault == "damaged":
        (run / "evaluations" / esc50.unit.folder / "test.predictions.npz").write_bytes(
            b"PK\x03\x04?"
        )
    assert compare(run, "passt crepe") == 0
    printed = " ".join(capsys.readouterr().out.split())
    said = {"no predictions": "there are no predictions", "other clips": "has not the clips"}
    assert "Not compared: esc50:" in printed
    assert said.get(fault, "is damaged") in printed
    assert "dcase2016_task2: only crepe has a score" in printed
    (path,) = (run / "tables" / "compare").rglob("passt-crepe.csv")
    assert [row["task"] for row in csv.DictReader(path.open())] == ["nsynth_pitch"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("crepe passt", "no record of the model 'passt'; there are crepe, logmel"),
        ("crepe", "name at least two"),
        ("crepe hear_plugins.crepe", "both names are those of crepe"),
        ("crepe logmel --protocol knn", "no record of the protocol 'knn'; there are hear"),
        ("crepe logmel --tasks esc10", "no record of the task 'esc10'"),
        ("crepe logmel --tasks dcase2016_task2", "nothing to compare"),
    ],
)
def test_wrong_input_is_one_line(
    run: Path, words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(run, words) == 2
    printed = capsys.readouterr()
    assert said in printed.err.splitlines()[-1]
    assert not printed.out


def test_a_name_of_two_models_is_one_line(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(run, record_of("crepe", ESC50, 0.5, model={"options": {"size": "tiny"}}), 0.5)
    assert compare(run, "hear_plugins.crepe logmel") == 2
    assert "crepe size=tiny" in capsys.readouterr().err


def ranked(out: Path) -> None:
    """Four models in the same order on six tasks."""
    for task in range(6):
        for place, module in enumerate(("m2d", "crepe", "byol_a", "logmel")):
            record = made_up(module, f"task{task}-v1-full", {"top1_acc": 0.9 - 0.1 * place})
            keep(out, record, None)


@pytest.mark.parametrize("words", ["all", "logmel byol_a crepe m2d"])
def test_many_models_are_ranked(
    tmp_path: Path, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ranked(tmp_path)
    assert compare(tmp_path, words) == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    # Demsar (2006), Table 5: q of four models at 0.05 is 2.569; sqrt(4 * 5 / (6 * 6)) = 0.745.
    assert "critical difference at 95 %: 1.91" in " ".join(printed.split())
    (path,) = (tmp_path / "tables" / "compare").rglob("ranks.csv")
    rows = list(csv.DictReader(path.open()))
    assert [(row["Model"], row["mean rank"], row["alike"]) for row in rows] == [
        ("m2d", "1.00", "a"),
        ("crepe", "2.00", "ab"),
        ("byol_a", "3.00", "bc"),
        ("logmel", "4.00", "c"),
    ]
    assert path.with_suffix(".md").is_file()
    numbers = json.loads(path.with_suffix(".json").read_text())
    assert numbers["mean_ranks"] == {"m2d": 1.0, "crepe": 2.0, "byol_a": 3.0, "logmel": 4.0}
    assert numbers["critical_difference"] == pytest.approx(1.915, abs=1e-3)
    assert numbers["cliques"] == [["m2d", "crepe"], ["crepe", "byol_a"], ["byol_a", "logmel"]]
    assert "CD = 1.91" in "".join(ElementTree.parse(path.with_suffix(".svg")).getroot().itertext())
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_ranks_take_common_tasks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for module, folder in (("crepe", ESC50), ("logmel", ESC50), ("passt", PITCH)):
        keep(tmp_path, record_of(module, folder, 0.5), None)
    assert compare(tmp_path, "crepe logmel passt") == 2
    assert "0 tasks have a score of all 3 models" in capsys.readouterr().err


def test_resamples_are_those_of_the_function() -> None:
    assert compare_commands.RESAMPLES == RESAMPLES


def test_probes_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orders: Mapping[str, tuple[float, ...]] = {"knn": (0.1, 0.2, 0.3), "linear": (0.3, 0.2, 0.1)}
    for protocol, scores in orders.items():
        for module, score in zip(("crepe", "logmel", "m2d"), scores, strict=True):
            unit = {"protocol": protocol, "options": {"a long option": "of a long value" * 3}}
            keep(tmp_path, record_of(module, ESC50, score, unit=unit), None)
    assert main(["compare-probes", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "Kendall's tau-b" in printed and "-1.00" in printed
    assert max(map(len, printed.splitlines())) <= 80
    folder = tmp_path / "tables" / "compare-probes"
    assert "| m2d | 1.00 | 3.00 |" in (folder / "probes.md").read_text()
    assert (folder / "probes.csv").read_text().strip().endswith("esc50,-1.000000")
    ElementTree.parse(folder / "probes.svg")


def test_one_probe_is_one_line(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare-probes", "--out", str(run)]) == 2
    assert "takes at least two" in capsys.readouterr().err
    assert main(["compare-probes", "--out", str(run / "nothing")]) == 2


def embedded(out: Path, module: str, key: str, make: Any = make_kfold, scale: float = 1) -> None:
    folder = make(out / "embeddings" / f"{module}-{key}" / "x-key")
    metadata = json.loads((folder / "task_metadata.json").read_text())
    if scale != 1:
        for path in folder.glob("*.embeddings.npy"):
            (scale * np.fromfile(path, np.float32)).tofile(path)
    info = {"module": module, "task": "x-v1-full", "task_name": metadata["task_name"], "name": ""}
    (folder / INFO_FILE).write_text(json.dumps(info))


def test_similarity_of_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    embedded(tmp_path, "hear_plugins.crepe", "1")
    embedded(tmp_path, "hear_plugins.m2d", "1", scale=3)
    embedded(tmp_path, "hear_plugins.m2d", "2", scale=5)
    embedded(tmp_path, "hear_plugins.logmel", "1", make=make_dcase)
    assert main(["cka", "--out", str(tmp_path), "--task", "kfold"]) == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    folder = tmp_path / "tables" / "cka"
    with (folder / "kfold.csv").open() as file:
        head, *rows = csv.reader(file)
    assert sorted(head[1:]) == ["crepe", "hear_plugins.m2d-1", "hear_plugins.m2d-2"]
    assert [row[0] for row in rows] == head[1:]
    assert {float(value) for row in rows for value in row[1:]} == {1.0}
    assert "1.00" in (folder / "kfold.md").read_text()
    drawing = ElementTree.parse(folder / "kfold.svg")
    assert sum(part.tag.endswith("rect") for part in drawing.iter()) == 9
    two = ["cka", "hear_plugins.crepe", "hear_plugins.m2d-1", "--split", "fold01"]
    assert main([*two, "--out", str(tmp_path), "--task", "kfold"]) == 0
    assert (folder / "kfold-fold01.csv").read_text().count("\n") == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--task esc10", "no embeddings of the task 'esc10'; there are dcase2016_task2, kfold"),
        ("--task dcase2016_task2", "by 1 model"),
        ("hear_plugins.passt --task kfold", "by 'hear_plugins.passt'"),
        ("--task kfold --split test", "no split 'test'"),
    ],
)
def test_what_similarity_cannot_be_is_one_line(
    tmp_path: Path, words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    embedded(tmp_path, "hear_plugins.crepe", "1")
    embedded(tmp_path, "hear_plugins.m2d", "1")
    embedded(tmp_path, "hear_plugins.logmel", "1", make=make_dcase)
    assert main(["cka", *words.split(), "--out", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
