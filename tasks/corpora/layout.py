"""Folders, tables and lists of raw corpora; what is missing is named, with what was expected."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from ..folder import TaskError


def audio_files(folder: Path, pattern: str, corpus: str) -> list[Path]:
    """Files under `folder` that match a glob pattern, sorted; at least one."""
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise TaskError(f"{folder}: no {pattern}; expected {corpus}")
    return paths


def read_lines(path: Path, corpus: str) -> list[str]:
    """Lines of a text file that are not empty."""
    return [line.strip() for line in _text(path, corpus).splitlines() if line.strip()]


def read_table(
    path: Path, columns: Sequence[str], corpus: str, delimiter: str = ","
) -> list[dict[str, str]]:
    """Rows of a table with a header that has at least these columns."""
    rows = csv.DictReader(_text(path, corpus).splitlines(), delimiter=delimiter)
    missing = set(columns) - set(rows.fieldnames or ())
    if missing:
        raise TaskError(f"{path}: no column {min(missing)!r}; expected that of {corpus}")
    return list(rows)


def _text(path: Path, corpus: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise TaskError(f"{path}: missing; expected {corpus}") from None
    except (OSError, ValueError) as error:
        raise TaskError(f"{path}: cannot be read ({error})") from None
