"""X-ARES: the encoder file keeps the package's contract, the tars hold the task."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import soundfile
from tiny_task import make_task

from benchmark.adapters.xares_encoder import check_encoder
from benchmark.adapters.xares_tars import READY, write_tars
from benchmark.cli.main import main
from benchmark.errors import UserError
from tasks.folder import TaskFolder, read_task, write_task

USE = """
import importlib, sys, torch
import hear_plugins
module = importlib.import_module(sys.argv[1])
(name,) = [each for each in dir(module) if each.endswith("Encoder")]
encoder = getattr(module, name)()
assert not [each for each in sys.modules if each.split(".")[0] in ("benchmark", "tasks")]
for audio in (torch.randn(2, 50000), torch.randn(50000), torch.randn(1, 10 * 60 * 16000)):
    found = encoder.train()(0.1 * audio)
    print(name, found.ndim, found.shape[2] == encoder.output_dim, found.shape[1])
"""


def test_the_encoder_file_stands_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xares", "hear_plugins.logmel", "--out", str(tmp_path)]) == 0
    path = Path(capsys.readouterr().out.strip())
    command = [sys.executable, "-c", USE, path.stem]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[3]}"},
    )
    assert not done.returncode, done.stderr
    name = f"Logmel_{path.stem.split('_')[1]}_Encoder"
    frames = [line.split() for line in done.stdout.splitlines()]
    assert [each[:3] for each in frames] == [[name, "3", "True"]] * 3
    assert int(frames[2][3]) == 12001  # every 50 ms of ten minutes


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("from torch.nn import Module as AEncoder, Module as BEncoder", "expected one"),
        ("class AnEncoder:\n    pass", "the encoder fails"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "encoder.py"
    path.write_text(text)
    with pytest.raises(UserError, match=reason):
        check_encoder(path)


@pytest.fixture
def esc50(tmp_path: Path) -> TaskFolder:
    task = make_task(tmp_path, name="esc50", clips=3)
    items = {split: task.items(split) for split in task.splits}
    for extra in ("fold03", "fold04"):
        folder = task.path / "16000" / extra
        folder.mkdir()
        for name in items["fold00"]:
            source = task.audio_path("fold00", name, 16000)
            (folder / f"{extra}.{name}").write_bytes(source.read_bytes())
        items[extra] = {f"{extra}.{name}": label for name, label in items["fold00"].items()}
    write_task(task.path, {**task.metadata, "splits": sorted(items)}, items)
    return read_task(task.path)


def test_tars_hold_the_audio_and_labels_of_the_folds(esc50: TaskFolder, tmp_path: Path) -> None:
    folder = write_tars(esc50, tmp_path / "env")
    assert sorted(path.name for path in folder.iterdir()) == [
        READY,
        *(f"wds-audio-fold-{k}-0000000.tar" for k in range(1, 6)),
    ]
    for k, split in enumerate(esc50.splits, 1):
        with tarfile.open(folder / f"wds-audio-fold-{k}-0000000.tar") as tar:
            content = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
        assert len(content) == 2 * len(esc50.items(split))
        for name, (label,) in esc50.items(split).items():
            key = Path(name).stem.replace(".", "_")
            assert json.loads(content[f"{key}.json"]) == {"label": esc50.labels.index(label)}
            audio, rate = soundfile.read(io.BytesIO(content[f"{key}.wav"]))
            assert (len(audio), rate) == (8000, 16000)


def test_tasks_that_xares_has_not_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="made of esc50"):
        write_tars(make_task(tmp_path), tmp_path / "env")
    with pytest.raises(UserError, match="3 splits, X-ARES has 5"):
        write_tars(make_task(tmp_path, name="esc50"), tmp_path / "env")
    assert not (tmp_path / "env").exists()
