"""Find HEAR modules by name: those of this package, and what a mistyped name may have meant."""

from __future__ import annotations

import difflib
import importlib.util
import pkgutil
import re
from pathlib import Path

OUR_PACKAGE = "hear_plugins"


def our_modules() -> list[str]:
    """Import paths of the models that come with this package, found without importing them."""
    package = importlib.util.find_spec(OUR_PACKAGE)
    folders = list(package.submodule_search_locations or ()) if package else []
    api = re.compile(r"^(def load_model\(|load_model = |from \S+ import .*\bload_model\b)", re.M)
    return [
        f"{OUR_PACKAGE}.{found.name}"
        for folder in folders
        for found in pkgutil.iter_modules([folder])
        if not found.ispkg and api.search((Path(folder) / f"{found.name}.py").read_text("utf-8"))
    ]


def near_modules(name: str) -> str:
    """What the user may have meant: a module of ours (also by its last part) or an importable."""
    ours = our_modules()
    near = [module for module in ours if module.rpartition(".")[2] == name.rpartition(".")[2]]
    short = {module.rpartition(".")[2]: module for module in ours}
    near += [short[n] for n in difflib.get_close_matches(name.rpartition(".")[2], short, n=2)]
    importable = {found.name for found in pkgutil.iter_modules()} - {name}
    near += difflib.get_close_matches(name, importable, n=1, cutoff=0.8)
    names = list(dict.fromkeys(near))[:3]
    return f"; did you mean {' or '.join(names)}?" if names else f"; ours are {', '.join(ours)}"
