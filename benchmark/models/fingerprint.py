"""What decides a model's embeddings, as hashes: its code, its tensors, its package's version."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

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


def state_hash(model: Any) -> str | None:
    """SHA-256 over names, kinds and bytes of the model's tensors; None if it has none."""
    if isinstance(model, torch.nn.Module):
        tensors: Iterable[tuple[str, Any]] = model.state_dict().items()
    else:
        tensors = ((each.name, torch.from_numpy(each.numpy())) for each in model.variables)
    digest, count = hashlib.sha256(), 0
    for name, tensor in tensors:
        if isinstance(tensor, torch.Tensor):
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(flat.view(torch.uint8).numpy().data)
            count += 1
    return digest.hexdigest() if count else None


def file_hash(path: str) -> str | None:
    if not path or not Path(path).is_file():
        return None
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@functools.cache
def distribution_version(module: str) -> str | None:
    """Name and version of the installed distribution that a module belongs to, if any."""
    top = module.partition(".")[0]
    try:
        found = metadata.distribution(top)
    except metadata.PackageNotFoundError:
        names = metadata.packages_distributions().get(top)  # slow: reads every distribution
        if not names:
            return None
        found = metadata.distribution(names[0])
    return f"{found.metadata['Name']} {found.version}"


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
