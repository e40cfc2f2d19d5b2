"""hear-eval-kit as an engine: every kind of task, its defects, and what it leaves behind."""

from __future__ import annotations

import json
import math
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.protocols.hear import kit
from benchmark.protocols.hear.folds import folds
from benchmark.protocols.hear.kit import evaluate_with_kit
from benchmark.protocols.hear.options import SCORES_FILE, HearOptions

ROOT = Path(__file__).parents[3]
QUICK = HearOptions(grid="faster", grid_points=1, threads=1)
SIZE, HOP_MS = 8, 50.0


def write_embeddings(
    folder: Path,
    splits: dict[str, list[tuple[np.ndarray, list[Any]]]],
    labels: int,
    frames: dict[str, list[tuple[str, float]]] | None = None,
    events: dict[str, Any] | None = None,
    **metadata: Any,
) -> Path:
    """A folder of embeddings in hear-eval-kit's own format; rows are (embedding, labels)."""
    folder.mkdir(parents=True)
    kind = "event" if events else "scene"
    named = {"task_name": "tiny", "version": "v1", "mode": "small", "splits": list(splits)}
    task = {**named, "embedding_type": kind, "prediction_type": "multilabel", **metadata}
    # A few epochs are enough to learn these.
    task.setdefault("evaluation_params", {})["task_specific_param_grid"] = {"lr": [0.03]}
    (folder / "task_metadata.json").write_text(json.dumps(task))
    vocabulary = "".join(f"{index},{index}\n" for index in range(labels))
    (folder / "labelvocabulary.csv").write_text("idx,label\n" + vocabulary)
    for split, rows in splits.items():
        np.stack([row for row, _ in rows]).astype(np.float32).tofile(
            folder / f"{split}.embeddings.npy"
        )
        (folder / f"{split}.embedding-dimensions.json").write_text(json.dumps([len(rows), SIZE]))
        (folder / f"{split}.target-labels.pkl").write_bytes(pickle.dumps([y for _, y in rows]))
        if frames and events:
            (folder / f"{split}.filename-timestamps.json").write_text(json.dumps(frames[split]))
            (folder / f"{split}.json").write_text(json.dumps(events[split]))
    return folder


def scenes(folder: Path, mode: str, splits: list[str], signal: float = 4.0, **more: Any) -> Path:
    """A scene task whose label shows in its own embedding dimension, `signal` times the noise."""
    rng = np.random.default_rng(0)
    rows = {
        split: [
            (rng.standard_normal(SIZE) + signal * np.eye(SIZE)[label], [label])
            for label in np.arange(60) % 3
        ]
        for split in splits
    }
    return write_embeddings(folder, rows, labels=3, split_mode=mode, **more)


def sounds(folder: Path, mode: str, splits: list[str], signal: float = 4.0, **more: Any) -> Path:
    """An event task: sounds of 400 ms, one a second, of alternating labels."""
    rng = np.random.default_rng(0)
    rows, frames, events = {}, {}, {}
    for split in splits:
        files = [f"{split}-{index}.wav" for index in range(3)]
        notes = [
            {"label": str(second % 2), "start": 1000.0 * second + 200, "end": 1000.0 * second + 600}
            for second in range(6)
        ]
        events[split] = dict.fromkeys(files, notes)
        times = np.arange(0, 6000, HOP_MS)
        active = [[n["label"] for n in notes if n["start"] <= t <= n["end"]] for t in times]
        frames[split] = [(file, t) for file in files for t in times.tolist()]
        rows[split] = [
            (rng.standard_normal(SIZE) + signal * sum((np.eye(SIZE)[int(y)] for y in ys), 0), ys)
            for _ in files
            for ys in active
        ]
    return write_embeddings(folder, rows, 2, frames, events, split_mode=mode, **more)


FIVE = [f"fold{index:02d}" for index in range(5)]
THREE = ["train", "valid", "test"]
KINDS: dict[str, Callable[..., Path]] = {
    "multiclass": lambda folder, **more: scenes(
        folder,
        "new_split_kfold",
        FIVE[:3],
        prediction_type="multiclass",
        evaluation=["top1_acc", "chroma_acc", "mAP", "d_prime", "aucroc"],
        **more,
    ),
    "multilabel": lambda folder, **more: scenes(
        folder, "trainvaltest", THREE, evaluation=["mAP", "d_prime"], **more
    ),
    "dcase": lambda folder, **more: sounds(
        folder, "trainvaltest", THREE, evaluation=["event_onset_200ms_fms", "segment_1s_er"], **more
    ),
    "maestro": lambda folder, **more: sounds(
        folder,
        "new_split_kfold",
        FIVE[:3],
        evaluation=["event_onset_50ms_fms", "event_onset_offset_50ms_20perc_fms"],
        use_scoring_for_early_stopping=False,
        evaluation_params={
            "event_postprocessing_grid": {"median_filter_ms": [150], "min_duration": [50]}
        },
        **more,
    ),
}


needs_kit = pytest.mark.skipif(find_spec("heareval") is None, reason="hear-eval-kit not installed")


def ignore(part: float, what: str) -> None:
    pass


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def numbers(scores: dict[str, Any]) -> dict[str, Any]:
    """Scores without what differs in every run: times, addresses and paths."""
    return {
        run: {name: value for name, value in of_run.items() if not name.startswith("time_in_min")}
        for run, of_run in scores.items()
        if isinstance(of_run, dict) and run != "hparams"
    }


@needs_kit
@pytest.mark.parametrize(
    # What the kit gives for each kind stands in test_hear_native.py.
    "kind",
    [
        kind if kind == "multiclass" else pytest.param(kind, marks=pytest.mark.long)
        for kind in KINDS
    ],
)
def test_kit_evaluates_every_kind_and_leaves_nothing_else(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    embeddings = KINDS[kind](tmp_path / "embeddings")
    before = content(embeddings)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "home")
    heard: list[tuple[float, str]] = []
    work = tmp_path / "work"

    scores = evaluate_with_kit(embeddings, work, QUICK, lambda *said: heard.append(said))

    names = [fold.name for fold in folds(json.loads(before["task_metadata.json"]))]
    assert all(scores[name]["test_score"] > 0.8 for name in names)
    assert ("aggregated_scores" in scores) == (len(names) > 1)
    assert [part for part, _ in heard] == sorted(part for part, _ in heard)
    assert heard[0][0] == 0 and heard[-1][0] == 1
    assert any(what.startswith("grid point 1 of 1, epoch 2") for _, what in heard)
    assert any("fold 3 of 3" in what for _, what in heard) == (len(names) == 3)
    assert content(embeddings) == before
    assert {path.name for path in work.iterdir()} == {
        SCORES_FILE,
        kit.LOG_FILE,
        *(f"{name}.predictions.pkl" for name in names),
    }
    assert list((tmp_path / "home").iterdir()) == []
    assert capfd.readouterr() == ("", "")


@needs_kit
@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "module", ["heareval.predictions.runner", "benchmark.protocols.hear.kit_process"]
)
def test_kit_called_directly_gives_the_same_numbers(module: str, kind: str, tmp_path: Path) -> None:
    if kind == "dcase" and module.startswith("heareval"):
        pytest.skip("heareval alone dies of KeyError on such tasks since Lightning 1.6")
    embeddings = KINDS[kind](tmp_path / "embeddings")
    scores = evaluate_with_kit(embeddings, tmp_path / "work", QUICK, ignore)
    subprocess.run(
        [sys.executable, "-m", module, "embeddings", "--grid", "faster", "--grid-points", "1"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",
        },
        capture_output=True,
        check=True,
    )
    direct = json.loads((embeddings / SCORES_FILE).read_text())
    assert numbers(direct) == numbers(scores)


@needs_kit
@pytest.mark.long
def test_kit_reports_an_undefined_score_where_no_event_is_predicted(tmp_path: Path) -> None:
    embeddings = KINDS["dcase"](tmp_path / "embeddings", signal=0.0)
    scores = evaluate_with_kit(embeddings, tmp_path / "work", QUICK, ignore)
    assert math.isnan(scores["test"]["test_score"])


@needs_kit
@pytest.mark.long
def test_kit_that_fails_is_one_line_with_its_reason_and_its_log(tmp_path: Path) -> None:
    embeddings = KINDS["multilabel"](tmp_path / "embeddings")
    np.full((60, SIZE), np.nan, np.float32).tofile(embeddings / "train.embeddings.npy")
    with pytest.raises(UserError, match=r"AssertionError at: assert nandim == 0.*kit\.log$"):
        evaluate_with_kit(embeddings, tmp_path / "work", QUICK, ignore)
    assert [path.name for path in (tmp_path / "work").iterdir()] == [kit.LOG_FILE]


def test_missing_kit_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "find_spec", lambda name: None if name == "heareval" else name)
    with pytest.raises(UserError, match=r"heareval is not installed.*pip install --no-deps"):
        kit.require_kit()


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("test.target-labels.pkl", Path.unlink, "test.target-labels.pkl is missing"),
        ("valid.embeddings.npy", lambda path: os.truncate(path, 99), "has 99 bytes, but .* 1920"),
        ("task_metadata.json", lambda path: os.truncate(path, 9), "task_metadata.json: .*line 1"),
    ],
)
def test_broken_embeddings_are_named_before_the_kit_starts(
    name: str, damage: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    embeddings = KINDS["multilabel"](tmp_path / "embeddings")
    damage(embeddings / name)
    with pytest.raises(UserError, match=f"{said}.*; delete the folder and embed again"):
        evaluate_with_kit(embeddings, tmp_path / "work", QUICK, ignore)


FAKE_KIT = {
    "pytorch_lightning/__init__.py": "class Trainer: pass\nclass Callback: pass",
    "pytorch_lightning/loops.py": "class FitLoop: pass",
    "heareval/__init__.py": "",
    "heareval/predictions/__init__.py": "",
    "heareval/predictions/runner.py": """
import json, logging, os, pathlib, time
logging.basicConfig(level="INFO")
def runner(arguments, standalone_mode):
    here = pathlib.Path(arguments[0])
    started = pathlib.Path(os.environ["STARTED"])
    is_first = not started.exists()
    started.write_text(str(os.getpid()))
    logging.info("Grid point 1 of 1: {}")
    if is_first:
        exec(os.environ["FIRST"])
    (here / "test.predicted-scores.json").write_text(json.dumps({"test": {"test_score": 0.5}}))
""",
}


@pytest.fixture
def fake_kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kit that runs the Python in FIRST when first called and succeeds later; its pid's file."""
    for name, text in FAKE_KIT.items():
        (tmp_path / "fake" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fake" / name).write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fake"))
    monkeypatch.setenv("STARTED", str(tmp_path / "started"))
    monkeypatch.setenv("FIRST", "time.sleep(600)")
    return tmp_path / "started"


def wait_until(true: Callable[[], bool]) -> bool:
    for _ in range(300):
        if true():
            return True
        time.sleep(0.1)
    return False


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("raise KeyError(10)", "hear-eval-kit failed: KeyError: 10; its log is .*kit.log"),
        ("os.kill(os.getpid(), 9)", "killed by signal 9"),
        ("os._exit(3)", "hear-eval-kit failed: see its log"),
    ],
)
def test_after_a_failure_the_same_call_succeeds(
    first: str, said: str, tmp_path: Path, fake_kit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRST", first)
    embeddings = KINDS["multilabel"](tmp_path / "embeddings")
    with pytest.raises(UserError, match=said):
        evaluate_with_kit(embeddings, tmp_path / "work", QUICK, ignore)
    scores = evaluate_with_kit(embeddings, tmp_path / "work", QUICK, ignore)
    assert scores == {"test": {"test_score": 0.5}}


def test_an_interrupt_ends_the_kit(tmp_path: Path, fake_kit: Path) -> None:
    def interrupt(part: float, what: str) -> None:
        if what.startswith("grid point"):
            raise KeyboardInterrupt

    embeddings = KINDS["multilabel"](tmp_path / "embeddings")
    with pytest.raises(KeyboardInterrupt):
        evaluate_with_kit(embeddings, tmp_path / "work", QUICK, interrupt)
    assert is_gone(int(fake_kit.read_text()))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc")
def test_the_kit_does_not_outlive_a_killed_process(tmp_path: Path, fake_kit: Path) -> None:
    embeddings = KINDS["multilabel"](tmp_path / "embeddings")
    caller = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from benchmark.protocols.hear import kit
kit.evaluate_with_kit(
    Path({str(embeddings)!r}), Path({str(tmp_path / "work")!r}), kit.HearOptions(), print
)
"""
    with subprocess.Popen([sys.executable, "-c", caller], stdout=subprocess.DEVNULL) as process:
        assert wait_until(lambda: fake_kit.exists() and fake_kit.read_text() != "")
        process.kill()
    assert wait_until(lambda: is_gone(int(fake_kit.read_text())))
    scores = evaluate_with_kit(embeddings, tmp_path / "work", QUICK, ignore)
    assert scores == {"test": {"test_score": 0.5}}
