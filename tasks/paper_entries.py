"""The data sets of the papers beside HEAR's, under the names of their published tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .entry import FOLDS_UNCAPPED, SPLITS_UNCAPPED, TaskEntry, by_split, download
from .folder import TRAINVALTEST
from .hear_entries import GENRES, HEAR_ENTRIES, NOT_STATED, ZENODO

TAU = "TAU-urban-acoustic-scenes-2020-mobile-development"
TAU_AUDIO_MD5 = (
    "b1e85b8a908d3d6a6ab73268f385d5c8",
    "4310a13cc2943d6ce3f70eba7ba4c784",
    "ed38956c4246abb56190c1e9b602b7b8",
    "97ab8560056b6816808dedc044dcc023",
    "b50f5e0bfed33cd8e52cb3e7f815c6cb",
    "fbf856a3a86fff7520549c899dc94372",
    "0dbffe7b6e45564da649378723284062",
    "bb6f77832bf0bd9f786f965beb251b2e",
    "a65596a5372eab10c78e08a0de797c9e",
    "2ad595819ffa1d56d2de4c7ed43205a6",
    "0ad29f7040a4e6a22cfd639b3a6738e5",
    "e5f4400c6b9697295fab4cf507155a2f",
    "8855ab9f9896422746ab4c5d89d8da2f",
    "092ad744452cd3e7de78f988a3d13020",
    "4b5eb85f6592aebf846088d9df76b420",
    "2e0a89723e58a3836be019e6996ae460",
)
TAU_META_MD5 = "6eae9db553ce48e4ea246e34e50a3cf5"
GTZAN_LISTS = "https://raw.githubusercontent.com/jongpillee/music_dataset_split/master/GTZAN_split"
MAGNATAGATUNE = "https://mirg.city.ac.uk/datasets/magnatagatune"
US8K_FOLDS = (873, 888, 925, 990, 936, 823, 838, 806, 816, 837)

_HEAR = {entry.name: entry for entry in HEAR_ENTRIES}


def _scene(
    name: str,
    version: str,
    seconds: float,
    urls: list[dict[str, str]],
    kind: str = "multiclass",
    **more: Any,
) -> dict[str, Any]:
    """Configuration of a scene task with splits; `more` are keys or their values."""
    return {
        "task_name": name,
        "version": version,
        "embedding_type": "scene",
        "prediction_type": kind,
        "split_mode": "trainvaltest",
        "sample_duration": seconds,
        "evaluation": ["mAP", "aucroc"] if kind == "multilabel" else ["top1_acc"],
        "download_urls": urls,
        **more,
        "default_mode": "full",
    }


def _urls_of(name: str) -> Any:
    return _HEAR[name].config["download_urls"]


def _corpus_of(name: str) -> Mapping[str, Any]:
    entry = _HEAR[name]
    return {
        "corpus": entry.corpus,
        "gigabytes": entry.gigabytes,
        "source": entry.source,
        "licence": entry.licence,
        "citation": entry.citation,
    }


PAPER_ENTRIES = (
    TaskEntry(
        domain="music",
        title="instruments in music, 20 classes, some of them known of each clip",
        config=_scene(
            "openmic",
            "v1.0.0",
            10,
            [
                download(
                    "all",
                    f"{ZENODO}/1432913/files/openmic-2018-v1.0.0.tgz?download=1",
                    "e4ccf187e2bb5ab2e115416e8aafe7f4",
                )
            ],
            kind="multilabel",
        ),
        modes=SPLITS_UNCAPPED,
        corpus="openmic",
        labels=20,
        files={"full": 20000},
        split_files={"full": {"test": 5085}},
        source=f"{ZENODO}/1432913",
        licence="CC BY 4.0 (clips by the Creative Commons licences of FMA)",
        citation="E. Humphrey, S. Durand, B. McFee: OpenMIC-2018: an open data-set for multiple"
        " instrument recognition, ISMIR 2018",
        note="official split; valid is drawn from its train by artist, as no paper tells its own;"
        " scores are over the clips where a label is known, the loss over the labels that are",
    ),
    TaskEntry(
        domain="music",
        title="family of the instrument of a note, 11 classes",
        config=_scene("nsynth_instrument", "v2.2.3", 4.0, _urls_of("nsynth_pitch")),
        modes=SPLITS_UNCAPPED,
        options={"label": "instrument_family_str"},
        every_label=False,  # synth_lead is in train only
        labels=11,
        files={"full": 305979},
        split_files={"full": by_split(289205, 12678, 4096)},
        **_corpus_of("nsynth_pitch"),
    ),
    TaskEntry(
        domain="music",
        title="genre of music, 10 classes, fault-filtered",
        config=_scene(
            "gtzan",
            "fault-filtered",
            30.0,
            [
                download("all", "http://opihi.cs.uvic.ca/sound/genres.tar.gz"),
                *(download(split, f"{GTZAN_LISTS}/{split}_filtered.txt") for split in TRAINVALTEST),
            ],
        ),
        modes=SPLITS_UNCAPPED,
        options={"filtered": True},
        labels=10,
        vocabulary=GENRES,
        files={"full": 930},
        split_files={"full": by_split(443, 197, 290)},
        **_corpus_of("tfds_gtzan"),
    ),
    TaskEntry(
        domain="music",
        title="the 50 most frequent tags of MagnaTagATune, several a clip",
        config=_scene(
            "mtt",
            "v1",
            29,
            [
                download("all", f"{MAGNATAGATUNE}/{file}")
                for file in (
                    "mp3.zip.001",
                    "mp3.zip.002",
                    "mp3.zip.003",
                    "annotations_final.csv",
                )
            ],
            kind="multilabel",
        ),
        modes=SPLITS_UNCAPPED,
        corpus="mtt",
        labels=50,
        files={"full": 25860},
        split_files={"full": by_split(18706, 1825, 5329)},
        gigabytes=3,
        source="https://mirg.city.ac.uk/codeapps/the-magnatagatune-dataset",
        licence=NOT_STATED,
        citation="E. Law, K. West, M. Mandel, M. Bay, J. S. Downie: Evaluation of algorithms using"
        " games: the case of music tagging, ISMIR 2009",
        note="the common split by folder (train 0 to b, valid c, test d to f); three clips of train"
        " are empty files and left out; tags are not merged",
    ),
    TaskEntry(
        domain="environment",
        title="urban sounds, 10 classes",
        config={
            **_scene(
                "us8k",
                "v1.0",
                4,
                [
                    download(
                        "all_folds",
                        f"{ZENODO}/1203745/files/UrbanSound8K.tar.gz?download=1",
                        "9aa69802bbf37fb986f71ec1483a196e",
                    )
                ],
            ),
            "split_mode": "presplit_kfold",
            "nfolds": 10,
        },
        modes=FOLDS_UNCAPPED,
        corpus="us8k",
        labels=10,
        files={"full": 8732},
        split_files={
            "full": {f"fold{i:02d}": files for i, files in enumerate(US8K_FOLDS)},
        },
        gigabytes=6,
        source="https://urbansounddataset.weebly.com/urbansound8k.html",
        licence="CC BY-NC 4.0",
        citation="J. Salamon, C. Jacoby, J. P. Bello: A dataset and taxonomy for urban sound"
        " research, ACM MM 2014",
    ),
    TaskEntry(
        domain="environment",
        title="acoustic scenes of cities by several devices, 10 classes",
        config=_scene(
            "tau_urban",
            "2020-mobile",
            10,
            [
                download("all", f"{ZENODO}/3819968/files/{TAU}.{part}.zip?download=1", md5)
                for part, md5 in (
                    *((f"audio.{i}", md5) for i, md5 in enumerate(TAU_AUDIO_MD5, start=1)),
                    ("meta", TAU_META_MD5),
                )
            ],
        ),
        modes=SPLITS_UNCAPPED,
        corpus="tau_urban",
        labels=10,
        source=f"{ZENODO}/3819968",
        licence="free for academic, not for commercial use",
        citation="T. Heittola, A. Mesaros, T. Virtanen: Acoustic scene classification in DCASE 2020"
        " Challenge: generalization across devices and low complexity solutions, DCASE 2020",
        note="fold 1 of the development set; valid is drawn from its train by place of recording,"
        " as no paper tells its own",
    ),
    TaskEntry(
        domain="speech",
        title="speaker, 1,251 classes",
        config=_scene(
            "voxceleb1",
            "identification",
            8.2,
            [download("all", "https://www.robots.ox.ac.uk/~vgg/data/voxceleb/meta/iden_split.txt")],
        ),
        modes=SPLITS_UNCAPPED,
        corpus="voxceleb1",
        every_label=False,
        labels=1251,
        files={"full": 153516},
        split_files={"full": by_split(138361, 6904, 8251)},
        source="https://www.robots.ox.ac.uk/~vgg/data/voxceleb/vox1.html",
        licence="CC BY 4.0 (the speech by the terms of YouTube)",
        citation="A. Nagrani, J. S. Chung, A. Zisserman: VoxCeleb: a large-scale speaker"
        " identification dataset, Interspeech 2017",
        note="the sound is to be asked for from its authors",
    ),
    TaskEntry(
        domain="speech",
        title="spoken language, 6 classes",
        config=_scene(
            "voxforge",
            "v1",
            5.8,
            [],
            split_percentage={"train": 70, "valid": 15, "test": 15},
        ),
        modes=SPLITS_UNCAPPED,
        corpus="voxforge",
        labels=6,
        source="http://www.repository.voxforge1.org/downloads/",
        licence="GPL 3.0",
        citation="K. MacLean: VoxForge, http://www.voxforge.org",
        note="split by uploads, 70/15/15 %, by HEAR's rule: not the random split of Niizumi et al.,"
        " and the collection has grown since",
    ),
    TaskEntry(
        domain="music",
        title="pitch of the Surge synthesiser's presets, 88 classes",
        config=_scene(
            "surge",
            "velocity64-2K",
            4.0,
            [download("all", f"{ZENODO}/4677097/files/surge-velocity64-2K.tar")],
        ),
        modes=SPLITS_UNCAPPED,
        corpus="surge",
        labels=88,
        source=f"{ZENODO}/4677097",
        licence=NOT_STATED,
        citation="J. Turian, J. Shier, G. Tzanetakis, K. McNally, M. Henry: One billion audio"
        " sounds from GPU-enabled modular synthesis, DAFx 2021",
        note="split by presets, 80/10/10 %, by HEAR's rule; with dataset_surge_tone_splits.csv of"
        " nttcslab/eval-audio-repr beside the presets, the split of Niizumi et al.",
    ),
    TaskEntry(
        domain="speech",
        title="spoken words, 35 classes",
        config=_scene("speech_commands_v2", "v0.0.2", 1.0, _urls_of("speech_commands")[:1]),
        modes=SPLITS_UNCAPPED,
        options={"all_words": True},
        labels=35,
        files={"full": 105829},
        split_files={"full": by_split(84843, 9981, 11005)},
        **_corpus_of("speech_commands"),
    ),
)
