"""Scores that papers and the HEAR leaderboard printed, and what of ours may stand beside them.

The numbers are in `results/published/*.csv`; here stands, as data, how to read them: which metrics
a source prints in per cent, which protocol and options it used, which task folders hold its data,
and which of our modules is which of its models. The files also hold sources whose protocols this
benchmark does not have yet; they are not read.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from benchmark.records.record import Record

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
class Source:
    """Where published numbers come from, and what a record must be to stand beside them."""

    name: str
    protocol: str
    version: int  # of the protocol
    options: Mapping[str, Any]  # of the protocol, no others
    percent: frozenset[str]  # metrics printed in per cent
    fraction: frozenset[str]  # metrics printed in their own unit
    tasks: frozenset[str]  # published tasks whose data is that of our task of the same name
    note: str = ""


_HEAR_OPTIONS = {"grid": "default", "grid_points": 8}

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
            tasks=frozenset(HEAR_TASKS),
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
            tasks=frozenset(HEAR_TASKS),
            note="The paper resampled with torchaudio. It calls Vocal Imitations an accuracy, yet "
            "CREPE's 5.1 is the leaderboard's mAP: differences there may compare two metrics.",
        ),
    )
}


@dataclass(frozen=True)
class SameModel:
    """Our module (with these options and this published file) is that source's model."""

    source: str
    module: str
    names: tuple[str, ...]  # as the source's tables call it, the first that a table has counts
    file: str = ""  # name of the published checkpoint; empty where weights come with a package
    options: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


_BYOL_A = "AudioNTT2020-BYOLA-64x96d2048.pth"
_BYOL_S = "default2048_BYOLAs64x96-2105311814-e100-bs256-lr0003-rs42.pth"
_CVT = (
    "cvt_s1-d1-e64_s2-d1-e256_s3-d1-e512_BYOLAs64x96-osandbyolaloss6373-e100-bs256-lr0003-rs42.pth"
)

# openSMILE of the BYOL-S paper is not here: its scores come from a kit changed to standardise.
SAME_MODELS: tuple[SameModel, ...] = (
    SameModel(LEADERBOARD, "hear_plugins.crepe", ("CREPE",)),
    SameModel(LEADERBOARD, "hear_plugins.byol_s", ("Logitech AI SERAB BYOL-S",), _BYOL_S),
    SameModel("BYOL-S", "hear_plugins.crepe", ("CREPE",)),
    SameModel("BYOL-S", "hear_plugins.byol_s", ("BYOL-S",), _BYOL_S),
    SameModel(
        "BYOL-S",
        "hear_plugins.byol_a",
        ("BYOL-A",),
        _BYOL_A,
        note="The paper does not say whether its BYOL-A is the published one or trained again.",
    ),
    SameModel(
        "BYOL-S",
        "hear_plugins.hybrid_byol_s_cvt",
        (
            "Hybrid BYOL-S/CvT alpha:beta 1:1",
            "Hybrid BYOL-S/CvT",
            "Hybrid BYOL-S/CvT window/hop 1s/50ms",
        ),
        _CVT,
        note="The paper prints its FSD50K as 50.2 and as 52.0; its average is that of 50.2.",
    ),
)

# Options that reproduce the original rather than change the model.
_FAITHFUL_OPTIONS = frozenset({"upstream_quirks"})


@dataclass(frozen=True)
class Published:
    """One printed number: `value` in the metric's own unit, None if missing; texts as printed."""

    source: str
    table: str
    section: str
    model: str
    task: str
    metric: str
    text: str
    spread: str  # printed behind ±
    value: float | None
    percent: bool


@cache
def load_published() -> tuple[Published, ...]:
    """All published numbers, tables and rows in the order in which they were printed.

    Raises
    ------
    ValueError
        A metric of a source is not declared in `SOURCES`.
    """
    return (*_leaderboard(), *_papers())


def _leaderboard() -> list[Published]:
    metrics = {task.column: task for task in HEAR_TASKS.values()}
    entries = []
    for row in _rows("hear2021_leaderboard.csv"):
        section = "Challenge of 2021" if row["Submission Date"] == "HEAR 2021" else "Later"
        for column, task in metrics.items():
            entry = (section, row["Model"], task.name, task.metric, row[column], "")
            entries.append(_published(LEADERBOARD, "leaderboard", *entry))
    return entries


def _papers() -> list[Published]:
    keys = ("paper", "table", "section", "model", "task", "metric", "value", "spread")
    rows = (row for row in _rows("paper_tables.csv") if row["paper"] in SOURCES)
    return [_published(*(row[key] for key in keys)) for row in rows]


def _published(
    source: str,
    table: str,
    section: str,
    model: str,
    task: str,
    metric: str,
    text: str,
    spread: str,
) -> Published:
    declared = SOURCES[source]
    if metric not in declared.percent | declared.fraction:
        raise ValueError(f"results/published: {source}, {metric}: is it in per cent? Say so here.")
    percent = metric in declared.percent
    value = float(text) / (100.0 if percent else 1.0) if text else None
    return Published(source, table, section, model, task, metric, text, spread, value, percent)


def _rows(name: str) -> list[dict[str, str]]:
    content = files("results").joinpath("published", name).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(content)))


def leaderboard_columns() -> list[str]:
    """Header of the site's CSV."""
    content = files("results").joinpath("published", "hear2021_leaderboard.csv")
    return content.read_text(encoding="utf-8").partition("\n")[0].split(",")


def why_not_comparable(record: Record, source: Source) -> str:
    """Why a record's score may not stand beside the source's printed ones; "" if it may."""
    unit, model = record.unit, record.unit.model
    folders = [folder for name in source.tasks for folder in HEAR_TASKS[name].folders]
    resampler = unit.embedding.resampler
    reasons = (
        (record.task.demo, "it is of a demo task"),
        (record.random_weights, "its weights are random"),
        (unit.embedding.task not in folders, f"{unit.embedding.task} is no task of {source.name}"),
        (unit.embedding.limit is not None, "only some clips of the task were taken"),
        (
            record.task.published is False,
            f"the task is not the published one: {record.task.published_note}",
        ),
        (record.task.published is None, "nobody checked that the task is the published one"),
        (
            (unit.protocol, unit.version) != (source.protocol, source.version),
            f"its protocol is {unit.protocol} version {unit.version}, expected {source.protocol}"
            f" version {source.version}",
        ),
        (
            unit.options != source.options,
            f"its options are {_text(unit.options)}, expected {_text(source.options)}",
        ),
        (unit.device != "cpu", f"it was trained on {unit.device}, expected cpu"),
        (model.device != "cpu", f"it was embedded on {model.device}, expected cpu"),
        (model.dtype != "float32", f"it was embedded in {model.dtype}, expected float32"),
        (bool(unit.layers), f"it is of layers {unit.layers}, not of the model's embedding"),
        (model.tf32, "it was embedded with TF32, expected float32"),
        (
            not resampler.startswith(("none", "soxr")),
            f"its audio was resampled by {resampler}, expected soxr",
        ),
    )
    return next((reason for applies, reason in reasons if applies), "")


def same_model(record: Record, source: Source) -> SameModel | None:
    """The source's name of a record's model, if it is that model with the published weights."""
    options = {k: v for k, v in record.unit.model.options.items() if k not in _FAITHFUL_OPTIONS}
    for same in SAME_MODELS:
        if (same.source, same.module) != (source.name, record.module) or options != same.options:
            continue
        # Plugins give the URL of a weights file only when its content is the published one's.
        if not same.file or (record.weights.get("file") == same.file and "url" in record.weights):
            return same
    return None


def _text(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(options.items()))
