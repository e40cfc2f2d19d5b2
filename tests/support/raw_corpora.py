"""Miniature raw corpora, laid out as their publishers ship them."""

from __future__ import annotations

import csv
import json
import random
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import soundfile


def wav(path: Path, samples: int = 40, rate: int = 8000) -> None:
    """A short WAV file; written by hand, as there are thousands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = struct.pack(f"<{samples}h", *(i % 50 for i in range(samples)))
    head = struct.pack(
        "<4sI8sIHHIIHH", b"RIFF", 36 + len(data), b"WAVEfmt ", 16, 1, 1, rate, 2 * rate, 2, 16
    )
    path.write_bytes(head + struct.pack("<4sI", b"data", len(data)) + data)


def table(path: Path, rows: Iterable[Sequence[object]], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(rows)


def text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def esc50(root: Path) -> None:
    rows: list[tuple[object, ...]] = [
        ("filename", "fold", "target", "category", "esc10", "src_file", "take")
    ]
    for fold in range(1, 6):
        for target, category in enumerate(("dog", "rooster", "can_opening")):
            name = f"{fold}-{100 * fold + target}-A-{target}.wav"
            wav(root / "audio" / name)
            rows.append((name, fold, target, category, "False", 100 * fold + target, "A"))
    table(root / "meta" / "esc50.csv", rows)


def dcase2016_task2(root: Path) -> None:
    rng = random.Random(1)
    labels = ("clearthroat", "cough", "doorslam", "drawer")
    for folder, names in (
        (
            "dcase2016_task2_train_dev/dcase2016_task2_dev",
            [f"dev_1_ebr_-6_nec_{i}" for i in range(6)],
        ),
        ("dcase2016_task2_test_public", [f"test_ebr_0_nec_{i}_poly_1" for i in range(7)]),
    ):
        for name in names:
            wav(root / folder / "sound" / f"{name}.wav")
            events = []
            for _ in range(9):
                start = rng.uniform(0, 125)  # some begin after 120 s, some end after
                events.append(
                    (round(start, 6), round(start + rng.uniform(0.1, 5), 6), rng.choice(labels))
                )
            table(root / folder / "annotation" / f"{name}.txt", sorted(events), "\t")


def maestro(root: Path) -> None:
    import mido

    rng = random.Random(2)
    rows = [
        (
            "canonical_composer",
            "canonical_title",
            "split",
            "year",
            "midi_filename",
            "audio_filename",
            "duration",
        )
    ]
    for i in range(11):
        name = f"2004/MIDI-Unprocessed_{i:02d}_R1_2004"
        wav(root / f"{name}.wav", samples=16000)
        track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500000)])
        ticks = []
        for _ in range(60):
            start = rng.randrange(0, 130 * 768)  # 768 ticks a second, beyond 120 s
            pitch = rng.choice((20, 21, 60, 60, 60, 64, 108, 109))
            velocity = rng.randrange(1, 127)
            ticks.append((start, 1, mido.Message("note_on", note=pitch, velocity=velocity)))
            end = start + rng.randrange(1, 3000)
            ticks.append((end, 0, mido.Message("note_on", note=pitch, velocity=0)))
        for _ in range(40):
            value = rng.choice((0, 63, 64, 127))
            pedal = mido.Message("control_change", control=64, value=value)
            ticks.append((rng.randrange(0, 130 * 768), 2, pedal))
        now = 0
        for tick, _, message in sorted(ticks, key=lambda item: item[:2]):
            track.append(message.copy(time=tick - now))
            now = tick
        mido.MidiFile(tracks=[track], ticks_per_beat=384).save(root / f"{name}.midi")
        duration = f"{max(tick for tick, kind, _ in ticks if kind < 2) / 768:.6f}"
        split = ("train", "validation", "test")[i % 3]
        rows.append(
            ("Bach", "Prelude, no. 1", split, "2004", f"{name}.midi", f"{name}.wav", duration)
        )
    table(root / "maestro-v3.0.0.csv", rows)


def nsynth(root: Path) -> None:
    for split, instruments in (("train", 4), ("valid", 2), ("test", 3)):
        notes = {}
        for number in range(instruments):
            family = ("bass", "string")[number % 2]
            instrument = f"{family}_acoustic_{split}{number:03d}"
            for pitch in (20, 21, 60, 108, 109):
                name = f"{instrument}-{pitch:03d}-{25 * (1 + number):03d}"
                wav(root / f"nsynth-{split}" / "audio" / f"{name}.wav", rate=16000)
                notes[name] = {
                    "note_str": name,
                    "pitch": pitch,
                    "instrument_str": instrument,
                    "instrument_family_str": family,
                }
        (root / f"nsynth-{split}" / "examples.json").write_text(json.dumps(notes))


def speech_commands(root: Path) -> None:
    words = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "bed", "cat")
    main, test = root / "speech_commands_v0.02", root / "speech_commands_test_set_v0.02"
    lists: dict[str, list[str]] = {"train": [], "validation": [], "testing": []}
    for word in words:
        for i in range(6):
            name = f"{word}/{i % 4:08x}_nohash_{i}.wav"
            wav(main / name, rate=16000)
            lists[("train", "train", "validation", "testing", "train", "validation")[i]].append(
                name
            )
    for split in ("validation", "testing"):
        (main / f"{split}_list.txt").write_text("\n".join(lists[split]) + "\n")
    for name, seconds in (("running_tap", 2.2), ("pink_noise", 3.0), ("dude_miaowing", 1.6)):
        wav(main / "_background_noise_" / f"{name}.wav", round(seconds * 16000), 16000)
    for label in [*words[:10], "_silence_", "_unknown_"]:
        for i in range(2):
            wav(test / label / f"{16 + i:08x}_nohash_0.wav", rate=16000)


def crema_d(root: Path) -> None:
    names = [
        f"{1001 + speaker}_{sentence}_{emotion}_XX"
        for speaker in range(11)
        for sentence in ("IEO", "TIE", "WSI")
        for emotion in ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
    ]
    rows: list[tuple[object, ...]] = [("", "FileName", "VoiceVote", "VoiceLevel")]
    for number, name in enumerate([*names, "1040_ITH_SAD_XX", "1006_TIE_NEU_XX"], start=1):
        rows.append((number, name, "A", 1))
        if name != "1006_TIE_NEU_XX":
            wav(root / "AudioWAV" / f"{name}.wav", rate=16000)
    table(root / "processedResults" / "summaryTable.csv", rows)


GENRES = (
    "blues",
    "classical",
    "country",
    "disco",
    "hiphop",
    "jazz",
    "metal",
    "pop",
    "reggae",
    "rock",
)


def gtzan(root: Path, suffix: str = "wav") -> None:
    for genre in GENRES:
        for number in range(40):
            wav(root / genre / f"{genre}.{number:05d}.{suffix}", rate=22050)


def gtzan_music_speech(root: Path) -> None:
    for label in ("music", "speech"):
        for number in range(40):
            wav(root / f"{label}_wav" / f"{label}-{number}.wav", rate=22050)


def fsd50k(root: Path) -> None:
    too_long = (
        83299,
        83298,
        121426,
        121351,
        121472,
        121471,
        124796,
        397150,
        124797,
        124800,
        124834,
        124858,
    )
    labels = ("Bark,Dog,Animal", "Accordion,Music", "Dog,Animal", "Music,Bark", "Accordion")
    truth: dict[str, list[Sequence[object]]] = {
        "dev": [("fname", "labels", "mids", "split")],
        "eval": [("fname", "labels", "mids")],
    }
    infos: dict[str, dict[str, dict[str, str]]] = {"dev": {}, "eval": {}}
    for part, names in (("dev", [*too_long, *range(1000, 1024)]), ("eval", range(2000, 2012))):
        for i, name in enumerate(names):
            wav(root / f"FSD50K.{part}_audio" / f"{name}.wav", rate=44100)
            row: list[object] = [name, labels[i % 5], "/m/0"]
            truth[part].append([*row, "train" if i < 22 else "val"] if part == "dev" else row)
            infos[part][str(name)] = {"title": "x", "uploader": f"user{i % 7}"}
        table(root / "FSD50K.ground_truth" / f"{part}.csv", truth[part])
        info = root / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json"
        info.parent.mkdir(exist_ok=True)
        info.write_text(json.dumps(infos[part]))


def libricount(root: Path) -> None:
    for count in range(11):
        for i in range(14):
            wav(root / "test" / f"{count}_{1000 * count + 7 * i}.wav", rate=16000)
    (root / "test" / "0_0.json").write_text("[]")


def mridangam(root: Path) -> None:
    number = 224000
    for tonic in ("b", "c", "csh", "d", "dsh", "e"):
        for stroke in ("bheem", "cha", "dheem", "dhin", "num", "ta", "tha", "tham", "thi", "thom"):
            for take in range(3):
                name = f"{number}__akshaylaya__{stroke}-{tonic}-{take:03d}.wav"
                wav(root / tonic.upper() / name, rate=44100)
                number += 1


def beijing_opera(root: Path) -> None:
    for i, instrument in enumerate(("bangu", "daluo", "naobo", "xiaoluo") * 12):
        author = "miaotian" if i % 3 else "ajaysm"
        wav(root / f"{174400 + i}__{author}__{instrument}-{i:03d}.wav", rate=44100)
    (root / "README.txt").write_text("")


def vocal_imitation(root: Path) -> None:
    rows: list[tuple[object, ...]] = [
        ("imitation_id", "included", "participant_id", "imitation_filename", "reference_filename")
    ]
    references = ("012Animal_Domestic animals_ pets_Dog_Bark.wav", "100Music_Bell.wav", "7Door.wav")
    for i in range(36):
        reference = references[i % 3]
        included = i % 6 != 5
        name = f"{reference[:3]}_{i:03d} imitation.wav"
        folder = "included" if included else "excluded"
        wav(root / "vocal_imitations" / folder / reference[:3] / name, rate=44100)
        rows.append((i, int(included), f"p{i % 4}", name, reference))
    table(root / "vocal_imitations.txt", rows, "\t")


def vox_lingua(root: Path) -> None:
    for i, language in enumerate(
        ("ab", "cy", "de", "en", "es", "fr", "it", "ja", "lv", "no", "pt", "ru")
    ):
        for number in range(14 + i):
            wav(root / language / f"{language}U__{100 * i + number}.wav", rate=16000)


def beehive_states(root: Path) -> None:
    for hive, date, state in (
        ("Hive1", "12_06_2018", "QueenBee"),
        ("Hive1", "31_05_2018", "NO_QueenBee"),
        ("Hive3", "14_07_2017", "NO_QueenBee"),
        ("Hive3", "28_07_2017", "QueenBee"),
    ):
        for number in range(40):  # more than mode 5h keeps
            name = f"{hive}_{date}_{state}_H{hive[4]}_audio___{number:02d}_00_00.wav"
            wav(root / f"{hive}_{date}" / "inner" / name, rate=22050)


def gunshot_triangulation(root: Path) -> None:
    """Four long recordings, almost all of them a hole in the file."""
    root.mkdir(parents=True, exist_ok=True)
    rate, shots = 48000, 22
    for name, offset in (
        ("mic1raw", 15764451),
        ("mic2raw16b", 13764742),
        ("mic3raw", 9334032),
        ("mic4raw", 6794611),
    ):
        head = struct.pack(
            "<4sI8sIHHIIHH", b"RIFF", 0, b"WAVEfmt ", 16, 1, 1, rate, 2 * rate, 2, 16
        )
        samples = offset + shots * 60000 + 2 * rate
        sound = np.full(100, 32000 if name == "mic1raw" else 16000, "<i2")
        with (root / f"{name}.wav").open("wb") as file:
            file.write(head + struct.pack("<4sI", b"data", 2 * samples))
            for shot in range(shots):
                file.seek(44 + 2 * (offset + 60000 * shot + 17 * shot))
                # Louder again 24,000 samples later: still the same shot.
                file.write((sound + shot).tobytes())
                file.seek(2 * 24000, 1)
                file.write(sound.tobytes())
            file.truncate(44 + 2 * samples)


def sound(path: Path, rate: int = 16000, samples: int = 800) -> None:
    """A file in the format of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.linspace(-0.5, 0.5, samples, dtype=np.float32), rate)


def openmic(root: Path) -> None:
    instruments = ("accordion", "bass", "voice")
    labels: list[tuple[object, ...]] = [("sample_key", "instrument", "relevance", "num_responses")]
    metadata: list[tuple[object, ...]] = [("sample_key", "start_time", "artist_id", "title")]
    keys: dict[str, list[str]] = {"train": [], "test": []}
    for i in range(40):
        key = f"{i:06d}_{3840 * i}"
        sound(root / "audio" / key[:3] / f"{key}.ogg", rate=44100)
        # Only two of the instruments were listened for, one of them was heard.
        labels.append((key, instruments[i % 3], "0.50000", 3))
        labels.append((key, instruments[(i + 1) % 3], "0.17105", 5))
        metadata.append((key, 0, i // 2, "a, b"))
        keys["test" if i >= 34 else "train"].append(key)
    table(root / "openmic-2018-aggregated-labels.csv", labels)
    table(root / "openmic-2018-metadata.csv", metadata)
    for split, names in keys.items():
        text(root / "partitions" / f"split01_{split}.csv", "\n".join(names) + "\n")


def mtt(root: Path, tags: Sequence[str]) -> None:
    """Of every folder one clip with all the tags and one with none of them."""
    rows: list[tuple[object, ...]] = [("clip_id", *tags, "plucking", "mp3_path")]
    names = [
        f"{folder}/artist-album_{folder}-{i:02d}-0-29.mp3"
        for folder in "0123456789abcdef"
        for i in (1, 2)
    ]
    for number, name in enumerate(names):
        sound(root / name)
        rows.append((number, *[1 - number % 2] * len(tags), 1, name))
    empty = "6/norine_braun-now_and_zen-08-gently-117-146.mp3"
    text(root / empty, "")
    table(root / "annotations_final.csv", [*rows, (99, *[1] * len(tags), 0, empty)], "\t")


def us8k(root: Path) -> None:
    rows: list[tuple[object, ...]] = [("slice_file_name", "fsID", "fold", "classID", "class")]
    for fold in range(1, 11):
        for number, label in enumerate(("air_conditioner", "siren")):
            name = f"{100 * fold}-{number}-0-{fold}.wav"
            wav(root / "audio" / f"fold{fold}" / name, rate=44100)
            rows.append((name, 100 * fold, fold, number, label))
    table(root / "metadata" / "UrbanSound8K.csv", rows)


def tau_urban(root: Path) -> None:
    rows: dict[str, list[tuple[object, ...]]] = {
        name: [("filename", "scene_label")] for name in ("fold1_train.csv", "fold1_evaluate.csv")
    }
    for scene in ("airport", "tram"):
        for place in range(20):
            for segment, device in ((0, "a"), (1, "s1")):
                name = f"audio/{scene}-lyon-{place}-{segment}-{device}.wav"
                wav(root / name, rate=44100)
                rows["fold1_evaluate.csv" if place > 15 else "fold1_train.csv"].append(
                    (name, scene)
                )
    for name, content in rows.items():
        table(root / "evaluation_setup" / name, content, "\t")


def voxceleb1(root: Path) -> None:
    lines = []
    for speaker in ("id10001", "id10003"):
        for video, split in (("-Jq", 1), ("na8-QEFmj44", 2), ("x_y", 3)):
            wav(root / "wav" / speaker / video / "00001.wav", rate=16000)
            lines.append(f"{split} {speaker}/{video}/00001.wav")
    text(root / "iden_split.txt", "\n".join(lines) + "\n")


def voxforge(root: Path) -> None:
    for language in ("de", "en", "es", "fr", "it", "ru"):
        for user in range(30):
            upload = root / language / f"user{user}-20080508-vzh"
            text(upload / "etc" / "PROMPTS", "")
            for take in range(2):
                if user % 2:
                    sound(upload / "flac" / f"rb-{take:02d}.flac")
                else:
                    wav(upload / "wav" / f"rb-{take:02d}.wav", rate=16000)


def surge(root: Path) -> None:
    for preset in range(20):
        for pitch in (21, 60, 108):
            sound(root / f"{preset:02d} Bass Café" / f"{pitch}.ogg", rate=44100)
