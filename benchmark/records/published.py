"""Scores that papers and the HEAR leaderboard printed, and what of ours may stand beside them.

The numbers are in `results/published/*.csv`; here stands, as data, how to read them: which metrics
a source prints in per cent, which protocol and options it used, which task folders hold its data,
and which of our modules is which of its models.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from benchmark.records.published_rates import PUBLISHED_RATES
from benchmark.records.record import Record
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
    options_by_metric, options_by_cell
        What differs from `options`, by printed metric, and by printed model and task.
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
    options_by_cell: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    representation_by_section: Mapping[str, str] = field(default_factory=dict)
    spread: Literal["", "ci95", "unstated"] = ""
    runs: int = 1
    note: str = ""

    def setting(
        self, section: str = "", model: str = "", task: str = "", metric: str = ""
    ) -> Setting:
        """What a record at that cell must have been made with."""
        options = {
            **self.options,
            **self.options_by_metric.get(metric, {}),
            **self.options_by_cell.get((model, task), {}),
        }
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
    "learning_rate": 3e-4,
    "batch_size": 200,
    "max_epochs": 200,
    "patience": 20,
    "weight_decay": 1e-8,
}
# As the tables name what the authors' command lines call otherwise.
_FUSION_MODELS = {
    "VGGish-Fusion": "VGGish-Fusion#10#15",
    "CNN14-Fusion": "CNN14-Fusion#3#6",
    "AST-Fusion": "AST-Fusion#5#12",
}
_FUSION_TASKS = {"vc1": "voxceleb1", "nsynth": "nsynth_instrument"}


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
            version=1,
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
            version=1,
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
            options_by_cell={
                (_FUSION_MODELS.get(model, model), _FUSION_TASKS.get(task, task)): {
                    "learning_rate": rate
                }
                for (model, task), rate in PUBLISHED_RATES.items()
            },
            note="Learning rates are the authors', by model and task. They crop each training clip "
            "at random and once; here all clips are as the task folder has them.",
        ),
        Source(
            name="Temporal support",
            protocol="support",
            version=1,
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


@dataclass(frozen=True)
class SameModel:
    """Our module (with these options and this published file) is that source's model."""

    source: str
    module: str
    names: tuple[str, ...]  # as the source's tables call it
    file: str = ""  # name of the published checkpoint; empty where weights come with a package
    options: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


_BYOL_A = "AudioNTT2020-BYOLA-64x96d2048.pth"
_BYOL_S = "default2048_BYOLAs64x96-2105311814-e100-bs256-lr0003-rs42.pth"
_CVT = (
    "cvt_s1-d1-e64_s2-d1-e256_s3-d1-e512_BYOLAs64x96-osandbyolaloss6373-e100-bs256-lr0003-rs42.pth"
)
_PASST = "passt-s-f128-p16-s10-ap.476-swa.pt"
_VGGISH = "vggish-10086976.pth"
_CNN14_16K = "Cnn14_16k_mAP=0.438.pth"
_AST = "audioset_10_10_0.4593.pth"
_AST_NOTE = "The paper standardised AST's input by each task's training clips; here AudioSet's do."


def _matpac(module: str, name: str, file: str, note: str = "") -> SameModel:
    return SameModel("MATPAC", f"hear_plugins.{module}", (name,), file, note=note)


def _fusion(
    module: str, name: str, file: str, options: Mapping[str, Any] | None = None, note: str = ""
) -> SameModel:
    return SameModel("Fusion", f"hear_plugins.{module}", (name,), file, options or {}, note)


# openSMILE of the BYOL-S paper is not here: its scores come from a kit changed to standardise. Nor
# are PaSST and BEATs of the temporal-support paper: it took embeddings of other sizes than ours.
SAME_MODELS: tuple[SameModel, ...] = (
    SameModel(LEADERBOARD, "hear_plugins.crepe", ("CREPE",)),
    SameModel(LEADERBOARD, "hear_plugins.byol_s", ("Logitech AI SERAB BYOL-S",), _BYOL_S),
    *(
        SameModel(LEADERBOARD, "hear_plugins.passt", (f"CP-JKU PaSST {name}",), _PASST, options)
        for name, options in (
            ("base", {}),
            ("2lvl", {"levels": "2level"}),
            ("2lvl+mel", {"levels": "2levelmel"}),
        )
    ),
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
    SameModel(
        "MATPAC",
        "hear_plugins.matpac",
        ("MATPAC (first row)", "MATPAC (second row)", "MATPAC alpha=0.5"),
        "matpac_10_2048.pt",
        note="Which of the paper's two rows of MATPAC the published weights are is not stated.",
    ),
    _matpac("m2d", "M2D", "m2d_vit_base-80x608p16x16-221006-mr7_enconly-checkpoint-300.pth"),
    _matpac("atst_clip", "ATST-Clip", "atst_clip_base.ckpt"),
    _matpac("atst_frame", "ATST-Frame", "atstframe_base.ckpt"),
    _matpac("beats", "BEATs iter3", "BEATs_iter3.pt"),
    _matpac(
        "beats",
        "BEATs iter3+",
        "BEATs_iter3_plus_AS2M.pt",
        "The paper counts BEATs iter3+ among supervised models: it may have taken a tuned file.",
    ),
    _matpac("mae_ast", "MAE-AST", "chunk_patch_75_12LayerEncoder.pt"),
    _matpac(
        "passt",
        "PaSST",
        _PASST,
        "Embeddings of PaSST are features and logits here; the authors took features elsewhere.",
    ),
    _matpac("hts_at", "HTS-AT", "HTSAT_AudioSet_Saved_1.ckpt"),
    _fusion("vggish_fusion", "VGGish", _VGGISH, {"layers": [22]}),
    _fusion("vggish_fusion", "VGGish-Fusion#10#15", _VGGISH),
    _fusion("cnn14", "CNN14", _CNN14_16K),
    _fusion("cnn14_fusion", "CNN14-Fusion#3#6", _CNN14_16K),
    _fusion("ast", "AST", _AST, note=_AST_NOTE),
    _fusion("ast_fusion", "AST-Fusion#5#12", _AST, note=_AST_NOTE),
    _fusion(
        "openl3",
        "OpenL3",
        "torchopenl3_mel256_music_6144.pth.tar",
        note="Which of OpenL3's networks the paper took is not stored here.",
    ),
    _fusion("byol_a", "BYOL-A", _BYOL_A),
    SameModel(
        "Temporal support",
        "hear_plugins.byol_a_v2",
        ("BYOL-A v2",),
        "AudioNTT2022-BYOLA-64x96d2048.pth",
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
    note: str  # why there is no value

    @property
    def own_metric(self) -> str:
        """The metric as records call it."""
        return self.metric.partition(" mu_")[0]

    @property
    def key(self) -> tuple[str, str]:
        """Task and metric: the column."""
        return self.task, self.metric


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
            note = "" if row[column] else "not submitted"
            entry = (section, row["Model"], task.name, task.metric, row[column], "", note)
            entries.append(_published(LEADERBOARD, "leaderboard", *entry))
    return entries


def _papers() -> list[Published]:
    keys = ("paper", "table", "section", "model", "task", "metric", "value", "spread", "note")
    return [_published(*(row[key] for key in keys)) for row in _rows("paper_tables.csv")]


def _published(
    source: str,
    table: str,
    section: str,
    model: str,
    task: str,
    metric: str,
    text: str,
    spread: str,
    note: str,
) -> Published:
    declared = SOURCES[source]
    if metric not in declared.percent | declared.fraction:
        raise ValueError(f"results/published: {source}, {metric}: is it in per cent? Say so here.")
    percent = metric in declared.percent
    value = float(text) / (100.0 if percent else 1.0) if text else None
    return Published(
        source, table, section, model, task, metric, text, spread, value, percent, note
    )


def _rows(name: str) -> list[dict[str, str]]:
    content = files("results").joinpath("published", name).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(content)))


def why_not_comparable(record: Record, source: Source, setting: Setting | None = None) -> str:
    """Why a record's score may not stand beside the source's printed ones; "" if it may.

    Parameters
    ----------
    setting
        What it must have been made with; the source's own by default.
    """
    unit, model = record.unit, record.unit.model
    wanted = setting or source.setting()
    folders = [folder for several in source.folders.values() for folder in several]
    resampler, representation = unit.embedding.resampler, unit.embedding.representation
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
            representation != (wanted.representation or representation),
            f"its clips are {representation}, expected {wanted.representation}",
        ),
        (
            unit.options != wanted.options,
            f"its options are {_text(unit.options)}, expected {_text(wanted.options)}",
        ),
        (
            unit.seeds != (source.seeds or unit.seeds),
            f"its seeds are {unit.seeds}, expected {source.seeds}",
        ),
        (unit.device != "cpu", f"it was trained on {unit.device}, expected cpu"),
        (model.device != "cpu", f"it was embedded on {model.device}, expected cpu"),
        (model.dtype != "float32", f"it was embedded in {model.dtype}, expected float32"),
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
