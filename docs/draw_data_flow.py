"""Draw ``docs/data_flow.svg``, the picture of the README: ``python docs/draw_data_flow.py``."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

WIDTH, HEIGHT = 892, 230
BOX_WIDTH, BOX_HEIGHT = 148, 62

# Name of a stage, what it is, left edge, top edge.
BOXES = (
    ("task folder", "audio, labels, splits", 20, 20),
    ("model", "any HEAR module", 20, 128),
    ("embeddings", "on disk, by content", 196, 74),
    ("scores", "every fold and seed", 372, 74),
    ("record", "scores and provenance", 548, 74),
    ("tables", "LaTeX, HTML, CSV", 724, 20),
    ("leaderboard", "a row of its file", 724, 128),
)
ARROWS = (
    ("task folder", "embeddings"),
    ("model", "embeddings"),
    ("embeddings", "scores"),
    ("scores", "record"),
    ("record", "tables"),
    ("record", "leaderboard"),
)
# Below the boxes: a command of hear-benchmark, and the left and right edge of what it does.
COMMANDS = (
    ("tasks get, prepare", 20, 168),
    ("embed", 196, 344),
    ("evaluate", 372, 696),
    ("tables, leaderboard", 724, 872),
)


def picture() -> str:
    """The SVG, readable on a light and on a dark page."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" role="img">',
        "<title>From task folders and models to tables</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7"'
        ' markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#fff"/>',
        *_boxes(),
        *_arrows(),
        *_commands(),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _boxes() -> Iterator[str]:
    for name, what, x, y in BOXES:
        middle = x + BOX_WIDTH / 2
        yield (
            f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"'
            ' fill="#eef3fa" stroke="#34598b"/>'
        )
        yield _text(name, middle, y + 27, 'font-size="15" font-weight="bold" fill="#1c2f4a"')
        yield _text(what, middle, y + 46, 'font-size="12" fill="#444"')


def _arrows() -> Iterator[str]:
    corners = {name: (x, y) for name, _, x, y in BOXES}
    for start, end in ARROWS:
        (x0, y0), (x1, y1) = corners[start], corners[end]
        yield (
            f'<line x1="{x0 + BOX_WIDTH}" y1="{y0 + BOX_HEIGHT / 2:g}" x2="{x1 - 2}"'
            f' y2="{y1 + BOX_HEIGHT / 2:g}" stroke="#555" marker-end="url(#tip)"/>'
        )


def _commands() -> Iterator[str]:
    for command, left, right in COMMANDS:
        yield f'<line x1="{left}" y1="202" x2="{right}" y2="202" stroke="#34598b"/>'
        yield _text(
            command,
            (left + right) / 2,
            220,
            'font-size="12" font-family="monospace" fill="#34598b"',
        )


def _text(text: str, x: float, y: float, style: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="middle" {style}>{escape(text)}</text>'


if __name__ == "__main__":
    (Path(__file__).parent / "data_flow.svg").write_text(picture(), encoding="utf-8")
