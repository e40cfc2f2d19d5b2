"""Files embedded without a task are embedded as those of a task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import tiny_hear
import torch
from tiny_task import make_task

import benchmark as hb
from benchmark.embeddings.extract import embed
from benchmark.models.hear_module import ModelSpec, load_model


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """Clips of three lengths at another rate than the model's."""
    return make_task(tmp_path / "tasks", rate=22050, seconds=(0.5, 0.7, 0.5)).path


@pytest.mark.parametrize("representation", ["scene", "timestamps"])
def test_embeddings_are_those_of_the_task(task: Path, tmp_path: Path, representation: str) -> None:
    from tasks.folder import read_task

    model = load_model(ModelSpec("tiny_hear"))
    made = embed(model, read_task(task), tmp_path / "out", representation=representation)
    for name, split in hb.load_embeddings(made.path).splits.items():
        files = [task / "22050" / name / file for file in dict.fromkeys(split.files.tolist())]
        found = hb.embed_files(files, "tiny_hear", representation=representation)
        assert list(found.files) == files
        embeddings, times = found
        if representation == "scene":
            assert times is None
        else:
            assert len(embeddings) == len(times) == len(files)
            assert np.array_equal(np.concatenate(times), split.times)
            embeddings = np.concatenate(embeddings)
        assert embeddings.dtype == np.float32
        assert np.array_equal(embeddings, split.embeddings)


def test_a_folder_stands_for_its_audio(tmp_path: Path) -> None:
    for name in ("b.wav", "a/z.FLAC", ".hidden.wav", "notes.txt"):
        path = tmp_path / "audio" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".txt":
            path.write_text("no audio")
        else:
            form = "FLAC" if path.suffix == ".FLAC" else "WAV"
            soundfile.write(path, np.random.default_rng(0).normal(size=8000), 16000, format=form)
    found = hb.embed_files(tmp_path / "audio", tiny_hear, options={"size": 5})
    assert [file.name for file in found.files] == ["z.FLAC", "b.wav"]
    assert np.shape(found.embeddings) == (2, 5)
    again = hb.embed_files(str(tmp_path / "audio" / "b.wav"), "tiny_hear", options={"size": 5})
    assert np.array_equal(again.embeddings[0], found.embeddings[1])


def test_windows(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(size=40000), 16000)
    embeddings, times = hb.embed_files(tmp_path, "tiny_hear", representation="windows:1")
    assert embeddings[0].shape == (2, 3) and times[0].tolist() == [500.0, 1500.0]


def test_the_process_is_left_as_it_was(task: Path) -> None:
    folder = Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.backends.cudnn, "allow_tf32", True)
        options = {"fault": "chdir", "after": 0}
        hb.embed_files(task / "22050" / "fold00", "tiny_hear", options=options)
        assert torch.backends.cudnn.allow_tf32
    assert Path.cwd() == folder


def test_bad_input_is_told_in_a_line(task: Path, tmp_path: Path) -> None:
    files = sorted((task / "22050" / "fold00").iterdir())
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF, but no more")
    empty = tmp_path / "empty"
    empty.mkdir()
    loud = tmp_path / "loud.wav"
    soundfile.write(loud, np.full(8000, 0.95), 16000)
    fault = {"options": {"fault": "loud", "after": 0}}
    for paths, module, more, line in [
        (tmp_path / "absent.wav", "tiny_hear", {}, f"{tmp_path / 'absent.wav'}: no such file"),
        (empty, "tiny_hear", {}, f"{empty}: no audio files"),
        ([], "tiny_hear", {}, "paths is empty"),
        ([*files, broken], "tiny_hear", {}, f"{broken}: "),
        (files, "tiny_heer", {}, "no module 'tiny_heer'"),
        (files, "tiny_hear", {"representation": "task"}, "representation is 'task': expected"),
        (files, "tiny_hear", {"device": "tpu"}, "device tpu: not available"),
        (files, "tiny_hear", {"resampler": "sox"}, "resampler is 'sox'"),
        (files, "tiny_hear", {"weights": "no.pth"}, "no weights file no.pth"),
        (files, "tiny_hear", {"options": {"sizes": 3}}, "its options are: rate, size"),
        (files, "tiny_hear", {"representation": "windows:9"}, "shorter than windows of 9 s"),
        ([*files, loud], "tiny_hear", fault, f"{loud}: tiny_hear fails on it: too loud"),
    ]:
        with pytest.raises(hb.UserError) as raised:
            hb.embed_files(paths, module, **more)  # type: ignore[arg-type]
        assert line in str(raised.value)
        assert "\n" not in str(raised.value)
