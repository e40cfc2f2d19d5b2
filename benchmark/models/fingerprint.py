"""The code that decides a plugin's embeddings, as one hash."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

# Their outcome, the tensors of the model, is hashed itself; a new entry must not change every key.
NOT_DECISIVE = frozenset({"hear_plugins.weights.loading", "hear_plugins.weights.catalogue"})


def source_hash(module: str) -> str | None:
    """SHA-256 over the source of a module and of all of its package that it imports.

    Imports are read from the source, so that those inside functions count too. Other packages do
    not: their versions are in the records.

    Parameters
    ----------
    module
        Import path.

    Returns
    -------
    str or None
        Hexadecimal; None for a module without a source file.
    """
    package = module.partition(".")[0]
    found: dict[str, bytes] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found or name in NOT_DECISIVE or (source := _source(name)) is None:
            continue
        path, found[name] = source
        needed = [name.rpartition(".")[0], *_imported(name, path, found[name])]
        waiting += [each for each in needed if each.partition(".")[0] == package]
    if module not in found:
        return None
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(f"{name} {len(found[name])}\n".encode() + found[name])
    return digest.hexdigest()


def _source(name: str) -> tuple[Path, bytes] | None:
    """File and content of a module; None for what is none, as a name imported from a module."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    path = Path(spec.origin)
    return path, path.read_bytes()


def _imported(name: str, path: Path, source: bytes) -> Iterator[str]:
    """Full names of everything a module imports; some may be functions, not modules."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
