"""The demo tasks: the same each time, complete, learnable, and not by the deaf."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import MultiLabelBinarizer, StandardScaler

from tasks.audio import read_audio
from tasks.demo import make_demo_tasks
from tasks.entries import DEMO_ENTRIES, find_entry
from tasks.folder import TaskFolder, read_task, resolve_tasks


@pytest.fixture(scope="module")
def demo_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    make_demo_tasks(folder)
    return folder


def test_the_same_each_time(demo_dir: Path, tmp_path: Path) -> None:
    again = make_demo_tasks(tmp_path)
    first = make_demo_tasks(demo_dir)  # nothing to do
    assert [path.name for path in again] == [path.name for path in first]
    for one, other in zip(first, again, strict=True):
        files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
        assert files == sorted(p.relative_to(other) for p in other.rglob("*") if p.is_file())
        assert all((one / f).read_bytes() == (other / f).read_bytes() for f in files)


def test_one_of_each_kind_and_domain(demo_dir: Path) -> None:
    tasks = resolve_tasks(demo_dir)
    kinds = {
        (task.embedding_type, task.prediction_type, task.metadata["split_mode"]) for task in tasks
    }
    assert {kind[:2] for kind in kinds} == {
        ("scene", "multiclass"),
        ("scene", "multilabel"),
        ("event", "multilabel"),
    }
    assert {kind[2] for kind in kinds} == {"new_split_kfold", "trainvaltest"}
    assert {entry.domain for entry in DEMO_ENTRIES} == {"speech", "environment", "music"}
    pitches = [int(label) for label in find(tasks, "demo_pitch").labels]
    assert pitches == list(range(pitches[0], pitches[0] + len(pitches)))  # chroma = index % 12


def test_small_and_of_the_declared_length(demo_dir: Path) -> None:
    for task in resolve_tasks(demo_dir):
        seconds = 0.0
        for split in task.splits:
            for filename in task.items(split):
                audio, rate = read_audio(task.audio_path(split, filename, 16000))
                assert len(audio) == round((task.sample_duration or 0) * rate)
                assert 0.001 < np.abs(audio).max() < 1
                seconds += len(audio) / rate
        assert seconds <= (90 if task.embedding_type == "event" else 160)


def find(tasks: list[TaskFolder], name: str) -> TaskFolder:
    return next(task for task in tasks if task.name == name)


def _bands(audio: np.ndarray, hop: int) -> np.ndarray:
    """Log energies (n_frames, 64) of mel-like bands."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(audio, 512), 1024)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(1024))) ** 2
    edges = 700 * (np.geomspace(1, 1 + 8000 / 700, 65) - 1) / 8000 * 512
    bands = np.add.reduceat(power, np.unique(edges.astype(int))[:-1], axis=1)
    return np.log(bands + 1e-4)


def _scenes(task: TaskFolder, splits: list[str]) -> tuple[np.ndarray, list[list[object]]]:
    features, labels = [], []
    for split in splits:
        for filename, its in task.items(split).items():
            bands = _bands(read_audio(task.audio_path(split, filename, 16000))[0], 256)
            features.append(np.concatenate([bands.mean(axis=0), bands.std(axis=0)]))
            labels.append(its)
    return np.array(features), labels


@pytest.mark.parametrize(
    ("name", "chance", "wanted"),
    [("demo_digits", 0.1, 0.5), ("demo_pitch", 1 / 24, 0.5), ("demo_environment", 1 / 3, 0.65)],
)
def test_scenes_can_be_learnt_from_log_mel_statistics(
    demo_dir: Path, name: str, chance: float, wanted: float
) -> None:
    task = read_task(demo_dir / find_entry(name).folder_name())
    x, train_labels = _scenes(task, list(task.splits[:-1]))
    x_test, test_labels = _scenes(task, [task.splits[-1]])
    scaler = StandardScaler().fit(x)
    binarizer = MultiLabelBinarizer().fit(train_labels)
    y, y_test = binarizer.transform(train_labels), binarizer.transform(test_labels)

    def score(train: np.ndarray, test: np.ndarray) -> float:
        model = OneVsRestClassifier(LogisticRegression(C=0.1)).fit(train, y)
        predicted = model.predict_proba(test)
        if task.prediction_type == "multilabel":
            return float(average_precision_score(y_test, predicted, average="macro"))
        return float(np.mean(predicted.argmax(axis=1) == y_test.argmax(axis=1)))

    assert score(scaler.transform(x), scaler.transform(x_test)) > wanted
    assert score(np.zeros_like(x), np.zeros_like(x_test)) < chance + 0.05


def _frames(task: TaskFolder, splits: list[str]) -> tuple[np.ndarray, np.ndarray]:
    features, targets = [], []
    for split in splits:
        for filename, events in task.items(split).items():
            bands = _bands(read_audio(task.audio_path(split, filename, 16000))[0], 800)
            ms = 50.0 * np.arange(len(bands))
            active = np.zeros((len(bands), len(task.labels)), bool)
            for event in events:
                column = task.labels.index(str(event["label"]))
                active[:, column] |= (ms >= event["start"]) & (ms <= event["end"])
            features.append(bands)
            targets.append(active)
    return np.concatenate(features), np.concatenate(targets)


@pytest.mark.parametrize("name", ["demo_events", "demo_notes"])
def test_events_can_be_learnt_from_frames(demo_dir: Path, name: str) -> None:
    task = read_task(demo_dir / find_entry(name).folder_name())
    x, y = _frames(task, list(task.splits[:-1]))
    x_test, y_test = _frames(task, [task.splits[-1]])
    assert y.any(axis=0).all()
    scaler = StandardScaler().fit(x)
    model = OneVsRestClassifier(LogisticRegression(C=0.1)).fit(scaler.transform(x), y)
    found = model.predict_proba(scaler.transform(x_test))
    assert average_precision_score(y_test, found, average="micro") > 0.6
    assert y_test.mean() < 0.25
