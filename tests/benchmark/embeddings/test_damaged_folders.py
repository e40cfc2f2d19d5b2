"""Whatever happens to a folder of embeddings, the next run ends with the right bytes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_task import make_task

from benchmark.embeddings import store
from benchmark.embeddings.extract import embed
from benchmark.models.hear_module import LoadedModel, ModelSpec, load_model
from tasks.folder import TaskFolder

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

Damage = Callable[[Path], None]

GARBAGE = [b"", b"{}", b"[]", b"null", b"\x00" * 64, b"[" * 50_000, b"\xff\xfe", b'{"files": {}}']


def _cut(path: Path, part: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])


def _flip(path: Path, part: float) -> None:
    content = bytearray(path.read_bytes())
    if content:
        content[int(part * (len(content) - 1))] ^= 0x41
        path.write_bytes(bytes(content))


def _repeat(path: Path) -> None:
    path.write_bytes(path.read_bytes() * 2)


parts = st.floats(0, 1)
damages: st.SearchStrategy[Damage] = st.one_of(
    st.just(lambda path: path.unlink()),
    st.just(_repeat),
    st.sampled_from(GARBAGE).map(lambda garbage: lambda path: path.write_bytes(garbage)),
    parts.map(lambda part: lambda path: _cut(path, part)),
    parts.map(lambda part: lambda path: _flip(path, part)),
)


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.iterdir() if path.name != "embedding.json")
    return {path.name: path.read_bytes() for path in files}


class _Interrupted(BaseException):
    pass


def _begin(model: LoadedModel, task: TaskFolder, out: Path, batches: int) -> Path:
    """Embed some batches of a task and stop; the folder, which is complete if there were less."""
    left = [batches]

    def on_call() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise _Interrupted

    with suppress(_Interrupted):
        embed(model, task, out, batch_clips=3, on_call=on_call)
    (folder,) = (out / "embeddings").glob("*/*")
    return folder


@pytest.mark.parametrize("kind", ["scene", "event"])
def test_damaged_folders_are_mended(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SYNC_SECONDS", -1.0)
    task = make_task(tmp_path, kind)
    model = load_model(ModelSpec("tiny_hear"))
    whole = contents(embed(model, task, tmp_path / "whole", batch_clips=3).path)

    @settings(max_examples=250)
    @given(st.integers(0, 10), st.lists(st.tuples(st.integers(0, 30), damages), max_size=4))
    def check(batches: int, hurt: list[tuple[int, Damage]]) -> None:
        out = tmp_path / "out"
        shutil.rmtree(out, ignore_errors=True)
        folder = _begin(model, task, out, batches)
        for index, damage in hurt:
            # Unfinished rows have no digest: only what says so itself may be hurt before the end.
            complete = (folder / "embedding.json").exists()
            files = sorted(
                path for path in folder.iterdir() if complete or ".partial" not in path.name
            )
            if files:
                damage(files[index % len(files)])
        made = embed(model, task, out, batch_clips=3)
        assert made.path == folder
        assert contents(folder) == whole

    check()
