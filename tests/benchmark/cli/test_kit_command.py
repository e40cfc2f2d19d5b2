"""hear-eval-kit's own runner, by one line, on a folder of embeddings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_task import make_task

from benchmark.cli.main import main


@pytest.fixture
def embeddings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(Path(__file__).parents[3])
    make_task(tmp_path / "tasks")
    line = f"embed tiny_hear --tasks-dir {tmp_path / 'tasks'} --out {tmp_path / 'run'}"
    assert main(line.split()) == 0
    (info,) = (tmp_path / "run").glob("embeddings/*/*/embedding.json")
    return info.parent


def test_it_scores_and_leaves_the_embeddings_as_they_are(embeddings: Path, tmp_path: Path) -> None:
    pytest.importorskip("heareval")
    before = sorted(path.name for path in embeddings.iterdir())
    line = ["kit", str(embeddings), "--out", str(tmp_path / "kit")]
    assert main([*line, "--grid", "faster", "--grid-points", "1"]) == 0
    (scores,) = (tmp_path / "kit").rglob("test.predicted-scores.json")
    assert "top1_acc" in json.dumps(json.loads(scores.read_text()))
    assert sorted(path.name for path in embeddings.iterdir()) == before


def test_wrong_folders_are_named(
    embeddings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("heareval")
    assert main(["kit", str(tmp_path / "none"), "--out", str(tmp_path / "kit")]) == 2
    assert "no such folder" in capsys.readouterr().err
    next(embeddings.glob("*.embeddings.npy")).unlink()
    assert main(["kit", str(embeddings), "--out", str(tmp_path / "kit")]) == 2
    assert "embeddings.npy is missing" in capsys.readouterr().err
