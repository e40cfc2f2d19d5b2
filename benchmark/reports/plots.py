"""Scores as an SVG drawing: one row a task, one dot a model, the 95 % interval as a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from benchmark.records.statistics import ScoreSummary

# Hues that stay apart for colour-blind eyes on white and black; shapes tell more models apart.
COLOURS = ("#2a78d6", "#e06c00", "#0f9d76", "#c2417c", "#8a63d2", "#a08000", "#4a9fb5", "#7d7d7d")
_SHAPES = ("M-5 0A5 5 0 1 0 5 0A5 5 0 1 0 -5 0Z", "M-5 -5H5V5H-5Z", "M0 -6L6 5H-6Z")
_AXIS, _LANE, _TOP = 620, 9, 12  # px


def score_plot(models: Sequence[str], tasks: Mapping[str, Sequence[ScoreSummary | None]]) -> str:
    """Dot plot of scores in [0, 1].

    Parameters
    ----------
    models
        Names, in the order of the legend.
    tasks
        For each task its score for every model, None where there is none.

    Returns
    -------
    str
        An `<svg>` element that inherits text colour and font.
    """
    lane = _LANE if len(models) > 1 else 2 * _LANE
    left = 7.5 * max(map(len, tasks), default=0) + 16  # of the axis; no letter is wider at 13 px
    height = lane * len(models) + 10
    legend_rows = -(-len(models) // 3)
    axis_top = _TOP + 20 * legend_rows
    bottom = axis_top + height * len(tasks)
    parts = []
    for index, name in enumerate(models):
        x, y = 20.0 + index % 3 * 280, _TOP + 20.0 * (index // 3)
        parts.append(_mark(index, x, y))
        parts.append(f'<text x="{x + 12:g}" y="{y + 4:g}">{escape(name)}</text>')
    for tenth in range(0, 11, 2):
        x = left + _AXIS * tenth / 10
        parts.append(
            f'<path d="M{x:g} {axis_top}V{bottom}" stroke="currentColor" opacity=".2"/>'
            f'<text x="{x:g}" y="{bottom + 18}" text-anchor="middle">{tenth / 10:g}</text>'
        )
    for row, (task, summaries) in enumerate(tasks.items()):
        top = axis_top + height * row
        parts.append(
            f'<path d="M0 {top}H{left + _AXIS:g}" stroke="currentColor" opacity=".2"/>'
            f'<text x="{left - 12:g}" y="{top + height / 2 + 4:g}" text-anchor="end">'
            f"{escape(task)}</text>"
        )
        for index, summary in enumerate(summaries):
            if summary is not None and summary.mean is not None:
                y = top + 5 + lane * (index + 0.5)
                parts.append(_dot(index, summary, left, y, models[index]))
    width = left + _AXIS + 20
    return (
        f'<svg viewBox="0 0 {width:g} {bottom + 26}" width="{width:g}" role="img" font-size="13" '
        f'fill="currentColor" aria-label="Scores by task">{"".join(parts)}</svg>\n'
    )


def _dot(index: int, summary: ScoreSummary, axis: float, y: float, model: str) -> str:
    mean, half = summary.mean or 0.0, summary.ci95 or 0.0
    left, x, right = (
        axis + _AXIS * min(max(value, 0.0), 1.0) for value in (mean - half, mean, mean + half)
    )
    colour = COLOURS[index % len(COLOURS)]
    line = f'<path d="M{left:.1f} {y:g}H{right:.1f}" stroke="{colour}" stroke-width="2"/>'
    title = f"<title>{escape(model)}: {mean:.3f}" + (f" ± {half:.3f}" if half else "") + "</title>"
    return f"<g>{title}{line}{_mark(index, x, y)}</g>"


def _mark(index: int, x: float, y: float) -> str:
    shape = _SHAPES[index // len(COLOURS) % len(_SHAPES)]
    colour = COLOURS[index % len(COLOURS)]
    return f'<path d="{shape}" transform="translate({x:.1f} {y:g})" fill="{colour}"/>'
