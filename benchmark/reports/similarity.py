"""CKA between models as a table and as a heat map."""

from __future__ import annotations

import math
from html import escape

from benchmark.metrics.cka import Similarities
from benchmark.reports.formats import Cell, Column, Row, Table

_SIDE, _TOP = 44, 16  # px of one field, and above the first
_LETTER = 7.5  # no letter is wider at 13 px


def similarity_table(found: Similarities, title: str) -> Table:
    """The matrix to two decimals; empty where it is not defined."""
    return Table(
        "cka",
        title,
        "Model",
        tuple(map(Column, found.columns)),
        tuple(
            Row(name, tuple(Cell(_text(value)) for value in values))
            for name, values in zip(found.rows, found.matrix.tolist(), strict=True)
        ),
        ("1: alike but for rotation and scale; 0: unlike. Unbiased, a mean over minibatches.",),
    )


def heat_map(found: Similarities) -> str:
    """An `<svg>` element: a field a pair, darker where two are more alike."""
    left = _LETTER * max(map(len, found.rows)) + 16
    bottom = _TOP + _SIDE * len(found.rows)
    parts = []
    for row, (name, values) in enumerate(zip(found.rows, found.matrix.tolist(), strict=True)):
        y = _TOP + _SIDE * row
        parts.append(
            f'<text x="{left - 8:g}" y="{y + _SIDE / 2 + 4:g}" text-anchor="end">'
            f"{escape(name)}</text>"
        )
        for column, value in enumerate(values):
            x = left + _SIDE * column
            shade = 0.0 if math.isnan(value) else min(max(value, 0.0), 1.0)
            colour = "white" if shade > 0.6 else "currentColor"
            parts.append(
                f'<rect x="{x:g}" y="{y}" width="{_SIDE}" height="{_SIDE}" fill="#1c5cab"'
                f' fill-opacity="{shade:.3f}"/><text x="{x + _SIDE / 2:g}"'
                f' y="{y + _SIDE / 2 + 4:g}" text-anchor="middle" fill="{colour}">'
                f"{_text(value)}</text>"
            )
    for column, name in enumerate(found.columns):
        x = left + _SIDE * (column + 0.5)
        parts.append(
            f'<text transform="translate({x:g} {bottom + 10}) rotate(45)">{escape(name)}</text>'
        )
    longest = _LETTER * max(map(len, found.columns))
    width, height = left + _SIDE * len(found.columns) + longest, bottom + 20 + longest
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"'
        f' width="{width:g}" role="img" font-size="13" font-family="sans-serif"'
        f' fill="currentColor" aria-label="CKA between models">{"".join(parts)}</svg>\n'
    )


def _text(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"
