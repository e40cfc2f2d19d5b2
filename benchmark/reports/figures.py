"""Figures of published tables and of ranks."""

from __future__ import annotations

import textwrap
from typing import Any

from benchmark.errors import UserError
from benchmark.records.significance import RankComparison
from benchmark.reports.formats import Column
from benchmark.reports.matplotlib_files import as_files, new_figure, printable
from benchmark.reports.paper_layouts import Key
from benchmark.reports.paper_rendering import PaperTable
from benchmark.reports.plots import COLOURS


def curves(paper: PaperTable) -> dict[str, bytes]:
    """A panel for each task of a published table: printed values hollow, ours filled.

    Returns
    -------
    dict
        "png" and "svg".

    Raises
    ------
    UserError
        matplotlib is not installed, or the table has no figure.
    """
    wanted = paper.layout.figure
    if wanted is None:
        raise UserError(f"{paper.layout.name} has no figure")
    tasks = list(dict.fromkeys(task for task, _ in paper.columns))
    figure = new_figure(4.2 * len(tasks), 4.6)
    panels = figure.subplots(1, len(tasks), squeeze=False)[0]
    colours: dict[str, str] = {}
    for panel, task in zip(panels, tasks, strict=True):
        keys = [key for key in paper.columns if key[0] == task]
        for dashed, key in enumerate(keys):
            style = ("-", "--", ":")[dashed % 3]
            for (name, ours), points in _points(paper, key).items():
                colour = colours.setdefault(name, COLOURS[len(colours) % len(COLOURS)])
                places, values, halves = zip(*points, strict=True)
                panel.errorbar(
                    places,
                    values,
                    yerr=halves,
                    fmt=f"{'s' if ours else 'o'}{style}",
                    color=colour,
                    markerfacecolor=colour if ours else "white",
                    linewidth=2 if ours else 1,
                    capsize=2,
                    label=f"{name}{', ours' if ours else ''}, {_head(paper, key).unit}",
                )
        panel.set_title(paper.layout.heads.get(task, task))
        panel.set_xticks(sorted(set(wanted.places.values())))
        panel.set_xlabel(wanted.axis)
        panel.set_ylabel("per cent" if paper.columns[keys[0]].percent else keys[0][1].split()[0])
        panel.grid(alpha=0.3)
        panel.legend(fontsize=6.5, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    return as_files(figure)


def _points(paper: PaperTable, key: Key) -> dict[tuple[str, bool], list[tuple[float, ...]]]:
    """(place, value, half width) in the printed unit, by model and whether it is ours."""
    places = paper.layout.figure.places if paper.layout.figure else {}
    unit = paper.columns[key].unit
    found: dict[tuple[str, bool], list[tuple[float, ...]]] = {}
    for line in paper.lines:
        place = next((x for section, x in places.items() if line.section.endswith(section)), None)
        entry = line.published.get(key)
        if place is None:
            continue
        if entry is not None and entry.value is not None:
            point = (place, unit * entry.value, float(entry.spread or 0.0))
            found.setdefault((line.model, False), []).append(point)
        for name, scores in line.own.items():
            if key in scores:
                half = unit * (scores[key].summary.ci95 or 0.0)
                point = (place, unit * scores[key].value, half)
                found.setdefault((line.model or name, True), []).append(point)
    return found


def _head(paper: PaperTable, key: Key) -> Column:
    return Column(key[0], paper.layout.metric_heads.get(key[1], key[1]))


def critical_difference(found: RankComparison, title: str) -> dict[str, bytes]:
    """Demsar's diagram (2006, Figure 1): mean ranks on a line, the best at the right.

    Bars join models that Nemenyi's test does not tell apart; above stands the critical difference.

    Returns
    -------
    dict
        "png" and "svg".

    Raises
    ------
    UserError
        matplotlib is not installed.
    """
    names = list(found.mean_ranks)
    ranks = list(found.mean_ranks.values())
    n_models = len(names)
    right = (n_models + 1) // 2  # the better half stands at the right
    bars = 0.16 * len(found.cliques)
    depth = 0.45 + bars + 0.34 * right
    figure = new_figure(8.0, 1.1 + 0.62 * depth)
    axes = figure.subplots()
    axes.set_xlim(n_models + 0.6, 0.4)
    axes.set_ylim(-depth, 1.2)
    axes.axis("off")
    line: dict[str, Any] = {"color": "black", "linewidth": 1, "clip_on": False}
    axes.plot([1, n_models], [0, 0], **line)
    for tick in range(1, n_models + 1):
        axes.plot([tick, tick], [0, 0.09], **line)
        axes.text(tick, 0.14, str(tick), ha="center", va="bottom", fontsize=9)
    width = min(found.critical_difference, n_models - 1.0)
    beyond = "" if width == found.critical_difference else " (beyond the axis)"
    axes.plot([1, 1 + width], [0.75, 0.75], **line)
    for end in (1, 1 + width):
        axes.plot([end, end], [0.68, 0.82], **line)
    axes.text(
        1 + width / 2,
        0.84,
        f"CD = {found.critical_difference:.2f}{beyond}",
        ha="center",
        va="bottom",
        fontsize=9,
    )
    for number, (name, rank) in enumerate(zip(names, ranks, strict=True)):
        better = number < right
        place = number if better else n_models - 1 - number
        height = -(0.3 + bars + 0.34 * place)
        side = 0.75 if better else n_models + 0.25
        axes.plot([rank, rank, side], [0, height, height], **line)
        words = f"{printable(name)}  ({rank:.2f})"
        shift = -0.05 if better else 0.05
        axes.text(
            side + shift,
            height,
            words,
            ha="left" if better else "right",
            va="center",
            fontsize=9,
            clip_on=False,
            parse_math=False,
        )
    for number, clique in enumerate(found.cliques):
        of_clique = [found.mean_ranks[name] for name in clique]
        below = -(0.14 + 0.16 * number)
        ends = [min(of_clique) - 0.04, max(of_clique) + 0.04]
        axes.plot(ends, [below, below], color="black", linewidth=3.5, solid_capstyle="round")
    shown = textwrap.fill(printable(title), 90)
    axes.set_title(shown, fontsize=9, loc="left", parse_math=False)
    return as_files(figure)
