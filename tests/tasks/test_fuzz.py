"""Thousands of damaged and hostile task folders, archives and audio files: TaskError or nothing.

Inputs are drawn by hypothesis from a fixed seed (see `tests/conftest.py`); what was once found to
fail is kept as an example. A test fails by any other exception, by a message of several lines, by
10 s or 2 GiB for one input, or where `run` and `verify` do not agree.
"""

from __future__ import annotations

import gzip
import io
import json
import resource
import shutil
import struct
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from task_fixtures import EVENT_CONFIG, EVENT_ITEMS, SCENE_CONFIG, SCENE_ITEMS, make_task

from tasks import decoding
from tasks.audio import read_audio, write_at_rates
from tasks.folder import TaskError, read_task
from tasks.published import published_faults
from tasks.unpack import UnpackError, unpack
from tasks.verify import verify_task

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

SECONDS, BYTES = 10, 2 << 30
TEXT_FILES = ("task_metadata.json", "labelvocabulary.csv", "train.json", "valid.json", "test.json")
AUDIO = "8000/test/d.wav"


def fuzzed(examples: int) -> Any:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    return settings(max_examples=examples, deadline=None, suppress_health_check=checks)


@contextmanager
def _task_error_or_nothing(kind: type[Exception] = TaskError) -> Iterator[None]:
    begin, before = time.monotonic(), _peak(resource.RUSAGE_SELF)
    try:
        yield
    except kind as error:
        line = str(error)
        assert line.encode() and "\n" not in line and "\x1b" not in line and len(line) < 4000
    assert time.monotonic() - begin < SECONDS
    assert _peak(resource.RUSAGE_SELF) - before < BYTES


def _peak(whose: int) -> int:
    """Most memory that this process, or the largest of its children that have ended, ever had."""
    return 1024 * resource.getrusage(whose).ru_maxrss


@pytest.fixture(scope="module", autouse=True)
def decoders_stay_small() -> Iterator[None]:
    """The processes of decoders that are not trusted have no more memory either."""
    before = _peak(resource.RUSAGE_CHILDREN)
    yield
    decoding.end_idle()
    assert _peak(resource.RUSAGE_CHILDREN) < max(BYTES, before + 1)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["cat", "dog", "a.wav", "\ud800", "../a.wav", "\x1b[2J", "a" * 300, 10**400]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)
KEYS = st.sampled_from(
    [
        *(*SCENE_CONFIG, "mode", "splits", "nfolds", "evaluation_params"),
        *("use_scoring_for_early_stopping", "task_specific_param_grid", "a.wav", "c.wav"),
    ]
)
# Bytes put at places given as shares of the file.
PATCHES = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.one_of(
            st.binary(min_size=1, max_size=4),
            st.sampled_from(
                [b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1"]
            ),
        ),
    ),
    min_size=1,
    max_size=6,
)
CUT = st.one_of(st.none(), st.floats(0, 1))


def _patched(content: bytes, patches: list[tuple[float, bytes]], cut: float | None) -> bytes:
    made = bytearray(content)
    for place, patch in patches:
        at = int(place * max(0, len(made) - 1))
        made[at : at + len(patch)] = patch
    return bytes(made if cut is None else made[: int(cut * len(made))])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("whole")
    return {
        "scene": make_task(folder, SCENE_CONFIG, SCENE_ITEMS),
        "event": make_task(folder, EVENT_CONFIG, EVENT_ITEMS),
    }


@contextmanager
def _copy_of(task: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(shutil.copytree(task, Path(folder) / task.name))


def _check_folder(task: Path) -> None:
    refused = ""
    with _task_error_or_nothing():
        try:
            read = read_task(task)
        except TaskError as error:
            refused = str(error)
            raise
        labels = set(read.labels)
        for split in read.splits:
            for entries in read.items(split).values():
                found = [e["label"] if isinstance(e, dict) else e for e in entries]
                assert set(map(str, found)) <= labels
        read.hash()
        published_faults(read)
    with _task_error_or_nothing():
        faults = verify_task(task, 1).faults
        assert all("\n" not in fault and fault.encode() for fault in faults)
        assert refused in faults if refused else True


@fuzzed(1500)
@given(kind=st.sampled_from(["scene", "event"]), key=KEYS, value=JSON)
@example(kind="scene", key="evaluation_params", value={"task_specific_param_grid": {"lr": [1e999]}})
@example(kind="event", key="sample_duration", value=10**400)
@example(kind="scene", key="splits", value=[{}])
def test_metadata(whole: dict[str, Path], kind: str, key: str, value: Any) -> None:
    with _copy_of(whole[kind]) as task:
        path = task / "task_metadata.json"
        content = json.loads(path.read_text())
        path.write_text(json.dumps({**content, key: value}))
        _check_folder(task)


@fuzzed(1500)
@given(
    kind=st.sampled_from(["scene", "event"]),
    name=st.sampled_from([*TEXT_FILES, "train_known_labels.json", "prepared.json"]),
    value=JSON,
    as_labels=st.booleans(),
)
@example(
    kind="event",
    name="test.json",
    value={"label": "cat", "start": 0, "end": 10**400},
    as_labels=True,
)
def test_json_of_any_form(
    whole: dict[str, Path], kind: str, name: str, value: Any, as_labels: bool
) -> None:
    with _copy_of(whole[kind]) as task:
        (task / name).write_text(json.dumps({"d.wav": [value]} if as_labels else value))
        _check_folder(task)


@fuzzed(1500)
@given(
    kind=st.sampled_from(["scene", "event"]),
    name=st.sampled_from([*TEXT_FILES, AUDIO]),
    patches=PATCHES,
    cut=CUT,
)
def test_bytes_of_a_folder(
    whole: dict[str, Path],
    kind: str,
    name: str,
    patches: list[tuple[float, bytes]],
    cut: float | None,
) -> None:
    with _copy_of(whole[kind]) as task:
        path = task / name
        path.write_bytes(_patched(path.read_bytes(), patches, cut))
        _check_folder(task)


def _sound(suffix: str, subtype: str) -> bytes:
    file = io.BytesIO()
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, (3000, 2))
    soundfile.write(file, audio, 16000, format=suffix, subtype=subtype)
    return file.getvalue()


FORMATS = [
    *(("WAV", subtype) for subtype in ("PCM_16", "PCM_24", "FLOAT", "IMA_ADPCM", "ALAW")),
    *(("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS")),
]
# Decoded in a process of their own.
OTHERS = [
    *(("AIFF", "PCM_16"), ("AIFF", "FLOAT"), ("AIFF", "IMA_ADPCM"), ("AU", "PCM_16")),
    *(("CAF", "PCM_16"), ("MP3", "MPEG_LAYER_III"), ("VOC", "PCM_16"), ("W64", "PCM_16")),
]


def _check_audio(suffix: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{suffix.lower()}"
        path.write_bytes(content)
        with _task_error_or_nothing():
            samples, rate = read_audio(path)
            assert np.isfinite(samples).all() and rate > 0 and np.abs(samples).max() <= 1
        with _task_error_or_nothing():
            write_at_rates(path, {16000: Path(folder) / "made.wav"}, seconds=0.1)
            assert soundfile.info(str(Path(folder) / "made.wav")).frames == pytest.approx(
                1600, abs=160
            )


@fuzzed(2500)
@given(form=st.sampled_from(FORMATS), patches=PATCHES, cut=CUT, in_head=st.booleans())
def test_audio(
    form: tuple[str, str], patches: list[tuple[float, bytes]], cut: float | None, in_head: bool
) -> None:
    content = _sound(*form)
    near = [(place * 100 / len(content), patch) for place, patch in patches]
    _check_audio(form[0], _patched(content, near if in_head else patches, cut))


@fuzzed(1500)
@given(form=st.sampled_from(OTHERS), patches=PATCHES, cut=CUT, in_head=st.booleans())
def test_audio_of_decoders_that_are_not_trusted(
    form: tuple[str, str], patches: list[tuple[float, bytes]], cut: float | None, in_head: bool
) -> None:
    content = _sound(*form)
    near = [(place * 100 / len(content), patch) for place, patch in patches]
    _check_audio(form[0], _patched(content, near if in_head else patches, cut))


MEMBERS = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from(
                ["top/a", "top/b/c.wav", "top", "../top/a", "/top/a", "x/top/a", "top//"]
            ),
            st.text(max_size=10),
            st.text(max_size=4).map(lambda name: f"top/{name}"),
        ),
        st.sampled_from([*tarfile.SUPPORTED_TYPES, b"Q"]),
        st.text(max_size=6),
        st.binary(max_size=600),
    ),
    max_size=6,
)


def _tar(members: list[tuple[str, bytes, str, bytes]]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, kind, link, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, link, len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


@fuzzed(2000)
@given(members=MEMBERS, patches=st.one_of(st.just([]), PATCHES), cut=CUT, outside=st.booleans())
def test_archives(
    members: list[tuple[str, bytes, str, bytes]],
    patches: list[tuple[float, bytes]],
    cut: float | None,
    outside: bool,
) -> None:
    try:
        content = _tar(members)
    except (ValueError, struct.error, UnicodeError):
        return  # no tar can hold these names
    packed = gzip.compress(content, 1)
    if outside:
        packed = _patched(packed, patches, cut)
    else:
        packed = gzip.compress(_patched(content, patches, cut), 1)
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "a.tar.gz"
        archive.write_bytes(packed)
        target = Path(folder) / "into" / "top"
        target.parent.mkdir()
        with _task_error_or_nothing(UnpackError):
            unpack(archive, "top", target, 1 << 20, 100)
        beside = {path.name for path in Path(folder).iterdir()}
        assert beside == {"a.tar.gz", "into"}
        assert all(path.is_file() or path.is_dir() for path in target.rglob("*"))
        assert not any(path.is_symlink() for path in target.rglob("*"))
