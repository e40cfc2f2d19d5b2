"""HEAR 2021's 19 tasks (17 entries, two of them in two modes) and its open task spoken_digit.

Configurations are those of hear-preprocess 2021.1.1, key by key (a test compares their JSON); its
modes ``small``, for its own tests, are left out. Counts are hearbenchmark.com's.
"""

from __future__ import annotations

from typing import Any

from .entry import (
    FOLDS_UNCAPPED,
    MAESTRO_PARAMS,
    SCENE_SCORES,
    SPLITS_UNCAPPED,
    TaskEntry,
    by_split,
    download,
    even_folds,
)

ZENODO = "https://zenodo.org/record"
NSYNTH = "http://download.magenta.tensorflow.org/datasets/nsynth/nsynth-"
TENSORFLOW = "http://download.tensorflow.org/data"
UNCAPPED_TEST_FIRST = {
    "full": {"max_task_duration_by_split": {"test": None, "train": None, "valid": None}}
}
NOT_STATED = "see the source"
TEN_WORDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
GENRES = (
    *("blues", "classical", "country", "disco", "hiphop"),
    *("jazz", "metal", "pop", "reggae", "rock"),
)
ESC50 = (
    *("dog", "rooster", "pig", "cow", "frog"),
    *("cat", "hen", "insects", "sheep", "crow"),
    *("rain", "sea_waves", "crackling_fire", "crickets", "chirping_birds"),
    *("water_drops", "wind", "pouring_water", "toilet_flush", "thunderstorm"),
    *("crying_baby", "sneezing", "clapping", "breathing", "coughing"),
    *("footsteps", "laughing", "brushing_teeth", "snoring", "drinking_sipping"),
    *("door_wood_knock", "mouse_click", "keyboard_typing", "door_wood_creaks", "can_opening"),
    *("washing_machine", "vacuum_cleaner", "clock_alarm", "clock_tick", "glass_breaking"),
    *("helicopter", "chainsaw", "siren", "car_horn", "engine"),
    *("train", "church_bells", "airplane", "fireworks", "hand_saw"),
)


def _by_split(train: float, valid: float, test: float | None) -> dict[str, Any]:
    """The longest total durations of the splits, in seconds."""
    return {"max_task_duration_by_split": {"train": train, "valid": valid, "test": test}}


def _scene_folds(
    name: str, version: str, folds: int, seconds: float, **more: Any
) -> dict[str, Any]:
    """Configuration of a multiclass task with new folds; `more` are keys or their values."""
    return {
        "task_name": name,
        "version": version,
        "embedding_type": "scene",
        "prediction_type": "multiclass",
        "split_mode": "new_split_kfold",
        "nfolds": folds,
        "sample_duration": seconds,
        "evaluation": SCENE_SCORES,
        **more,
        "default_mode": "full",
    }


def _tfds(name: str, version: str, *splits: str) -> dict[str, Any]:
    return {
        "tfds_task_name": name,
        "tfds_task_version": version,
        "extract_splits": list(splits),
    }


def _multipart(split: str, zipname: str, *parts: tuple[str, str]) -> dict[str, Any]:
    stem = zipname.removesuffix(".zip")
    urls = [
        {"url": f"{ZENODO}/4060432/files/{stem}.{suffix}?download=1", "md5": md5}
        for suffix, md5 in parts
    ]
    return {"split": split, "multipart_zip_urls": urls, "zipname": zipname}


def _beehive(fold: int, archive_md5: str) -> TaskEntry:
    train, test = ("Hive1", "Hive3") if fold == 0 else ("Hive3", "Hive1")
    archives = (
        ("Hive1_12_06_2018", "c04cd7fd310a84f327eb7121e026b40a"),
        ("Hive1_31_05_2018", "834c58cb1e4c9a15a332a16e106bfa11"),
        ("Hive3_14_07_2017", "c1fc5c4d2e110aa2bc8687393db7d55d"),
        ("Hive3_28_07_2017", "3fe9c0488a2207379f410a81d17c5d18"),
    )
    return TaskEntry(
        domain="environment",
        title=f"hives with and without a queen, trained on {train}, tested on {test}",
        config={
            "task_name": f"beehive_states_fold{fold}",
            "version": "v2",
            "embedding_type": "scene",
            "prediction_type": "multiclass",
            "split_mode": "trainvaltest",
            "sample_duration": 600,
            "evaluation": ["aucroc", "mAP", "d_prime", "top1_acc"],
            "download_urls": [
                download(
                    name.partition("_")[0].lower(),
                    f"{ZENODO}/2667806/files/{name}.rar?download=1",
                    md5,
                    name.partition("_")[2].replace("_", ""),
                )
                for name, md5 in archives
            ],
            "default_mode": "5h",
        },
        modes={
            "5h": {"sample_duration": 30, **_by_split(16000.0, 2000.0, 2000.0)},
            **SPLITS_UNCAPPED,
        },
        corpus="beehive_states",
        options={"train": train, "test": test},
        labels=2,
        vocabulary=("NOQUEEN", "QUEEN"),
        files={"full": 576},
        split_files={"full": by_split(256, 32, 288)},
        archives={"full": archive_md5},
        source=f"{ZENODO}/2667806",
        licence=NOT_STATED,
        citation="I. Nolasco et al.: Audio-based identification of beehive states, ICASSP 2019",
        note="the benchmark used mode full",
    )


def _mridangam(name: str, what: str, labels: int, vocabulary: tuple[str, ...] = ()) -> TaskEntry:
    return TaskEntry(
        domain="music",
        title=f"{what} of single strokes of the mridangam, {labels} classes",
        config=_scene_folds(
            f"mridangam_{name}",
            "v1.5",
            5,
            0.81,
            download_urls=[
                download(
                    "train",
                    f"{ZENODO}/4068196/files/mridangam_stroke_1.5.zip?download=1",
                    "39af55b2476b94c7946bec24331ec01a",
                )
            ],
        ),
        modes=FOLDS_UNCAPPED,
        corpus="mridangam",
        options={"label": name},
        labels=labels,
        vocabulary=vocabulary,
        files={"full": 6977},
        split_files={"full": even_folds(6977, 5)},
        archives={"full": ""},
        source=f"{ZENODO}/4068196",
        licence=NOT_STATED,
        citation="A. Anantapadmanabhan, A. Bellur, H. A. Murthy: Modal analysis and transcription"
        " of strokes of the mridangam using non-negative matrix factorization, ICASSP 2013",
    )


HEAR_ENTRIES = (
    TaskEntry(
        domain="speech",
        title="10 spoken words, other words, and silence",
        config={
            "task_name": "speech_commands",
            "version": "v0.0.2",
            "embedding_type": "scene",
            "prediction_type": "multiclass",
            "split_mode": "trainvaltest",
            "sample_duration": 1.0,
            "evaluation": ["top1_acc"],
            "download_urls": [
                download(
                    "train",
                    f"{TENSORFLOW}/speech_commands_v0.02.tar.gz",
                    "6b74f3901214cb2c2934e98196829835",
                ),
                download(
                    "test",
                    f"{TENSORFLOW}/speech_commands_test_set_v0.02.tar.gz",
                    "854c580ee90bff80c516491c84544e32",
                ),
            ],
            "default_mode": "5h",
        },
        modes={"5h": _by_split(16000.0, 2000.0, None), **UNCAPPED_TEST_FIRST},
        corpus="speech_commands",
        labels=12,
        vocabulary=("_silence_", "_unknown_", *TEN_WORDS),
        files={"5h": 22890, "full": 100503},
        split_files={"5h": by_split(16000, 2000, 4890), "full": {"test": 4890}},
        archives={"5h": "", "full": ""},
        gigabytes=2.5,
        source="https://arxiv.org/abs/1804.03209",
        licence="CC BY 4.0",
        citation="P. Warden: Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition,"
        " arXiv 1804.03209, 2018",
    ),
    TaskEntry(
        domain="music",
        title="pitch of single notes, 88 classes",
        config={
            "task_name": "nsynth_pitch",
            "version": "v2.2.3",
            "embedding_type": "scene",
            "prediction_type": "multiclass",
            "split_mode": "trainvaltest",
            "sample_duration": 4.0,
            "pitch_range_min": 21,
            "pitch_range_max": 108,
            "evaluation": ["pitch_acc", "chroma_acc"],
            "download_urls": [
                download(split, f"{NSYNTH}{split}.jsonwav.tar.gz", md5)
                for split, md5 in (
                    ("train", "fde6665a93865503ba598b9fac388660"),
                    ("valid", "87e94a00a19b6dbc99cf6d4c0c0cae87"),
                    ("test", "5e6f8719bf7e16ad0a00d518b78af77d"),
                )
            ],
            "default_mode": "5h",
        },
        modes={
            "5h": _by_split(16000.0, 2000.0, 2000.0),
            "50h": _by_split(160000.0, 20000.0, 20000.0),
        },
        corpus="nsynth",
        labels=88,
        vocabulary=tuple(map(str, range(21, 109))),
        files={"5h": 5000, "50h": 49060},
        split_files={"5h": by_split(4000, 500, 500), "50h": by_split(40000, 5000, 4060)},
        archives={"5h": "", "50h": ""},
        source="https://magenta.tensorflow.org/datasets/nsynth",
        licence="CC BY 4.0",
        citation="J. Engel et al.: Neural Audio Synthesis of Musical Notes with WaveNet"
        " Autoencoders, ICML 2017",
    ),
    TaskEntry(
        domain="environment",
        title="sound events of an office, 11 classes, synthetic scenes",
        config={
            "task_name": "dcase2016_task2",
            "version": "hear2021",
            "embedding_type": "event",
            "prediction_type": "multilabel",
            "split_mode": "trainvaltest",
            "sample_duration": 120.0,
            "evaluation": ["event_onset_200ms_fms", "segment_1s_er"],
            "download_urls": [
                download(
                    "train",
                    "https://archive.org/download/dcase2016_task2_train_dev/"
                    "dcase2016_task2_train_dev.zip",
                    "4e1b5e8887159193e8624dec801eb9e7",
                    "dev",
                ),
                download(
                    "train",
                    "https://archive.org/download/dcase2016_task2_test_public/"
                    "dcase2016_task2_test_public.zip",
                    "ac98768b39a08fc0c6c2ddd15a981dd7",
                    "eval",
                ),
            ],
            "default_mode": "full",
        },
        modes={
            "full": {
                "split_percentage": {"valid": 20, "test": 20, "train": 60},
                **SPLITS_UNCAPPED["full"],
            }
        },
        corpus="dcase2016_task2",
        labels=11,
        files={"full": 72},
        archives={"full": ""},
        source="http://dcase.community/challenge2016/task-sound-event-detection-in-synthetic-audio",
        licence=NOT_STATED,
        citation="A. Mesaros et al.: Detection and Classification of Acoustic Scenes and Events:"
        " Outcome of the DCASE 2016 Challenge, IEEE/ACM TASLP 26(2), 2018",
    ),
    _beehive(0, "f9e045f9b2ddf5643edc1143304c80aa"),
    _beehive(1, "8bced7ce8336bf23fd61c61f04aee109"),
    TaskEntry(
        domain="music",
        title="percussion instruments of Beijing opera, 4 classes",
        config=_scene_folds(
            "beijing_opera",
            "v1.0-hear2021",
            5,
            4.77,
            download_urls=[
                download(
                    "train",
                    f"{ZENODO}/1285212/files/beijing_opera_percussion_instrument_1.0.zip?download=1",
                    "51dc70d02a06b9d96befadf320a6996f",
                )
            ],
        ),
        modes=FOLDS_UNCAPPED,
        corpus="beijing_opera",
        labels=4,
        files={"full": 236},
        split_files={"full": even_folds(236, 5)},
        archives={"full": ""},
        source=f"{ZENODO}/1285212",
        licence=NOT_STATED,
        citation="M. Tian, A. Srinivasamurthy, M. Sandler, X. Serra: A study of instrument-wise"
        " onset detection in Beijing opera percussion ensembles, ICASSP 2014",
    ),
    TaskEntry(
        domain="speech",
        title="emotion of spoken sentences, 6 classes",
        config=_scene_folds(
            "tfds_crema_d", "1.0.0", 5, 5, **_tfds("crema_d", "1.0.0", "train", "test", "valid")
        ),
        modes=FOLDS_UNCAPPED,
        corpus="crema_d",
        labels=6,
        files={"full": 7438},
        split_files={"full": even_folds(7438, 5)},
        archives={"full": ""},
        gigabytes=0.6,
        source="https://github.com/CheyneyComputerScience/CREMA-D",
        licence="ODbL 1.0 (data base), DbCL 1.0 (contents)",
        citation="H. Cao et al.: CREMA-D: Crowd-sourced emotional multimodal actors dataset, IEEE"
        " Transactions on Affective Computing 5(4), 2014",
    ),
    TaskEntry(
        domain="environment",
        title="environmental sounds, 50 classes",
        config={
            "task_name": "esc50",
            "version": "v2.0.0",
            "embedding_type": "scene",
            "prediction_type": "multiclass",
            "sample_duration": 5,
            "split_mode": "presplit_kfold",
            "nfolds": 5,
            "evaluation": SCENE_SCORES,
            "download_urls": [
                download(
                    "all_folds",
                    "https://github.com/karoldvl/ESC-50/archive/master.zip",
                    "7771e4b9d86d0945acce719c7a59305a",
                )
            ],
            "default_mode": "full",
        },
        modes=FOLDS_UNCAPPED,
        corpus="esc50",
        labels=50,
        vocabulary=ESC50,
        files={"full": 2000},
        split_files={"full": even_folds(2000, 5)},
        archives={"full": ""},
        gigabytes=0.6,
        source="https://github.com/karolpiczak/ESC-50",
        licence="CC BY-NC 3.0 (clips by Freesound licences)",
        citation="K. J. Piczak: ESC: Dataset for Environmental Sound Classification, ACM MM 2015",
    ),
    TaskEntry(
        domain="environment",
        title="sound events of the AudioSet ontology, 200 classes, several a clip",
        config={
            "task_name": "fsd50k",
            "version": "v1.0",
            "embedding_type": "scene",
            "prediction_type": "multilabel",
            "split_mode": "trainvaltest",
            "sample_duration": None,
            "evaluation": ["mAP", "d_prime", "aucroc", "top1_acc"],
            "download_urls": [
                _multipart(
                    "train",
                    "FSD50K.dev_audio.zip",
                    ("z01", "faa7cf4cc076fc34a44a479a5ed862a3"),
                    ("z02", "8f9b66153e68571164fb1315d00bc7bc"),
                    ("z03", "1196ef47d267a993d30fa98af54b7159"),
                    ("z04", "d088ac4e11ba53daf9f7574c11cccac9"),
                    ("z05", "81356521aa159accd3c35de22da28c7f"),
                    ("zip", "c480d119b8f7a7e32fdb58f3ea4d6c5a"),
                ),
                _multipart(
                    "test",
                    "FSD50K.eval_audio.zip",
                    ("z01", "3090670eaeecc013ca1ff84fe4442aeb"),
                    ("zip", "6fa47636c3a3ad5c7dfeba99f2637982"),
                ),
                {
                    "name": "ground_truth",
                    "url": f"{ZENODO}/4060432/files/FSD50K.ground_truth.zip?download=1",
                    "md5": "ca27382c195e37d2269c4c866dd73485",
                },
                {
                    "name": "source_metadata",
                    "url": f"{ZENODO}/4060432/files/FSD50K.metadata.zip?download=1",
                    "md5": "b9ea0c829a411c1d42adb9da539ed237",
                },
            ],
            "default_mode": "full",
        },
        modes=UNCAPPED_TEST_FIRST,
        corpus="fsd50k",
        labels=200,
        files={"full": 51185},
        split_files={"full": {"test": 10231}},
        archives={"full": ""},
        hours=108.3,
        source=f"{ZENODO}/4060432",
        licence="CC BY 4.0 (clips CC0, CC BY, CC BY-NC, CC Sampling+)",
        citation="E. Fonseca et al.: FSD50K: an Open Dataset of Human-Labeled Sound Events,"
        " IEEE/ACM TASLP 30, 2022",
    ),
    TaskEntry(
        domain="environment",
        title="which of 4 microphones recorded a gunshot",
        config={
            **_scene_folds(
                "gunshot_triangulation",
                "v1.0",
                7,
                1.5,
                download_urls=[
                    download("train", f"{ZENODO}/3997406/files/{name}.wav?download=1", md5)
                    for name, md5 in (
                        ("mic1raw", "e2f4acad742278c973e9c190fee03b5f"),
                        ("mic2raw16b", "184d888f457f331f592eeb4ee5fa12e2"),
                        ("mic3raw", "db2ffa4fdf8b42b98c208670f4578b4b"),
                        ("mic4raw", "571da84eecf397bf0356a24400769ced"),
                    )
                ],
            ),
            "max_task_duration_by_fold": None,
        },
        modes={"full": {}},
        corpus="gunshot_triangulation",
        labels=4,
        vocabulary=("mic1", "mic2", "mic3", "mic4"),
        files={"full": 88},
        archives={"full": ""},
        source=f"{ZENODO}/3997406",
        licence="CC0 1.0",
        citation="S. Cooper, S. Shaw: Gunshots recorded in an open field using iPod Touch devices,"
        " Dryad, 2020, doi 10.5061/dryad.wm37pvmkc",
    ),
    TaskEntry(
        domain="music",
        title="genre of music, 10 classes",
        config=_scene_folds("tfds_gtzan", "1.0.0", 10, 30.0, **_tfds("gtzan", "1.0.0", "train")),
        modes=FOLDS_UNCAPPED,
        corpus="gtzan",
        labels=10,
        vocabulary=GENRES,
        files={"full": 1000},
        split_files={"full": even_folds(1000, 10)},
        archives={"full": ""},
        gigabytes=1.2,
        source="http://marsyas.info/downloads/datasets.html",
        licence=NOT_STATED,
        citation="G. Tzanetakis, P. Cook: Musical genre classification of audio signals, IEEE"
        " Transactions on Speech and Audio Processing 10(5), 2002",
    ),
    TaskEntry(
        domain="music",
        title="music or speech",
        config=_scene_folds(
            "tfds_gtzan_music_speech",
            "1.0.0",
            10,
            30.0,
            **_tfds("gtzan_music_speech", "1.0.0", "train"),
        ),
        modes=FOLDS_UNCAPPED,
        corpus="gtzan_music_speech",
        labels=2,
        vocabulary=("music", "speech"),
        files={"full": 128},
        split_files={"full": even_folds(128, 10)},
        archives={"full": ""},
        gigabytes=0.3,
        source="http://marsyas.info/downloads/datasets.html",
        licence=NOT_STATED,
        citation="G. Tzanetakis: GTZAN Music/Speech Collection, 1999",
    ),
    TaskEntry(
        domain="speech",
        title="number of speakers at once, 0 to 10",
        config=_scene_folds(
            "libricount",
            "v1.0.0-hear2021",
            5,
            5.0,
            download_urls=[
                download(
                    "train",
                    f"{ZENODO}/1216072/files/LibriCount10-0dB.zip?download=1",
                    "30c8f844dc59fa65d216d53db9dc37e2",
                )
            ],
        ),
        modes=FOLDS_UNCAPPED,
        corpus="libricount",
        labels=11,
        vocabulary=tuple(map(str, range(11))),
        files={"full": 5720},
        split_files={"full": even_folds(5720, 5)},
        archives={"full": ""},
        source=f"{ZENODO}/1216072",
        licence="CC BY 4.0",
        citation="F.-R. Stoeter, S. Chakrabarty, E. Habets, B. Edler: LibriCount, a dataset for"
        " speaker count estimation, Zenodo, 2018",
    ),
    TaskEntry(
        domain="music",
        title="piano notes with onsets and offsets",
        config={
            "task_name": "maestro",
            "version": "v3.0.0",
            "embedding_type": "event",
            "prediction_type": "multilabel",
            "split_mode": "new_split_kfold",
            "nfolds": 5,
            "sample_duration": 120.0,
            "evaluation": ["event_onset_50ms_fms", "event_onset_offset_50ms_20perc_fms"],
            "use_scoring_for_early_stopping": False,
            "evaluation_params": MAESTRO_PARAMS,
            "download_urls": [
                download(
                    "train_test_valid",
                    "https://storage.googleapis.com/magentadata/datasets/maestro/v3.0.0/"
                    "maestro-v3.0.0.zip",
                    "41941abdcd786c8066d532002e3b79b9",
                )
            ],
            "default_mode": "5h",
        },
        modes={"5h": {"max_task_duration_by_fold": 4500.0}},
        corpus="maestro",
        labels=88,
        vocabulary=tuple(map(str, range(21, 109))),
        files={"5h": 185},
        split_files={"5h": even_folds(185, 5)},
        archives={"5h": ""},
        gigabytes=101,
        source="https://magenta.tensorflow.org/datasets/maestro",
        licence="CC BY-NC-SA 4.0",
        citation="C. Hawthorne et al.: Enabling Factorized Piano Music Modeling and Generation with"
        " the MAESTRO Dataset, ICLR 2019",
    ),
    _mridangam("stroke", "kind", 10),
    _mridangam("tonic", "tonic", 6, ("b", "c", "csh", "d", "dsh", "e")),
    TaskEntry(
        domain="speech",
        title="which of 302 sounds a voice imitates",
        config={
            **_scene_folds(
                "vocal_imitation",
                "v1.1.3",
                3,
                11.26,
                download_urls=[
                    download(
                        "train",
                        f"{ZENODO}/1340763/files/VocalImitationSet_v1.1.3.zip?download=1",
                        "386e7b1487fe0800ade4916c344086bc",
                    )
                ],
            ),
            "evaluation": ["mAP", "d_prime", "aucroc", "top1_acc"],
        },
        modes=FOLDS_UNCAPPED,
        corpus="vocal_imitation",
        labels=302,
        files={"full": 5601},
        split_files={"full": even_folds(5601, 3)},
        archives={"full": ""},
        source=f"{ZENODO}/1340763",
        licence="CC BY 4.0",
        citation="B. Kim, M. Ghei, B. Pardo, Z. Duan: Vocal Imitation Set: a dataset of vocally"
        " imitated sound events using the AudioSet ontology, DCASE 2018",
    ),
    TaskEntry(
        domain="speech",
        title="spoken language, the 10 most frequent of VoxLingua107's development set",
        config=_scene_folds(
            "vox_lingua_top10",
            "hear2021",
            5,
            18.64,
            download_urls=[
                download(
                    "train",
                    "http://bark.phon.ioc.ee/voxlingua107/dev.zip",
                    "07fbd4732c97f28c10ec8dcfed4f600e",
                )
            ],
        ),
        modes=FOLDS_UNCAPPED,
        corpus="vox_lingua",
        labels=10,
        files={"full": 972},
        split_files={"full": even_folds(972, 5)},
        archives={"full": ""},
        source="http://bark.phon.ioc.ee/voxlingua107/",
        licence="CC BY 4.0 (the speech by the terms of YouTube)",
        citation="J. Valk, T. Alumae: VoxLingua107: a dataset for spoken language recognition, SLT"
        " 2021",
    ),
    TaskEntry(
        domain="speech",
        title="spoken digits, 10 classes",
        config={
            **_scene_folds(
                "spoken_digit", "1.0.9", 5, 0.56, **_tfds("spoken_digit", "1.0.9", "train")
            ),
            "evaluation": ["top1_acc"],
        },
        # "all": every recording under its own name, hence in other folds.
        modes={**FOLDS_UNCAPPED, "all": {"version": "1.0.10", "max_task_duration_by_fold": None}},
        corpus="spoken_digit",
        labels=10,
        vocabulary=tuple(map(str, range(10))),
        files={"full": 2500, "all": 3000},
        split_files={"full": even_folds(2500, 5), "all": even_folds(3000, 5)},
        gigabytes=0.02,
        source="https://github.com/Jakobovski/free-spoken-digit-dataset",
        licence="CC BY-SA 4.0",
        citation="Z. Jackson et al.: Free Spoken Digit Dataset (FSDD)",
        note="an open task of HEAR, not among its 19",
    ),
)
