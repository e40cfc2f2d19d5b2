"""What decides a model's embeddings, as hashes: its code, its tensors, its package's version."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import importlib.util
import site
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

import numpy as np
import torch

DOCUMENTED = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# Its outcome, the tensors of the model, is hashed itself: a new entry must not change every key.
NOT_DECISIVE = "hear_plugins.weights"


@dataclass(frozen=True)
class Source:
    """The code of a model.

    Attributes
    ----------
    digest
        Hexadecimal SHA-256; None for a module without a source file.
    distributions
        Installed distributions that the code imports, with their versions. They are provenance:
        a key over them would make every embedding again for each update of anything.
    """

    digest: str | None
    distributions: dict[str, str]


def read_source(module: str) -> Source:
    """Hash the source of a module and of all that it imports, but for installed distributions.

    Followed is what belongs to the module's own package or lies outside the folders of installed
    packages and of the standard library: a user's `my_net.py` beside `my_model.py`. Imports are
    read from the source, so that those inside functions count too. Hashed are syntax trees:
    comments, docstrings and layout do not count.
    """
    importlib.invalidate_caches()  # files may be as young as the tick of the file system's clock
    package = module.partition(".")[0]
    found: dict[str, str] = {}
    installed: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        if name in found or top in installed or _is_below(name, NOT_DECISIVE):
            continue
        if top != package and _is_installed(top):
            installed.add(top)
            continue
        if (path := _source_file(name)) is None:
            continue
        tree = ast.parse(path.read_bytes())
        waiting += [name.rpartition(".")[0], *_imported(name, path, tree)]
        digest = hashlib.sha256()
        for piece in _code(tree):
            digest.update(piece.encode("utf-8", "surrogatepass"))
        found[name] = digest.hexdigest()
    versions = dict(version for top in sorted(installed) if (version := _version(top)))
    if module not in found:
        return Source(None, versions)
    listed = "".join(f"{name} {found[name]}\n" for name in sorted(found))
    return Source(hashlib.sha256(listed.encode()).hexdigest(), versions)


def functions_hash(functions: Iterable[Callable[..., Any]]) -> str:
    """Hash of the source of the modules that functions are in, and of all that these import.

    Found as by `read_source`, so comments and installed distributions do not count.
    """
    digests = {module: _digest(module) for module in sorted(set(map(_module_of, functions)))}
    return hashlib.sha256(repr(digests).encode()).hexdigest()


@functools.cache
def _digest(module: str) -> str | None:
    return read_source(module).digest


def _module_of(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__module__", None) or type(function).__module__)


def state_hash(model: Any) -> str | None:
    """SHA-256 over names, kinds and bytes of the model's tensors; None if it has none.

    Of a torch model these are its state dict's.
    """
    if isinstance(model, torch.nn.Module):
        tensors: Iterable[tuple[str, Any]] = model.state_dict().items()
    else:
        tensors = ((each.name, torch.from_numpy(each.numpy())) for each in model.variables)
    return _hash_values((name, value) for name, value in tensors if isinstance(value, torch.Tensor))


def tensors_hash(model: Any) -> str | None:
    """SHA-256 over all that a model holds, its `state_hash` and the rest; None for no tensors."""
    state = state_hash(model)
    if state is None:
        return None
    return hashlib.sha256(f"{state} {_unsaved_state_hash(model)}".encode()).hexdigest()


def _unsaved_state_hash(model: Any) -> str | None:
    """Hash of what a torch model holds beside its state dict; None if that is nothing.

    Buffers that are not persistent, and attributes that are tensors, arrays or numbers, as a
    checkpoint or a configuration may have set them.
    """
    if not isinstance(model, torch.nn.Module):
        return None
    saved = model.state_dict().keys()
    held: dict[str, Any] = {}
    for place, module in model.named_modules():
        values = {**vars(module), **module._buffers}
        for name, value in values.items():
            key = f"{place}.{name}" if place else name
            if name == "training" or key in saved:
                continue
            if isinstance(value, (torch.Tensor, np.ndarray, int, float)):
                held[key] = value
    return _hash_values(sorted(held.items()))


def _hash_values(values: Iterable[tuple[str, Any]]) -> str | None:
    digest, count = hashlib.sha256(), 0
    for name, value in values:
        count += 1
        if isinstance(value, (int, float)):
            digest.update(f"{name} {value!r}\n".encode())
            continue
        if isinstance(value, np.ndarray):
            if value.dtype.hasobject:
                continue
            kind, content = value.dtype.str, np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        else:
            flat = value.detach().cpu().contiguous().reshape(-1)
            kind, content = str(value.dtype), flat.view(torch.uint8).numpy()
        digest.update(f"{name} {kind} {tuple(value.shape)}\n".encode())
        digest.update(content.data)
    return digest.hexdigest() if count else None


def file_hash(path: str) -> str | None:
    if not path or not Path(path).is_file():
        return None
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def distribution_version(module: str) -> str | None:
    """Name and version of the installed distribution that a module belongs to, if any."""
    found = _version(module.partition(".")[0])
    return " ".join(found) if found else None


def _is_below(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _is_installed(top: str) -> bool:
    """Whether a top-level name is of an installed distribution, of Python itself, or of nothing."""
    if top in sys.stdlib_module_names:
        return True
    if (spec := _find_spec(top)) is None:
        return True
    places = [*(spec.submodule_search_locations or ()), *([spec.origin] if spec.origin else [])]
    return not places or any(
        Path(place).is_relative_to(folder) for place in places for folder in _package_folders()
    )


@functools.cache
def _package_folders() -> tuple[str, ...]:
    """Where distributions are installed."""
    names = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    return (*names, *site.getsitepackages(), site.getusersitepackages())


def _version(top: str) -> tuple[str, str] | None:
    """Name and version of the distribution that a top-level name belongs to, if any."""
    if top in sys.stdlib_module_names:
        return None
    try:
        found = metadata.distribution(top)
    except (metadata.PackageNotFoundError, ValueError):
        names = _distributions().get(top)
        if not names:
            return None
        found = metadata.distribution(names[0])
    return str(found.metadata["Name"]), found.version


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()  # slow: reads every distribution


def _source_file(name: str) -> Path | None:
    """File of a module; None for what is none, as a name imported from a module."""
    spec = _find_spec(name)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


def _find_spec(name: str) -> ModuleSpec | None:
    """As `importlib.util.find_spec`, which would import the packages above the module."""
    package = name.rpartition(".")[0]
    try:
        if not package:
            return importlib.util.find_spec(name)
        above = _find_spec(package)
        if above is None or above.submodule_search_locations is None:
            return None
        # By its last part: the full name of a namespace package needs the packages above imported.
        leaf = name.rpartition(".")[2]
        return PathFinder.find_spec(leaf, list(above.submodule_search_locations))
    except (ImportError, ValueError, AttributeError):
        return None


def _code(node: ast.AST) -> Iterator[str]:
    """A syntax tree as text, without docstrings, positions, and fields that are empty.

    Fields that newer Pythons add are empty where code does not use them.
    """
    yield f"({type(node).__name__}"
    for name, value in ast.iter_fields(node):
        if (
            name == "body"
            and isinstance(node, DOCUMENTED)
            and ast.get_docstring(node, False) is not None
        ):
            value = value[1:]
        if value is None or value == []:
            continue
        yield f" {name}="
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, ast.AST):
                yield from _code(each)
            else:
                yield f"{type(each).__name__}:{each!r},"
    yield ")"


def _imported(name: str, path: Path, tree: ast.AST) -> Iterator[str]:
    """Full names of everything a module imports; some may be functions, not modules."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node.func) in ("import_module", "__import__"):
            yield from (
                each.value
                for each in node.args[:1]
                if isinstance(each, ast.Constant) and isinstance(each.value, str)
            )


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
