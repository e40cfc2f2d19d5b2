"""The papers' data sets from miniature raw corpora: splits, labels, what is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import raw_corpora

from tasks.audio import read_audio
from tasks.corpora.mtt import EMPTY, TAGS
from tasks.corpora.tau_urban import read as read_tau_urban
from tasks.corpus import Corpus, arrange
from tasks.entries import ENTRIES
from tasks.folder import TaskError, TaskFolder, read_task
from tasks.paper_entries import PAPER_ENTRIES
from tasks.prepare import build_task, prepare, read_corpus


def _sizes(corpus: Corpus) -> list[int]:
    _, items, _ = arrange(corpus)
    return [len(items[split]) for split in items]


def _files(task: TaskFolder) -> dict[str, str]:
    """Split of every file."""
    return {name: split for split in task.splits for name in task.items(split)}


def test_openmic_keeps_which_labels_are_known(tmp_path: Path) -> None:
    raw_corpora.openmic(tmp_path / "openmic-2018")
    path = prepare(
        "openmic", tmp_path / "openmic-2018", tmp_path / "tasks", rates=(16000,), allow_partial=True
    )
    task = read_task(path)
    assert task.labels == ("accordion", "bass", "voice")
    assert [len(task.items(split)) for split in task.splits] == [30, 4, 6]
    for split in task.splits:
        known = task.known_labels(split)
        assert known is not None
        for name, labels in task.items(split).items():
            first = int(name[:6]) % 3
            assert labels == [task.labels[first]]
            assert set(known[name]) == {task.labels[first], task.labels[(first + 1) % 3]}
    by_artist: dict[int, set[str]] = {}
    for name, split in _files(task).items():
        by_artist.setdefault(int(name[:6]) // 2, set()).add(split)
    assert all(len(splits) == 1 for splits in by_artist.values())
    assert len(read_audio(task.audio_path("test", "000034_130560.wav", 16000))[0]) == 160000
    again = prepare(
        "openmic", tmp_path / "openmic-2018", tmp_path / "tasks", rates=(16000,), allow_partial=True
    )
    assert again == path


def test_known_labels_are_part_of_a_task_and_checked(tmp_path: Path) -> None:
    raw_corpora.openmic(tmp_path / "raw")
    task = read_task(
        prepare("openmic", tmp_path / "raw", tmp_path, rates=(16000,), allow_partial=True)
    )
    before = task.hash()
    file = task.path / "test_known_labels.json"
    content = file.read_text()
    file.write_text(content.replace('"voice"', '"bass"', 1))
    assert task.hash() != before
    file.write_text(content.replace('"voice"', '"noise"', 1))
    with pytest.raises(TaskError, match=r"test_known_labels.json: .* are not in labelvocabulary"):
        read_task(task.path)
    file.write_text(content.replace('"000034_130560.wav"', '"x.wav"'))
    with pytest.raises(TaskError, match="its files are not those of test.json"):
        read_task(task.path)
    name, [label] = next(iter(task.items("train").items()))
    file.write_text(content)
    train = task.path / "train_known_labels.json"
    train.write_text(train.read_text().replace(f'"{label}"', '"x"').replace('"x"', '"bass"'))
    if label == "bass":
        pytest.fail(f"{name}: choose another label")
    with pytest.raises(TaskError, match="are there but not known"):
        read_task(task.path)


def test_families_of_nsynth_need_not_be_in_every_split(tmp_path: Path) -> None:
    raw_corpora.nsynth(tmp_path)
    lead = tmp_path / "nsynth-train" / "examples.json"
    lead.write_text(
        lead.read_text().replace(
            '"instrument_family_str": "bass"', '"instrument_family_str": "synth_lead"', 1
        )
    )
    corpus = read_corpus("nsynth_instrument", tmp_path)
    assert _sizes(corpus) == [20, 10, 15]  # notes outside the piano's range too
    assert {label for clip in corpus.clips for label in clip.labels} == {
        "bass",
        "string",
        "synth_lead",
    }


def test_gtzan_fault_filtered_is_split_by_the_lists(tmp_path: Path) -> None:
    raw_corpora.gtzan(tmp_path, "au")  # as in the first distribution; they are WAV inside here
    with pytest.raises(TaskError, match=r"train_filtered.txt: missing.*music_dataset_split"):
        read_corpus("gtzan", tmp_path)
    for split, numbers in (("train", range(3)), ("valid", (3,)), ("test", (4, 5))):
        lines = [f"{genre}/{genre}.{n:05d}.wav" for genre in raw_corpora.GENRES for n in numbers]
        raw_corpora.text(tmp_path / f"{split}_filtered.txt", "\n".join(lines) + "\n")
    assert _sizes(read_corpus("gtzan", tmp_path)) == [30, 10, 20]
    (tmp_path / "rock" / "rock.00004.au").unlink()
    with pytest.raises(TaskError, match=r"test_filtered.txt: rock/rock.00004.wav: no such file"):
        read_corpus("gtzan", tmp_path)


def test_mtt_by_folder_without_the_empty_files(tmp_path: Path) -> None:
    raw_corpora.mtt(tmp_path / "raw", TAGS)
    assert len(set(TAGS)) == 50
    assert len(EMPTY) == 3
    task = read_task(
        prepare("mtt", tmp_path / "raw", tmp_path / "tasks", rates=(16000,), allow_partial=True)
    )
    assert task.path.name == "mtt-v1-full-partial"
    assert [len(task.items(split)) for split in task.splits] == [24, 2, 6]
    assert task.labels == tuple(sorted(TAGS))
    assert sorted(map(len, task.items("valid").values())) == [0, 50]
    assert not any("norine" in name for name in _files(task))


def test_us8k_keeps_its_ten_folds(tmp_path: Path) -> None:
    raw_corpora.us8k(tmp_path)
    _, items, _ = arrange(read_corpus("us8k", tmp_path))
    assert list(items) == [f"fold{i:02d}" for i in range(10)]
    assert items["fold09"] == {"1000-0-0-10.wav": ["air_conditioner"], "1000-1-0-10.wav": ["siren"]}


def test_tau_urban_keeps_places_together(tmp_path: Path) -> None:
    raw_corpora.tau_urban(tmp_path)
    corpus = read_corpus("tau_urban", tmp_path)
    _, items, _ = arrange(corpus)
    assert [len(items[split]) for split in items] == [56, 8, 16]
    splits = {(name.rsplit("-", 2)[0], split) for split in items for name in items[split]}
    assert len(splits) == 40
    table = tmp_path / "evaluation_setup" / "fold1_train.csv"
    table.write_text("filename\tscene_label\naudio/x.wav\ttram\n")
    with pytest.raises(TaskError, match=r"fold1_train.csv: 'audio/x.wav'; expected audio/<scene>"):
        read_tau_urban(tmp_path, {}, "full")


def test_voxceleb1_in_its_split_for_identification(tmp_path: Path) -> None:
    raw_corpora.voxceleb1(tmp_path)
    _, items, clips = arrange(read_corpus("voxceleb1", tmp_path))
    assert items["test"] == {
        "id10001_x_y_00001.wav": ["id10001"],
        "id10003_x_y_00001.wav": ["id10003"],
    }
    path = clips["train/id10001_-Jq_00001.wav"].source
    assert path == tmp_path / "wav" / "id10001" / "-Jq" / "00001.wav"
    raw_corpora.text(tmp_path / "iden_split.txt", "1 a/b/c.wav\n4 a/b/d.wav\n")
    with pytest.raises(TaskError, match="line 2 is '4 a/b/d.wav'; expected 1, 2 or 3"):
        read_corpus("voxceleb1", tmp_path)


def test_voxforge_keeps_uploads_together(tmp_path: Path) -> None:
    raw_corpora.voxforge(tmp_path / "raw")
    corpus = read_corpus("voxforge", tmp_path / "raw")
    _, items, _ = arrange(corpus)
    assert [len(items[split]) for split in items] == [252, 54, 54]
    uploads = {(name.rsplit("_", 1)[0], split) for split in items for name in items[split]}
    assert len(uploads) == 180
    few = Corpus(corpus.config, "full", corpus.clips[::31], every_label=False)
    task = read_task(build_task(few, tmp_path, rates=(16000,), allow_partial=True))
    for name, split in _files(task).items():
        assert len(read_audio(task.audio_path(split, name, 16000))[0]) == 92800


@pytest.mark.parametrize("own_split", [False, True])
def test_surge_keeps_presets_together(tmp_path: Path, own_split: bool) -> None:
    raw_corpora.surge(tmp_path)
    presets = sorted(path.name for path in tmp_path.iterdir())
    if own_split:
        splits = dict(zip(presets, ["train"] * 10 + ["valid"] * 5 + ["test"] * 5, strict=True))
        rows = [("tone", "split"), *splits.items()]
        raw_corpora.table(tmp_path / "dataset_surge_tone_splits.csv", rows)
    _, items, _ = arrange(read_corpus("surge", tmp_path))
    assert [len(items[s]) for s in items] == ([30, 15, 15] if own_split else [48, 6, 6])
    assert all(Counter(sum(its.values(), [])).keys() == {21, 60, 108} for its in items.values())
    if own_split:
        assert "00 Bass Café_21.wav" in items["train"]
        rows[1] = ("other", "train")
        raw_corpora.table(tmp_path / "dataset_surge_tone_splits.csv", rows)
        with pytest.raises(TaskError, match=r"tone_splits.csv: no row for '00 Bass Café'"):
            read_corpus("surge", tmp_path)
    raw_corpora.sound(tmp_path / "00" / "c4.ogg")
    with pytest.raises(TaskError, match=r"c4.ogg: expected <preset>/<MIDI pitch>.ogg"):
        read_corpus("surge", tmp_path)


def test_speech_commands_with_all_words(tmp_path: Path) -> None:
    raw_corpora.speech_commands(tmp_path)
    corpus = read_corpus("speech_commands_v2", tmp_path)
    assert _sizes(corpus) == [36, 24, 12]
    assert {label for clip in corpus.clips for label in clip.labels} >= {"bed", "cat", "yes"}


@pytest.mark.parametrize("name", [entry.name for entry in PAPER_ENTRIES])
def test_a_folder_without_the_corpus_is_told_what_was_expected(name: str, tmp_path: Path) -> None:
    assert ENTRIES[name].corpus
    with pytest.raises(TaskError, match="expected") as error:
        read_corpus(name, tmp_path)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "make", "clip", "origin"),
    [
        ("esc50", raw_corpora.esc50, "1-101-A-1", "101"),
        ("us8k", raw_corpora.us8k, "1000-0-0-10", "1000"),
        ("voxceleb1", raw_corpora.voxceleb1, "id10001_x_y_00001", "x_y"),
        (
            "speech_commands",
            raw_corpora.speech_commands,
            "_silence__dude_miaowing-0",
            "dude_miaowing",
        ),
    ],
)
def test_speakers_and_recordings_are_read_from_names(
    tmp_path: Path, name: str, make: Callable[[Path], None], clip: str, origin: str
) -> None:
    make(tmp_path)
    origins = {clip.stem: clip.origin for clip in read_corpus(name, tmp_path).clips}
    assert origins[clip] == origin
    assert all(origins.values())


def test_speakers_of_crema_d_and_spoken_digit(tmp_path: Path) -> None:
    raw_corpora.crema_d(tmp_path / "crema_d")
    clips = read_corpus("tfds_crema_d", tmp_path / "crema_d").clips
    assert all(Path(str(clip.source)).stem.startswith(f"{clip.origin}_") for clip in clips)
    for take in range(2):
        raw_corpora.wav(tmp_path / "fsdd" / "recordings" / f"{take}_theo_{take}.wav")
    clips = read_corpus("spoken_digit", tmp_path / "fsdd").clips
    assert {clip.origin for clip in clips} == {"theo"}
