"""Splits and orders: those of hear-preprocess, to the byte."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from task_fixtures import EVENT_CONFIG, SCENE_CONFIG

from tasks.corpus import Clip, Corpus, Event, arrange
from tasks.folder import TaskError, write_task
from tasks.splits import draw_folds, draw_missing, draw_stratified, row_order, subsample

# Files (by number) and labels of HEAR's published package
# hear-2021.0.6-spoken_digit-1.0.9-small-44100.tar.gz, and the SHA-256 of its fold files.
PUBLISHED_LABELS = """
10:1 72:8 78:1 88:9 102:8 160:4 164:6 178:1 187:0 217:7 225:3 236:2 381:4 394:9 395:0 402:7 415:8
417:6 429:4 462:2 506:3 584:5 585:1 594:6 601:6 619:6 631:3 634:4 646:3 690:6 697:9 708:4 737:7
760:7 768:1 823:7 830:0 842:1 846:9 850:1 891:7 910:9 936:5 944:2 945:5 973:7 1024:6 1069:3 1077:2
1082:4 1084:1 1118:5 1147:4 1195:1 1227:3 1234:9 1273:5 1289:8 1301:4 1310:7 1344:2 1365:8 1451:2
1532:1 1537:9 1576:4 1580:7 1624:8 1688:1 1694:9 1708:1 1734:1 1776:5 1798:8 1801:5 1828:9 1875:9
1889:4 1892:4 1921:5 1942:4 1946:5 1951:8 2030:9 2049:3 2064:1 2102:9 2133:3 2157:4 2161:0 2163:8
2168:3 2180:0 2190:1 2229:8 2255:8 2265:8 2308:9 2400:0 2480:4
"""
PUBLISHED_FOLDS = {
    "fold00": "b6290fa708bf5a3bcb09359d7db5439b5fc773a5b174151124694c1a2b1f4ba5",
    "fold01": "f4fad06c58d98f4bc3877bb4a6be9e84ddaa75e09df315083859eed72359db52",
    "fold02": "8686c1527ebe5f816aa49c7ed48723ac813acd56ec643e780042373cf61cc17d",
    "fold03": "0f0cee64c295544ac86bf9efeec9b8e0aee5f0a6b2ce93a4d0447fa384a2e677",
    "fold04": "dda35d70755c1b7b7be7d9f1a97f66ace360744474f03c5256026440d745d1ef",
}


def _clips(labels: Mapping[str, tuple[Any, ...]]) -> tuple[Clip, ...]:
    return tuple(Clip(Path(stem), stem, its) for stem, its in labels.items())


def test_folds_of_the_published_package(tmp_path: Path) -> None:
    labels = {
        f"tfds_id_spoken-digit-train-tfrecord-00000-of-00001-{number}": (int(digit),)
        for number, digit in (pair.split(":") for pair in PUBLISHED_LABELS.split())
    }
    config = {**SCENE_CONFIG, "split_mode": "new_split_kfold", "nfolds": 5}
    metadata, items, _ = arrange(Corpus(config, "small", _clips(labels), every_label=False))
    write_task(tmp_path, metadata, items)
    found = {
        split: hashlib.sha256((tmp_path / f"{split}.json").read_bytes()).hexdigest()
        for split in metadata["splits"]
    }
    assert found == PUBLISHED_FOLDS


def test_orders_are_those_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")

    def sample(values: list[object], text: str) -> list[object]:
        seed = int(hashlib.sha1(text.encode()).hexdigest(), 16) % (2**32 - 1)
        return pandas.Series(values).sample(frac=1, random_state=seed).tolist()

    stems = [f"clip{i}" for i in range(137)]
    assert (
        subsample(reversed(stems), "fold03", 20)
        == sample(sorted(stems), "SubsampleSplit(fold03)")[:20]
    )
    assert row_order(500).tolist() == sample(list(range(500)), "postprocess_all_metadata")


def test_events_are_ordered_cut_and_dropped_as_in_hear_preprocess() -> None:
    pandas = pytest.importorskip("pandas")
    events = {
        f"clip{i}": tuple(Event("ab"[j % 2], 20.0 * j, 20.0 * j + 30.0) for j in range(7))
        for i in range(5)
    }
    config = {**EVENT_CONFIG, "split_mode": "new_split_kfold", "nfolds": 3}  # clips of 0.1 s
    _, items, _ = arrange(Corpus(config, "full", _clips(events)))
    rows = [(stem, *event) for stem, its in events.items() for event in its]
    table = pandas.DataFrame(rows, columns=["stem", "label", "start", "end"])
    table = table.sort_values(["stem", "start", "end", "label"], kind="stable")
    seed = int(hashlib.sha1(b"postprocess_all_metadata").hexdigest(), 16) % (2**32 - 1)
    table = table.sample(frac=1, random_state=seed)
    table = table[table.start < 100.0].assign(end=table.end.clip(upper=100.0))
    expected = {
        f"{stem}.wav": group[["label", "start", "end"]].to_dict(orient="records")
        for stem, group in table.groupby("stem")
    }
    assert {name: its for split in items.values() for name, its in split.items()} == expected


@pytest.mark.parametrize(
    ("present", "percentages", "sizes"),
    [
        # dcase2016_task2: 72 files, 60/20/20
        ({"train": 72}, {"train": 60, "valid": 20, "test": 20}, (44, 14, 14)),
        ({"train": 100}, {"train": 80, "valid": 10, "test": 10}, (80, 10, 10)),
        # beehive: test given, valid is 1/9 of train
        ({"train": 288, "test": 288}, {"train": 80, "valid": 10, "test": 10}, (256, 32, 288)),
        ({"train": 90, "valid": 7}, {"train": 80, "valid": 10, "test": 10}, (80, 7, 10)),
        ({"train": 5, "valid": 6, "test": 7}, {"train": 80, "valid": 10, "test": 10}, (5, 6, 7)),
    ],
)
def test_missing_splits_are_drawn_from_train(
    present: dict[str, int], percentages: dict[str, float], sizes: tuple[int, ...]
) -> None:
    given_splits = {f"{s}{i}": s for s, count in present.items() for i in range(count)}
    drawn = draw_missing(given_splits, {file: file for file in given_splits}, percentages)
    counts = Counter(drawn.values())
    assert (counts["train"], counts["valid"], counts["test"]) == sizes
    kept = {file: split for file, split in given_splits.items() if split != "train"}
    assert kept.items() <= drawn.items()


def test_too_few_files_to_draw_from() -> None:
    with pytest.raises(TaskError, match="3 groups of files are too few to draw the split valid"):
        draw_missing(dict.fromkeys("abc", "train"), {c: c for c in "abc"})
    with pytest.raises(TaskError, match="no file is in the split train"):
        draw_missing({"a": "test"}, {"a": "a"})


@given(st.lists(st.integers(0, 30), min_size=8, max_size=60), st.integers(3, 5))
def test_groups_stay_together(groups: list[int], count: int) -> None:
    assume(len(set(groups)) >= count)
    group_of = {f"clip{i:02d}": f"group{group}" for i, group in enumerate(groups)}
    folds = draw_folds(group_of, {file: ["x"] for file in group_of}, count)
    assert folds.keys() == group_of.keys()
    fold_of_group = {(group_of[file], fold) for file, fold in folds.items()}
    assert len(fold_of_group) == len(set(groups))
    per_fold = Counter(fold for _, fold in fold_of_group)
    assert len(per_fold) == count
    assert max(per_fold.values()) - min(per_fold.values()) <= 1


def test_folds_are_drawn_again_until_each_has_every_label() -> None:
    files = {f"{i:02d}": f"{i:02d}" for i in range(12)}
    labels = {file: ["rare" if int(file) < 3 else "common"] for file in files}
    first = draw_folds(files, labels, 3, every_label=False)
    folds = draw_folds(files, labels, 3)
    assert len({first[file] for file in list(files)[:3]}) < 3  # the first draw will not do
    assert {folds[file] for file in list(files)[:3]} == {"fold00", "fold01", "fold02"}
    labels["00"] = ["common"]
    with pytest.raises(TaskError, match="no 3 folds have every label .rarest: 'rare'"):
        draw_folds(files, labels, 3)
    with pytest.raises(TaskError, match="2 groups of files cannot make 3 folds"):
        draw_folds({"a": "x", "b": "y"}, {"a": ["l"], "b": ["l"]}, 3)


@given(
    labels=st.lists(st.lists(st.integers(0, 4), max_size=3), min_size=12, max_size=60),
    group_size=st.integers(1, 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_stratified_splits_share_out_every_label(
    labels: list[list[int]], group_size: int, seed: int
) -> None:
    of = {f"f{i:03d}": its for i, its in enumerate(labels)}
    groups = {name: f"g{i // group_size}" for i, name in enumerate(of)}
    shares = {"train": 2.0, "valid": 1.0, "test": 1.0}
    drawn = draw_stratified(groups, of, shares, seed)
    assert drawn == draw_stratified(dict(reversed(groups.items())), of, shares, seed)
    assert drawn.keys() == of.keys() and set(drawn.values()) <= shares.keys()
    assert len({(groups[name], split) for name, split in drawn.items()}) == len(
        set(groups.values())
    )


def test_stratified_splits_are_even_where_they_can_be() -> None:
    of = {f"f{i:03d}": ["ab"[i % 2], *(["rare"] if i % 20 == 0 else [])] for i in range(100)}
    alone = {name: name for name in of}
    shares = {"train": 80.0, "valid": 10.0, "test": 10.0}
    few = draw_stratified(alone, {name: its[1:] for name, its in of.items()}, shares)
    assert Counter(few[name] for name in of if "rare" in of[name]) == {
        "train": 3,
        "valid": 1,
        "test": 1,
    }
    drawn = draw_stratified(alone, of, dict.fromkeys("vwxyz", 1.0), 3)
    for split in "vwxyz":
        counts = Counter(label for name in of if drawn[name] == split for label in of[name])
        assert counts == {"a": 10, "b": 10, "rare": 1}


def test_arrange_refuses_what_hear_preprocess_does() -> None:
    with pytest.raises(TaskError, match="no clips"):
        arrange(Corpus(SCENE_CONFIG, "full", ()))
    twice = (Clip(Path("x/a.wav"), "a", ("l",)), Clip(Path("y/a.wav"), "a", ("l",)))
    with pytest.raises(TaskError, match=r"y/a.wav and x/a.wav would both be a.wav"):
        arrange(Corpus(SCENE_CONFIG, "full", twice))
    clips = tuple(
        Clip(Path(s), s, ("cat" if s == "train" else "dog",), s) for s in ("train", "valid", "test")
    )
    with pytest.raises(TaskError, match="no clip of .* has the label"):
        arrange(Corpus(SCENE_CONFIG, "full", clips))
    arrange(Corpus(SCENE_CONFIG, "full", clips, every_label=False))
    folds = {**SCENE_CONFIG, "split_mode": "presplit_kfold", "nfolds": 4}
    with pytest.raises(TaskError, match="expected fold00, fold01, fold02, fold03"):
        arrange(Corpus(folds, "full", clips))


def test_splits_are_capped_by_duration() -> None:
    capped = {**SCENE_CONFIG, "max_task_duration_by_split": {"train": 0.35, "valid": None}}
    clips = tuple(
        Clip(Path(f"{s}{i}"), f"{s}{i}", ("cat",), s)
        for s in ("train", "valid", "test")
        for i in range(9)
    )
    _, items, kept = arrange(Corpus(capped, "full", clips))
    assert [len(items[split]) for split in ("train", "valid", "test")] == [3, 9, 9]
    stems = [f"train{i}" for i in range(9)]
    assert sorted(items["train"]) == sorted(f"{s}.wav" for s in subsample(stems, "train", 3))
    assert len(kept) == 21
