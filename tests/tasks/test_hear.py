"""HEAR's tasks from their raw corpora: the same bytes as hear-preprocess writes.

``golden/hear_preprocess.json`` holds the beginnings of the SHA-256 of the JSON and CSV files that
hear-preprocess 2021.1.1 (610d864) made of the very corpora of ``raw_corpora.py``: its own code from
extracted archives to task folders, with pandas 1.5.3, note_seq 0.0.5 and pretty_midi 0.2.11; only
its calls of ffmpeg were replaced by copies, and TFDS by the names that `tasks.corpora.tfds` gives.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import raw_corpora
import soundfile

from tasks.audio import read_audio
from tasks.corpora.pandas_csv import through_csv
from tasks.corpora.tfds import tfds_stems
from tasks.corpus import arrange, metadata_of
from tasks.entries import ENTRIES
from tasks.folder import TaskError, read_task, write_task
from tasks.hear_entries import HEAR_ENTRIES
from tasks.prepare import prepare, read_corpus

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "hear_preprocess.json").read_text())
TASKS = {
    entry.folder_name(mode): (entry.name, mode)
    for entry in HEAR_ENTRIES
    for mode in entry.modes
    if entry.folder_name(mode) in GOLDEN
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of the miniature corpus of a task, made when it is first asked for."""
    root = tmp_path_factory.mktemp("raw")

    def corpus_of(name: str) -> Path:
        corpus = ENTRIES[name].corpus
        folder = root / corpus
        if not folder.exists():
            if corpus == "maestro":
                pytest.importorskip("pretty_midi")
            getattr(raw_corpora, corpus)(folder)
        return folder

    return corpus_of


def test_hear_has_19_tasks() -> None:
    assert GOLDEN.keys() == TASKS.keys()
    not_its = (
        "beehive_states_fold0-v2-5h",
        "beehive_states_fold1-v2-5h",
        "spoken_digit-1.0.9-full",
    )
    assert len(TASKS.keys() - set(not_its)) == 20  # Beehive is one of the 19, in two folds


@pytest.mark.parametrize("folder", GOLDEN)
def test_metadata_are_those_of_hear_preprocess(folder: str, tmp_path: Path) -> None:
    name, mode = TASKS[folder]
    metadata = metadata_of(*ENTRIES[name].mode_config(mode))
    text = json.dumps(metadata, indent=1)
    assert _beginning_of_hash(text.encode()) == GOLDEN[folder]["task_metadata.json"]


@pytest.mark.parametrize("folder", [folder for folder in GOLDEN if len(GOLDEN[folder]) > 1])
def test_files_are_those_of_hear_preprocess(
    folder: str, tmp_path: Path, raw: Callable[[str], Path]
) -> None:
    name, mode = TASKS[folder]
    metadata, items, _ = arrange(read_corpus(name, raw(name), mode=mode))
    write_task(tmp_path, metadata, items)
    found = {path.name: _beginning_of_hash(path.read_bytes()) for path in tmp_path.iterdir()}
    assert found == GOLDEN[folder]


def _beginning_of_hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def test_names_of_tfds_are_those_hear_published(shared: Path) -> None:
    lines = (shared / "data" / "fsdd" / "hear_names.csv").read_text().split()[1:]
    published = {own[:-4]: hear[:-4] for hear, own in (line.split(",") for line in lines)}
    assert tfds_stems("spoken_digit", "train", published, shards=1) == published


def test_shards_of_tfds_are_even_and_in_the_order_of_the_names() -> None:
    keys = [f"clip{i}.wav" for i in range(10)]
    stems = tfds_stems("a_set", "validation", keys, shards=4)
    prefix = "tfds_id_a-set-validation-tfrecord-0000"
    counts = [sum(s.startswith(f"{prefix}{i}-of-00004-") for s in stems.values()) for i in range(4)]
    assert counts == [2, 3, 3, 2]  # ends at round(2.5), 5, round(7.5), 10
    by_hash = sorted(keys, key=lambda key: hashlib.md5(f"validation{key}".encode()).hexdigest())
    assert sorted(keys, key=stems.__getitem__) == by_hash


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (100496.29000000001, 100496.29),
        (119477.37999999999, 119477.38),
        (43622.134163734074, 43622.13416373408),
        (94128.75451199891, 94128.75451199892),
        (1.2546080348534883e-07, 1.2546080348534886e-07),
        (-21009.626719581698, -21009.626719581694),
        (1e22, 1e22),
        (0.0, 0.0),
        (2500.0, 2500.0),
    ],
)
def test_numbers_through_a_csv_of_pandas(written: float, read: float) -> None:
    assert through_csv(written) == read  # pairs from pandas 1.5.3


def test_silence_is_cut_from_the_background_noise(
    tmp_path: Path, raw: Callable[[str], Path]
) -> None:
    source = raw("speech_commands")
    task = read_task(
        prepare(
            "speech_commands", source, tmp_path, rates=(16000,), mode="full", allow_partial=True
        )
    )
    assert set(task.labels) >= {"_silence_", "_unknown_", "yes"}
    noise, _ = soundfile.read(
        source / "speech_commands_v0.02/_background_noise_/running_tap.wav", dtype="int16"
    )
    for start in (0, 8000, 16000):
        path = task.audio_path("valid", f"_silence__running_tap-{start}.wav", 16000)
        assert np.array_equal(soundfile.read(path, dtype="int16")[0], noise[start : start + 16000])
    assert not task.audio_path("valid", "_silence__running_tap-24000.wav", 16000).exists()


def test_all_35_words_of_speech_commands(tmp_path: Path, raw: Callable[[str], Path]) -> None:
    corpus = read_corpus("speech_commands", raw("speech_commands"), mode="full", all_words=True)
    by_split = dict.fromkeys(("train", "valid", "test"), 0)
    for clip in corpus.clips:
        by_split[clip.split] += 1
    assert by_split == {"train": 36, "valid": 24, "test": 12}
    assert {label for clip in corpus.clips for label in clip.labels} >= {"bed", "cat", "yes"}


def test_shots_begin_an_eighth_of_a_second_in(tmp_path: Path, raw: Callable[[str], Path]) -> None:
    source = raw("gunshot_triangulation")
    task = read_task(prepare("gunshot_triangulation", source, tmp_path, rates=(48000,)))
    sizes = sorted(len(task.items(split)) for split in task.splits)
    assert sizes == [12, 12, 12, 12, 12, 12, 16]
    for mic, loud in (("mic1", 32000), ("mic3", 16000)):
        name = f"{mic}_shot5_fid2.wav"
        split = next(s for s in task.splits if name in task.items(s))
        audio, rate = read_audio(task.audio_path(split, name, 48000))
        assert (rate, len(audio)) == (48000, 72000)
        assert not audio[:6000].any()
        assert np.all(audio[6000:6100] * 32768 == loud + 5)


def _symlink(target: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def test_real_piano_midi_as_maestro(shared: Path, tmp_path: Path) -> None:
    """The given labels were computed with note_seq, from what the MIDI files were made of."""
    pytest.importorskip("pretty_midi")
    data = shared / "data" / "music" / "piano_midi"
    for name in ("audio", "midi"):
        _symlink(data / name, tmp_path / name)
    _symlink(data / "piano_midi.csv", tmp_path / "maestro-v3.0.0.csv")
    given = {
        file.removesuffix(".flac"): notes
        for split in ("train", "valid", "test")
        for file, notes in json.loads((data / f"{split}.json").read_text()).items()
    }
    clips = {clip.stem: clip for clip in read_corpus("maestro", tmp_path).clips}
    assert clips.keys() == given.keys()
    for stem, notes in given.items():
        wanted = sorted((note["label"], note["start"], note["end"]) for note in notes)
        found = sorted(clips[stem].labels)
        assert [label for label, *_ in found] == [label for label, *_ in wanted]
        times = np.array([note[1:] for note in found]) - np.array([note[1:] for note in wanted])
        assert np.abs(times).max() < 0.01  # ms


def test_real_notes_as_nsynth(shared: Path, tmp_path: Path) -> None:
    data = shared / "data" / "music" / "pitch"
    for split in ("train", "valid", "test"):
        folder = tmp_path / f"nsynth-{split}"
        _symlink(data / split / "examples.json", folder / "examples.json")
        for path in (data / split / "audio").iterdir():
            _symlink(path, folder / "audio" / f"{path.stem}.wav")
    corpus = read_corpus("nsynth_pitch", tmp_path)
    _, items, _ = arrange(corpus)
    assert [len(items[split]) for split in ("train", "valid", "test")] == [837, 164, 163]
    assert all(
        int(name.split("-")[1]) == label
        for split in items.values()
        for name, [label] in split.items()
    )
    assert all(read_audio(clip.source)[1] == 16000 for clip in corpus.clips[:3])  # type: ignore[arg-type]


def test_real_soundscapes_as_dcase(shared: Path, tmp_path: Path) -> None:
    data = shared / "data" / "soundscapes"
    folders = ("dcase2016_task2_train_dev/dcase2016_task2_dev", "dcase2016_task2_test_public")
    given = {}
    for number, split in enumerate(("train", "valid", "test")):
        folder = tmp_path / folders[number > 0]
        for name, events in json.loads((data / f"{split}.json").read_text()).items():
            stem = name.removesuffix(".flac")
            given[f"{stem}.wav"] = events
            _symlink(data / split / name, folder / "sound" / f"{stem}.wav")
            lines = (
                f"{e['start'] / 1000:.7f}\t{e['end'] / 1000:.7f}\t{e['label']}" for e in events
            )
            raw_corpora.text(folder / "annotation" / f"{stem}.txt", "\n".join(lines) + "\n")
    path = prepare(
        "dcase2016_task2", tmp_path, tmp_path / "tasks", rates=(16000,), allow_partial=True
    )
    task = read_task(path)
    assert [len(task.items(split)) for split in task.splits] == [20, 6, 6]
    for split in task.splits:
        for name, events in task.items(split).items():
            key = sorted((e["start"], e["end"], e["label"]) for e in events)
            wanted = sorted((e["start"], e["end"], e["label"]) for e in given[name])
            assert [k[2] for k in key] == [w[2] for w in wanted]
            assert np.allclose([k[:2] for k in key], [w[:2] for w in wanted], atol=1e-6)


def test_real_clips_as_esc50(shared: Path, tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = [("filename", "fold", "target", "category")]
    for path in sorted((shared / "data" / "esc10").glob("*/*.ogg")):
        target = int(path.parent.name[:3])
        rows.append((f"{path.stem}-{target}.wav", path.name[0], target, path.parent.name[6:]))
        _symlink(path, tmp_path / "audio" / f"{path.stem}-{target}.wav")
    raw_corpora.table(tmp_path / "meta" / "esc50.csv", rows)
    corpus = read_corpus("esc50", tmp_path)
    _, items, clips = arrange(corpus)
    assert [len(items[split]) for split in items] == [80] * 5
    assert len({label for split in items.values() for [label] in split.values()}) == 10
    assert read_audio(clips["fold03/4-161579-A-7.wav"].source)[1] == 44100  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [e.name for e in HEAR_ENTRIES])
def test_a_folder_without_the_corpus_is_told_what_was_expected(name: str, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="expected") as error:
        read_corpus(name, tmp_path)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


FAULTS = {
    "esc50": ("meta/esc50.csv", "filename,category\n", "no column 'fold'"),
    "dcase2016_task2": (
        "dcase2016_task2_test_public/annotation/test_ebr_0_nec_0_poly_1.txt",
        "1.0 2.0 cough\n",
        "line 1 is '1.0 2.0 cough'; expected start and end",
    ),
    "maestro": ("2004/MIDI-Unprocessed_00_R1_2004.midi", "MThd", "not a readable MIDI file"),
    "nsynth_pitch": ("nsynth-test/examples.json", '{"a-1-2": {"pitch": 1', "cannot be read"),
    "tfds_crema_d": (
        "processedResults/summaryTable.csv",
        "FileName\n1001_IEO_JOY_XX\n",
        "'1001_IEO_JOY_XX'; expected <speaker>",
    ),
    "libricount": ("test/many_1.wav", "", "many_1.wav: expected <number of speakers>"),
    "mridangam_tonic": ("B/1__x__tha-f-1.wav", "", "1__x__tha-f-1.wav: expected <id>"),
    "beijing_opera": ("1__x__bangu.wav", "", "1__x__bangu.wav: expected <id>"),
    "vocal_imitation": ("vocal_imitations/included/x.wav", "", "no included row for .*x.wav"),
    "fsd50k": ("FSD50K.ground_truth/dev.csv", "fname,labels\n", "no column 'split'"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_a_corpus_name_file_and_row(name: str, tmp_path: Path) -> None:
    if name == "maestro":
        pytest.importorskip("pretty_midi")
    getattr(raw_corpora, ENTRIES[name].corpus)(tmp_path)
    file, content, said = FAULTS[name]
    (tmp_path / file).write_text(content)
    with pytest.raises(TaskError, match=said) as error:
        read_corpus(name, tmp_path)
    assert "\n" not in str(error.value)
