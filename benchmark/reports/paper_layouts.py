"""The published tables that `hear-benchmark tables --like` fills: their columns and figures.

Rows, sections and values are in `results/published/`; what fills the rows of ours is in
`benchmark.records.published`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmark.records.published_sources import HEAR_TASKS, LEADERBOARD

Key = tuple[str, str]  # task and metric, as published
AVERAGE = "average"


@dataclass(frozen=True)
class Curves:
    """A figure of a table: a panel for each task, a curve for each model and metric.

    Attributes
    ----------
    axis
        What the horizontal axis shows.
    places
        Where each section of the table stands on it.
    """

    axis: str
    places: Mapping[str, float]


@dataclass(frozen=True)
class Layout:
    """A published table: its columns and sections are those of its entries.

    Attributes
    ----------
    name
        What the user calls it.
    source, table
        Which entries it has.
    heads
        Column heads of tasks, as printed.
    metric_heads
        Second lines of column heads; the metric's name for others.
    not_averaged
        Columns that the table's average leaves out.
    averages
        Which columns, of this or of another table, a column of averages is made of; those of the
        table but `not_averaged` for others.
    decimals
        Of all values; those printed if None.
    figure
        What is drawn of it, if the paper draws it.
    """

    name: str
    source: str
    table: str
    title: str
    heads: Mapping[str, str]
    metric_heads: Mapping[str, str] = field(default_factory=dict)
    not_averaged: frozenset[Key] = frozenset()
    averages: Mapping[str, tuple[Key, ...]] = field(default_factory=dict)
    decimals: int | None = None
    figure: Curves | None = None


_SPEECH = {
    "crema_d": "CREMA-D",
    "libricount": "LibriCount",
    "speech_commands_5h": "Speech Commands (5h)",
    "speech_commands_full": "Speech Commands (all)",
    "vocal_imitation": "Vocal Imitations",
    "vox_lingua_top10": "VoxLingua",
    AVERAGE: "Average",
}
_ENVIRONMENT = {
    "beehive_states": "Beehive states",
    "esc50": "ESC",
    "fsd50k": "FSD50K",
    "gunshot_triangulation": "Gunshot triangulation",
    AVERAGE: "Average",
}
_MUSIC = {
    "beijing_opera": "Beijing Opera",
    "gtzan_genre": "GTZAN Genre",
    "gtzan_music_speech": "GTZAN S/M",
    "mridangam_stroke": "Mridangam Stroke",
    "mridangam_tonic": "Mridangam Tonic",
    "nsynth_pitch_5h": "NSynth (5h)",
    "nsynth_pitch_50h": "NSynth (50h)",
    AVERAGE: "Average",
}
_EVENTS = {"dcase2016_task2": "DCASE", "maestro_5h": "MAESTRO", AVERAGE: "Average"}
_MEANS = {"mean of the row": "", "mean score": "", "onset fms mean": "onset fms"}
_NOT_ONSETS = frozenset(
    {
        ("dcase2016_task2", "segment_1s_er"),
        ("maestro_5h", "event_onset_offset_50ms_20perc_fms"),
    }
)
_MATPAC = {
    "openmic": "OpenMIC",
    "nsynth_instrument": "NSynth",
    "gtzan": "GTZAN",
    "mtt": "MTT",
    "fsd50k": "FSD50K",
    "esc50": "ESC-50",
    "us8k": "US8K",
    AVERAGE: "Avg.",
}
_MATPAC_MUSIC: tuple[Key, ...] = (
    ("openmic", "mAP"),
    ("nsynth_instrument", "top1_acc"),
    ("gtzan", "top1_acc"),
    ("mtt", "mAP"),
)
_MATPAC_SOUNDS: tuple[Key, ...] = (("fsd50k", "mAP"), ("esc50", "top1_acc"), ("us8k", "top1_acc"))
_FUSION = {
    "esc50": "ESC-50",
    "us8k": "US8K",
    "speech_commands_v2": "SPCV2",
    "voxceleb1": "VC1",
    "voxforge": "VF",
    "crema_d": "CRM-D",
    "gtzan": "GTZAN",
    "nsynth_instrument": "NSynth",
    "surge": "Surge",
    AVERAGE: "Average",
}
_SUPPORT = {"openmic": "OpenMIC", "tau_urban": "TAU Urban", "esc50": "ESC-50"}


def _byol_s(
    number: int, title: str, heads: Mapping[str, str], not_averaged: frozenset[Key]
) -> Layout:
    return Layout(
        f"byol-s-{number}",
        "BYOL-S",
        f"Table {number}",
        f"BYOL-S, Table {number}: {title}",
        heads,
        _MEANS,
        not_averaged,
    )


LAYOUTS: Mapping[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(
            "hear-leaderboard",
            LEADERBOARD,
            "leaderboard",
            "HEAR leaderboard, primary scores",
            {task.name: task.column for task in HEAR_TASKS.values()},
            decimals=3,
        ),
        _byol_s(5, "speech, per cent", _SPEECH, frozenset()),
        _byol_s(
            6,
            "environmental sounds, per cent",
            _ENVIRONMENT,
            frozenset({("beehive_states", "top1_acc")}),
        ),
        _byol_s(7, "music, per cent", _MUSIC, frozenset()),
        _byol_s(8, "timestamps", _EVENTS, _NOT_ONSETS),
        _byol_s(9, "timestamps, window and hop", _EVENTS, _NOT_ONSETS),
        Layout(
            "matpac-2",
            "MATPAC",
            "Table II",
            "MATPAC, Table II: linear evaluation, per cent",
            _MATPAC,
            _MEANS,
        ),
        Layout(
            "matpac-3",
            "MATPAC",
            "Table III",
            "MATPAC, Table III: weight of the loss, means of Table II's columns, per cent",
            {},
            _MEANS,
            averages={
                "Music": _MATPAC_MUSIC,
                "Environment": _MATPAC_SOUNDS,
                "All": _MATPAC_MUSIC + _MATPAC_SOUNDS,
            },
        ),
        Layout(
            "fusion-3",
            "Fusion",
            "Table III",
            "Fusion, Table III: accuracy of pre-trained models, per cent",
            _FUSION,
            _MEANS,
        ),
        Layout(
            "fusion-4",
            "Fusion",
            "Table IV",
            "Fusion, Table IV: accuracy beside other models, per cent",
            _FUSION,
        ),
        Layout(
            "support",
            "Temporal support",
            "results table",
            "Temporal support: mAP, accuracy in per cent",
            _SUPPORT,
            {
                "mAP mu_m": "mAP, mean",
                "mAP mu_a": "mAP, attention",
                "top1_acc mu_m": "top1_acc, mean",
                "top1_acc mu_a": "top1_acc, attention",
            },
            figure=Curves("window (s)", {f"window {n} s": n for n in (1, 3, 5, 10)}),
        ),
    )
}
