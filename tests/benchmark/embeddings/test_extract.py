"""Embedding tasks: what is stored, how often it is read, and that nothing is lost on the way."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import tiny_hear
import torch
from tiny_task import FOLDS, make_task

import tasks.audio
from benchmark.embeddings import batching, store
from benchmark.embeddings.dataset import TaskRows, read_embedded_task
from benchmark.embeddings.extract import Embeddings, embed
from benchmark.embeddings.limited_task import limit_task
from benchmark.embeddings.store import final_order, read_info
from benchmark.errors import DiskFullError, UserError
from benchmark.models.hear_module import LoadedModel, ModelSpec, load_model
from benchmark.progress import progress_bar
from benchmark.records.work_unit import parse_embedding_unit
from tasks.folder import GROUPS_FILE, TaskError, TaskFolder, read_groups, read_task

pytestmark = pytest.mark.filterwarnings("ignore:nothing the user can act on")
KINDS = pytest.mark.parametrize("kind", ["scene", "event"])


def tiny(**options: Any) -> LoadedModel:
    return load_model(ModelSpec("tiny_hear", options=options))


def rows(made: Embeddings, split: str) -> np.ndarray:
    shape = json.loads((made.path / f"{split}.embedding-dimensions.json").read_text())
    return np.fromfile(made.path / f"{split}.embeddings.npy", np.float32).reshape(shape)


def expected_rows(task: TaskFolder, split: str, model: LoadedModel) -> np.ndarray:
    """Every clip embedded by itself."""
    fresh = tiny_hear.load_model(rate=model.sample_rate, size=model.embedding_size("scene"))
    found = []
    for name in final_order(task)[split]:
        path = task.audio_path(split, name, model.sample_rate)
        made = task.path / f"{model.sample_rate}-soxr-int16" / split / name
        audio, _ = soundfile.read(path if path.exists() else made, dtype="float32")
        batch = torch.from_numpy(audio[None])
        with torch.no_grad():
            if task.embedding_type == "scene":
                found.append(tiny_hear.get_scene_embeddings(batch, fresh).numpy())
            else:
                found.append(tiny_hear.get_timestamp_embeddings(batch, fresh)[0][0].numpy())
    return np.concatenate(found)


def data(made: Embeddings) -> dict[str, bytes]:
    """All files but the one with dates and seconds."""
    files = sorted(made.path.iterdir())
    return {path.name: path.read_bytes() for path in files if path.name != "embedding.json"}


@KINDS
@pytest.mark.parametrize("seconds", [(0.5,), (0.5, 0.5, 0.3)])
def test_rows_are_those_of_the_clips(
    tmp_path: Path, kind: str, seconds: tuple[float, ...], recwarn: pytest.WarningsRecorder
) -> None:
    task = make_task(tmp_path, kind, seconds=seconds)
    model = tiny()
    made = embed(model, task, tmp_path / "out")
    assert [str(w.message) for w in recwarn] == []
    unit = parse_embedding_unit(made.info["unit"])
    assert made.path == tmp_path / "out" / "embeddings" / unit.folder
    assert unit.model == model.identity and unit.task_hash == task.hash()
    assert unit.representation == ("scene" if kind == "scene" else "timestamps")
    for split in FOLDS:
        np.testing.assert_allclose(
            rows(made, split), expected_rows(task, split, model), rtol=1e-5, atol=1e-7
        )
    total = sum(soundfile.info(path).duration for path in (task.path / "16000").rglob("*.wav"))
    assert made.info["audio_seconds"] == pytest.approx(total)
    assert made.info["hop_ms"] == (50.0 if kind == "event" else None)


def test_what_embedding_json_tells(tmp_path: Path) -> None:
    task, model = make_task(tmp_path), tiny(size=5)
    made = embed(model, task, tmp_path / "out", batch_clips=2)
    info = json.loads((made.path / "embedding.json").read_text())
    assert info == made.info
    assert info["model"] == model.identity.folder and info["module"] == "tiny_hear"
    assert info["options"] == {"size": 5} and info["embedding_size"] == 5
    assert info["weights"]["weights"] == "unknown" and len(info["weights"]["state_sha256"]) == 64
    assert info["task"] == task.path.name and info["task_hash"] == task.hash()
    assert info["resampler"] == "none" and info["unit"]["batch_clips"] == 2
    assert {"python", "torch", "soxr"} <= info["versions"].keys() and info["machine"]["cpu"]
    for seconds in (info["seconds"], info["cpu_seconds"]):
        assert {"decode", "resample", "model", "write", "total"} <= seconds.keys()
        assert 0 < seconds["model"] <= seconds["total"] and seconds["resample"] == 0
    cpu = info["cpu_seconds"]
    assert 0 <= info["overhead"] < 1
    assert info["overhead"] == pytest.approx(1 - (cpu["decode"] + cpu["model"]) / cpu["total"])


@KINDS
def test_embeddings_of_two_resamplers_lie_side_by_side(tmp_path: Path, kind: str) -> None:
    task = make_task(tmp_path, kind)
    models = [tiny(rate=8000), tiny()]
    soxr = [embed(model, task, tmp_path / "out") for model in models]
    sinc = [embed(model, task, tmp_path / "out", resampler="torchaudio") for model in models]
    assert sinc[0].path != soxr[0].path
    assert sinc[0].info["resampler"].startswith("torchaudio sinc")
    assert sinc[0].info["resampler"].endswith("from 16000 Hz")
    assert sinc[1].path == soxr[1].path, "16 kHz came with the task"
    one, other = (
        np.fromfile(made.path / "fold00.embeddings.npy", np.float32) for made in (soxr[0], sinc[0])
    )
    assert one.shape == other.shape and not np.array_equal(one, other)
    made = ("8000-soxr-int16", "8000-torchaudio")
    audio = [task.path / name / "fold00" / "fold00_0.wav" for name in made]
    assert audio[0].read_bytes() != audio[1].read_bytes()
    assert read_task(task.path).hash() == task.hash()
    with pytest.raises(TaskError, match=r"did you mean torchaudio\?\); expected soxr-int16 or"):
        embed(models[0], task, tmp_path / "out", resampler="torchaudo")


@KINDS
def test_a_rate_is_made_once(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task(tmp_path, kind)
    reads: Counter[str] = Counter()
    audio_blocks = tasks.audio.audio_blocks

    def counted(path: Path) -> Any:
        reads[path.parts[-3]] += 1
        return audio_blocks(path)

    monkeypatch.setattr(tasks.audio, "audio_blocks", counted)
    models = [tiny(), tiny(rate=8000), tiny(rate=8000, size=4)]
    made = [embed(model, task, tmp_path / "out") for model in models]
    assert reads == {"16000": 21 + 21, "8000-soxr-int16": 21}
    assert [m.info["resampler"].partition(" ")[0] for m in made] == ["none", "soxr", "soxr"]
    assert made[1].info["resampler"] == made[2].info["resampler"]
    for model, each in zip(models, made, strict=True):
        for split in FOLDS:
            np.testing.assert_allclose(
                rows(each, split), expected_rows(task, split, model), rtol=1e-5, atol=1e-7
            )


def test_rates_are_made_outside_a_task_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task(tmp_path)
    (task.path / "8000-soxr-int16").touch()  # where the folder of this rate should be
    made = embed(tiny(rate=8000), task, tmp_path / "out")
    assert len(list((tmp_path / "out" / "audio").rglob("8000-soxr-int16/fold0*/*.wav"))) == 21
    assert made.info["resampler"].startswith("soxr")


def test_what_is_complete_is_not_made_again(tmp_path: Path) -> None:
    task = make_task(tmp_path)
    first = embed(tiny(), task, tmp_path / "out")
    model = tiny()
    second = embed(model, task, tmp_path / "out")
    assert second.info == first.info and model.model.batches == []
    (task.path / "task_metadata.json").write_text(
        (task.path / "task_metadata.json").read_text().replace('"v1"', '"v2"')
    )
    third = embed(model, read_task(task.path), tmp_path / "out")
    assert third.path != first.path and model.model.batches


@KINDS
def test_interrupted_at_any_batch_it_ends_with_the_same_bits(tmp_path: Path, kind: str) -> None:
    task = make_task(tmp_path, kind, seconds=(0.5, 0.5, 0.3))
    options = {"batch_clips": 2}
    model = tiny()
    whole = embed(model, task, tmp_path / "whole", **options)
    batches = len(model.model.batches)
    assert max(model.model.batches) == 2
    for after in range(1, batches):
        out = tmp_path / f"after{after}"
        model = tiny()
        model.model.fault, model.model.after = "interrupt", after
        with pytest.raises(KeyboardInterrupt):
            embed(model, task, out, **options)
        model.model.fault, model.model.batches = "", []
        made = embed(model, task, out, **options)
        assert data(made) == data(whole)
        # The batches of before are not made again, and their seconds are not forgotten.
        assert len(model.model.batches) == batches - after
        assert made.info["audio_seconds"] == pytest.approx(whole.info["audio_seconds"])
        assert made.info["hop_ms"] == whole.info["hop_ms"]


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


@KINDS
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: zeros(f / f"{FOLDS[0]}.embeddings.npy"), "fold00.embeddings.npy is not as"),
        (lambda f: (f / f"{FOLDS[1]}.target-labels.pkl").unlink(), "target-labels.pkl is not as"),
        (lambda f: (f / "labelvocabulary.csv").write_text("idx,label\n"), "labelvocabulary.csv"),
        (lambda f: (f / "embedding.json").write_text("{}"), "does not describe embeddings"),
        (lambda f: (f / "embedding.json").write_text("[]"), "does not describe embeddings"),
        (lambda f: (f / "embedding.json").write_text('{"model": "x"}'), "embedding.json is not as"),
        (lambda f: (zeros(f / f"{FOLDS[0]}.embeddings.npy"), (f / "embedding.json").unlink()), ""),
    ],
)
def test_what_is_not_as_written_is_made_again(
    tmp_path: Path, kind: str, damage: Callable[[Path], Any], said: str
) -> None:
    task = make_task(tmp_path, kind)
    made = embed(tiny(), task, tmp_path / "out")
    whole = data(made)
    damage(made.path)
    told: list[str] = []
    model = load_model(ModelSpec("tiny_hear"), remark=told.append)
    again = embed(model, task, tmp_path / "out")
    assert again.path == made.path and data(again) == whole
    assert "".join(told).count(said) == (1 if said else len(told) + 1) and model.model.batches
    assert all("made again" in line for line in told)


def test_a_new_display_name_is_taken_over(tmp_path: Path) -> None:
    task = make_task(tmp_path)
    plain = embed(tiny(), task, tmp_path / "out")
    model = load_model(ModelSpec("tiny_hear", display_name="Tiny"))
    named = embed(model, task, tmp_path / "out")
    assert named.path == plain.path and not model.model.batches
    assert named.info == {**plain.info, "name": "Tiny"} == read_info(named.path)
    assert embed(tiny(), task, tmp_path / "out").info == named.info, "no name changes nothing"


KILLED = """
import sys
from pathlib import Path
from benchmark.embeddings import store
from benchmark.embeddings.dataset import TaskRows, read_embedded_task
from benchmark.embeddings.limited_task import limit_task
from benchmark.embeddings.extract import embed
from benchmark.models.hear_module import ModelSpec, load_model
from tasks.folder import read_task
store.SYNC_SECONDS = -1.0
model = load_model(ModelSpec("tiny_hear"))
model.model.fault, model.model.after = "kill", 7
embed(model, read_task(sys.argv[1]), Path(sys.argv[2]), batch_clips=2)
"""


@KINDS
def test_killed_process_is_continued(tmp_path: Path, kind: str) -> None:
    task = make_task(tmp_path, kind)
    tests = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{tests / 'support'}{os.pathsep}{tests.parent}"}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, task.path, tmp_path / "out"], env=environment
    )
    assert killed.returncode == -signal.SIGKILL
    model = tiny()
    whole = embed(model, task, tmp_path / "whole", batch_clips=2)
    batches, model = len(model.model.batches), tiny()
    made = embed(model, task, tmp_path / "out", batch_clips=2)
    assert data(made) == data(whole)
    assert len(model.model.batches) <= batches - 5


@KINDS
def test_a_limited_task_is_a_small_task(tmp_path: Path, kind: str) -> None:
    task = make_task(tmp_path, kind)
    whole, some = (embed(tiny(), task, tmp_path / "out", limit=limit) for limit in (None, 3))
    assert whole.path != some.path
    assert some.info["unit"]["limit"] == 3 and whole.info["unit"]["limit"] is None
    assert some.info["task_hash"] == whole.info["task_hash"]
    limited = limit_task(task, 3)
    for split in FOLDS:
        assert len(limited.items(split)) == 3
        np.testing.assert_allclose(
            rows(some, split), expected_rows(limited, split, tiny()), rtol=1e-5, atol=1e-7
        )
        assert json.loads((some.path / f"{split}.json").read_text()) == limited.items(split)
    rows_of = TaskRows(read_embedded_task(some.path), True, torch.device("cpu")).of(FOLDS[0])
    assert rows_of.count == len(rows(some, FOLDS[0]))


def test_batches_are_bounded_by_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "BATCH_SAMPLES", 3 * 8000 + 100)
    model = tiny()
    embed(model, make_task(tmp_path), tmp_path / "out")
    assert model.model.batches == 3 * [3, 3, 1]
    long = tiny()
    monkeypatch.setattr(batching, "BATCH_SAMPLES", 100)
    embed(long, make_task(tmp_path, name="long"), tmp_path / "out2")
    assert long.model.batches == 21 * [1]


def test_clips_of_different_lengths_are_not_mixed(tmp_path: Path) -> None:
    model = tiny()
    task = make_task(tmp_path, clips=9, seconds=(0.5, 0.3, 0.3))
    embed(model, task, tmp_path / "out")

    def frames(path: Path) -> int:
        return int(soundfile.info(path).frames)

    runs = []
    for split, files in final_order(task).items():
        paths = [task.audio_path(split, name, 16000) for name in files]
        runs += [len(list(same)) for _, same in groupby(paths, frames)]
    assert model.model.batches == runs


@KINDS
def test_out_of_memory_halves_the_batch(tmp_path: Path, kind: str) -> None:
    task = make_task(tmp_path, kind)
    whole = embed(tiny(), task, tmp_path / "whole")
    model = tiny(most_clips=2)
    made = embed(model, task, tmp_path / "out")
    assert model.model.batches == [1] * 21  # 7 clips, 3, then 1 for good
    for split in FOLDS:
        np.testing.assert_allclose(rows(made, split), rows(whole, split), rtol=1e-5)


def test_a_clip_too_long_for_the_memory_is_named(tmp_path: Path) -> None:
    task = make_task(tmp_path)
    clip = final_order(task)[FOLDS[0]][0]
    with pytest.raises(UserError, match=f"{clip}: 0.5 s are more than tiny_hear can take"):
        embed(tiny(fault="memory", after=0), task, tmp_path / "out")


@KINDS
@pytest.mark.parametrize("fault", ["nan", "shape", "dtype", "kind"])
def test_wrong_output_in_the_middle_names_model_and_file(
    tmp_path: Path, kind: str, fault: str
) -> None:
    task = make_task(tmp_path, kind)
    with pytest.raises(UserError) as raised:
        embed(tiny(fault=fault, after=2), task, tmp_path / "out", batch_clips=2)
    message = str(raised.value)
    assert "\n" not in message and "tiny_hear" in message
    assert str(task.audio_path(FOLDS[0], final_order(task)[FOLDS[0]][4], 16000)) in message


def test_the_clip_a_model_fails_on_is_named(tmp_path: Path) -> None:
    task = make_task(tmp_path)
    bad = final_order(task)[FOLDS[1]][3]
    path = task.audio_path(FOLDS[1], bad, 16000)
    tasks.audio.write_wav(path, np.ones(8000, np.float32), 16000)
    with pytest.raises(UserError, match=f"{bad}: tiny_hear fails on it: too loud"):
        embed(tiny(fault="loud"), task, tmp_path / "out")
    with pytest.raises(UserError, match="7 clips from here, not on any of them alone: one clip"):
        embed(tiny(fault="batches"), task, tmp_path / "out")


def test_audio_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    task = make_task(tmp_path)
    bad = task.audio_path(FOLDS[2], final_order(task)[FOLDS[2]][1], 16000)
    bad.write_bytes(b"not audio")
    with pytest.raises(TaskError, match="tiny-v1-small/16000/fold02"):
        embed(tiny(), task, tmp_path / "out")


def test_a_full_disk_stops_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task(tmp_path)
    write_all = store._write_all

    def full(file: Any, array: np.ndarray) -> None:
        if file.name.name.startswith(f"{FOLDS[1]}.embeddings"):
            raise OSError(28, "No space left on device")
        write_all(file, array)

    monkeypatch.setattr(store, "_write_all", full)
    with pytest.raises(DiskFullError, match="no space left"):
        embed(tiny(), task, tmp_path / "out")
    monkeypatch.undo()
    model = tiny()
    made = embed(model, task, tmp_path / "out")
    assert model.model.batches == [7, 7]  # the first fold was kept
    whole = embed(tiny(), task, tmp_path / "whole")
    assert data(made) == data(whole)

    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(DiskFullError, match="choose another --out"):
        embed(tiny(size=64), task, tmp_path / "out")


def test_bar_shows_on_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def shown(screen: io.StringIO) -> str:
        monkeypatch.setattr(sys, "stderr", screen)
        with progress_bar("esc10", 10) as advance:
            for _ in range(10):
                advance(1, audio_seconds=1e6)
        return screen.getvalue()

    monkeypatch.delenv("HEAR_BENCHMARK_QUIET", raising=False)
    assert "esc10" in shown(Terminal())
    assert shown(io.StringIO()) == ""
    monkeypatch.setenv("HEAR_BENCHMARK_QUIET", "1")
    assert shown(Terminal()) == ""


def test_groups_of_clips_reach_embeddings_that_were_finished_before(tmp_path: Path) -> None:
    task, model = make_task(tmp_path), tiny()
    made = embed(model, task, tmp_path / "out")
    assert not (made.path / GROUPS_FILE).exists()
    groups = {name: name[-5] for split in task.splits for name in task.items(split)}
    (task.path / GROUPS_FILE).write_text(json.dumps(groups))
    before = data(made)
    again = embed(model, task, tmp_path / "out")
    assert read_groups(again.path) == groups
    assert data(again) == {**before, GROUPS_FILE: (task.path / GROUPS_FILE).read_bytes()}
    fresh = embed(model, task, tmp_path / "other")
    assert data(fresh) == data(again)
