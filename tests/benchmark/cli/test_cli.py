"""The command as a user types it: what it does, prints, leaves behind, and how it fails."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tiny_task import make_task

from benchmark.cli.main import main
from benchmark.cli.model_listing import ready_modules
from benchmark.execution import run as job
from benchmark.models.discovery import our_modules
from benchmark.protocols.hear.options import HearOptions
from benchmark.protocols.registry import protocol
from benchmark.records.record import read_records
from tasks.options import preparable, prepare_options

TESTS = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def models_of_the_tests_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a user who is in the folder of his own model."""
    monkeypatch.chdir(TESTS)


@pytest.fixture
def tasks_dir(tmp_path: Path) -> Path:
    make_task(tmp_path / "tasks")
    return tmp_path / "tasks"


Fail = Callable[..., str]


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Fail:
    def check(*words: object, code: int = 2) -> str:
        """The one line that a command which must fail says."""
        assert main([str(word) for word in words]) == code
        out, err = capsys.readouterr()
        assert out == ""
        assert "Traceback" not in err
        if code == 2:
            (line,) = (line for line in err.splitlines() if line.startswith("hear-benchmark:"))
            return line
        return err.strip().splitlines()[-1]

    return check


def test_the_whole_job(tasks_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = f"run tiny_hear hear_plugins.logmel --tasks-dir {tasks_dir} --tasks tiny".split()
    line += f"--out {tmp_path / 'run'} --grid faster --grid-points 1 --threads 1".split()
    before = sorted(TESTS.iterdir())
    assert main(line) == 0
    first = capsys.readouterr()
    assert "tiny" in first.out and "logmel" in first.out and "top1_acc" in first.out
    assert first.err.count("evaluated") == 2
    assert "arning" not in first.err
    assert sorted(TESTS.iterdir()) == before, "stray files where the command was typed"
    tables = tmp_path / "run" / "tables"
    assert {"tables.md", "tables.tex", "tables.html", "scores.csv"} <= {
        path.name for path in tables.iterdir()
    }
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "records").rglob("*")}
    assert main(line) == 0, "the same line again"
    assert capsys.readouterr().out == first.out
    assert stamps == {path: path.stat().st_mtime_ns for path in stamps}, "work was repeated"

    assert main(["tables", "--out", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out == first.out


def test_jobs_change_no_number(tasks_dir: Path, tmp_path: Path) -> None:
    make_task(tasks_dir, name="second")
    line = f"run tiny_hear --tasks-dir {tasks_dir} --grid faster --grid-points 1 --threads 1"
    for jobs in ("1", "2"):
        assert main([*line.split(), "--out", str(tmp_path / jobs), "--jobs", jobs]) == 0
    alone, beside = (read_records(tmp_path / jobs / "records") for jobs in ("1", "2"))
    assert len(alone) == 2
    assert [record.scores for record in alone] == [record.scores for record in beside]


def test_one_model_failing_does_not_stop_the_other(
    tasks_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "tiny_hear=" + json.dumps({"fault": "nan"})
    line = f"embed tiny_hear hear_plugins.logmel --tasks-dir {tasks_dir}".split()
    assert main([*line, "--out", str(tmp_path), "--model-options", options]) == 1
    assert "tiny_hear" in capsys.readouterr().err
    (made,) = tmp_path.glob("embeddings/*/*/embedding.json")
    assert "logmel" in str(made)


def test_unknown_module_names_the_near_one(fails: Fail, tasks_dir: Path, tmp_path: Path) -> None:
    line = fails("run", "hear_plugins.creppe", "--tasks-dir", tasks_dir, "--out", tmp_path, code=1)
    assert "hear_plugins.creppe" in line and "did you mean hear_plugins.crepe" in line


def test_unknown_task_names_the_near_one(fails: Fail, tasks_dir: Path, tmp_path: Path) -> None:
    line = fails(
        "run", "tiny_hear", "--tasks-dir", tasks_dir, "--tasks", "tinny", "--out", tmp_path
    )
    assert "'tinny' (did you mean tiny" in line


def test_a_module_without_the_api(fails: Fail, tasks_dir: Path, tmp_path: Path) -> None:
    line = fails("embed", "json", "--tasks-dir", tasks_dir, "--out", tmp_path, code=1)
    assert "json has no function load_model" in line


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (lambda wav: wav.unlink(), "audio is missing"),
        (lambda wav: soundfile.write(wav, np.zeros(0), 16000), "is empty"),
        (
            lambda wav: soundfile.write(wav, np.full(8000, np.nan), 16000, subtype="FLOAT"),
            "nan",
        ),
        # "not recognised" by soundfile, or "not readable" where PyAV has a try at it
        (lambda wav: wav.write_bytes(b"RIFF nothing"), "not re"),
    ],
    ids=["missing", "empty", "nan", "garbage"],
)
def test_bad_audio(
    damage: Callable[[Path], None],
    names: str,
    tasks_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wav = sorted(tasks_dir.rglob("fold01/*.wav"))[0]
    damage(wav)
    line = ["embed", "tiny_hear", "--tasks-dir", str(tasks_dir), "--out", str(tmp_path / "out")]
    assert main(line) in (1, 2)
    said = capsys.readouterr().err
    assert wav.name in said and names in said.lower() and "Traceback" not in said


def test_bad_task_files(fails: Fail, tasks_dir: Path, tmp_path: Path) -> None:
    (split,) = tasks_dir.rglob("fold02.json")
    items = json.loads(split.read_text())
    embed = ("embed", "tiny_hear", "--tasks-dir", tasks_dir, "--out", tmp_path / "out")
    split.write_text(json.dumps({**items, next(iter(items)): ["bogus"]}))
    line = fails(*embed)
    assert "fold02.json" in line and "bogus" in line
    split.write_text("{nothing")
    line = fails(*embed)
    assert "fold02.json" in line and "not JSON" in line


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A truncated file, and one of a model that is not BYOL-A."""
    folder = tmp_path_factory.mktemp("checkpoints")
    torch.save({"layer.weight": torch.zeros(2, 2)}, folder / "other.pth")
    torch.save({"features.0.weight": torch.zeros(64, 64)}, folder / "whole.pth")
    whole = (folder / "whole.pth").read_bytes()
    (folder / "truncated.pth").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("absent.pth", "no weights file"),
        ("truncated.pth", "truncated"),
        ("other.pth", "not a checkpoint of this model"),
    ],
)
def test_bad_checkpoint(
    file: str, names: str, checkpoints: Path, fails: Fail, tasks_dir: Path, tmp_path: Path
) -> None:
    line = fails(
        *("embed", "hear_plugins.byol_a", "--model", checkpoints / file),
        *("--tasks-dir", tasks_dir, "--out", tmp_path),
        code=1,
    )
    assert file in line and names in line


def test_weights_that_are_not_here(fails: Fail, tasks_dir: Path, tmp_path: Path) -> None:
    line = fails(
        "embed", "hear_plugins.byol_s", "--tasks-dir", tasks_dir, "--out", tmp_path, code=1
    )
    assert "https://" in line and "MIT" in line and "put it at" in line


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--model-options", "{fault"], "not JSON"),
        (["--model-options", '{"colour": 1}'], "colour"),
        (["--k", "3"], "--k is not an option of protocol hear"),
        (["--train-device", "abacus"], "abacus"),
        (["--grid-points", "0"], "--grid-points"),
        (["--device", "abacus"], "abacus"),
    ],
)
def test_bad_options(
    words: list[str],
    names: str,
    tasks_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = ["run", "tiny_hear", "--tasks-dir", str(tasks_dir), "--out", str(tmp_path), *words]
    try:
        code = main(line)
    except SystemExit as stop:  # argparse's way out
        code = int(stop.code or 0)
    assert code in (1, 2)
    said = capsys.readouterr().err
    assert names in said and "Traceback" not in said


def test_full_disk_keeps_what_is_finished(tasks_dir: Path, tmp_path: Path, fails: Fail) -> None:
    make_task(tasks_dir, name="zz_big")
    embed = ("embed", "tiny_hear", "--tasks-dir", tasks_dir, "--out", tmp_path / "out")
    assert main([*map(str, embed), "--tasks", "tiny"]) == 0
    line = fails(*embed, "--model-options", '{"size": 4096, "fault": "full disk"}', code=1)
    assert "GB left" in line
    assert len(list((tmp_path / "out").rglob("embedding.json"))) == 1


def test_commands_explain_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    commands = "run,embed,evaluate,tables,leaderboard,models,prepare,validate"
    for command in f"{commands},tasks,tasks show,tasks get,tasks verify".split(","):
        with pytest.raises(SystemExit) as stop:
            main([*command.split(), "--help"])
        assert stop.value.code == 0
        assert len(capsys.readouterr().out.splitlines()) > 4


def test_models_and_tasks_are_listed(tasks_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    listed = capsys.readouterr().out
    assert all(module in listed for module in our_modules())
    cache = os.environ["HEAR_PLUGINS_CACHE"]
    assert all(len(line) <= 80 for line in listed.splitlines() if cache not in line)
    assert "hear_plugins.logmel" in ready_modules()
    assert "hear_plugins.matpac" not in ready_modules(), "its weights are not in the tests' cache"
    for name in ("beats", "hear_plugins.beats"):
        assert main(["models", name]) == 0
        shown = capsys.readouterr().out
        assert "BEATs_iter3.pt" in shown and "arXiv:2212.09058" in shown and "90.3 M" in shown
    assert main(["models", "beast"]) == 2
    assert "did you mean hear_plugins.beats" in capsys.readouterr().err
    assert main(["tasks", "--tasks-dir", str(tasks_dir)]) == 0
    listed = capsys.readouterr().out
    assert "esc10" in listed and "v1-small" in listed
    assert all(len(line) <= 80 for line in listed.splitlines() if str(tasks_dir) not in line)
    assert main(["tasks", "tiny", "--tasks-dir", str(tasks_dir)]) == 0
    assert "fold00 7" in capsys.readouterr().out
    assert main(["tasks", "ecs10"]) == 2
    assert "did you mean esc10" in capsys.readouterr().err


def test_prepare_custom(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    rows = ["file,label"]
    for i in range(12):
        soundfile.write(corpus / f"{i}.flac", np.zeros(4410), 22050)
        rows.append(f"{i}.flac,{'ab'[i % 2]}")
    (corpus / "labels.csv").write_text("\n".join(rows))
    line = ["prepare", "custom", "--from", str(corpus), "--tasks-dir", str(tmp_path / "made")]
    assert main([*line, "--name", "letters", "--nfolds", "3"]) == 0
    assert "letters-v1-full" in capsys.readouterr().out
    assert main([*line, "--name", "letters", "--force", "--nfolds", "4"]) == 0
    with pytest.raises(SystemExit, match="2"):
        main([*line, "--name"])
    assert "argument --name: expected one argument" in capsys.readouterr().err
    assert main([*line, "--nmae", "letters"]) == 2
    assert "custom has no option --nmae (did you mean --name" in capsys.readouterr().err
    assert main([*line, "--name", "letters", "--nfolds", "many"]) == 2
    assert "nfolds is 'many'; expected a whole number" in capsys.readouterr().err
    assert main([*line, "--name", "letters", "--evaluation", "top2_acc"]) == 2
    assert "unknown metric 'top2_acc', did you mean 'top1_acc'" in capsys.readouterr().err
    assert main(["prepare", "--from", "esc10", "custom", "--tasks-dir", "t", "--name", "a"]) == 2
    assert "esc10: no such folder; expected the corpus of custom" in capsys.readouterr().err
    assert main(["prepare", "ecs10", *line[2:]]) == 2
    assert "did you mean esc10" in capsys.readouterr().err


@pytest.mark.parametrize("name", preparable())
def test_prepare_tells_the_options_of_a_corpus(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["prepare", name, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for option in prepare_options(name):
        assert f"--{option.name.replace('_', '-')}" in shown
        assert " ".join(option.help.split()) in shown
        assert f"({option.expects}" in shown
    if name == "custom":
        assert "--nfolds NFOLDS Number of folds to draw. (a whole number; default: 5)" in shown


def test_evaluate_names_what_there_is(fails: Fail, tasks_dir: Path, tmp_path: Path) -> None:
    assert main(["embed", "tiny_hear", "--tasks-dir", str(tasks_dir), "--out", str(tmp_path)]) == 0
    outcome = job.Outcome()
    assert not outcome.records
    with pytest.raises(job.UserError, match="did you mean tiny"):
        job.evaluate_all(
            tmp_path,
            modules=[],
            tasks=["tinny"],
            protocol=protocol("hear"),
            options=HearOptions(),
            jobs=1,
            say=print,
        )


def test_demo_numbers_have_no_place_on_the_leaderboard(
    fails: Fail, tasks_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = f"run tiny_hear --tasks-dir {tasks_dir} --grid faster --grid-points 1 --out {tmp_path}"
    assert main(line.split()) == 0
    capsys.readouterr()
    words = ("--out", tmp_path, "--name", "Tiny", "--url", "https://example.org")
    assert "no record of a HEAR task" in fails("leaderboard", "tiny_hear", *words)
