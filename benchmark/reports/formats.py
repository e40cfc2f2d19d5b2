"""A table as text: Markdown, CSV, LaTeX, HTML, and aligned columns for the terminal."""

from __future__ import annotations

import csv
import io
import math
import re
import textwrap
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby

MISSING = "-"
LATEX_PACKAGES = ("booktabs", "adjustbox", "rotating")
_UPRIGHT_COLUMNS = 13
TERMINAL_WIDTH = 80


@dataclass(frozen=True)
class Cell:
    """Text of one cell; empty if there is nothing.

    `best` of its column is printed bold; `shade` in [0, 1] is how strongly HTML colours it; `mark`
    is raised and explained in a note.
    """

    text: str = ""
    best: bool = False
    shade: float | None = None
    mark: str = ""


@dataclass(frozen=True)
class Column:
    """Head of a column: its name, a second line (its metric), the group it stands in, a mark."""

    name: str
    unit: str = ""
    group: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Row:
    """One row; rows of one section follow each other."""

    label: str
    cells: tuple[Cell, ...]
    section: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table and what must be said with it; `name` is what its files are called."""

    name: str
    title: str
    corner: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def score_cells(
    values: Sequence[float | None],
    best: Collection[int] = (),
    *,
    lower: bool = False,
    texts: Sequence[str] = (),
    decimals: int = 3,
    shaded: bool = True,
) -> list[Cell]:
    """Cells of a column of scores, the numbers of `best` marked, all shaded from worst to best.

    Where all values are alike to `decimals`, none is shaded; None is no score, or one that may not
    be ranked.
    """
    texts = texts or ["" if value is None else f"{value:.{decimals}f}" for value in values]
    goodness = [
        None if value is None else round(-value if lower else value, decimals) for value in values
    ]
    finite = [value for value in goodness if value is not None and math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    alike = len(set(goodness) - {None}) < 2

    def shade(value: float | None) -> float | None:
        if value is None or alike or not shaded:
            return None
        if not math.isfinite(value) or low == high:
            return float(value > low)
        return (value - low) / (high - low)

    return [
        Cell(text, number in best, shade(value))
        for number, (text, value) in enumerate(zip(texts, goodness, strict=True))
    ]


def transpose(table: Table, corner: str) -> Table:
    """The table with rows and columns exchanged.

    Groups of columns become sections of rows, and sections of rows units of columns.
    """
    rows = tuple(
        Row(
            " ".join(filter(None, (column.name, column.unit))),
            tuple(row.cells[index] for row in table.rows),
            column.group,
            column.mark,
        )
        for index, column in enumerate(table.columns)
    )
    columns = tuple(Column(row.label, row.section, mark=row.mark) for row in table.rows)
    return replace(table, corner=corner, columns=columns, rows=rows)


def markdown(table: Table) -> str:
    """GitHub's Markdown: heading, table, notes."""

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    def raised(mark: str) -> str:
        return f"<sup>{mark}</sup>" if mark else ""

    def cell_text(cell: Cell) -> str:
        text = _markdown_escape(cell.text) or MISSING
        return (f"**{text}**" if cell.best else text) + raised(cell.mark)

    heads = [
        "<br>".join(_markdown_escape(part) for part in (c.group, c.name, c.unit) if part)
        + raised(c.mark)
        for c in table.columns
    ]
    lines = [line([table.corner, *heads]), "|---|" + "---:|" * len(heads)]
    for section, rows in groupby(table.rows, key=lambda row: row.section):
        if section:
            lines.append(line([f"*{_markdown_escape(section)}*", *[""] * len(heads)]))
        lines += [
            line([_markdown_escape(row.label) + raised(row.mark), *map(cell_text, row.cells)])
            for row in rows
        ]
    notes = "".join(f"\n- {_markdown_escape(note)}" for note in table.notes)
    parts = [f"### {_markdown_escape(table.title)}", "\n".join(lines), notes.strip("\n")]
    return "\n\n".join(filter(None, parts)) + "\n"


def csv_text(table: Table) -> str:
    """The cells as they are printed, one head line; a column `section` where there are any."""
    sections = any(row.section for row in table.rows)
    heads = [" ".join(filter(None, (c.group, c.name, c.unit))) for c in table.columns]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*(["section"] if sections else []), table.corner, *heads])
    for row in table.rows:
        start = [row.section] if sections else []
        writer.writerow([*start, row.label, *(cell.text for cell in row.cells)])
    return out.getvalue()


def latex(table: Table) -> str:
    """A float that fits on the page; the document needs the packages `LATEX_PACKAGES`.

    A table that is too large is scaled down; one of many columns stands sideways, heads upright.
    """
    width = len(table.columns) + 1
    upright = width <= _UPRIGHT_COLUMNS
    float_name, height = ("table", "textheight") if upright else ("sidewaystable", "textwidth")

    def line(cells: Iterable[str]) -> str:
        return " & ".join(cells) + r" \\"

    def raised(mark: str) -> str:
        return rf"\textsuperscript{{{mark}}}" if mark else ""

    def cell_text(cell: Cell) -> str:
        text = _latex_escape(cell.text) or "--"
        return (rf"\textbf{{{text}}}" if cell.best else text) + raised(cell.mark)

    lines = [f"% \\usepackage{{{','.join(LATEX_PACKAGES)}}}"]
    lines += [rf"\begin{{{float_name}}}", r"\centering\small\sloppy"]
    lines.append(rf"\caption{{{_latex_text(table.title)}}}")
    box = rf"max width=\linewidth, max totalheight=0.7\{height}"
    lines.append(rf"\begin{{adjustbox}}{{{box}}}")
    lines += [rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}", r"\toprule"]
    if any(column.group for column in table.columns):
        spans, rules, start = [""], [], 2
        for group, count in _group_widths(table.columns):
            spans.append(rf"\multicolumn{{{count}}}{{c}}{{{_latex_escape(group)}}}")
            if group:
                rules.append(rf"\cmidrule(lr){{{start}-{start + count - 1}}}")
            start += count
        lines += [line(spans), " ".join(rules)]
    heads = [_latex_escape(column.name) + raised(column.mark) for column in table.columns]
    if not upright:
        units = (_latex_escape(column.unit) for column in table.columns)
        heads = [
            rf"\rotatebox{{90}}{{{head} {unit}}}" for head, unit in zip(heads, units, strict=True)
        ]
    lines.append(line([table.corner, *heads]))
    if upright and any(column.unit for column in table.columns):
        lines.append(line(["", *(_latex_escape(c.unit) for c in table.columns)]))
    for section, rows in groupby(table.rows, key=lambda row: row.section):
        lines.append(r"\midrule")
        if section:
            lines.append(rf"\multicolumn{{{width}}}{{l}}{{\textit{{{_latex_escape(section)}}}}} \\")
        lines += [
            line([_latex_escape(r.label) + raised(r.mark), *map(cell_text, r.cells)]) for r in rows
        ]
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{adjustbox}"]
    lines += [rf"\par\footnotesize\raggedright {_latex_text(note)}" for note in table.notes]
    return "\n".join([*lines, rf"\end{{{float_name}}}", ""])


def html(table: Table) -> str:
    """A section with heading, table and notes; see `html_page`."""

    def raised(mark: str) -> str:
        return f"<sup>{escape(mark)}</sup>" if mark else ""

    def cell_html(cell: Cell) -> str:
        shade = "" if cell.shade is None else f' style="--shade:{cell.shade:.2f}"'
        text = escape(cell.text) or MISSING
        return f"<td{shade}>{f'<b>{text}</b>' if cell.best else text}{raised(cell.mark)}</td>"

    lines = ["<section>", f"<h2>{escape(table.title)}</h2>"]
    lines += ['<div class="wide"><table>', "<thead>"]
    if any(column.group for column in table.columns):
        spans = (
            f'<th colspan="{count}"{" class=group" if group else ""}>{escape(group)}</th>'
            for group, count in _group_widths(table.columns)
        )
        lines.append(f"<tr><th></th>{''.join(spans)}</tr>")
    heads = (
        f"<th>{escape(c.name)}{raised(c.mark)}"
        f"{f'<small>{escape(c.unit)}</small>' if c.unit else ''}</th>"
        for c in table.columns
    )
    lines += [f"<tr><th>{escape(table.corner)}</th>{''.join(heads)}</tr>", "</thead>", "<tbody>"]
    for section, rows in groupby(table.rows, key=lambda row: row.section):
        if section:
            span = len(table.columns) + 1
            lines.append(f'<tr class="section"><th colspan="{span}">{escape(section)}</th></tr>')
        lines += [
            f"<tr><th>{escape(row.label)}{raised(row.mark)}</th>"
            f"{''.join(map(cell_html, row.cells))}</tr>"
            for row in rows
        ]
    lines += ["</tbody>", "</table></div>"]
    if table.notes:
        lines += ["<ul>", *(f"<li>{escape(note)}</li>" for note in table.notes), "</ul>"]
    return "\n".join([*lines, "</section>", ""])


_STYLE = """
:root { color-scheme: light dark; --line: #8884; --best: #2a78d6; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; text-align: right; white-space: nowrap; }
th { font-weight: 500; }
th:first-child { text-align: left; position: sticky; left: 0; background: Canvas; }
thead th { vertical-align: bottom; } thead tr:last-child th { border-bottom: 1px solid; }
th.group { text-align: center; border-bottom: 1px solid var(--line); color: GrayText; }
small { display: block; font-weight: 400; color: GrayText; font-size: .75rem; }
tbody tr { border-bottom: 1px solid var(--line); }
td { background: rgb(42 120 214 / calc(.45 * var(--shade, 0))); }
tr.section th { padding-top: .8rem; font-style: italic; color: GrayText; }
ul { color: GrayText; font-size: .85rem; padding-left: 1.2rem; max-width: 60rem; }
summary { cursor: pointer; margin: 2.2rem 0 .6rem; }
svg { margin: 1.5rem 0; max-width: 100%; height: auto; display: block; }
"""


def html_page(title: str, sections: Sequence[str]) -> str:
    """A page that needs no other file."""
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            *sections,
            "</body></html>",
            "",
        ]
    )


def terminal(table: Table, width: int = TERMINAL_WIDTH, corner: str = "Task") -> str:
    """Aligned plain text, ``*`` marking the best; no line is longer than `width`.

    A table too wide for `width` is transposed (its first column then headed `corner`), and one
    that is still too wide is cut into blocks of columns. Names that are too long even so end
    in "…".
    """
    blocks = [table]
    if _text_width(table) > width:
        blocks = _blocks(_shortened(transpose(table, corner), width), width)
    parts = [_wrapped(table.title, width), *("\n".join(_aligned(block)) for block in blocks)]
    if any(cell.best for row in table.rows for cell in row.cells):
        parts.append("* level with the best of its " + ("column" if blocks == [table] else "row"))
    parts += [_wrapped(note, width) for note in table.notes]
    return "\n\n".join(parts) + "\n"


def _wrapped(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width))


def _shortened(table: Table, width: int) -> Table:
    """The table with names cut so that a column of it fits beside the labels."""
    labels = (width - 2) // 2
    columns = width - 2 - min(labels, max(len(_marked(row.label, row.mark)) for row in table.rows))
    return replace(
        table,
        columns=tuple(
            replace(
                each,
                name=_marked(_cut(each.name, columns - len(each.mark) - 1), each.mark),
                unit=_cut(each.unit, columns),
                mark="",
            )
            for each in table.columns
        ),
        rows=tuple(
            replace(
                row,
                label=_marked(_cut(row.label, labels - len(row.mark) - 1), row.mark),
                mark="",
                section=_cut(row.section, width - 2),
                cells=tuple(replace(cell, text=_cut(cell.text, columns - 1)) for cell in row.cells),
            )
            for row in table.rows
        ),
    )


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _aligned(table: Table) -> list[str]:
    cells = [[_terminal_cell(cell) for cell in row.cells] for row in table.rows]
    labels = [_marked(row.label, row.mark) for row in table.rows]
    names = [_marked(column.name, column.mark) for column in table.columns]
    label_width = max(map(len, (table.corner, *labels)))
    widths = [
        max(len(text) for text in (names[i], column.unit, *(row[i] for row in cells)))
        for i, column in enumerate(table.columns)
    ]

    def line(label: str, texts: Iterable[str]) -> str:
        columns = (text.rjust(width) for text, width in zip(texts, widths, strict=True))
        return "  ".join([label.ljust(label_width), *columns]).rstrip()

    lines = []
    if any(column.unit for column in table.columns):
        lines += [
            line("", names),
            line(table.corner, (column.unit for column in table.columns)),
        ]
    else:
        lines.append(line(table.corner, names))
    lines.append("-" * max(map(len, lines)))
    section = ""
    for row, label, texts in zip(table.rows, labels, cells, strict=True):
        if row.section != section:
            section = row.section
            lines.append(f"[{section}]" if section else "")
        lines.append(line(label, texts))
    return lines


def _terminal_cell(cell: Cell) -> str:
    return _marked(cell.text or MISSING, cell.mark) + ("*" if cell.best else " ")


def _marked(text: str, mark: str) -> str:
    return f"{text}^{mark}" if mark else text


def _text_width(table: Table) -> int:
    return max(len(line) for line in _aligned(table))


def _blocks(table: Table, width: int) -> list[Table]:
    """Tables of as many columns as fit, at least one."""
    blocks, start = [], 0
    while start < len(table.columns):
        end = start + 1
        while end < len(table.columns) and _text_width(_part(table, start, end + 1)) <= width:
            end += 1
        blocks.append(_part(table, start, end))
        start = end
    return blocks


def _part(table: Table, start: int, end: int) -> Table:
    rows = tuple(replace(row, cells=row.cells[start:end]) for row in table.rows)
    return replace(table, columns=table.columns[start:end], rows=rows)


def _group_widths(columns: Sequence[Column]) -> list[tuple[str, int]]:
    return [
        (group, len(list(members))) for group, members in groupby(columns, key=lambda c: c.group)
    ]


def _markdown_escape(text: str) -> str:
    return re.sub(r"([\\|*`<>\[\]]|(?<!\w)_|_(?!\w))", r"\\\1", text)


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "↓": r"$\downarrow$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "−": r"$-$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{character: "\\" + character for character in "&%$#_{}"},
}


def _latex_escape(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def _latex_text(text: str) -> str:
    """Text of lines, which may break inside of long names."""
    return re.sub(r"(\\_|[/=](?=\S)|\.(?=[^\W\d]))", r"\1\\allowbreak{}", _latex_escape(text))
