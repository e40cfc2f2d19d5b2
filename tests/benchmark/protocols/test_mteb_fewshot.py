"""The protocol ``mteb-fewshot``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embedded_tasks import make_kfold, make_multilabel, make_pitch

from benchmark.errors import UserError
from benchmark.protocols.mteb_fewshot import FewshotOptions
from benchmark.protocols.registry import protocol
from benchmark.protocols.result import FoldResult
from benchmark.protocols.scenes.fewshot_fit import drawn_clips


def run(embeddings: Path, work: Path, **options: Any) -> tuple[FoldResult, ...]:
    chosen = FewshotOptions(**options)
    return protocol("mteb-fewshot").evaluate(embeddings, work, chosen, lambda part, what: None)


def test_ten_draws_of_eight_clips(tmp_path: Path) -> None:
    results = run(make_pitch(tmp_path / "e", rows=330), tmp_path / "work")
    assert [one.seed for one in results] == list(range(10))
    assert protocol("mteb-fewshot").seeds(FewshotOptions()) == tuple(range(10))
    assert {one.hparams["clips"] for one in results} == {8 * 30}
    scores = [one.scores["pitch_acc"] for one in results]
    assert len(set(scores)) > 1
    assert np.mean(scores) > 3 / 30


def test_folds_are_kept(tmp_path: Path) -> None:
    results = run(make_kfold(tmp_path / "e"), tmp_path / "work", draws=(0, 1), clips_per_label=5)
    assert len(results) == 6
    assert np.mean([one.scores["top1_acc"] for one in results]) > 0.5


def test_draws_are_balanced_and_shuffle_one_list_on_and_on() -> None:
    labels = np.random.default_rng(0).integers(0, 4, 100)
    chance = np.random.RandomState(42)
    order = list(range(100))
    for draw in range(3):
        chance.shuffle(order)
        expected = [
            clip
            for place, clip in enumerate(order)
            if sum(labels[other] == labels[clip] for other in order[:place]) < 8
        ]
        found = drawn_clips(labels, 8, draw)
        assert found.tolist() == expected
        assert np.bincount(labels[found]).tolist() == [8] * 4


def test_too_few_clips_of_a_label_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has \d+ training clips, fewer than --clips-per-label 50"):
        run(make_kfold(tmp_path / "e"), tmp_path / "work", clips_per_label=50)


def test_several_labels_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="may have several"):
        run(make_multilabel(tmp_path / "e"), tmp_path / "work")
