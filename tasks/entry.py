"""What is known of a task before it is prepared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .corpus import metadata_of
from .folder import TaskError, folder_name


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
        hear-preprocess's ``generic_task_config`` without ``modes``, in its order of keys; its
        ``download_urls``, with MD5 where one is known, are the archives of the raw corpus.
    modes
        What each mode adds or replaces; the first is not special, ``default_mode`` is.
    corpus
        Module of `tasks.corpora` that reads the raw corpus; empty for the demo tasks.
    options
        Options of that module which make this task of a corpus.
    every_label
        Refuse a split that lacks a label, as hear-preprocess does for all but event tasks.
    labels
        Number of labels; at most this many where the corpus is capped or split anew.
    vocabulary
        The labels, as strings, where they are known here.
    files
        Number of files of each mode, where it is known.
    split_files
        Of a mode the number of files of those splits of which it is known.
    hours
        Of all the sound, where clips have no common duration.
    gigabytes
        Size of the archives of the raw corpus, where it is known.
    archives
        Modes that HEAR published ready to use, with the MD5 of the archive where it is known.
    source, licence, citation
        Of the corpus.
    note
        Where the task is not, or cannot be shown to be, what others call by its name.
    """

    domain: str
    title: str
    config: Mapping[str, Any]
    modes: Mapping[str, Mapping[str, Any]]
    corpus: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    every_label: bool = True
    labels: int | None = None
    vocabulary: tuple[str, ...] = ()
    files: Mapping[str, int] = field(default_factory=dict)
    split_files: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    hours: float | None = None
    gigabytes: float | None = None
    archives: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    licence: str = ""
    citation: str = ""
    note: str = ""

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

    def clips_by_split(self, mode: str) -> Mapping[str, int]:
        """Number of files of those splits of a mode of which it is known."""
        return self.split_files.get(mode, {})

    def hours_of(self, mode: str = "") -> float | None:
        """Hours of sound of a mode, the default one where none is named; None if not known."""
        config, mode = self.mode_config(mode)
        if config["sample_duration"] is None or mode not in self.files:
            return self.hours
        return float(self.files[mode] * config["sample_duration"] / 3600)


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


def by_split(train: int, valid: int, test: int) -> dict[str, int]:
    """Files of the three splits."""
    return {"train": train, "valid": valid, "test": test}


def even_folds(files: int, folds: int) -> dict[str, int]:
    """Files of folds drawn by hear-preprocess where each file is drawn alone."""
    return {f"fold{i:02d}": files // folds + (i < files % folds) for i in range(folds)}


def download(split: str, url: str, md5: str = "", name: str = "") -> dict[str, str]:
    """One of the ``download_urls`` of a configuration, its keys in hear-preprocess's order."""
    keys = {"split": split, "name": name, "url": url, "md5": md5}
    return {key: value for key, value in keys.items() if value}
