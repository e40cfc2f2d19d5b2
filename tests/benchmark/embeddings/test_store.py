"""Embeddings on disk: hear-eval-kit's files, order and labels, and a journal that survives."""

from __future__ import annotations

import errno
import json
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_task import FOLDS, make_task

from benchmark.embeddings import store
from benchmark.embeddings.store import (
    EmbeddingStore,
    check_disk,
    disk_errors,
    final_order,
    frame_labels,
)
from benchmark.errors import DiskFullError, UserError
from tasks.folder import TaskFolder

SIZE = 4


def embedding(filename: str, rows: int) -> np.ndarray:
    return np.random.default_rng(list(filename.encode())).random((rows, SIZE), np.float32)


def times(filename: str) -> np.ndarray:
    """Frames 50 ms apart; how many differs by file."""
    return np.arange(1 + sum(filename.encode()) % 5) * 50.0


def write(folder: Path, task: TaskFolder, batch: int = 3, stop: int | None = None) -> None:
    """Store a task's clips in batches; stop, without closing, before the batch number `stop`."""
    opened = EmbeddingStore(folder, task, SIZE)
    batches = 0
    for split, files in final_order(task).items():
        for start in range(opened.clips_done(split), len(files), batch):
            if batches == stop:
                opened._lock.release()  # as the system does for a process that dies
                return
            names = files[start : start + batch]
            clips = [times(name) for name in names] if task.embedding_type == "event" else None
            rows = [len(t) for t in clips] if clips else [1] * len(names)
            data = [embedding(name, n) for name, n in zip(names, rows, strict=True)]
            opened.append(split, np.concatenate(data), clips, {"batches": batches})
            batches += 1
        opened.finish_split(split)
    opened.finish({"made": "here"})


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def kit_order(task: TaskFolder) -> dict[str, list[str]]:
    """hear-eval-kit's order: one generator shuffles the paths of one split after the other."""
    prng = random.Random()
    prng.seed(0)
    order = {}
    for split in task.splits:
        paths = [Path("somewhere") / f"{name}.embedding.npy" for name in task.items(split)]
        prng.shuffle(paths)
        order[split] = [path.name.removesuffix(".embedding.npy") for path in paths]
    return order


@pytest.mark.parametrize("kind", ["scene", "event"])
def test_files_are_those_of_the_kit(tmp_path: Path, kind: str) -> None:
    task = make_task(tmp_path, kind)
    out = tmp_path / "out"
    write(out, task)
    names = {"embeddings.npy", "embedding-dimensions.json", "target-labels.pkl", "json"}
    names |= {"filename-timestamps.json"} if kind == "event" else set()
    expected = {f"{fold}.{name}" for fold in FOLDS for name in names}
    expected |= {"task_metadata.json", "labelvocabulary.csv", "embedding.json"}
    assert set(contents(out)) == expected
    for split, files in kit_order(task).items():
        rows = [len(times(name)) if kind == "event" else 1 for name in files]
        data = np.concatenate([embedding(n, r) for n, r in zip(files, rows, strict=True)])
        assert json.loads((out / f"{split}.embedding-dimensions.json").read_text()) == [*data.shape]
        assert (out / f"{split}.embeddings.npy").read_bytes() == data.tobytes()
        labels = pickle.loads((out / f"{split}.target-labels.pkl").read_bytes())
        if kind == "scene":
            assert labels == [task.items(split)[name] for name in files]
        else:
            named = json.loads((out / f"{split}.filename-timestamps.json").read_text())
            assert named == [[name, t] for name in files for t in times(name).tolist()]
            assert len(labels) == len(data)
        assert (out / f"{split}.json").read_bytes() == (task.path / f"{split}.json").read_bytes()


@pytest.mark.parametrize("kind", ["scene", "event"])
def test_the_kit_reads_it(tmp_path: Path, kind: str) -> None:
    kit = pytest.importorskip("heareval.predictions.task_predictions", reason="needs heareval")
    task = make_task(tmp_path, kind)
    write(tmp_path / "out", task)
    index = {label: i for i, label in enumerate(task.labels)}
    for split, files in final_order(task).items():
        data = kit.SplitMemmapDataset(
            tmp_path / "out", index, len(index), split, kind, in_memory=True, metadata=True
        )
        start = 0
        for name in files:
            clip = times(name) if kind == "event" else [0.0]
            for frame, t in enumerate(clip):
                row, target, about = data[start + frame]
                assert row.numpy().tobytes() == embedding(name, len(clip))[frame].tobytes()
                entries = task.items(split)[name]
                active = (
                    entries
                    if kind == "scene"
                    else [
                        event["label"] for event in entries if event["start"] <= t <= event["end"]
                    ]
                )
                assert {i for i, y in enumerate(target) if y} == {index[x] for x in active}
                assert kind == "scene" or about == {"filename": name, "timestamp": t}
            start += len(clip)
        assert len(data) == start


label = st.sampled_from(["a", "b", 7, "long label"])
ms = st.floats(0, 400, width=32) | st.integers(0, 8).map(lambda n: 50.0 * n)


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(label, ms, ms), max_size=12),
            st.lists(ms, min_size=1, max_size=12, unique=True).map(sorted),
        ),
        max_size=3,
    )
)
def test_frame_labels_are_those_of_an_interval_tree(clips: list[Any]) -> None:
    intervaltree = pytest.importorskip("intervaltree")
    events, frames, expected = [], [], []
    for entries, stamps in clips:
        events.append([{"label": x, "start": min(a, b), "end": max(a, b)} for x, a, b in entries])
        frames.append(np.array(stamps, np.float64))
        tree = intervaltree.IntervalTree()
        for event in events[-1]:
            tree.addi(event["start"], event["end"] + 0.0001, event["label"])
        expected += [{interval.data for interval in tree[t]} for t in stamps]
    found = frame_labels(events, frames)
    assert [set(labels) for labels in found] == expected
    assert all(len(set(labels)) == len(labels) for labels in found)


def test_equal_frames_share_their_labels() -> None:
    stamps = np.arange(100_000) * 50.0
    events = [{"label": "a", "start": 1e3, "end": 2e6}, {"label": "b", "start": 1.5e6, "end": 3e6}]
    found = frame_labels([events], [stamps])
    assert len({id(labels) for labels in found}) == 4
    assert len(pickle.dumps(found)) < 500_000


@pytest.mark.parametrize("kind", ["scene", "event"])
def test_killed_anywhere_it_ends_with_the_same_bytes(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SYNC_SECONDS", -1.0)
    task = make_task(tmp_path, kind)
    write(tmp_path / "whole", task)
    for stop in range(9):
        out = tmp_path / f"stopped{stop}"
        write(out, task, stop=stop)
        # What came after the last line of the journal may be there in part.
        for partial in out.glob("*.partial"):
            with partial.open("ab") as file:
                file.write(b"torn")
        with (out / "journal.jsonl").open("ab") as file:
            file.write(b'{"split": "fold0')
        write(out, task)
        assert contents(out) == contents(tmp_path / "whole")


def test_only_synced_rows_count(tmp_path: Path) -> None:
    task = make_task(tmp_path)
    write(tmp_path / "out", task, stop=2)  # within SYNC_SECONDS
    opened = EmbeddingStore(tmp_path / "out", task, SIZE)
    assert opened.clips_done(FOLDS[0]) == 0
    opened.append(FOLDS[0], np.zeros((2, SIZE), np.float32), None, {"seconds": 1})
    opened.close()
    opened = EmbeddingStore(tmp_path / "out", task, SIZE)
    assert opened.clips_done(FOLDS[0]) == 2
    assert opened.stats == {"seconds": 1}
    opened.close()


def test_rows_that_got_lost_are_made_again(tmp_path: Path) -> None:
    task = make_task(tmp_path)
    write(tmp_path / "whole", task)
    opened = EmbeddingStore(tmp_path / "out", task, SIZE)
    opened.append(FOLDS[0], np.zeros((3, SIZE), np.float32), None, {})
    opened.close()
    with (tmp_path / "out" / f"{FOLDS[0]}.embeddings.partial").open("r+b") as file:
        file.truncate(5)
    write(tmp_path / "out", task)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    task = make_task(tmp_path)
    first = EmbeddingStore(tmp_path / "out", task, SIZE)
    with pytest.raises(UserError, match="another process"):
        EmbeddingStore(tmp_path / "out", task, SIZE)
    first.close()
    EmbeddingStore(tmp_path / "out", task, SIZE).close()


def test_a_full_disk_keeps_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task(tmp_path)
    write(tmp_path / "whole", task)
    room = [6 * SIZE * 4 + 3]  # bytes
    write_all = store._write_all

    def write_some(file: Any, array: np.ndarray) -> None:
        if str(file.name).endswith(".embeddings.partial"):
            room[0] -= array.nbytes
            if room[0] < 0:
                write_all(file, np.frombuffer(array.tobytes()[:5], np.uint8))
                raise OSError(errno.ENOSPC, "No space left on device")
        write_all(file, array)

    monkeypatch.setattr(store, "_write_all", write_some)
    opened = EmbeddingStore(tmp_path / "out", task, SIZE)
    files = final_order(task)[FOLDS[0]]
    message = "no space left on the disk of .*run the same command"
    with pytest.raises(DiskFullError, match=message), disk_errors(tmp_path / "out"):
        for name in files:
            opened.append(FOLDS[0], embedding(name, 1), None, {})
    opened.close()
    monkeypatch.undo()
    opened = EmbeddingStore(tmp_path / "out", task, SIZE)
    assert opened.clips_done(FOLDS[0]) == 6
    opened.close()
    write(tmp_path / "out", task)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_errors_of_the_system_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing: No such file") as raised, disk_errors(tmp_path):
        (tmp_path / "nothing").read_bytes()
    assert not isinstance(raised.value, DiskFullError)
    check_disk(tmp_path, 1)
    with pytest.raises(DiskFullError, match="1e[+]09 GB.*choose another --out"):
        check_disk(tmp_path, 10**18)


def test_complete_folders_are_found(tmp_path: Path) -> None:
    task = make_task(tmp_path)
    done = tmp_path / "out" / "embeddings" / "m-1" / "t-1"
    write(done, task)
    write(tmp_path / "out" / "embeddings" / "m-1" / "t-2", task, stop=4)
    assert store.finished_embeddings(tmp_path / "out") == [done]
    info = store.read_info(done) or {}
    assert info.pop("files").keys() == contents(done).keys() - {"embedding.json"}
    assert info == {"made": "here"}
    assert store.read_info(tmp_path) is None
    (done / "embedding.json").write_text("{")
    with pytest.raises(UserError, match="is not JSON"):
        store.read_info(done)
    for empty in ("{}", "[]", "7"):
        (done / "embedding.json").write_text(empty)
        with pytest.raises(UserError, match="does not describe embeddings"):
            store.read_info(done)


@pytest.mark.parametrize("kind", ["scene", "event"])
def test_finished_splits_count_by_their_digests(tmp_path: Path, kind: str) -> None:
    task = make_task(tmp_path, kind)
    write(tmp_path / "whole", task)
    stopped = tmp_path / "stopped"
    write(stopped, task, stop=7)  # in the third fold; three batches a fold
    for name in (f"{FOLDS[0]}.embeddings.npy", f"{FOLDS[1]}.target-labels.pkl"):
        opened = EmbeddingStore(stopped, task, SIZE)
        assert [opened.is_finished(split) for split in FOLDS] == [True, True, False]
        opened.close()
        path = stopped / name
        good = path.read_bytes()
        path.write_bytes(bytes(len(good)))
        opened = EmbeddingStore(stopped, task, SIZE)
        damaged = name.partition(".")[0]
        assert [split for split in FOLDS[:2] if not opened.is_finished(split)] == [damaged]
        assert opened.clips_done(damaged) == 0
        opened.close()
        write(stopped, task)
        assert contents(stopped) == contents(tmp_path / "whole")
        store.discard_info(stopped)
        write(stopped, task, stop=7)


def test_a_split_whose_name_came_too_late_is_finished(tmp_path: Path) -> None:
    task = make_task(tmp_path)
    write(tmp_path / "out", task, stop=4)
    whole = tmp_path / "out" / f"{FOLDS[0]}.embeddings.npy"
    whole.rename(tmp_path / "out" / f"{FOLDS[0]}.embeddings.partial")
    opened = EmbeddingStore(tmp_path / "out", task, SIZE)
    assert opened.is_finished(FOLDS[0]) and whole.exists()
    opened.close()


def test_stats_of_lost_rows_are_not_counted(tmp_path: Path) -> None:
    task = make_task(tmp_path)
    folder = tmp_path / "out"

    def append(opened: EmbeddingStore, split: str, seconds: float) -> None:
        files = final_order(task)[split]
        data = np.concatenate([embedding(name, 1) for name in files])
        before = opened.stats.get("seconds", {}).get("model", 0.0)
        stats = {"seconds": {"model": before + seconds}, "hop_ms": 50.0}
        opened.append(split, data, None, stats)

    opened = EmbeddingStore(folder, task, SIZE)
    append(opened, FOLDS[0], 5.0)
    opened.finish_split(FOLDS[0])
    append(opened, FOLDS[1], 7.0)
    opened.close()
    (folder / f"{FOLDS[1]}.embeddings.partial").unlink()
    for _ in range(2):  # the journal is written anew each time
        opened = EmbeddingStore(folder, task, SIZE)
        assert opened.stats == {"seconds": {"model": 5.0}, "hop_ms": 50.0}
        opened.close()
    opened = EmbeddingStore(folder, task, SIZE)
    append(opened, FOLDS[1], 7.5)
    assert opened.stats["seconds"] == {"model": 12.5}
    opened.close()
    assert EmbeddingStore(folder, task, SIZE).stats["seconds"] == {"model": 12.5}


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b"7",
        b'{"split": "fold00"}',
        b'{"split": "other", "rows": [1], "spent": {}, "digests": {}}',
        b'{"split": "fold00", "rows": [-1], "spent": {}, "digests": {}}',
        b'{"split": "fold00", "rows": [1000000000], "spent": {}, "digests": {}}',
        b'{"split": "fold00", "rows": [], "spent": {}, "digests": {"fold00.json": "0"}}',
        b"[" * 100_000,
    ],
)
def test_a_journal_that_is_none_counts_nothing(tmp_path: Path, line: bytes) -> None:
    task = make_task(tmp_path)
    write(tmp_path / "whole", task)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "journal.jsonl").write_bytes(line + b"\n")
    opened = EmbeddingStore(tmp_path / "out", task, SIZE)
    assert opened.missing() == 21 and opened.stats == {}
    opened.close()
    write(tmp_path / "out", task)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
