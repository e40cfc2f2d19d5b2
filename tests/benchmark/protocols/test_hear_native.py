"""The native engine against hear-eval-kit itself, and what it promises beyond it."""

from __future__ import annotations

import json
import math
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from embedded_tasks import MAKERS, make_dcase, make_kfold, make_multilabel, make_pitch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import median_filter

from benchmark.embeddings import dataset as native_data
from benchmark.errors import UserError
from benchmark.metrics.events import Frames, predicted_events
from benchmark.protocols.hear import native as engine
from benchmark.protocols.hear.kit_scores import aggregate, means_by_seed
from benchmark.protocols.hear.native import Variant, evaluate_native
from benchmark.protocols.hear.options import SCORES_FILE, HearOptions, MultiseedOptions
from benchmark.protocols.registry import protocol

ROOT = Path(__file__).resolve().parents[3]
FASTER = HearOptions(grid="faster", grid_points=3, threads=1)
# Times differ, and the kit prints the address of a function into these.
NOT_COMPARED = ("time_in_min", "embedding_path", "initialization")


def quiet(part: float, what: str) -> None:
    assert 0.0 <= part <= 1.0 and what


def numbers(scores: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that must be equal; NaN as text, as it is not equal to itself."""
    if isinstance(scores, dict):
        for key, value in scores.items():
            if not key.startswith(NOT_COMPARED):
                yield from numbers(value, f"{path}/{key}")
    else:
        yield path, "NaN" if isinstance(scores, float) and math.isnan(scores) else scores


def run_kit(folders: list[Path], options: HearOptions) -> list[dict[str, Any]]:
    """Scores of several folders by the kit in one process; it writes into the folders."""
    if find_spec("heareval") is None:
        pytest.skip("needs hear-eval-kit")
    code = (
        "import sys; from benchmark.protocols.hear.kit_process import main;"
        " sys.exit(main(sys.argv[1:]))"
    )
    if options.threads > 1:  # as the kit engine does it
        code = f"import torch; torch.set_num_threads({options.threads}); {code}"
    command = [sys.executable, "-c", code, *map(str, folders), "--grid", options.grid]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(options.threads))
    result = subprocess.run(
        [*command, "--grid-points", str(options.grid_points)],
        cwd=folders[0].parent,
        env={**os.environ, **threads, "PYTHONPATH": str(ROOT), "TQDM_DISABLE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return [json.loads((folder / SCORES_FILE).read_text()) for folder in folders]


def check_against_kit(tmp_path: Path, options: HearOptions) -> None:
    folders = [make(tmp_path / name) for name, make in MAKERS.items()]
    ours = [
        evaluate_native(folder, tmp_path / f"work-{folder.name}", options, quiet)
        for folder in folders
    ]
    for folder, native, kit in zip(folders, ours, run_kit(folders, options), strict=True):
        native = json.loads(json.dumps(native))
        assert dict(numbers(native)) == dict(numbers(kit)), folder.name
        assert list(numbers(native)) == list(numbers(kit)), f"{folder.name}: order"


def test_every_kind_of_task_gets_the_kits_numbers(tmp_path: Path) -> None:
    check_against_kit(tmp_path, FASTER)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("grid", "points", "threads"),
    [("default", 8, 1), ("default", 2, 2), ("fast", 4, 1)],
)
def test_every_grid_gets_the_kits_numbers(
    tmp_path: Path, grid: str, points: int, threads: int
) -> None:
    options = HearOptions(grid=grid, grid_points=points, threads=threads)
    check_against_kit(tmp_path, options)


KILLED = """
import os, signal, sys
from pathlib import Path
from benchmark.protocols.hear.native import evaluate_native
from benchmark.protocols.hear.options import HearOptions
calls = 0
def on_progress(part, what):
    global calls
    calls += 1
    if calls == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
options = HearOptions(grid="faster", grid_points=3, threads=1)
evaluate_native(Path(sys.argv[1]), Path(sys.argv[2]), options, on_progress)
"""


@pytest.mark.parametrize("make", [make_kfold, make_dcase])
def test_a_killed_evaluation_goes_on_to_the_same_numbers(tmp_path: Path, make: Any) -> None:
    folder, work = make(tmp_path / "embeddings"), tmp_path / "work"
    for calls in (14, 17):  # in the second training, then in a later one
        command = [sys.executable, "-c", KILLED, str(folder), str(work), str(calls)]
        assert subprocess.run(command, cwd=ROOT).returncode == -9
    assert list(work.glob("*.run.json")) and not (work / SCORES_FILE).exists()
    kept = {path: path.stat().st_mtime_ns for path in work.glob("*.run.json")}
    went_on = evaluate_native(folder, work, FASTER, quiet)
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    straight = evaluate_native(folder, tmp_path / "straight", FASTER, quiet)
    assert list(numbers(went_on)) == list(numbers(straight))


def test_scores_are_computed_again_from_kept_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, work = make_dcase(tmp_path / "embeddings"), tmp_path / "work"
    first = evaluate_native(folder, work, FASTER, quiet)
    (work / SCORES_FILE).unlink()
    monkeypatch.setattr(
        "benchmark.protocols.hear.native.train", lambda *a, **k: pytest.fail("trained again")
    )
    assert evaluate_native(folder, work, FASTER, quiet) == first


def test_other_options_or_embeddings_start_anew(tmp_path: Path) -> None:
    folder, work = make_kfold(tmp_path / "embeddings"), tmp_path / "work"
    first = evaluate_native(folder, work, FASTER, quiet)
    other = HearOptions(grid="faster", grid_points=1, threads=1)
    expected = evaluate_native(folder, tmp_path / "other", other, quiet)
    assert list(numbers(evaluate_native(folder, work, other, quiet))) == list(numbers(expected))
    rows = np.fromfile(folder / "fold01.embeddings.npy", np.float32)
    (rows * 2).tofile(folder / "fold01.embeddings.npy")
    again = evaluate_native(folder, work, FASTER, quiet)
    assert again["fold01"]["test_loss"] != first["fold01"]["test_loss"]


def test_trainings_of_other_code_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, work = make_pitch(tmp_path / "embeddings"), tmp_path / "work"
    evaluate_native(folder, work, FASTER, quiet)
    kept = {path: path.stat().st_mtime_ns for path in work.glob("*.run.json")}
    evaluate_native(folder, work, FASTER, quiet)
    assert kept == {path: path.stat().st_mtime_ns for path in work.glob("*.run.json")}
    monkeypatch.setattr(engine, "functions_hash", lambda functions: "as after a fix in the engine")
    evaluate_native(folder, work, FASTER, quiet)
    assert all(path.stat().st_mtime_ns > made for path, made in kept.items())


@pytest.mark.parametrize(
    ("row", "time", "said"),
    [
        (0, -25.0, "a timestamp is -25.0; expected ms from 0 on"),
        (1, 0.0, ".wav: a timestamp of 0.0 ms is followed by 0.0; expected later ones"),
    ],
)
def test_timestamps_that_cannot_be_are_refused(
    tmp_path: Path, row: int, time: float, said: str
) -> None:
    folder = make_dcase(tmp_path / "embeddings")
    path = folder / "valid.filename-timestamps.json"
    rows = json.loads(path.read_text())
    rows[row][1] = time
    path.write_text(json.dumps(rows))
    with pytest.raises(UserError, match=said):
        evaluate_native(folder, tmp_path / "work", FASTER, quiet)


@pytest.mark.parametrize("make", [make_kfold, make_pitch, make_dcase])
def test_embeddings_that_stay_on_disk_give_the_same_numbers(
    tmp_path: Path, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(tmp_path / "embeddings")
    held = evaluate_native(folder, tmp_path / "held", FASTER, quiet)
    mapped = HearOptions(grid="faster", grid_points=3, threads=1, in_memory=False)
    streamed = evaluate_native(folder, tmp_path / "streamed", mapped, quiet)
    monkeypatch.setattr(native_data, "HELD_BYTES", 0)

    too_large = evaluate_native(folder, tmp_path / "large", FASTER, quiet)
    assert list(numbers(held)) == list(numbers(streamed)) == list(numbers(too_large))


def test_predictions_are_kept_in_an_open_format(tmp_path: Path) -> None:
    folder, work = make_kfold(tmp_path / "embeddings"), tmp_path / "work"
    evaluate_native(folder, work, FASTER, quiet)
    assert sorted(path.name for path in work.glob("*.npz")) == [
        f"fold0{fold}.predictions.npz" for fold in range(3)
    ]
    with np.load(work / "fold01.predictions.npz", allow_pickle=False) as arrays:
        truth = json.loads((folder / "fold01.json").read_text())
        assert sorted(arrays["clip"]) == sorted(truth)
        assert arrays["prediction"].shape == arrays["logit"].shape == arrays["target"].shape
    events = make_dcase(tmp_path / "events")
    evaluate_native(events, work, FASTER, quiet)
    predicted = json.loads((work / "test.events.json").read_text())
    assert sorted(predicted) == sorted(json.loads((events / "test.json").read_text()))
    assert {"label", "start", "end"} == set(predicted["test-0.wav"][0])


def test_learning_curves_are_kept(tmp_path: Path) -> None:
    folder, work = make_kfold(tmp_path / "embeddings"), tmp_path / "work"
    evaluate_native(folder, work, FASTER, quiet)
    run = json.loads((work / "fold01.run.json").read_text())
    assert [run["epoch"], run["score"]] in run["curve"]
    assert run["score"] == max(score for _, score in run["curve"])
    epochs = [epoch for epoch, _ in run["curve"]]
    assert epochs == sorted(set(epochs)) and len(epochs) > 1


def test_the_process_is_left_as_it_was(tmp_path: Path) -> None:
    folder = make_kfold(tmp_path / "embeddings")
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    torch.manual_seed(1)
    first = evaluate_native(folder, tmp_path / "1", FASTER, quiet)
    torch.manual_seed(2)
    second = evaluate_native(folder, tmp_path / "2", FASTER, quiet)
    assert list(numbers(first)) == list(numbers(second))
    assert torch.initial_seed() == 2 and torch.get_num_threads() == threads
    torch.set_rng_state(state)


def test_seeds_are_repeatable_and_keep_their_folds(tmp_path: Path) -> None:
    folder = make_kfold(tmp_path / "embeddings")
    multiseed = protocol("hear-multiseed")
    options = MultiseedOptions(grid="faster", grid_points=2, threads=1, seeds=(7, 8))
    results = multiseed.evaluate(folder, tmp_path / "work", options, quiet)
    again = multiseed.evaluate(folder, tmp_path / "again", options, quiet)
    splits = json.loads((folder / "task_metadata.json").read_text())["splits"]
    assert [(one.seed, one.fold) for one in results] == [
        (seed, fold) for seed in (7, 8) for fold in sorted(splits)
    ]
    assert [one.scores for one in results] == [one.scores for one in again]
    losses = [one.training["test_loss"] for one in results]
    assert len(set(losses)) == len(losses)
    means = means_by_seed(results)
    assert means[8]["top1_acc"] == np.mean([r.scores["top1_acc"] for r in results if r.seed == 8])
    ways = {
        shuffle: evaluate_native(
            folder, tmp_path / str(shuffle), options, quiet, Variant(7, shuffle=shuffle)
        )
        for shuffle in (False, True)
    }
    first = sorted(splits)[0]
    assert ways[True][first]["test_loss"] == losses[0] != ways[False][first]["test_loss"]


def test_shuffled_embeddings_on_disk_give_the_same_numbers(tmp_path: Path) -> None:
    folder = make_kfold(tmp_path / "embeddings")
    results = [
        evaluate_native(
            folder,
            tmp_path / str(in_memory),
            HearOptions(grid="faster", grid_points=2, threads=1, in_memory=in_memory),
            quiet,
            Variant(shuffle=True),
        )
        for in_memory in (True, False)
    ]
    assert list(numbers(results[0])) == list(numbers(results[1]))


@pytest.mark.parametrize("make", [make_kfold, make_dcase])
def test_a_parallel_grid_is_repeatable_and_close(tmp_path: Path, make: Any) -> None:
    folder, work = make(tmp_path / "embeddings"), tmp_path / "work"
    options = replace(FASTER, parallel_grid=True)
    together = evaluate_native(folder, work, options, quiet)
    for run in list(work.glob("*.run.json"))[::2]:
        run.unlink()  # as if it had been killed while it wrote
    again = evaluate_native(folder, work, options, quiet)
    assert list(numbers(again)) == list(numbers(together))
    alone = evaluate_native(folder, tmp_path / "alone", FASTER, quiet)
    assert set(dict(numbers(together))) == set(dict(numbers(alone)))
    fold = next(iter(alone))
    assert abs(together[fold]["test_score"] - alone[fold]["test_score"]) < 0.2


@given(
    st.lists(
        st.floats(-5, 5, width=32) | st.just(math.nan) | st.just(math.inf), min_size=2, max_size=12
    )
)
def test_folds_are_aggregated_as_pandas_does(values: list[float]) -> None:
    results = {f"fold{i}": {"score": value, "epoch": i} for i, value in enumerate(values)}
    table = pd.DataFrame.from_dict(results, orient="index")
    with np.errstate(invalid="ignore"):
        expected = {f"{n}_{k}": getattr(table[n], k)() for n in table for k in ("mean", "std")}
    assert dict(numbers(aggregate(results))) == dict(numbers(expected))


@given(
    seed=st.integers(0, 1000),
    frames=st.integers(3, 40),  # scipy reflects wrongly where a window covers 2 frames 8 times
    window=st.sampled_from([0, 20, 40, 100, 150, 250, 900]),
    least=st.sampled_from([0, 50, 125, 250]),
    rng=st.floats(0.2, 0.8),
)
def test_events_of_frames(seed: int, frames: int, window: int, least: int, rng: float) -> None:
    """Against scipy's filter and a plain loop, as the kit makes events."""
    random = np.random.default_rng(seed)
    prediction = random.random((frames, 3), dtype=np.float32) + np.float32(rng - 0.5)
    times = 25.0 + 50.0 * np.arange(frames)
    order = random.permutation(frames)  # rows of a file need not lie in time's order
    smooth = prediction
    if window and (width := round(window / 50.0)):
        smooth = median_filter(prediction, size=(width, 1))
    expected = []
    for label in range(3):
        first = None
        for frame in range(frames + 1):
            on = frame < frames and smooth[frame, label] > 0.5
            if on and first is None:
                first = frame
            if not on and first is not None:
                if times[frame - 1] - times[first] >= least:
                    expected.append((label, times[first], times[frame - 1]))
                first = None
    expected.sort(key=lambda event: event[1])
    table = predicted_events(
        prediction[order],
        Frames.of(["some/clip.wav"] * frames, times[order]),
        (("median_filter_ms", window), ("min_duration", least)),
    )
    assert list(zip(table.label, table.start, table.end, strict=True)) == expected


def change(folder: Path, file: str, **values: Any) -> None:
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**content, **values}))


def spoil_with_nan(folder: Path) -> None:
    rows = np.fromfile(folder / "train.embeddings.npy", np.float32)
    rows[3] = np.nan
    rows.tofile(folder / "train.embeddings.npy")


def spoil_with_code(folder: Path) -> None:
    (folder / "train.target-labels.pkl").write_bytes(pickle.dumps([os.getcwd]))


def spoil_with_labels(folder: Path) -> None:
    labels = pickle.loads((folder / "train.target-labels.pkl").read_bytes())
    (folder / "train.target-labels.pkl").write_bytes(pickle.dumps([["moo"], *labels[1:]]))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_with_nan, "embedding is not finite"),
        (spoil_with_code, "it names posix.getcwd"),
        (spoil_with_labels, "'moo' is not in the vocabulary"),
        (lambda f: change(f, "task_metadata.json", evaluation=["map"]), "mean 'mAP'"),
        (lambda f: change(f, "task_metadata.json", prediction_type="multiclass"), "row .* labels"),
        (lambda f: change(f, "task_metadata.json", split_mode="random"), "split_mode is 'random'"),
        (lambda f: (f / "valid.json").unlink(), "valid.json"),
        (
            lambda f: (f / "valid.embeddings.npy").write_bytes(b"1234"),
            "4 bytes are not 50 x 20 numbers",
        ),
        (
            lambda f: change(
                f,
                "task_metadata.json",
                evaluation_params={"task_specific_param_grid": {"check_val_every_n_epoch": [99]}},
            ),
            "every 99 of 10 epochs",
        ),
    ],
)
def test_what_cannot_be_evaluated_is_said_in_one_line(
    tmp_path: Path, spoil: Any, said: str
) -> None:
    folder = make_multilabel(tmp_path / "embeddings")
    spoil(folder)
    with pytest.raises(UserError, match=said) as caught:
        evaluate_native(folder, tmp_path / "work", FASTER, quiet)
    assert "\n" not in str(caught.value)


def test_a_last_batch_of_one_row_is_explained(tmp_path: Path) -> None:
    folder = make_pitch(tmp_path / "embeddings", rows=1025)
    with pytest.raises(UserError, match="last batch of one"):
        evaluate_native(folder, tmp_path / "work", HearOptions(grid_points=1), quiet)
