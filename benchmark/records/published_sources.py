"""Where published numbers come from, as data: how to read them, and how ours must be made.

Which metrics a source prints in per cent, which protocol and settings it used, and which task
folders hold its data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tasks.entries import ENTRIES

LEADERBOARD = "HEAR leaderboard"


@dataclass(frozen=True)
class HearTask:
    """One of HEAR's 19 tasks: published spelling, leaderboard column, main metric, folders."""

    name: str
    column: str
    metric: str
    folders: tuple[str, ...]  # the score of a task in two folders is the mean of both


def _task(name: str, column: str, metric: str, *folders: str) -> HearTask:
    return HearTask(name, column, metric, folders)


_BEEHIVE = ("beehive_states_fold0-v2-full", "beehive_states_fold1-v2-full")
_ACC, _ONSET_200, _ONSET_50 = "top1_acc", "event_onset_200ms_fms", "event_onset_50ms_fms"
_GTZAN_MS = "tfds_gtzan_music_speech-1.0.0-full"
_TASKS = (
    _task("beehive_states", "Beehive", "aucroc", *_BEEHIVE),
    _task("beijing_opera", "Beijing Opera", _ACC, "beijing_opera-v1.0-hear2021-full"),
    _task("crema_d", "CREMA-D", _ACC, "tfds_crema_d-1.0.0-full"),
    _task("dcase2016_task2", "DCASE 2016", _ONSET_200, "dcase2016_task2-hear2021-full"),
    _task("esc50", "ESC-50", _ACC, "esc50-v2.0.0-full"),
    _task("fsd50k", "FSD50K", "mAP", "fsd50k-v1.0-full"),
    _task("gtzan_genre", "GTZAN Genre", _ACC, "tfds_gtzan-1.0.0-full"),
    _task("gtzan_music_speech", "GTZAN Music/Speech", _ACC, _GTZAN_MS),
    _task("gunshot_triangulation", "Gunshot", _ACC, "gunshot_triangulation-v1.0-full"),
    _task("libricount", "Libricount", _ACC, "libricount-v1.0.0-hear2021-full"),
    _task("maestro_5h", "Maestro 5h", _ONSET_50, "maestro-v3.0.0-5h"),
    _task("mridangam_stroke", "Mridangam Stroke", _ACC, "mridangam_stroke-v1.5-full"),
    _task("mridangam_tonic", "Mridangam Tonic", _ACC, "mridangam_tonic-v1.5-full"),
    _task("nsynth_pitch_50h", "NSynth Pitch 50h", "pitch_acc", "nsynth_pitch-v2.2.3-50h"),
    _task("nsynth_pitch_5h", "NSynth Pitch 5h", "pitch_acc", "nsynth_pitch-v2.2.3-5h"),
    _task("speech_commands_5h", "Speech commands 5h", _ACC, "speech_commands-v0.0.2-5h"),
    _task("speech_commands_full", "Speech commands full", _ACC, "speech_commands-v0.0.2-full"),
    _task("vocal_imitation", "Vocal Imitation", "mAP", "vocal_imitation-v1.1.3-full"),
    _task("vox_lingua_top10", "VoxLingua107 top 10", _ACC, "vox_lingua_top10-hear2021-full"),
)
HEAR_TASKS: Mapping[str, HearTask] = {task.name: task for task in _TASKS}


@dataclass(frozen=True)
class Setting:
    """What a record must have been made with, beside the protocol, to stand at a printed value.

    Attributes
    ----------
    options
        Of the protocol, all that are recorded.
    representation
        Of clips; "" where the protocol has but one.
    """

    options: Mapping[str, Any]
    representation: str = ""


@dataclass(frozen=True)
class Source:
    """Where published numbers come from, and what a record must be to stand beside them.

    Attributes
    ----------
    protocol, version, options, seeds
        The paper's protocol with its own settings; any seeds if None.
    percent, fraction
        Metrics that are printed in per cent, and in their own unit.
    folders
        Task folders that hold the data of a published task; the score of a task in two folders is
        the mean of both.
    other_data
        Published tasks whose data here are others, and in what.
    options_by_metric
        What differs from `options`, by printed metric.
    representation_by_section
        Of clips, by section of the table.
    spread
        What is printed behind a value: a 95 % interval's half width ("ci95"), or a spread of which
        nothing is said ("unstated").
    runs
        Over how many runs that is.
    note
        What must be said of differences to these numbers.
    """

    name: str
    protocol: str
    version: int
    options: Mapping[str, Any]
    percent: frozenset[str]
    fraction: frozenset[str]
    folders: Mapping[str, tuple[str, ...]]
    seeds: tuple[int, ...] | None = None
    other_data: Mapping[str, str] = field(default_factory=dict)
    options_by_metric: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    representation_by_section: Mapping[str, str] = field(default_factory=dict)
    spread: Literal["", "ci95", "unstated"] = ""
    runs: int = 1
    note: str = ""

    def setting(self, section: str = "", metric: str = "") -> Setting:
        """What a record at a cell of that section and metric must have been made with."""
        options = {**self.options, **self.options_by_metric.get(metric, {})}
        return Setting(options, self.representation_by_section.get(section, ""))


_HEAR_OPTIONS = {"grid": "default", "grid_points": 8}
_HEAR_FOLDERS = {task.name: task.folders for task in _TASKS}
_LINEAR_OPTIONS = {
    "learning_rates": [1e-2, 3.2e-3, 1e-3, 3.2e-4, 1e-4, 3.2e-5],
    "batch_size": 128,
    "max_epochs": 50,
    "patience": 10,
}
_FUSION_OPTIONS = {
    "learning_rate": "published",
    "batch_size": 200,
    "max_epochs": 200,
    "patience": 20,
    "weight_decay": 1e-8,
}


def _folders(*names: str) -> dict[str, tuple[str, ...]]:
    return {name: (ENTRIES[name].folder_name(),) for name in names}


SOURCES: Mapping[str, Source] = {
    source.name: source
    for source in (
        Source(
            name=LEADERBOARD,
            protocol="hear",
            version=1,
            options=_HEAR_OPTIONS,
            percent=frozenset(),
            fraction=frozenset(task.metric for task in HEAR_TASKS.values()),
            folders=_HEAR_FOLDERS,
        ),
        Source(
            name="BYOL-S",
            protocol="hear",
            version=1,
            options=_HEAR_OPTIONS,
            percent=frozenset({"top1_acc", "pitch_acc", "chroma_acc", "mAP", "mean of the row"}),
            fraction=frozenset(
                {
                    "event_onset_200ms_fms",
                    "event_onset_50ms_fms",
                    "event_onset_offset_50ms_20perc_fms",
                    "segment_1s_er",
                    "onset fms mean",
                }
            ),
            folders=_HEAR_FOLDERS,
            note="The paper resampled with torchaudio. It calls Vocal Imitations an accuracy, yet "
            "CREPE's 5.1 is the leaderboard's mAP: differences there may compare two metrics.",
        ),
        Source(
            name="MATPAC",
            protocol="linear",
            version=2,
            options=_LINEAR_OPTIONS,
            seeds=(0, 1, 2, 3, 4),
            percent=frozenset({"top1_acc", "mAP", "mean of the row", "mean score"}),
            fraction=frozenset(),
            folders={
                **_folders("openmic", "nsynth_instrument", "gtzan", "mtt", "us8k"),
                "fsd50k": HEAR_TASKS["fsd50k"].folders,
                "esc50": HEAR_TASKS["esc50"].folders,
            },
            spread="ci95",
            runs=5,
            note="The paper's learning rate is lost: ours is chosen by validation from six. Which "
            "embedding it took of other authors' models is not in its stored text either, so that "
            "differences there may compare two embeddings.",
        ),
        Source(
            name="Fusion",
            protocol="linear-fusion",
            version=2,
            options=_FUSION_OPTIONS,
            seeds=(42, 43, 44),
            percent=frozenset({"top1_acc", "mean of the row"}),
            fraction=frozenset(),
            folders={
                **_folders("us8k", "speech_commands_v2", "voxceleb1", "gtzan", "nsynth_instrument"),
                "esc50": HEAR_TASKS["esc50"].folders,
            },
            other_data={
                "voxforge": "the authors' random split is not public",
                "crema_d": "the authors' split is not HEAR's",
                "surge": "split by HEAR's rule, not as the authors did",
            },
            note="Learning rates are the authors', by model and task. They crop each training clip "
            "at random and once; here all clips are as the task folder has them.",
        ),
        Source(
            name="Temporal support",
            protocol="support",
            version=2,
            options={**_LINEAR_OPTIONS, "aggregator": "mean"},
            seeds=(0, 1, 2, 3, 4),
            percent=frozenset({"top1_acc mu_m", "top1_acc mu_a"}),
            fraction=frozenset({"mAP mu_m", "mAP mu_a"}),
            folders={
                **_folders("openmic", "tau_urban"),
                "esc50": HEAR_TASKS["esc50"].folders,
            },
            options_by_metric={
                "top1_acc mu_a": {"aggregator": "attention"},
                "mAP mu_a": {"aggregator": "attention"},
            },
            representation_by_section={f"window {n} s": f"windows:{n}" for n in (1, 3, 5, 10)},
            spread="unstated",
            note="The stored text does not spell out the second aggregation: attention is taken. "
            "Nor does it say how the heads were trained and how windows hop.",
        ),
    )
}
