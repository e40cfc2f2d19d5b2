"""Audio of tasks: reading, resampling, writing, and rates made while embedding."""

from __future__ import annotations

import math
import tempfile
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from task_fixtures import audio_at_rate, make_task

from tasks import audio as audio_module
from tasks import decoding
from tasks.audio import (
    TaskAudio,
    read_audio,
    wav_writer,
    write_at_rates,
    write_wav,
)
from tasks.folder import RESAMPLERS, TaskError, read_task
from tasks.resampling import quantise, resample, stream


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
    with (
        pytest.raises(TaskError, match=r"a.m4a: .*pip install 'hear-plugins\[formats\]'"),
        decoding.opened_here(tmp_path / "a.m4a"),
    ):
        pass


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


@pytest.mark.parametrize("sizes", [[0], [7], [1000, 0, 3]])
def test_wav_files_are_libsndfiles_to_the_byte(tmp_path: Path, sizes: list[int]) -> None:
    blocks = [_noise(size) for size in sizes]
    with wav_writer(tmp_path / "a.wav", 22050) as write:
        for block in blocks:
            write(block)
    soundfile.write(tmp_path / "b.wav", quantise(np.concatenate(blocks)), 22050, subtype="PCM_16")
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_more_than_a_wav_file_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_module, "MOST_WAV_BYTES", 1000)
    with pytest.raises(TaskError, match="a.wav: 2 s are more than a WAV file takes"):
        write_wav(tmp_path / "a.wav", _noise(501), 250)
    assert not list(tmp_path.iterdir())


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
    path = task.path / "16000-soxr-int16" / "train" / "a.wav"
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
    files = sorted(
        path.name for path in (task.path / "16000-soxr-int16").rglob("*") if path.is_file()
    )
    assert files == ["a.wav", "resampled.json"]


def test_made_rates_are_not_sources(tmp_path: Path) -> None:
    task = read_task(make_task(tmp_path))
    audio_at_rate(task, "train", "a.wav", 48000)
    assert (task.rates(), task.best_rate()) == ((8000,), 8000)
    read_task(task.path)  # although 48000 lacks most files
    direct = resample(audio_at_rate(task, "train", "a.wav", 8000), 8000, 16000)
    assert np.array_equal(audio_at_rate(task, "train", "a.wav", 16000), direct)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    task = read_task(make_task(tmp_path / "tasks"))
    (task.path / "16000-soxr-int16").write_text("in the way")
    kept = audio_at_rate(task, "train", "a.wav", 16000, keep_dir=tmp_path / "kept")
    path = tmp_path / "kept" / task.path.name / "16000-soxr-int16" / "train" / "a.wav"
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
    monkeypatch.setattr(decoding, "BLOCK_FRAMES", 64)
    assert np.array_equal(read_audio(tmp_path / "a.wav")[0], whole)


RATES = [(48000, 16000), (44100, 16000), (16000, 44100), (22050, 48000), (48000, 32000)]


def _noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, count).astype(np.float32)


@pytest.mark.parametrize("resampler", RESAMPLERS)
@pytest.mark.parametrize(("low", "high"), RATES)
@given(cuts=st.lists(st.integers(0, 9000), max_size=6), count=st.integers(2, 9000))
@settings(max_examples=15, deadline=None)
def test_blocks_give_the_samples_of_the_whole(
    low: int, high: int, resampler: str, cuts: list[int], count: int
) -> None:
    audio = quantise(_noise(count))
    whole = resample(audio, low, high, resampler)
    on_its_way = stream(low, high, resampler)
    parts = [on_its_way.push(part) for part in np.split(audio, sorted(min(c, count) for c in cuts))]
    parts.append(on_its_way.push(audio[:0], last=True))
    assert np.array_equal(np.concatenate(parts), whole)
    if resampler == "soxr-int16":
        exact = soxr.resample(audio, low, high, quality="HQ")
        assert np.abs(whole - exact).max() < 1.5 / 32768  # dither below 1 LSB, and rounding


def _sinc_by_its_formula(audio: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """torchaudio.transforms.Resample by default, each output a sum over all inputs, in float64."""
    divisor = math.gcd(from_rate, to_rate)
    step, per_step = from_rate // divisor, to_rate // divisor
    cutoff = 0.99 * min(step, per_step)
    output = np.arange(math.ceil(per_step * len(audio) / step))
    t = cutoff * (np.arange(len(audio)) / step - output[:, None] / per_step)
    window = np.where(np.abs(t) < 6, np.cos(np.pi * t / 12) ** 2, 0)
    return (np.sinc(t) * window * cutoff / step) @ audio.astype(np.float64)


@pytest.mark.parametrize(("low", "high"), [*RATES, (48000, 44100), (8000, 48000)])
@pytest.mark.parametrize("count", [1, 2, 7, 1000])
def test_the_sinc_of_torchaudio(low: int, high: int, count: int) -> None:
    audio = _noise(count)
    made, expected = (
        resample(audio, low, high, "torchaudio"),
        _sinc_by_its_formula(audio, low, high),
    )
    assert made.dtype == np.float32 and made.shape == expected.shape
    assert np.abs(made - expected).max() < 5e-7


def test_the_sinc_of_torchaudio_has_its_response() -> None:
    # The sums of the taps are the gain at 0 Hz; torchaudio's is not exactly 1 either.
    ones = resample(np.ones(4800, np.float32), 48000, 16000, "torchaudio")
    assert np.abs(ones[100:-100] - 1).max() < 2e-3
    above = resample(_sine(12000, 48000), 48000, 16000, "torchaudio")
    assert np.abs(above[100:-100]).max() < 1e-2


@pytest.mark.parametrize("resampler", RESAMPLERS)
def test_rates_from_one_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resampler: str
) -> None:
    path = make_task(tmp_path)
    alone = {
        rate: TaskAudio(read_task(path), tmp_path / "kept", resampler).at_rates(
            "train", "a.wav", [rate]
        )[rate]
        for rate in (8000, 16000, 22050)
    }
    task = read_task(make_task(tmp_path / "again"))
    opened = []
    audio_blocks = audio_module.audio_blocks

    def counted(path: Path) -> Any:
        opened.append(path)
        return audio_blocks(path)

    monkeypatch.setattr(audio_module, "audio_blocks", counted)
    source = TaskAudio(task, None, resampler)
    together = source.at_rates("train", "a.wav", [16000, 8000, 22050])
    assert opened == [task.audio_path("train", "a.wav", 8000)]
    assert together.keys() == alone.keys()
    assert all(np.array_equal(together[rate], alone[rate]) for rate in alone)
    assert source.is_there("train", "a.wav", [16000, 8000, 22050])
    assert not source.is_there("train", "b.wav", [16000])
    again = source.at_rates("train", "a.wav", [22050])
    assert np.array_equal(again[22050], alone[22050]) and len(opened) == 2


def test_what_resampled_is_told_and_not_confused(tmp_path: Path) -> None:
    task = read_task(make_task(tmp_path))
    soxr_, sinc = TaskAudio(task), TaskAudio(task, None, "torchaudio")
    said = [source.resampled_by(16000) for source in (soxr_, sinc)]
    made = [source.at_rates("train", "a.wav", [16000])[16000] for source in (soxr_, sinc)]
    assert not np.array_equal(*made)
    assert [source.resampled_by(16000) for source in (soxr_, sinc)] == said
    assert said[0].startswith("soxr ") and said[0].endswith(" HQ int16 dithered from 8000 Hz")
    assert said[1] == "torchaudio sinc hann 6 rolloff 0.99 from 8000 Hz"
    assert soxr_.resampled_by(8000) == sinc.resampled_by(8000) == "none"
    assert task.rates() == (8000,)
    # A rate that came with the task is soxr's choice, but another resampler starts from the best.
    both = read_task(make_task(tmp_path / "two"))
    (both.path / "4000").mkdir()
    assert TaskAudio(both).resampled_by(4000) == "none"
    assert TaskAudio(both, None, "torchaudio").resampled_by(4000).startswith("torchaudio")
    with pytest.raises(TaskError, match="resampler is 'sox'; expected soxr-int16 or torchaudio"):
        TaskAudio(task, None, "sox")


@pytest.mark.parametrize("size", [0, 40, 600])
def test_made_audio_that_lost_its_end_is_made_again(tmp_path: Path, size: int) -> None:
    task = read_task(make_task(tmp_path))
    whole = audio_at_rate(task, "train", "a.wav", 16000)
    path = task.path / "16000-soxr-int16" / "train" / "a.wav"
    path.write_bytes(path.read_bytes()[:size])
    assert not TaskAudio(task).is_there("train", "a.wav", [16000])
    assert np.array_equal(audio_at_rate(task, "train", "a.wav", 16000), whole)
    assert np.array_equal(read_audio(path)[0], whole)


def test_what_is_cut_off_is_not_read(tmp_path: Path) -> None:
    audio = _noise(3 * decoding.BLOCK_FRAMES)
    audio[-1] = np.nan
    soundfile.write(tmp_path / "a.wav", audio, 8000, subtype="FLOAT")
    write_at_rates(tmp_path / "a.wav", {8000: tmp_path / "b.wav"}, seconds=2)
    assert np.array_equal(read_audio(tmp_path / "b.wav")[0], quantise(audio[:16000]))
    with pytest.raises(TaskError, match=f"a.wav: sample {len(audio) - 1} is nan"):
        write_at_rates(tmp_path / "a.wav", {8000: tmp_path / "b.wav"})


def test_a_long_recording_takes_the_memory_of_a_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio_module, "BLOCK_FRAMES", 1 << 14)
    monkeypatch.setattr(decoding, "BLOCK_FRAMES", 1 << 14)
    audio = _noise(120 * 48000)
    write_wav(tmp_path / "a.wav", audio, 48000)
    tracemalloc.start()
    write_at_rates(
        tmp_path / "a.wav", {16000: tmp_path / "b.wav", 44100: tmp_path / "c.wav"}, seconds=150
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < audio.nbytes / 20
    padded = np.pad(quantise(audio), (0, 30 * 48000))
    for rate, name in ((16000, "b.wav"), (44100, "c.wav")):
        whole = resample(padded, 48000, rate)
        assert np.array_equal(read_audio(tmp_path / name)[0], quantise(whole))
