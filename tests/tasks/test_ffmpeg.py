"""Our audio against that of hear-preprocess's ffmpeg commands: recorded, and with a real ffmpeg."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import torch
from task_fixtures import audio_at_rate

from hear_plugins import byol_a
from tasks.audio import read_audio, write_at_rates, write_wav
from tasks.folder import read_task
from tasks.prepare import prepare
from tasks.resampling import resample, stream, to_int16

GOLDEN = Path(__file__).parents[1] / "golden" / "ffmpeg.npz"
RATES = [(44100, 16000), (48000, 16000), (16000, 48000), (22050, 16000), (48000, 32000)]
# Formats, channels and libsndfile's subtypes of what is read.
FORMATS = [
    ("wav", channels, subtype)
    for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")
    for channels in (1, 2)
] + [
    *(("flac", 1, "PCM_24"), ("flac", 2, "PCM_16")),
    *(("wav", channels, "PCM_16") for channels in range(3, 9)),
    *(("flac", 3, "PCM_16"), ("flac", 4, "PCM_16"), ("wavex", 4, "PCM_16")),
]
ROUNDED_OTHERWISE = [("wav", 6, "PCM_24"), ("wav", 6, "FLOAT"), ("flac", 6, "PCM_24")]
LOSSY = [
    *(("mp3", channels, "MPEG_LAYER_III") for channels in (1, 2)),
    *(("ogg", channels, "VORBIS") for channels in (3, 6, 8)),
    ("ogg", 2, "OPUS"),
]

Int16 = npt.NDArray[np.int16]

needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="no ffmpeg here (Debian package ffmpeg)"
)


def _signal(rate: int) -> Int16:
    """0.15 s: a tone over noise, then digital silence."""
    count = round(0.15 * rate)
    noise = np.random.default_rng(rate).uniform(-0.05, 0.05, count)
    sound = 0.4 * np.sin(2 * np.pi * 440 / rate * np.arange(count)) + noise
    sound[count // 3 :] = 0
    return to_int16(sound)


def _write_format(folder: Path, suffix: str, channels: int, subtype: str) -> Path:
    """A file of a format, with values between those of 16 bit, and beyond full scale for floats."""
    peak = 1.1 if subtype in ("FLOAT", "DOUBLE") else 0.99
    sound = np.random.default_rng(len(subtype)).uniform(
        -peak, peak, (500 if channels < 3 else 100, channels)
    )
    path = folder / f"{subtype}_{channels}.{suffix}"
    soundfile.write(path, sound, 16000, subtype=subtype)
    return path


def _ffmpeg(source: Path, target: Path, *options: str) -> Int16:
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(source), *options, str(target)]
    subprocess.run(command, check=True, timeout=60)
    return np.asarray(soundfile.read(target, dtype="int16")[0])


def _mono(source: Path, target: Path) -> Int16:
    """hear-preprocess's `mono_wav`."""
    return _ffmpeg(source, target, "-f", "wav", "-acodec", "pcm_s16le", "-ac", "1")


def _resampled(source: Path, target: Path, rate: int) -> Int16:
    """hear-preprocess's `resample_wav`."""
    return _ffmpeg(source, target, "-af", "aresample=resampler=soxr", "-ar", str(rate))


def _largest(a: Int16, b: Int16) -> int:
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b).max())


def _zeros(audio: Int16) -> float:
    return float(np.mean(audio == 0))


@pytest.fixture(scope="module")
def golden() -> Iterator[dict[str, Int16]]:
    """What ffmpeg 5.1.9 (Debian) made; `main` below writes it."""
    with np.load(GOLDEN) as arrays:
        yield dict(arrays)


@pytest.mark.parametrize(("low", "high"), RATES)
def test_rates_are_ffmpegs_with_its_dither(golden: dict[str, Int16], low: int, high: int) -> None:
    made = to_int16(resample(_signal(low).astype(np.float32) / 32768, low, high))
    expected = golden[f"{low} to {high}"]
    assert _largest(made, expected) <= 2
    silence = slice(len(made) // 2, None)
    assert _zeros(made[silence]) == pytest.approx(_zeros(expected[silence]), abs=0.06)
    assert 0.6 < _zeros(made[silence]) < 0.85  # rounding alone leaves all of it zero


@pytest.mark.parametrize(("suffix", "channels", "subtype"), FORMATS)
def test_files_become_mono_int16_as_with_ffmpeg(
    golden: dict[str, Int16], tmp_path: Path, suffix: str, channels: int, subtype: str
) -> None:
    path = _write_format(tmp_path, suffix, channels, subtype)
    assert np.array_equal(to_int16(read_audio(path)[0]), golden[path.name])


@pytest.mark.parametrize(("suffix", "channels", "subtype"), ROUNDED_OTHERWISE)
def test_more_channels_of_more_bits_are_within_one(
    golden: dict[str, Int16], tmp_path: Path, suffix: str, channels: int, subtype: str
) -> None:
    path = _write_format(tmp_path, suffix, channels, subtype)
    assert _largest(to_int16(read_audio(path)[0]), golden[path.name]) <= 1


@needs_ffmpeg
@pytest.mark.parametrize(("suffix", "channels", "subtype"), LOSSY)
def test_lossy_files_are_ffmpegs(tmp_path: Path, suffix: str, channels: int, subtype: str) -> None:
    """Decoded by libsndfile as by FFmpeg's own decoders, the encoder's delay left out."""
    draw = np.random.default_rng(channels)
    sound = np.sin(np.outer(np.arange(24000), draw.uniform(0.02, 0.2, channels)))
    path = tmp_path / f"a.{suffix}"
    noise = draw.uniform(-0.05, 0.05, sound.shape)
    soundfile.write(path, 0.3 * sound + noise, 48000, subtype=subtype)
    theirs = _mono(path, tmp_path / "mono.wav")
    ours = to_int16(read_audio(path)[0])
    assert _largest(ours, theirs) <= 1
    assert _zeros(ours) == pytest.approx(_zeros(theirs), abs=0.001)


@needs_ffmpeg
@pytest.mark.parametrize("channels", [2, 6, 8])  # PyAV 18 crashes on planes of 8
def test_aac_is_ffmpegs(tmp_path: Path, channels: int) -> None:
    pytest.importorskip("av")
    noise = np.random.default_rng(0).uniform(-0.2, 0.2, (4800, channels))
    soundfile.write(tmp_path / "a.wav", noise, 48000)
    path = tmp_path / "a.m4a"
    command = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "a.wav"), "-c:a", "aac", str(path)]
    subprocess.run(command, check=True, timeout=60)
    theirs = _mono(path, tmp_path / "mono.wav")
    assert _largest(to_int16(read_audio(path)[0]), theirs) <= 1


@pytest.mark.parametrize(("low", "high"), RATES)
def test_dither_is_the_same_at_every_run_and_in_any_blocks(low: int, high: int) -> None:
    audio = _signal(low).astype(np.float32) / 32768
    whole = resample(audio, low, high)
    for size in (1000, 999, 7):  # python-soxr's own dither differs from run to run
        on_its_way = stream(low, high)
        parts = [on_its_way.push(audio[i : i + size]) for i in range(0, len(audio), size)]
        assert np.array_equal(np.concatenate([*parts, on_its_way.push(audio[:0], True)]), whole)
    assert np.array_equal(whole, np.rint(whole * 32768) / 32768)


def test_made_while_embedding_is_made_by_prepare(tmp_path: Path) -> None:
    """`prepare --rates 16000` and a 44.1 kHz task embedded at 16 kHz give the same samples."""
    source = tmp_path / "in"
    source.mkdir()
    for name in "abcdef":
        write_wav(source / f"{name}.wav", _signal(44100).astype(np.float32) / 32768, 44100)
    lines = "".join(f"{name}.wav,{label}\n" for name, label in zip("abcdef", "xyxyxy", strict=True))
    (source / "labels.csv").write_text("file,label\n" + lines)
    for rate in (16000, 44100):
        prepare("custom", source, tmp_path / str(rate), name="mine", nfolds=3, rates=[rate])
    ready = read_task(tmp_path / "16000" / "mine-v1-full")
    task = read_task(tmp_path / "44100" / "mine-v1-full")
    for name in task.items("fold00"):
        there = read_audio(ready.audio_path("fold00", name, 16000))[0]
        assert np.array_equal(audio_at_rate(task, "fold00", name, 16000), there)


@needs_ffmpeg
def test_the_recorded_audio_is_ffmpegs(golden: dict[str, Int16], tmp_path: Path) -> None:
    for name, made in _made_by_ffmpeg(tmp_path).items():
        assert _largest(made, golden[name]) <= (2 if " to " in name else 0)


@pytest.mark.long
@needs_ffmpeg
def test_esc10_is_ffmpegs(shared: Path, tmp_path: Path) -> None:
    """Every tenth clip of ESC-10; the zeros of all of them, and the clip that issue 10 names."""
    clips = sorted((shared / "data" / "esc10").rglob("*.ogg"))
    named = next(clip for clip in clips if clip.name.startswith("1-100032-A"))
    model = byol_a.load_model(random_weights=7)
    moved = []
    for clip in [named, *clips[::10]]:
        own = tmp_path / "mono.wav"
        mono = _mono(clip, own)
        write_at_rates(own, {16000: tmp_path / "ours.wav"})
        ours = soundfile.read(tmp_path / "ours.wav", dtype="int16")[0]
        theirs = _resampled(own, tmp_path / "theirs.wav", 16000)
        assert _largest(ours, theirs) <= 2
        assert _zeros(ours) == pytest.approx(_zeros(theirs), abs=0.01)
        assert _largest(to_int16(read_audio(clip)[0]), mono) <= 1  # another decoder of Vorbis
        if clip == named:
            assert _zeros(ours) == pytest.approx(0.715, abs=0.01)
        audio = torch.from_numpy(np.stack([ours, theirs]) / np.float32(32768))
        mine, its = byol_a.get_scene_embeddings(audio, model)
        moved.append(float((mine - its).norm() / its.norm()))
    assert np.median(moved) < 0.01, "of BYOL-A's embeddings, with random weights"


def _made_by_ffmpeg(folder: Path) -> dict[str, Int16]:
    made = {}
    for low, high in RATES:
        source = folder / f"{low}.wav"
        soundfile.write(source, _signal(low), low, subtype="PCM_16")
        made[f"{low} to {high}"] = _resampled(source, folder / "made.wav", high)
    for form in FORMATS + ROUNDED_OTHERWISE:
        path = _write_format(folder, *form)
        made[path.name] = _mono(path, folder / "mono.wav")
    return made


def main() -> None:
    """Record what the ffmpeg here makes (run this file with the repository on the path)."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        np.savez_compressed(GOLDEN, **_made_by_ffmpeg(Path(folder)))


if __name__ == "__main__":
    main()
