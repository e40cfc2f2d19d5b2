"""matplotlib, which `pip install 'hear-plugins[figures]'` brings, and its figures as files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from benchmark.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 160


def new_figure(width: float, height: float) -> Figure:
    """A figure of that size in inches, which no window shows.

    Raises
    ------
    UserError
        matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError(
            "figures need matplotlib, which is not installed; pip install 'hear-plugins[figures]'"
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def as_files(figure: Figure) -> dict[str, bytes]:
    """The figure as "png" and "svg"."""
    import matplotlib

    drawn = {}
    # Text stays text, and equal input makes equal files.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "hear-benchmark"}):
        for form, metadata in (("png", {}), ("svg", {"Date": None})):
            out = io.BytesIO()
            figure.savefig(
                out,
                format=form,
                dpi=_DPI,
                metadata=metadata,
                bbox_inches="tight",
                facecolor="white",
            )
            drawn[form] = out.getvalue()
    return drawn


def printable(name: str) -> str:
    """A name without what an SVG cannot hold."""
    return "".join(each if each.isprintable() else "?" for each in name)
