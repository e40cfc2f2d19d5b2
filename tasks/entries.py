"""The tasks this project knows, as data.

A `TaskEntry` holds a task's configuration in hear-preprocess's order of keys (it becomes
``task_metadata.json``), what distinguishes its modes, and where its corpus comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .corpus import metadata_of
from .folder import TaskError, folder_name, near_names


@dataclass(frozen=True)
class TaskEntry:
    """A task.

    Attributes
    ----------
    domain
        ``speech``, ``environment`` or ``music``.
    title
        What is to be told, in a few words.
    config
        hear-preprocess's ``generic_task_config`` without ``modes``, in its order of keys.
    modes
        What each mode adds or replaces; the first is not special, ``default_mode`` is.
    corpus
        Module of `tasks.corpora` that reads the raw corpus; empty for the demo tasks.
    options
        Options of that module which make this task of a corpus.
    source, licence, citation
        Of the corpus.
    """

    domain: str
    title: str
    config: Mapping[str, Any]
    modes: Mapping[str, Mapping[str, Any]]
    corpus: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    licence: str = ""
    citation: str = ""

    @property
    def name(self) -> str:
        return str(self.config["task_name"])

    def mode_config(self, mode: str = "") -> tuple[dict[str, Any], str]:
        """Configuration and name of a mode, the default one where none is named."""
        mode = mode or str(self.config["default_mode"])
        if mode not in self.modes:
            raise TaskError(f"{self.name}: no mode {mode!r}; there: {', '.join(self.modes)}")
        return {**self.config, **self.modes[mode]}, mode

    def folder_name(self, mode: str = "") -> str:
        return folder_name(metadata_of(*self.mode_config(mode)))


def find_entry(name: str) -> TaskEntry:
    """The entry called `name`; TaskError with near names where there is none."""
    if name not in ENTRIES:
        raise TaskError(
            f"unknown task {name!r}{near_names(name, ENTRIES)}; known: {', '.join(ENTRIES)}"
        )
    return ENTRIES[name]


FOLDS_UNCAPPED = {"full": {"max_task_duration_by_fold": None}}
SPLITS_UNCAPPED = {
    "full": {"max_task_duration_by_split": {"train": None, "valid": None, "test": None}}
}
SCENE_SCORES = ["top1_acc", "mAP", "d_prime", "aucroc"]
# What hear-eval-kit itself applies to dcase2016_task2, keyed there by the task's name.
DCASE_PARAMS = {"task_specific_param_grid": {"check_val_every_n_epoch": [10]}}
MAESTRO_PARAMS = {
    "event_postprocessing_grid": {"median_filter_ms": [150], "min_duration": [50]},
    "task_specific_param_grid": {"max_epochs": [50], "check_val_every_n_epoch": [1]},
}

_CORPORA = (
    TaskEntry(
        domain="speech",
        title="spoken digits, 10 classes, 2,500 words of 5 speakers",
        config={
            "task_name": "spoken_digit",
            "version": "1.0.9",
            "embedding_type": "scene",
            "prediction_type": "multiclass",
            "split_mode": "new_split_kfold",
            "nfolds": 5,
            "sample_duration": 0.56,
            "evaluation": ["top1_acc"],
            "tfds_task_name": "spoken_digit",
            "tfds_task_version": "1.0.9",
            "extract_splits": ["train"],
            "default_mode": "full",
        },
        # "all": every recording under its own name, hence in other folds.
        modes={**FOLDS_UNCAPPED, "all": {"version": "1.0.10", "max_task_duration_by_fold": None}},
        corpus="spoken_digit",
        source="https://github.com/Jakobovski/free-spoken-digit-dataset",
        licence="CC BY-SA 4.0",
        citation="Z. Jackson et al.: Free Spoken Digit Dataset (FSDD)",
    ),
    TaskEntry(
        domain="environment",
        title="environmental sounds, 10 classes, 400 clips of 5 s",
        config={
            "task_name": "esc10",
            "version": "v1",
            "embedding_type": "scene",
            "prediction_type": "multiclass",
            "sample_duration": 5,
            "split_mode": "presplit_kfold",
            "nfolds": 5,
            "evaluation": SCENE_SCORES,
            "default_mode": "full",
        },
        modes=FOLDS_UNCAPPED,
        corpus="esc10",
        source="https://github.com/karolpiczak/ESC-10/tree/553c8f1743b9dba6b282e1323c3ca8fa76923448",
        licence="CC BY 3.0 (clips CC0, CC BY 3.0, CC Sampling+)",
        citation="K. J. Piczak: ESC: Dataset for Environmental Sound Classification, ACM MM 2015",
    ),
)

# Corpora without a module of their own: `prepare custom` could make them with these options.
_RECIPES = (
    TaskEntry(
        domain="environment",
        title="sound events, 7 classes, 32 soundscapes of 60 s",
        config={
            "task_name": "soundscapes",
            "version": "v1",
            "embedding_type": "event",
            "prediction_type": "multilabel",
            "split_mode": "trainvaltest",
            "sample_duration": 60,
            "evaluation": ["event_onset_200ms_fms", "segment_1s_er"],
            "evaluation_params": DCASE_PARAMS,
            "default_mode": "full",
        },
        modes=SPLITS_UNCAPPED,
        corpus="custom",
        options={"labels": "{split}.json", "audio": "{split}/{file}"},
        source="made from ESC-10",
        licence="CC0, CC BY 3.0, CC Sampling+ (by clip)",
    ),
    TaskEntry(
        domain="music",
        title="piano notes with onsets and offsets, 60 excerpts of 10 s",
        config={
            "task_name": "piano_midi",
            "version": "v1",
            "embedding_type": "event",
            "prediction_type": "multilabel",
            "split_mode": "trainvaltest",
            "sample_duration": 10,
            "evaluation": ["event_onset_50ms_fms", "event_onset_offset_50ms_20perc_fms"],
            "use_scoring_for_early_stopping": False,
            "evaluation_params": MAESTRO_PARAMS,
            "default_mode": "full",
        },
        modes=SPLITS_UNCAPPED,
        corpus="custom",
        options={"labels": "{split}.json", "audio": "audio/{file}"},
        source="http://www.piano-midi.de, rendered with FluidR3 GM",
        licence="CC BY-SA 3.0 DE",
        citation="B. Krueger: Classical Piano MIDI Page",
    ),
    TaskEntry(
        domain="music",
        title="pitch of single notes, 88 classes, 1,164 notes of 14 instruments",
        config={
            "task_name": "pitch",
            "version": "v1",
            "embedding_type": "scene",
            "prediction_type": "multiclass",
            "split_mode": "trainvaltest",
            "sample_duration": 4,
            "evaluation": ["pitch_acc", "chroma_acc"],
            "default_mode": "full",
        },
        modes=SPLITS_UNCAPPED,
        corpus="custom",
        options={
            "labels": "{split}/examples.json",
            "audio": "{split}/audio/{file}.flac",
            "label": "pitch",
            "label_range": (21, 108),
        },
        source="rendered with FluidR3 GM, in the layout of NSynth",
        licence="MIT",
    ),
)

# These tasks have one batch an epoch: the 10 epochs of the kit's quick grids teach nothing, and the
# 500 of its default grid take minutes.
DEMO_PARAMS = {"task_specific_param_grid": {"max_epochs": [150], "check_val_every_n_epoch": [10]}}

# Synthesised by `tasks.demo`; small, so that the whole benchmark takes minutes.
DEMO_ENTRIES = (
    TaskEntry(
        domain="speech",
        title="spoken-like digits, 10 classes, 150 words of 0.5 s",
        config={
            "task_name": "demo_digits",
            "version": "v1",
            "embedding_type": "scene",
            "prediction_type": "multiclass",
            "split_mode": "new_split_kfold",
            "nfolds": 3,
            "sample_duration": 0.5,
            "evaluation": ["top1_acc"],
            "evaluation_params": DEMO_PARAMS,
            "default_mode": "full",
        },
        modes=FOLDS_UNCAPPED,
    ),
    TaskEntry(
        domain="environment",
        title="one to three of six sources of sound, 150 scenes of 0.8 s",
        config={
            "task_name": "demo_environment",
            "version": "v1",
            "embedding_type": "scene",
            "prediction_type": "multilabel",
            "split_mode": "trainvaltest",
            "sample_duration": 0.8,
            "evaluation": ["mAP", "aucroc"],
            "evaluation_params": DEMO_PARAMS,
            "default_mode": "full",
        },
        modes=SPLITS_UNCAPPED,
    ),
    TaskEntry(
        domain="environment",
        title="sound events, 6 classes, 9 soundscapes of 8 s, as DCASE 2016 task 2",
        config={
            "task_name": "demo_events",
            "version": "v1",
            "embedding_type": "event",
            "prediction_type": "multilabel",
            "split_mode": "trainvaltest",
            "sample_duration": 8,
            "evaluation": ["event_onset_200ms_fms", "segment_1s_er"],
            "evaluation_params": DEMO_PARAMS,
            "default_mode": "full",
        },
        modes=SPLITS_UNCAPPED,
    ),
    TaskEntry(
        domain="music",
        title="pitch of single notes, two octaves, 144 notes of 0.5 s",
        config={
            "task_name": "demo_pitch",
            "version": "v1",
            "embedding_type": "scene",
            "prediction_type": "multiclass",
            "split_mode": "trainvaltest",
            "sample_duration": 0.5,
            "evaluation": ["pitch_acc", "chroma_acc"],
            "evaluation_params": DEMO_PARAMS,
            "default_mode": "full",
        },
        modes=SPLITS_UNCAPPED,
    ),
    TaskEntry(
        domain="music",
        title="notes with onsets and offsets, 13 pitches, 9 melodies of 8 s, as MAESTRO",
        config={
            "task_name": "demo_notes",
            "version": "v1",
            "embedding_type": "event",
            "prediction_type": "multilabel",
            "split_mode": "new_split_kfold",
            "nfolds": 3,
            "sample_duration": 8,
            "evaluation": ["event_onset_50ms_fms", "event_onset_offset_50ms_20perc_fms"],
            "use_scoring_for_early_stopping": False,
            "evaluation_params": MAESTRO_PARAMS,
            "default_mode": "full",
        },
        modes=FOLDS_UNCAPPED,
    ),
)

ENTRIES: Mapping[str, TaskEntry] = {
    entry.name: entry for entry in (*_CORPORA, *_RECIPES, *DEMO_ENTRIES)
}
