"""Audio of tasks: reading, resampling, writing, and rates made while embedding."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from task_fixtures import make_task

from tasks import audio as audio_module
from tasks.audio import audio_at_rate, read_audio, resample, write_wav
from tasks.folder import TaskError, read_task


def _sine(hertz: float, rate: int, seconds: float = 0.5) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype("f4")


def test_channels_are_averaged(tmp_path: Path) -> None:
    stereo = np.stack([np.full(100, 0.5), np.full(100, -0.25)], axis=1)
    soundfile.write(tmp_path / "a.flac", stereo, 44100)
    samples, rate = read_audio(tmp_path / "a.flac")
    assert (rate, samples.dtype, samples.shape) == (44100, np.float32, (100,))
    assert np.allclose(samples, 0.125)


def test_bad_audio_is_named(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"a.wav: no such audio file"):
        read_audio(tmp_path / "a.wav")
    soundfile.write(tmp_path / "b.wav", np.zeros(0), 16000)
    with pytest.raises(TaskError, match=r"b.wav: the audio is empty"):
        read_audio(tmp_path / "b.wav")
    soundfile.write(tmp_path / "c.wav", np.array([0, np.nan]), 16000, subtype="FLOAT")
    with pytest.raises(TaskError, match=r"c.wav: sample 1 is nan"):
        read_audio(tmp_path / "c.wav")


def test_unknown_formats_name_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)  # as if it were not installed
    (tmp_path / "a.m4a").write_bytes(b"not known to libsndfile")
    with pytest.raises(TaskError, match=r"a.m4a: .*pip install 'hear-plugins\[formats\]'"):
        read_audio(tmp_path / "a.m4a")


def test_other_formats_are_read_with_pyav(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.m4a"), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="stereo")
        planes = np.stack([_sine(440, 44100), np.zeros(22050, np.float32)])
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout="stereo")
        frame.sample_rate = 44100
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    samples, rate = read_audio(tmp_path / "a.m4a")
    assert rate == 44100
    assert np.abs(samples[5000:20000]).max() == pytest.approx(0.25, abs=0.01)


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=50))
def test_sixteen_bits_survive(values: list[int]) -> None:
    samples = np.array(values, np.float32) / 32768
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.wav"
        write_wav(path, samples, 16000)
        assert soundfile.info(path).subtype == "PCM_16"
        read, rate = read_audio(path)
    assert rate == 16000
    assert np.array_equal(read, samples)


def test_loud_samples_are_clipped_and_the_file_is_whole(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.array([2.0, -2.0], np.float32), 16000)
    assert read_audio(tmp_path / "a.wav")[0].tolist() == [32767 / 32768, -1.0]
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_failed_writing_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.wav").mkdir()
    with pytest.raises(OSError):
        write_wav(tmp_path / "a.wav", np.zeros(10, np.float32), 16000)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


@pytest.mark.parametrize(("low", "high"), [(8000, 16000), (16000, 44100), (22050, 48000)])
def test_resampling_keeps_a_tone(low: int, high: int) -> None:
    for source, target in ((low, high), (high, low)):
        made = resample(_sine(440, source), source, target)
        expected = _sine(440, target)
        assert made.dtype == np.float32
        assert len(made) == len(expected)
        middle = slice(len(made) // 10, -len(made) // 10)
        assert np.abs(made[middle] - expected[middle]).max() < 1e-4


def test_a_rate_is_made_once_and_stays_the_same(tmp_path: Path) -> None:
    task = read_task(make_task(tmp_path))
    first = audio_at_rate(task, "train", "a.wav", 16000)
    path = task.audio_path("train", "a.wav", 16000)
    made_at = path.stat().st_mtime_ns
    again = audio_at_rate(task, "train", "a.wav", 16000)
    assert np.array_equal(first, again)
    assert first.dtype == np.float32
    assert len(first) == 1600
    assert path.stat().st_mtime_ns == made_at
    assert np.array_equal(first, read_audio(path)[0])


def test_threads_may_make_the_same_rate(tmp_path: Path) -> None:
    task = read_task(make_task(tmp_path))
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: audio_at_rate(task, "train", "a.wav", 16000), range(32)))
    assert all(np.array_equal(samples, made[0]) for samples in made)
    files = sorted(path.name for path in (task.path / "16000").rglob("*") if path.is_file())
    assert files == ["a.wav", "resampled.json"]


def test_made_rates_are_not_sources(tmp_path: Path) -> None:
    task = read_task(make_task(tmp_path))
    audio_at_rate(task, "train", "a.wav", 48000)
    assert (task.rates(), task.best_rate()) == ((8000, 48000), 8000)
    read_task(task.path)  # although 48000 lacks most files
    direct = resample(audio_at_rate(task, "train", "a.wav", 8000), 8000, 16000)
    assert np.abs(audio_at_rate(task, "train", "a.wav", 16000) - direct).max() <= 0.5 / 32768


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    task = read_task(make_task(tmp_path / "tasks"))
    (task.path / "16000").write_text("in the way")
    kept = audio_at_rate(task, "train", "a.wav", 16000, keep_dir=tmp_path / "kept")
    path = tmp_path / "kept" / task.path.name / "16000" / "train" / "a.wav"
    assert np.array_equal(read_audio(path)[0], kept)
    path.unlink()
    write_wav(path, -kept, 16000)
    found = audio_at_rate(task, "train", "a.wav", 16000, keep_dir=tmp_path / "kept")
    assert np.array_equal(found, read_audio(path)[0])
    assert np.array_equal(audio_at_rate(task, "train", "a.wav", 16000), kept)  # made, not kept


def test_a_file_of_another_rate(tmp_path: Path) -> None:
    task = read_task(make_task(tmp_path))
    write_wav(task.audio_path("train", "a.wav", 8000), np.zeros(10, np.float32), 11025)
    with pytest.raises(TaskError, match=r"a.wav: sample rate is 11025 Hz, expected 8000 Hz"):
        audio_at_rate(task, "train", "a.wav", 8000)


def test_long_files_are_mixed_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stereo = np.random.default_rng(0).uniform(-0.5, 0.5, (1000, 2))
    soundfile.write(tmp_path / "a.wav", stereo, 8000)
    whole = read_audio(tmp_path / "a.wav")[0]
    monkeypatch.setattr(audio_module, "BLOCK_FRAMES", 64)
    assert np.array_equal(read_audio(tmp_path / "a.wav")[0], whole)
