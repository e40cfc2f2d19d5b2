"""Charts of the report: SVG by matplotlib, black ink that turns light where the page is dark."""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmark.errors import UserError
from benchmark.reports.matplotlib_files import printable
from benchmark.reports.plots import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from benchmark.reports.html.events import Roll
    from benchmark.reports.html.predictions import Reliability

Array = npt.NDArray[Any]

_INK = (
    '<svg fill="currentColor"><style>svg{color:#1c1c1e}'
    "@media(prefers-color-scheme:dark){svg{color:#e8e8ea}}</style>"
)
_COLOURED = 20  # classes of a map
_NAMED = 40  # classes that an axis names; the names of more would lie on each other


@dataclass(frozen=True)
class Chart:
    """A picture as a data URI, and what it shows in words; a `broad` one is not made narrower."""

    title: str
    source: str
    alt: str
    broad: bool = False


def heat_map(
    title: str, values: Array, rows: Sequence[str], columns: Sequence[str], alt: str
) -> Chart:
    """Values (rows, columns) in [0, 1] as strength of colour; NaN is empty."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        _shades(figure, axes, values)
        _names(axes, rows, columns)

    width = 2.2 + 0.28 * min(len(columns), _NAMED)
    height = 1.2 + 0.17 * min(len(rows), _NAMED)
    return Chart(title, _drawn(max(width, 3.4), max(height, 2.2), paint), alt)


def confusion_matrix(title: str, matrix: Array, labels: Sequence[str], alt: str) -> Chart:
    """Rows of each true class (labels, labels), as shares of it."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        _shades(figure, axes, shares)
        _names(axes, labels, labels)
        axes.set(xlabel="predicted", ylabel="true")

    side = 2.4 + 0.17 * min(len(labels), _NAMED)
    return Chart(title, _drawn(side + 0.6, side, paint), alt)


def reliability_chart(title: str, found: Mapping[str, Reliability], alt: str) -> Chart:
    """Accuracy at each confidence; the first models in colour, further ones thin and grey."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":")
        for style, (name, one) in zip(_styles(len(found)), found.items(), strict=True):
            label = _text(name) if style.pop("named") else "_grey"
            axes.plot(one.confidence, one.accuracy, marker=".", label=label, **style)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="share that is right")
        _legend(axes)

    return Chart(title, _drawn(4.2, 3.4, paint), alt)


def curve_chart(
    title: str, curves: Mapping[str, Sequence[Sequence[tuple[int, float]]]], metric: str, alt: str
) -> Chart:
    """(epoch, validation score) of every fold, a colour for each model."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for style, (name, of_folds) in zip(_styles(len(curves)), curves.items(), strict=True):
            named = style.pop("named")
            for number, curve in enumerate(of_folds):
                label = "_fold" if number or not named else _text(name)
                axes.plot(*zip(*curve, strict=True), label=label, **style)
        axes.set(xlabel="epoch", ylabel=_text(f"validation {metric}"))
        _legend(axes)

    return Chart(title, _drawn(4.2, 3.2, paint), alt)


def point_map(title: str, points: Array, classes: Sequence[str], alt: str) -> Chart:
    """Points (n, 2) coloured by class; only the most frequent have colours of their own."""
    names = np.array(classes)
    ordered, counts = np.unique(names, return_counts=True)
    shown = np.sort(ordered[np.argsort(-counts, kind="stable")][:_COLOURED])

    def paint(figure: Figure) -> None:
        from matplotlib import colormaps

        axes = figure.subplots()
        of_classes: Any = colormaps["tab10" if len(shown) <= 10 else "tab20"]
        other = ~np.isin(names, shown)
        groups = [(f"{len(ordered) - len(shown)} others", other, "#9a9a9a")] if other.any() else []
        groups += [
            (name, names == name, colour)
            for name, colour in zip(shown, of_classes.colors, strict=False)
        ]
        for name, rows, colour in groups:
            # As a picture: hundreds of circles would be as many elements.
            axes.scatter(
                points[rows, 0],
                points[rows, 1],
                s=7,
                color=colour,
                linewidths=0,
                label=_text(name),
                rasterized=True,
            )
        axes.set(xticks=[], yticks=[])
        _legend(axes, under=0.02)

    return Chart(title, _drawn(3.9, 3.3, paint), alt)


def piano_roll(title: str, roll: Roll, alt: str) -> Chart:
    """Events of one file over time: above the line of a label its truth, below each prediction."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        sides = [("truth", roll.truth), *roll.predicted.items()]
        height = 0.8 / len(sides)
        for place, (name, events) in enumerate(sides):
            colour = "black" if place == 0 else COLOURS[(place - 1) % len(COLOURS)]
            for number, label in enumerate(roll.labels):
                spans = [
                    (start / 1000, max(end - start, 1.0) / 1000)
                    for each, start, end in events
                    if each == label
                ]
                at = (number - 0.4 + place * height, 0.9 * height)
                axes.broken_barh(spans, at, color=colour, linewidth=0)
            axes.bar(0, 0, color=colour, label=_text(name))
        axes.set_yticks(range(len(roll.labels)), [_text(label) for label in roll.labels])
        axes.set(ylim=(len(roll.labels) - 0.5, -0.5), xlim=(0, roll.end / 1000), xlabel="s")
        axes.grid(axis="x", alpha=0.3)
        _legend(axes)

    height = 1.4 + 0.06 * len(roll.labels) * (1 + len(roll.predicted)) + 0.1 * len(roll.labels)
    return Chart(title, _drawn(6.4, min(height, 9.0), paint), alt)


def dot_plot(
    title: str,
    tasks: Mapping[str, tuple[float, float | None]],
    others: Mapping[str, Sequence[float]],
    alt: str,
) -> Chart:
    """Score and half width of its interval on each task, over the scores of all models in grey."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for number, (task, (value, half)) in enumerate(tasks.items()):
            of_all = others[task]
            axes.plot([min(of_all), max(of_all)], [number] * 2, color="#9a9a9a", linewidth=4,
                      alpha=0.5, solid_capstyle="round")  # fmt: skip
            axes.plot(float(np.median(of_all)), number, "|", color="#7d7d7d", markersize=9)
            axes.errorbar(value, number, xerr=half, fmt="o", color=COLOURS[0], markersize=5)
        axes.set_yticks(range(len(tasks)), [_text(task) for task in tasks])
        axes.set(ylim=(len(tasks) - 0.5, -0.5), xlim=(0, 1))
        axes.grid(axis="x", alpha=0.3)

    return Chart(title, _drawn(4.2, 0.7 + 0.2 * len(tasks), paint), alt)


def speed_chart(title: str, models: Mapping[str, tuple[float, float]], alt: str) -> Chart:
    """(seconds of audio embedded in a second, mean score) of each model."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for name, (speed, quality) in models.items():
            axes.plot(speed, quality, "o", color=COLOURS[0], markersize=5)
            axes.annotate(_text(name), (speed, quality), (4, 3), textcoords="offset points",
                          fontsize=7)  # fmt: skip
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        axes.margins(x=0.18, y=0.12)
        axes.set(xlabel="seconds of audio embedded in a second", ylabel="mean score")
        axes.grid(alpha=0.3)

    return Chart(title, _drawn(5.2, 3.6, paint), alt)


def _shades(figure: Figure, axes: Axes, values: Array) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("shades", [COLOURS[0] + "00", COLOURS[0] + "ff"])
    image = axes.imshow(values, cmap=shades, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    figure.colorbar(image, shrink=0.8)


def _names(axes: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    for axis, names in ((axes.yaxis, rows), (axes.xaxis, columns)):
        step = -(-len(names) // _NAMED)
        axis.set_ticks(range(0, len(names), step), [_text(name) for name in names[::step]])
    axes.tick_params(axis="x", labelrotation=90)
    axes.tick_params(labelsize=7, length=2)


def _styles(count: int) -> list[dict[str, Any]]:
    styles: list[dict[str, Any]] = [
        {"color": colour, "linewidth": 1.3, "named": True} for colour in COLOURS[:count]
    ]
    grey = {"color": "#9a9a9a", "linewidth": 0.6, "named": False}
    return styles + [dict(grey) for _ in range(count - len(styles))]


def _legend(axes: Axes, under: float = 0.16) -> None:
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles[: _COLOURED + 1],
        labels[: _COLOURED + 1],
        fontsize=7,
        markerscale=2 if under < 0.1 else 1,
        loc="upper left",
        bbox_to_anchor=(0, -under),
        ncols=2,
        frameon=False,
    )


def _text(name: str) -> str:
    """A name as a label, cut; one that starts with "_" would not be in a legend."""
    shown = printable(name)
    shown = shown if len(shown) <= 28 else shown[:27] + "…"
    return f" {shown}" if shown.startswith("_") else shown


def _drawn(width: float, height: float, paint: Callable[[Figure], None]) -> str:
    """A figure of that size in inches as a data URI."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError(
            "the report needs matplotlib, which is not installed;"
            " pip install 'hear-plugins[report]'"
        ) from None
    out = io.BytesIO()
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "hear-benchmark",
        "text.parse_math": False,
        "font.size": 8,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # letters that its own font lacks
        figure = Figure(figsize=(width, height))
        paint(figure)
        figure.savefig(
            out,
            format="svg",
            dpi=150,
            metadata={"Date": None},
            bbox_inches="tight",
            pad_inches=0.05,
            transparent=True,
        )
    return svg_uri(out.getvalue().decode())


def svg_uri(svg: str) -> str:
    """An SVG of matplotlib as a data URI, what is black in it in the colour of text."""
    svg = svg[svg.index("<svg") :].replace("#000000", "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r"fill: ?#ffffff", "fill: none", svg)
    start, style = _INK.split(">", 1)
    svg = svg.replace("<svg", start, 1)
    head = svg.index(">") + 1
    return (
        "data:image/svg+xml;base64,"
        + base64.b64encode((svg[:head] + style + svg[head:]).encode()).decode()
    )
