"""Arrays evaluated without a task: the protocols' own numbers, and a line for each bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from embedded_tasks import make_kfold
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

import benchmark as hb
from benchmark.embeddings.store import write_info
from benchmark.protocols.knn import KnnOptions
from benchmark.protocols.registry import protocol

N, SIZE = 60, 8


def arrays(labels: str = "abc", n: int = N) -> tuple[Any, list[str]]:
    """Embeddings in which labels can be heard, in turn."""
    random = np.random.default_rng(0)
    y = [labels[i % len(labels)] for i in range(n)]
    X = random.normal(size=(n, SIZE))
    X[np.arange(n), [labels.index(label) for label in y]] += 3
    return X, y


def frames_and_events() -> tuple[list[Any], list[Any], list[Any]]:
    """Ten seconds a file, an event of each label, heard in its frames."""
    random = np.random.default_rng(0)
    X, times, y = [], [], []
    for _ in range(15):
        t = 50.0 * np.arange(200)
        x = random.normal(size=(200, SIZE))
        events = []
        for label in range(2):
            start = float(random.uniform(500, 8000))
            events.append({"label": "ab"[label], "start": start, "end": start + 1000})
            x[(t >= start) & (t <= start + 1000), label] += 6
        X.append(x)
        times.append(t)
        y.append(events)
    return X, times, y


def test_the_numbers_are_those_of_the_embedded_task(tmp_path: Path) -> None:
    folder = make_kfold(tmp_path / "kfold")
    write_info(folder, {"module": "made up"})
    expected = protocol("knn").evaluate(folder, tmp_path / "work", KnnOptions(), lambda *_: None)
    loaded = hb.load_embeddings(folder)
    found = hb.evaluate(
        {name: (split.embeddings, split.labels) for name, split in loaded.splits.items()},
        protocol="knn",
        metrics=loaded.task["evaluation"],
    )
    values = {(one.fold, one.metric): one.value for one in found.scores}
    assert values == {
        (one.fold, name): pytest.approx(value, abs=1e-12)
        for one in expected
        for name, value in one.scores.items()
    }


def test_scores_and_predictions_belong_to_the_examples() -> None:
    X, y = arrays()
    groups = np.arange(N) // 2
    found = hb.evaluate(X, y, protocol="knn", groups=groups, options={"k": 1})
    assert found.metric == "top1_acc" and found.labels == ("a", "b", "c")
    assert sorted(np.concatenate([one.examples for one in found.predictions])) == list(range(N))
    assert all(len({found.splits[2 * i], found.splits[2 * i + 1]}) == 1 for i in range(N // 2))
    folds = sorted(set(found.splits))
    assert len(folds) == 5
    for one in found.predictions:
        valid = folds[(folds.index(one.fold) + 1) % 5]
        train = [i for i, fold in enumerate(found.splits) if fold not in (one.fold, valid)]
        oracle = KNeighborsClassifier(1, metric="cosine").fit(X[train], [y[i] for i in train])
        expected = oracle.predict(X[one.examples])
        heard = np.array(found.labels)[one.probabilities.argmax(axis=1)]
        assert heard.tolist() == expected.tolist()
        (value,) = [
            score.value
            for score in found.scores
            if (score.fold, score.metric) == (one.fold, "top1_acc")
        ]
        assert value == pytest.approx(accuracy_score([y[i] for i in one.examples], expected))
    values = [one.value for one in found.scores if one.metric == "top1_acc"]
    assert found.summary["top1_acc"].mean == pytest.approx(np.mean([v or 0.0 for v in values]))
    assert found.summary["top1_acc"].over == "folds"


def test_the_default_is_the_protocol_linear() -> None:
    X, y = arrays(n=36)
    found = hb.evaluate(X, y, folds=3, options={"seeds": [0, 1]})
    assert (found.protocol, found.options["seeds"]) == ("linear", [0, 1])
    assert {one.seed for one in found.scores} == {0, 1}
    assert found.summary["top1_acc"].over == "seeds"
    assert found.hparams.keys() == {(fold, seed) for fold in found.splits for seed in (0, 1)}
    assert len(found.predictions) == 6
    frame = found.to_dataframe()
    assert list(frame.columns) == ["protocol", "fold", "seed", "metric", "value"]
    assert len(frame) == len(found.scores) == 24
    assert "top1_acc: " in str(found) and "over 2 seeds" in str(found)


@pytest.mark.parametrize("form", ["splits", "mapping"])
def test_valid_is_drawn_from_train(form: str) -> None:
    X, y = arrays()
    if form == "splits":
        splits = ["train"] * 45 + ["test"] * 15
        found = hb.evaluate(X, np.array(y), splits=splits, protocol="knn")
    else:
        parts = {"train": (X[:45], y[:45]), "test": (torch.from_numpy(X[45:]), y[45:])}
        found = hb.evaluate(parts, protocol="knn")
    assert found.splits[45:] == ("test",) * 15
    assert 3 <= found.splits[:45].count("valid") <= 7
    (tested,) = found.predictions
    assert (tested.fold, sorted(tested.examples)) == ("test", list(range(45, 60)))


def test_folds_keep_the_names_that_they_have() -> None:
    X, y = arrays()
    found = hb.evaluate(X, y, splits=np.repeat([1, 2, 10], 20), protocol="knn")
    assert {one.fold for one in found.scores} == {"1", "2", "10"} == set(found.splits)


@pytest.mark.parametrize("form", ["lists", "matrix", "mapping"])
def test_several_labels(form: str) -> None:
    X, _ = arrays()
    matrix = np.random.default_rng(1).random((N, 3)) < 0.5
    matrix[:, 0] = X[:, 0] > np.median(X[:, 0])
    y = matrix if form == "matrix" else [np.flatnonzero(row).tolist() for row in matrix]
    if form == "mapping":
        found = hb.evaluate({"train": (X[:40], y[:40]), "test": (X[40:], y[40:])}, protocol="knn")
    else:
        found = hb.evaluate(X, y, protocol="knn")
    assert found.metric == "mAP" and found.labels == (0, 1, 2)
    assert found.predictions[0].probabilities.shape[1] == 3


def test_events_of_frames() -> None:
    X, times, y = frames_and_events()
    found = hb.evaluate(
        X,
        y,
        times=times,
        protocol="hear",
        folds=3,
        options={"grid": "faster", "grid_points": 2, "threads": 1},
    )
    assert found.metric == "event_onset_200ms_fms"
    one = found.predictions[0]
    truth = np.zeros(one.probabilities.shape, bool)
    for row, (clip, time) in enumerate(zip(one.examples, one.times, strict=True)):
        truth[row] = [event["start"] <= time <= event["end"] for event in y[clip]]
    assert roc_auc_score(truth, one.probabilities) > 0.9
    assert one.times is not None and one.times[:3].tolist() == [0.0, 50.0, 100.0]
    assert len(one.examples) == len(one.probabilities) == 200 * found.splits.count(one.fold)


def test_sequences_of_scenes() -> None:
    random = np.random.default_rng(0)
    y = [i % 2 for i in range(45)]
    X = [random.normal(size=(4, SIZE)) + 3 * label for label in y]
    times = [np.arange(4) * 50.0] * 45
    options = {"seeds": (0,), "threads": 1}
    found = hb.evaluate(X, y, times=times, protocol="attentive", folds=3, options=options)
    assert (found.summary["top1_acc"].mean or 0.0) > 0.8


def test_the_process_is_left_as_it_was() -> None:
    X, y = arrays()
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    hb.evaluate(X, y, protocol="hear", folds=3, options={"grid": "faster", "grid_points": 1})
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads


X, Y = arrays()
NAN = X.copy()
NAN[3, 5] = np.nan
EVENT = [[{"label": "a", "start": 5, "end": 1}]] * N
FRAMES = [np.ones((2, 3))] * N
BAD = {
    "y is missing": ({"X": X}, "y is missing"),
    "lengths": ({"X": X, "y": Y[:-1]}, "X has 60 examples, but y has 59"),
    "lengths of a split": (
        {"X": {"train": (X, Y), "test": (X, Y[1:])}},
        "X of test has 60 examples, but y has 59",
    ),
    "no pair": ({"X": {"train": X, "test": X}}, "X['train'] is ndarray; expected a pair"),
    "nan": ({"X": NAN, "y": Y}, "X has nan in row 3, column 5"),
    "one dimension": ({"X": X[:, 0], "y": Y}, "X has shape (60,); expected (n, size)"),
    "three dimensions": ({"X": X[:, None], "y": Y}, "X has shape (60, 1, 8)"),
    "ragged": ({"X": [[1.0], [1.0, 2.0]], "y": ["a", "b"]}, "X is no array of numbers"),
    "text": ({"X": [["x"]] * N, "y": Y}, "X is no array of numbers"),
    "one label": ({"X": X, "y": ["a"] * N}, "the labels in y are ['a']"),
    "one example": (
        {"X": X, "y": ["z", *Y[1:]]},
        "label 'z' (examples: 1) is tested in fold00, but in none of its training splits",
    ),
    "none": ({"X": X, "y": [None, *Y[1:]]}, "y[0] is None"),
    "mixed": ({"X": X, "y": [1, *Y[1:]]}, "labels are texts ('b') and numbers (1)"),
    "some lists": ({"X": X, "y": [["a"], *Y[1:]]}, "y[1] is 'b', but others are lists"),
    "matrix": ({"X": X, "y": np.full((N, 2), 7)}, "y is (60, 2); expected 0 and 1"),
    "groups": ({"X": X, "y": Y, "groups": [1]}, "X has 60 examples, but groups has 1"),
    "few groups": ({"X": X, "y": Y, "groups": [1, 2] * 30}, "2 groups"),
    "group divided": (
        {"X": X, "y": Y, "groups": [1] * N, "splits": ["train", "test"] * 30},
        "group '1' is in the splits train and test",
    ),
    "no test": ({"X": X, "y": Y, "splits": ["train"] * N}, "splits has no 'test'"),
    "two folds": ({"X": X, "y": Y, "splits": [1, 2] * 30}, "splits are 1, 2; expected"),
    "folds": ({"X": X, "y": Y, "folds": 2}, "folds is 2; expected at least 3"),
    "protocol": ({"X": X, "y": Y, "protocol": "lineer"}, "did you mean 'linear'"),
    "option": (
        {"X": X, "y": Y, "options": {"seed": 1}},
        "has no option 'seed' (did you mean seeds?)",
    ),
    "value": ({"X": X, "y": Y, "protocol": "knn", "options": {"k": 0}}, "k is 0"),
    "metric": ({"X": X, "y": Y, "metrics": ["accuracy"]}, "accuracy"),
    "event": (
        {"X": FRAMES, "y": EVENT, "times": [[0, 50]] * N, "protocol": "hear"},
        "start <= end",
    ),
    "events alone": ({"X": X, "y": EVENT}, "y has events: give X as a list"),
    "times": ({"X": FRAMES, "y": Y, "times": [[50, 0]] * N}, "times[0]: expected ascending ms"),
    "few times": (
        {"X": FRAMES, "y": Y, "times": [[0]] * N},
        "times[0] has shape (1,); expected (2,)",
    ),
    "frames": ({"X": FRAMES, "y": Y, "times": [[0, 50]] * N}, "takes one embedding an example"),
    "no frames": ({"X": X, "y": Y, "protocol": "attentive"}, "protocol attentive takes timestamps"),
    "events by linear": (
        {"X": FRAMES, "y": [[{"label": "a", "start": 0, "end": 1}]] * N, "times": [[0, 50]] * N},
        "protocol linear evaluates scene tasks",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_told_in_a_line(case: str) -> None:
    arguments, line = BAD[case]
    with pytest.raises(hb.UserError) as raised:
        hb.evaluate(**arguments)
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)


def test_missing_labels_can_be_allowed() -> None:
    found = hb.evaluate(X, ["z", *Y[1:]], protocol="knn", allow_missing_labels=True)
    assert "z" in found.labels
